// NVIDIA's libraries for the GPU build.
//
// Takes:  the stage with the GPU wheel's metadata.
// Gives:  stage/deps/nvidia/*/lib/*.so*, unless the system has CUDA and cuDNN already.
// Why so: the GPU build looks for CUDA at run time, on the system and at ../nvidia beside its own folder, where the
//         wheel's "and-cuda" extra puts NVIDIA's packages. A machine with a driver only (the usual case) has none of
//         them, and TensorFlow would then use the CPU without a word.
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { findProgram, run } from "./commands.mjs"
import { downloadWheels, requireSpace, unpack, wheelFor } from "./tensorflow.mjs"

const SPACE = 8e9

/** The packages of the "and-cuda" extra, as requirements for pip, out of a wheel's METADATA. */
export function cudaRequirements(metadata) {
  return metadata
    .split("\n")
    .map((line) => /^Requires-Dist:\s*([^;]+?)\s*;(.*)$/.exec(line.trim()))
    .filter(
      (match) => match !== null && /extra\s*==\s*["']and-cuda["']/.test(match[2]) && match[1].startsWith("nvidia-"),
    )
    .map((match) => match[1].replace(/\s*\(([^)]*)\)$/, "$1").replaceAll(" ", ""))
}

/** Whether the dynamic linker finds the CUDA runtime and cuDNN of the major versions the wheel was built with. */
export function systemHasCuda(linkerCache, requirements) {
  const major = requirements
    .map((name) => /^nvidia-cuda-runtime-cu(\d+)/.exec(name)?.[1])
    .find((found) => found !== undefined)
  if (major === undefined) return false
  return new RegExp(`libcudart\\.so\\.${major}\\b`).test(linkerCache) && /libcudnn\.so\.9\b/.test(linkerCache)
}

/**
 * Brings NVIDIA's libraries into the stage when they are needed.
 * @returns {Promise<string>} where CUDA comes from, for the manifest
 */
export async function fetchCuda(stage, { arch, output, log }) {
  const requirements = cudaRequirements(readFileSync(join(stage, "build", "METADATA"), "utf8"))
  const linker = findProgram("ldconfig") ?? findProgram("/sbin/ldconfig")
  const linkerCache = linker === undefined ? "" : (await run(linker, ["-p"])).stdout
  if (requirements.length === 0) {
    output.say("the TensorFlow wheel names no CUDA packages; it will use the system's CUDA libraries")
    return "system"
  }
  if (systemHasCuda(linkerCache, requirements)) {
    output.say("CUDA and cuDNN were found on the system")
    return "system"
  }
  requireSpace(stage, SPACE)
  const folder = join(stage, "wheel")
  const { platforms } = wheelFor({ arch, variant: "gpu" })
  const manylinux1 = [...platforms, "manylinux2010_x86_64", "manylinux1_x86_64"]
  const label = `NVIDIA's CUDA libraries (${requirements.length} packages, about 2.5 GB)`
  const names = await downloadWheels(requirements, manylinux1, folder, { output, log, label })
  const end = output.during("unpacking the CUDA libraries")
  for (const name of names) {
    await unpack(join(folder, name), [{ from: "nvidia/", to: join(stage, "deps", "nvidia") + "/", ending: "" }], {
      log,
    })
    rmSync(join(folder, name), { force: true })
  }
  rmSync(folder, { recursive: true, force: true })
  end()
  return "bundled"
}
