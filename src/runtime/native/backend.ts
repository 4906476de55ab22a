/**
 * The one door to TensorFlow.
 *
 * Takes: nothing; reads MDL_THREADS and TensorFlow's own environment variables.
 * Gives: the loaded @tensorflow/tfjs-node-gpu with what is known about it, or BackendUnavailable with the command that
 * puts it right.
 * Why so: loading maps 850 MB and takes up to 10 seconds, so it happens on request, once, and only here; commands that
 * neither train nor predict never get here. Variables that TensorFlow reads when it starts must be set before that.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { promisify } from "node:util"
import type * as tfjs from "@tensorflow/tfjs-node-gpu"
import { BINDING_PACKAGE, findInstallation, type Installation } from "./installation.js"

/** The TensorFlow.js API on the native backend, typed by the package itself. */
export type TensorFlow = typeof tfjs

/** The loaded native backend. */
export interface NativeBackend {
  readonly tf: TensorFlow
  /** Version of TensorFlow's C library, as it reports it. */
  readonly tensorflowVersion: string
  /** Version of the npm package that binds it. */
  readonly bindingVersion: string
  /** Names of the GPUs that TensorFlow uses; empty when it computes on the CPU. */
  readonly gpus: readonly string[]
  /** Which build of TensorFlow this is; "unknown" when MDL's set-up did not install it. */
  readonly variant: "cpu" | "gpu" | "unknown"
}

/** The native backend is not there or does not load. `fix` is the command that gets it. */
export class BackendUnavailable extends Error {
  override readonly name = "BackendUnavailable"
  /** The machine is not set up: not the fault of the user's files. */
  readonly exitCode = 2

  constructor(
    readonly reason: string,
    readonly fix: string,
    options?: ErrorOptions,
  ) {
    super(
      `The native TensorFlow backend is not available: ${reason}\n` +
        `  fix: ${fix}\n` +
        "  Without it `mdl check`, `summary`, `diff` and `export` of untrained models still work;\n" +
        "  training, evaluation and prediction need it. `mdl doctor` shows what is missing.",
      options,
    )
  }
}

/** The command that sets the backend up. */
export const SETUP_COMMAND = "npm run setup"

let loading: Promise<NativeBackend> | undefined

/** Loads the native backend, or gives the one that is loaded. A failure is not remembered: the next call tries again. */
export function loadBackend(): Promise<NativeBackend> {
  loading ??= load(findInstallation()).catch((error: unknown) => {
    loading = undefined
    throw error
  })
  return loading
}

async function load(found: Installation): Promise<NativeBackend> {
  const installation = requireInstalled(found)
  const keepBanners = process.env["TF_CPP_MIN_LOG_LEVEL"] !== undefined
  applyEnvironment(process.env)
  defineRemovedFunctions()
  const require = createRequire(import.meta.url)
  const addon = processAddon(join(installation.addonFolder, "process_addon.node"))
  // A user's own setting is one that was tried.
  if (process.env["MALLOC_ARENA_MAX"] === undefined) addon?.limitArenas()
  const tf = withoutBanners(keepBanners ? undefined : addon, () => {
    try {
      return withoutArguments(() => require(BINDING_PACKAGE) as TensorFlow)
    } catch (error) {
      throw loadProblem(error)
    }
  })
  const backend = tf.backend() as unknown as {
    readonly binding: { readonly TF_Version: string }
    readonly isUsingGpuDevice: boolean
  }
  return {
    tf,
    tensorflowVersion: backend.binding.TF_Version,
    bindingVersion: installation.bindingVersion,
    gpus: backend.isUsingGpuDevice ? await gpuNames() : [],
    variant: installation.manifest?.variant ?? "unknown",
  }
}

/**
 * Runs `work` with the command line out of sight. The binding finds its library with node-pre-gyp, which reads the
 * process's arguments as its own: `--dir X` would be taken for its `--directory`, and send it looking there.
 */
function withoutArguments<T>(work: () => T): T {
  const { argv } = process
  process.argv = argv.slice(0, 2)
  try {
    return work()
  } finally {
    process.argv = argv
  }
}

/** The installation, when it can be loaded; throws what speaks against it, known without loading. */
export function requireInstalled(installation: Installation): Extract<Installation, { state: "installed" }> {
  switch (installation.state) {
    case "no-package":
      throw new BackendUnavailable(`the package ${BINDING_PACKAGE} is not installed.`, SETUP_COMMAND)
    case "no-binding":
      throw new BackendUnavailable("TensorFlow's library and its Node binding are not set up yet.", SETUP_COMMAND)
    case "installed":
      if (installation.damage.length > 0) {
        const files = installation.damage.join(", ")
        throw new BackendUnavailable(`files are damaged or gone: ${files}.`, SETUP_COMMAND)
      }
      return installation
  }
}

function loadProblem(error: unknown): BackendUnavailable {
  const message = error instanceof Error ? error.message : String(error)
  return new BackendUnavailable(`it does not load: ${message}`, `${SETUP_COMMAND} -- --force-native`, { cause: error })
}

/**
 * Sets what TensorFlow reads when it starts; what the user has set stays. MDL_THREADS bounds the threads inside an
 * operation and between operations. Memory on a GPU is taken as it is needed: the card may be shared.
 */
export function applyEnvironment(env: NodeJS.ProcessEnv): void {
  env["TF_CPP_MIN_LOG_LEVEL"] ??= "2"
  env["TF_FORCE_GPU_ALLOW_GROWTH"] ??= "true"
  const threads = env["MDL_THREADS"]
  if (threads === undefined || threads === "") return
  if (!/^[1-9]\d{0,3}$/.test(threads)) {
    throw new BackendUnavailable(`MDL_THREADS is "${threads}"; it must be a whole number from 1.`, "unset MDL_THREADS")
  }
  env["TF_NUM_INTRAOP_THREADS"] ??= threads
  env["TF_NUM_INTEROP_THREADS"] ??= threads
}

/**
 * tfjs-node 4.22 calls two functions of node:util that Node 22 warns about on every run and later majors removed.
 * The same functions, defined here, keep the terminal clean.
 */
function defineRemovedFunctions(): void {
  const util = createRequire(import.meta.url)("node:util") as Record<string, unknown>
  util["isNullOrUndefined"] = (value: unknown) => value === null || value === undefined
  util["isArray"] = Array.isArray
}

/** What `scripts/setup/process-addon.cc` offers. */
interface ProcessAddon {
  /** Holds the error stream back. Whether it could. */
  capture(): boolean
  /** Lets it go again; what was written meanwhile. */
  release(): string
  /** One memory arena for all threads that start from now on. Whether the C library can do that. */
  limitArenas(): boolean
}

/** Lines that TensorFlow prints on every start, whatever log level is asked for, and that ask nothing of anybody. */
const BANNERS = [
  /^WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR/,
  /oneDNN custom operations are on\./,
  /This TensorFlow binary is optimized to use available CPU instructions/,
  /^To enable the following instructions: .*rebuild TensorFlow with the appropriate compiler flags/,
  /Unable to register cu(DNN|BLAS|FFT) factory/,
  /computation placer already registered/,
]

/** What is left of captured output once the known banners are taken out. */
export function dropBanners(text: string): string {
  return text
    .split(/(?<=\n)/)
    .filter((line) => !BANNERS.some((banner) => banner.test(line)))
    .join("")
}

/** The addon that the set-up compiles beside the binding; a binding that was built by hand has none. */
function processAddon(file: string): ProcessAddon | undefined {
  return existsSync(file) ? (createRequire(import.meta.url)(file) as ProcessAddon) : undefined
}

/** Runs `work` with the error stream held back, then prints what was not a banner. */
function withoutBanners<T>(addon: ProcessAddon | undefined, work: () => T): T {
  if (!addon?.capture()) return work()
  try {
    return work()
  } finally {
    process.stderr.write(dropBanners(addon.release()))
  }
}

/** The names of the GPUs that this process may use, from the driver's own tool: the binding does not tell them. */
async function gpuNames(): Promise<string[]> {
  const visible = process.env["CUDA_VISIBLE_DEVICES"]
  const chosen = visible === undefined || visible === "" ? [] : [`--id=${visible}`]
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader", ...chosen])
    const names = stdout.split("\n").filter((line) => line.trim() !== "")
    if (names.length > 0) return names
  } catch (error) {
    // TensorFlow uses a GPU, so there is one; a container without nvidia-smi just does not tell its name.
    if (!(error instanceof Error)) throw error
  }
  return ["GPU"]
}
