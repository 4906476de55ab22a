// TensorFlow's C library and headers, out of the Python wheel.
//
// Takes:  an empty stage folder, the variant, and pip.
// Gives:  stage/deps/lib/libtensorflow_{cc,framework}.so.2 and stage/build/deps/include.
// Why so: the C library archive that tfjs-node's own installer downloads stopped at 2.9.1 (CUDA 11.2); the wheels on
//         PyPI hold the same library, current, and pip knows the user's mirrors, proxies and certificates. The Python
//         tags are fixed, not the running Python's: only the shared libraries are used, and so one checksum holds for
//         everybody on a platform.
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { TENSORFLOW_VERSION } from "./cache.mjs"
import { findProgram, tellingLines, run, saysDiskFull } from "./commands.mjs"
import { sha256 } from "./manifest.mjs"
import { SetupProblem } from "./output.mjs"

const PYTHON_TAGS = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
const MEGABYTE = 1e6

// The headers that tfjs-node's binding includes, and what they include. The rest of the 13,000 files is not needed.
const HEADERS = ["tensorflow/c/", "tensorflow/core/platform/", "tsl/platform/", "xla/tsl/c/"]

/**
 * The wheel for a machine. `sha256` is pinned where it was measured; elsewhere pip has checked the file against the
 * index's own hash, and the manifest records what came. `megabytes` (download) and `needs` (free disk) are for people.
 */
export function wheelFor({ arch, variant }) {
  const name = { x64: "x86_64", arm64: "aarch64" }[arch]
  const platforms = ["manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014"].map(
    (tag) => `${tag}_${name}`,
  )
  // On Arm the plain package is the CPU build.
  const project = variant === "gpu" || arch === "arm64" ? "tensorflow" : "tensorflow-cpu"
  const pinned = {
    "tensorflow-cpu-x64": "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
  }[`${project}-${arch}`]
  return {
    project,
    version: TENSORFLOW_VERSION,
    platforms,
    sha256: pinned,
    megabytes: variant === "gpu" ? undefined : 274,
    needs: (variant === "gpu" ? 3_000 : 1_300) * MEGABYTE,
  }
}

/** The Python that pip and node-gyp are asked of; PYTHON names another one than python3. */
export function pythonProgram(env = process.env) {
  return env.PYTHON !== undefined && env.PYTHON !== "" ? env.PYTHON : "python3"
}

/** Throws the problem that names the missing Python or pip. */
export async function requirePip({ log, find = findProgram, runner = run } = {}) {
  const python = pythonProgram()
  if (find(python) === undefined) {
    throw new SetupProblem(`${python} is not on PATH; it is needed to download and unpack TensorFlow.`, {
      fix: ["apt-get install python3 python3-pip   (or your system's package manager; or set PYTHON)"],
      native: true,
    })
  }
  const pip = await runner(python, ["-m", "pip", "--version"], { log })
  if (pip.code !== 0) {
    throw new SetupProblem(`${python} has no pip; it is needed to download TensorFlow.`, {
      fix: ["apt-get install python3-pip   (or: python3 -m ensurepip --user)"],
      log,
      native: true,
    })
  }
}

/** Throws when the disk cannot hold what the build needs at its largest. */
export function requireSpace(folder, needs, stat = statfsSync) {
  const { bavail, bsize } = stat(folder)
  const free = bavail * bsize
  if (free < needs)
    throw diskFull(folder, `${Math.round(free / MEGABYTE)} MB are free, ${needs / MEGABYTE} MB are needed`)
}

/** The problem of a full disk. */
export function diskFull(folder, detail, log) {
  return new SetupProblem(`the disk that holds the cache (${folder}) is full: ${detail}.`, {
    fix: ["free some space there, or put the cache elsewhere: XDG_CACHE_HOME=/path/with/space npm run setup"],
    log,
    native: true,
  })
}

function bytesBelow(folder) {
  let total = 0
  for (const item of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    // pip moves and removes its temporary files while we look.
    if (item.isFile())
      total += statSync(join(item.parentPath ?? item.path, item.name), { throwIfNoEntry: false })?.size ?? 0
  }
  return total
}

/** The failure of a pip call, told by what pip printed. */
export function pipProblem(what, result, log, folder) {
  if (saysDiskFull(result.output)) return diskFull(folder, "pip could not write", log)
  const fix = []
  if (/No matching distribution|Could not find a version/.test(result.output)) {
    fix.push("check that pip reaches a package index: python3 -m pip download --no-deps tensorflow-cpu")
    fix.push("behind a mirror set it as usual: python3 -m pip config set global.index-url URL")
    fix.push("with an old pip: python3 -m pip install --upgrade pip")
  }
  return new SetupProblem(`pip could not download ${what}:\n${tellingLines(result.output)}`, { fix, log, native: true })
}

/**
 * Downloads wheels into `folder`, exactly the named ones, for the fixed tags. pip's temporary files go beside them:
 * /tmp is small on many machines, and so the progress can be seen.
 */
export async function downloadWheels(requirements, platforms, folder, { output, log, label, megabytes, runner = run }) {
  const temporary = join(folder, "temporary")
  mkdirSync(temporary, { recursive: true })
  const end = output.during(`downloading ${label}`, () => {
    const done = Math.round(bytesBelow(folder) / MEGABYTE)
    return megabytes === undefined ? `${done} MB` : `${done} of ${megabytes} MB`
  })
  const tags = [...PYTHON_TAGS, ...platforms.flatMap((tag) => ["--platform", tag])]
  const args = ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--progress-bar", "off", ...tags]
  const result = await runner(pythonProgram(), [...args, "--dest", folder, ...requirements], {
    log,
    extraEnv: { TMPDIR: temporary },
  })
  end(result.code === 0 ? "done" : "failed")
  rmSync(temporary, { recursive: true, force: true })
  if (result.code !== 0) throw pipProblem(label, result, log, folder)
  return readdirSync(folder).filter((name) => name.endsWith(".whl"))
}

/** Unpacks the members of a wheel that lie under `from` (and end as said) to `to`. */
export async function unpack(wheel, parts, { log, runner = run }) {
  const script = fileURLToPath(new URL("./unpack.py", import.meta.url))
  const result = await runner(pythonProgram(), [script, wheel, ...parts.map((part) => JSON.stringify(part))], { log })
  if (result.code === 0) return
  if (saysDiskFull(result.output)) throw diskFull(wheel, "the wheel could not be unpacked", log)
  throw new SetupProblem(`could not unpack ${basename(wheel)}:\n${tellingLines(result.output)}`, { log, native: true })
}

async function unpackTensorFlow(file, { project, version }, stage, { output, log, runner }) {
  const end = output.during("unpacking the libraries and headers")
  const headers = HEADERS.map((path) => `tensorflow/include/${path}`)
  const metadata = `${project.replace("-", "_")}-${version}.dist-info/METADATA`
  const parts = [
    { from: "tensorflow/libtensorflow_", to: join(stage, "deps", "lib", "libtensorflow_") },
    { from: "tensorflow/THIRD_PARTY_NOTICES.txt", to: join(stage, "THIRD_PARTY_NOTICES.txt") },
    ...headers.map((from) => ({
      from,
      to: join(stage, "build", "deps", from.slice("tensorflow/".length)),
      ending: ".h",
    })),
    { from: metadata, to: join(stage, "build", "METADATA") },
  ]
  let outcome = "failed"
  try {
    await unpack(file, parts, { log, runner })
    outcome = "done"
  } finally {
    end(outcome)
  }
}

/**
 * Brings TensorFlow's libraries and headers into the stage.
 * @returns {Promise<object>} facts for the manifest, and the wheel's list of CUDA packages under `cuda`
 */
export async function fetchTensorFlow(stage, { arch, variant, output, log, runner = run }) {
  const wheel = wheelFor({ arch, variant })
  const folder = join(stage, "wheel")
  mkdirSync(folder, { recursive: true })
  const requirement = `${wheel.project}==${wheel.version}`
  const label = `TensorFlow ${wheel.version} (${variant}, the ${wheel.project} wheel)`
  const context = { output, log, label, megabytes: wheel.megabytes, runner }
  const names = await downloadWheels([requirement], wheel.platforms, folder, context)
  if (names.length !== 1)
    throw new SetupProblem(`pip downloaded ${names.length} wheels for ${requirement}.`, { log, native: true })
  const file = join(folder, names[0])

  const digest = await sha256(file)
  if (wheel.sha256 !== undefined && digest !== wheel.sha256) {
    throw new SetupProblem(
      `${names[0]} has sha256 ${digest}, but ${wheel.sha256} is the known one: not the file that was tested.`,
      { fix: ["look at the package index that pip uses: python3 -m pip config list"], log, native: true },
    )
  }

  await unpackTensorFlow(file, wheel, stage, { output, log, runner })
  rmSync(folder, { recursive: true, force: true })
  for (const name of ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]) {
    if (!existsSync(join(stage, "deps", "lib", name))) {
      throw new SetupProblem(`the wheel ${names[0]} holds no ${name}.`, { log, native: true })
    }
  }
  return { tensorflow: wheel.version, wheel: { name: names[0], sha256: digest, pinned: wheel.sha256 !== undefined } }
}
