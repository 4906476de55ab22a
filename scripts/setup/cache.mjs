// Which native backend this machine needs, and where it is kept.
//
// Takes:  the environment, the platform, what the packages say about themselves.
// Gives:  the cache folder, the CPU or GPU variant, the key of the cache entry.
// Why so: `npm ci` wipes node_modules, so what took minutes to build lives outside it, under a key that names
//         everything the files depend on: no entry is ever changed in place or shared between incompatible machines.
import { existsSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"
import { SetupProblem } from "./output.mjs"

/** The TensorFlow release whose C library the binding is compiled against. */
export const TENSORFLOW_VERSION = "2.21.0"

/** `$XDG_CACHE_HOME/mdl`, else `~/.cache/mdl`. src/runtime/native/installation.ts has the same rule. */
export function cacheFolder(env = process.env, home = homedir()) {
  const base = env.XDG_CACHE_HOME
  return base !== undefined && isAbsolute(base) ? join(base, "mdl") : join(home, ".cache", "mdl")
}

/** Whether an NVIDIA driver shows a GPU here (also under WSL). Asks the file system only: nvidia-smi takes a second. */
export function seesNvidiaGpu(exists = existsSync) {
  return ["/proc/driver/nvidia/version", "/dev/nvidia0", "/usr/lib/wsl/lib/libcuda.so.1"].some((file) => exists(file))
}

/**
 * CPU or GPU build of TensorFlow, and why.
 * @returns {{variant: "cpu" | "gpu", why: string}}
 */
export function chooseVariant({ env = process.env, platform = process.platform, arch = process.arch, gpu } = {}) {
  const asked = env.MDL_TENSORFLOW
  if (asked !== undefined && asked !== "" && asked !== "cpu" && asked !== "gpu") {
    throw new SetupProblem(`MDL_TENSORFLOW is "${asked}"; it can be "cpu" or "gpu".`, {
      fix: ["unset MDL_TENSORFLOW   (then a GPU is looked for)"],
    })
  }
  const possible = platform === "linux" && arch === "x64"
  if (asked === "gpu" && !possible) {
    throw new SetupProblem(`TensorFlow publishes GPU builds for Linux on x86-64 only, not for ${platform}-${arch}.`, {
      fix: ["unset MDL_TENSORFLOW   (trains on the CPU)"],
    })
  }
  if (asked === "cpu" || asked === "gpu") return { variant: asked, why: `MDL_TENSORFLOW=${asked}` }
  if (possible && (gpu ?? seesNvidiaGpu())) return { variant: "gpu", why: "an NVIDIA GPU was seen" }
  return { variant: "cpu", why: "no NVIDIA GPU was seen" }
}

/** The N-API level the binding is compiled for: the highest one that both the package and this Node know. */
export function napiLevel(supported, running = Number(process.versions.napi)) {
  const level = Math.max(...supported.filter((candidate) => candidate <= running))
  if (!Number.isFinite(level))
    throw new SetupProblem(`This Node speaks N-API ${running}, the binding none of that level.`)
  return level
}

/** Raised when `process-addon.cc` changes. */
const ADDON_VERSION = 2

/** The name of the cache entry: everything its files depend on. */
export function entryKey({ tensorflow, binding, napi, platform, arch, variant }) {
  return `tensorflow-${tensorflow}_binding-${binding}_addon-${ADDON_VERSION}_napi-v${napi}_${platform}-${arch}_${variant}`
}

/**
 * What speaks against running TensorFlow's published builds here, as a problem to throw; undefined when nothing does.
 * @param {{platform?: string, arch?: string, glibc?: string, cpuinfo?: string}} [machine]
 */
export function machineProblem(machine = {}) {
  const { platform = process.platform, arch = process.arch } = machine
  if (platform !== "linux" || (arch !== "x64" && arch !== "arm64")) {
    return new SetupProblem(
      `The native backend is set up on Linux (x86-64 and 64-bit Arm), not on ${platform}-${arch}.`,
      {
        fix: ["use Linux, on Windows the Windows Subsystem for Linux, or a Linux container"],
        native: true,
      },
    )
  }
  const glibc = "glibc" in machine ? machine.glibc : process.report.getReport().header.glibcVersionRuntime
  if (glibc === undefined) {
    return new SetupProblem(
      "TensorFlow's library needs glibc; this Linux uses another C library (musl, as Alpine does).",
      {
        fix: ["use a distribution with glibc, for example the container image node:22-bookworm"],
        native: true,
      },
    )
  }
  if (arch === "x64") {
    const cpuinfo = machine.cpuinfo ?? readFileSync("/proc/cpuinfo", "utf8")
    if (/^flags\s*:/m.test(cpuinfo) && !/^flags\s*:.*\bavx\b/m.test(cpuinfo)) {
      return new SetupProblem(
        "TensorFlow's library needs a processor with AVX; this one (or its virtual machine) has none.",
        {
          native: true,
        },
      )
    }
  }
  return undefined
}
