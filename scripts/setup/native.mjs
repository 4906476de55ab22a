// The native backend: from nothing, or from the cache, to a package that loads.
//
// Takes:  the checkout (for the installed binding package), the machine, the flags.
// Gives:  @tensorflow/tfjs-node-gpu linked to a whole cache entry.
// Why so: this is the order of the slow steps; each lies in a module of its own. What can be known to be missing is
//         looked for before anything is downloaded.
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { bindingPackage, compileBinding, probeBinding, requireCompiler } from "./binding.mjs"
import { chooseVariant, entryKey, machineProblem, napiLevel, TENSORFLOW_VERSION } from "./cache.mjs"
import { fetchCuda } from "./cuda.mjs"
import { ensureEntry } from "./entry.mjs"
import { linkEntry } from "./link.mjs"
import { SetupProblem } from "./output.mjs"
import { diskFull, fetchTensorFlow, requirePip, requireSpace, wheelFor } from "./tensorflow.mjs"

async function buildEntry(stage, plan) {
  const { root, cache, napi, variant, arch, output, log } = plan
  const problem = machineProblem()
  if (problem !== undefined) throw problem
  requireCompiler()
  await requirePip({ log })
  requireSpace(cache, wheelFor({ arch, variant }).needs)
  const tensorflow = await fetchTensorFlow(stage, { arch, variant, output, log })
  const cuda = variant === "gpu" ? { cuda: await fetchCuda(stage, { arch, output, log }) } : {}
  const binding = await compileBinding(stage, { root, napi, output, log })
  await probeBinding(stage, { napi, tensorflow: tensorflow.tensorflow, variant, output, log })
  rmSync(join(stage, "build"), { recursive: true, force: true })
  output.say("recording sizes and checksums")
  return { ...tensorflow, ...cuda, ...binding, platform: process.platform, arch, variant }
}

/** A write that failed here, in this process, on a full disk gets the same message as one in pip or the compiler. */
function orDiskFull(error, { cache, log }) {
  return error.code === "ENOSPC" || error.code === "EDQUOT" ? diskFull(cache, error.message, log) : error
}

/** The GPU build is never replaced by the CPU build in silence, but the message says how to ask for that. */
function orOnCpu(error, variant) {
  if (variant === "gpu" && error instanceof SetupProblem) {
    error.fix.push("or take the CPU build of TensorFlow: MDL_TENSORFLOW=cpu npm run setup")
  }
  return error
}

/**
 * Makes the native backend loadable.
 * @param {{root: string, cache: string, output: object, log: string, verify: boolean, force: boolean}} request
 */
export async function ensureNative({ root, cache, output, log, verify, force }) {
  const source = bindingPackage(root)
  const { variant, why } = chooseVariant()
  const napi = napiLevel(source.napiLevels)
  const { platform, arch } = process
  const key = entryKey({ tensorflow: TENSORFLOW_VERSION, binding: source.version, napi, platform, arch, variant })
  mkdirSync(cache, { recursive: true })
  const plan = { root, cache, napi, variant, arch, output, log }
  if (verify) output.say("native backend: verifying the checksums")
  const { folder, built } = await ensureEntry({
    cache,
    key,
    force,
    full: verify,
    say: (text) => output.say(text),
    build: async (stage) => {
      try {
        return await buildEntry(stage, plan)
      } catch (error) {
        throw orOnCpu(orDiskFull(error, { cache, log }), variant)
      }
    },
  })
  linkEntry(folder, source.folder, napi)
  const state = built ? "built" : verify ? "every checksum is right" : "ready"
  output.say(`native backend: TensorFlow ${TENSORFLOW_VERSION} (${variant}: ${why}), ${state}`)
}
