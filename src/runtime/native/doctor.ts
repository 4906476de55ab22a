/**
 * What this machine has, what it lacks, and the command that gets it.
 *
 * Takes: whether TensorFlow is to be loaded too (seconds), and the probes.
 * Gives: a report as data: one item per thing, each with a status and, where something can be done, the command.
 * Why so: set-up problems are the first thing a new user meets; one table must answer "why does it not train?".
 * TensorFlow is loaded in a process of its own: on a processor it was not built for it does not throw, it dies.
 */
import { BINDING_PACKAGE, type Installation } from "./installation.js"
import { machineProbes, multipliesBf16, processorFlags, type Answer, type Probes } from "./probes.js"

/** One line of the report. "missing" means that something MDL does is not possible; "warning", that it is worth a look. */
export interface DoctorItem {
  readonly name: string
  readonly status: "ok" | "missing" | "warning"
  readonly value: string
  readonly fix?: string
}

/** The whole report. `ready` is false when anything is missing. */
export interface DoctorReport {
  readonly ready: boolean
  readonly items: readonly DoctorItem[]
  /** What still works; there when the native backend is missing. */
  readonly withoutBackend?: string
}

const WITHOUT_BACKEND =
  "Without the native backend `mdl check`, `summary`, `diff` and `export` of untrained models still work, on the slower " +
  "pure-JavaScript reference target; training, evaluation and prediction need it. Where the TensorFlow wheel or a " +
  "compiler cannot be had, that is what there is."

/** Examines the machine. With `load`, TensorFlow is loaded once in a process of its own. */
export async function examine(options: { load?: boolean; probes?: Probes } = {}): Promise<DoctorReport> {
  const probes = options.probes ?? machineProbes()
  const installation = probes.installation()
  const installed = installation.state === "installed" && installation.damage.length === 0
  const [tools, packages, gpuNames, loaded] = await Promise.all([
    toolItems(probes, installed),
    Promise.all(["onnxruntime-node", "sharp"].map((name) => packageItem(probes, name))),
    listGpus(probes),
    installed && options.load === true ? loadTensorFlow(probes, installation.packageFolder) : undefined,
  ])
  const items = [
    nodeItem(probes),
    ...tools,
    { name: "cache", status: "ok", value: `${probes.cache.folder} (${megabytes(probes.cache.bytes)})` } as const,
    installationItem(installation),
    ...(loaded === undefined ? [] : [loadItem(loaded)]),
    gpuItem(gpuNames, installation, loaded),
    cpuItem(probes),
    memoryItem(probes),
    ...packages,
  ]
  const ready = items.every((item) => item.status !== "missing")
  const backend = installed && items.every((item) => item.name !== "native backend loads" || item.status === "ok")
  return backend ? { ready, items } : { ready, items, withoutBackend: WITHOUT_BACKEND }
}

function nodeItem({ nodeVersion, nodeRange }: Probes): DoctorItem {
  const value = `${nodeVersion} (supported: ${nodeRange})`
  if (satisfies(nodeVersion, nodeRange)) return { name: "node", status: "ok", value }
  return { name: "node", status: "missing", value, fix: "nvm install 22 && nvm use 22" }
}

/** Whether a version lies in a range of the form ">=20.11 <23", the form package.json uses. */
export function satisfies(version: string, range: string): boolean {
  const numbers = (text: string): number[] => text.split(".").map(Number)
  const compare = (a: number[], b: number[]): number => {
    const difference = [0, 1, 2].map((i) => (a[i] ?? 0) - (b[i] ?? 0)).find((d) => d !== 0)
    return difference ?? 0
  }
  return range
    .trim()
    .split(/\s+/)
    .every((comparator) => {
      const match = /^(>=|<=|>|<)(.+)$/.exec(comparator)
      if (match === null) return version === comparator
      const order = compare(numbers(version), numbers(match[2] ?? ""))
      return { ">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0 }[match[1] ?? ""] ?? false
    })
}

/** What the set-up needs. Once the backend is installed these are needed only to build it anew. */
async function toolItems({ run, env }: Probes, installed: boolean): Promise<DoctorItem[]> {
  const python = env["PYTHON"] || "python3"
  const compiler = (env["CXX"] || "g++").split(" ")[0] ?? "g++"
  const tools: { name: string; call: [string, string[]]; fix: string }[] = [
    { name: "npm", call: ["npm", ["--version"]], fix: "apt-get install npm" },
    { name: "python", call: [python, ["--version"]], fix: "apt-get install python3" },
    { name: "pip", call: [python, ["-m", "pip", "--version"]], fix: "apt-get install python3-pip" },
    { name: "compiler", call: [compiler, ["--version"]], fix: "apt-get install g++" },
    { name: "make", call: ["make", ["--version"]], fix: "apt-get install make" },
  ]
  return Promise.all(
    tools.map(async ({ name, call: [program, args], fix }) => {
      const answer = await run(program, args)
      if (answer.code === 0) return { name, status: "ok", value: versionLine(answer) } as const
      const value = installed ? "not found; needed only to build the native backend anew" : "not found"
      return { name, status: installed ? "warning" : "missing", value, fix } as const
    }),
  )
}

function versionLine({ stdout, stderr }: Answer): string {
  const line = (stdout.trim() || stderr.trim()).split("\n")[0] ?? ""
  return line.replace(/ from .*$/, "")
}

function installationItem(installation: Installation): DoctorItem {
  const name = "native backend"
  const fix = "npm run setup"
  switch (installation.state) {
    case "no-package":
      return { name, status: "missing", value: `the package ${BINDING_PACKAGE} is not installed`, fix }
    case "no-binding":
      return { name, status: "missing", value: "TensorFlow's library and its Node binding are not set up", fix }
    case "installed": {
      const { manifest, bindingVersion, damage } = installation
      if (damage.length > 0) return { name, status: "missing", value: `damaged: ${damage.join(", ")}`, fix }
      if (manifest === undefined) {
        const value = `binding ${bindingVersion}, with a TensorFlow that MDL's set-up did not install`
        return { name, status: "warning", value, fix }
      }
      const value = `TensorFlow ${manifest.tensorflow} (${manifest.variant}), binding ${bindingVersion}, N-API ${manifest.napi}`
      return { name, status: "ok", value }
    }
  }
}

interface Loaded {
  readonly tensorflow?: string
  readonly gpu?: boolean
  readonly problem?: string
}

const LOADER = `
const tf = require(process.argv[1])
const product = tf.matMul([[1, 2]], [[3], [4]]).arraySync()[0][0]
if (product !== 11) throw new Error("a matrix product came out as " + product + " instead of 11")
const { binding, isUsingGpuDevice } = tf.backend()
process.stdout.write(JSON.stringify({ tensorflow: binding.TF_Version, gpu: isUsingGpuDevice }))
`

async function loadTensorFlow({ run }: Probes, packageFolder: string): Promise<Loaded> {
  const answer = await run(process.execPath, ["--no-deprecation", "-e", LOADER, packageFolder])
  if (answer.code === 0) {
    const json = answer.stdout.slice(answer.stdout.lastIndexOf("{"))
    return JSON.parse(json) as Loaded
  }
  const lines = answer.stderr.split("\n").filter((line) => line.trim() !== "")
  const telling = lines.find((line) => /Error:/.test(line)) ?? lines.at(-1)
  return { problem: telling?.trim() ?? `the process ended with code ${answer.code}` }
}

function loadItem({ tensorflow, problem }: Loaded): DoctorItem {
  const name = "native backend loads"
  if (problem === undefined)
    return { name, status: "ok", value: `yes, TensorFlow ${tensorflow}; a matrix product is right` }
  return { name, status: "missing", value: `no: ${problem}`, fix: "npm run setup -- --force-native" }
}

async function listGpus({ run }: Probes): Promise<string[]> {
  const answer = await run("nvidia-smi", ["--query-gpu=name,memory.total", "--format=csv,noheader"])
  return answer.code === 0 ? answer.stdout.split("\n").filter((line) => line.trim() !== "") : []
}

function gpuItem(names: readonly string[], installation: Installation, loaded: Loaded | undefined): DoctorItem {
  const name = "gpu"
  const variant = installation.state === "installed" ? installation.manifest?.variant : undefined
  if (loaded?.gpu === true) return { name, status: "ok", value: `${names.join("; ") || "yes"}, used by TensorFlow` }
  if (names.length === 0) return { name, status: "ok", value: "no NVIDIA GPU; training runs on the CPU" }
  const seen = names.join("; ")
  if (variant === "cpu") {
    const value = `${seen}; the CPU build of TensorFlow is installed`
    return { name, status: "warning", value, fix: "MDL_TENSORFLOW=gpu npm run setup" }
  }
  if (loaded?.gpu === false) {
    const value = `${seen}; TensorFlow does not use it (driver too old, or CUDA libraries not found)`
    return { name, status: "warning", value, fix: "TF_CPP_MIN_LOG_LEVEL=0 mdl train ...   (TensorFlow then says why)" }
  }
  return { name, status: "ok", value: seen }
}

const USEFUL_FLAGS = ["avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"]

function cpuItem({ cpuinfo, cpuModel, cores }: Probes): DoctorItem {
  const flags = processorFlags(cpuinfo)
  const useful = USEFUL_FLAGS.filter((flag) => flags.has(flag))
  const bf16 = multipliesBf16(flags) ? "" : "; no bf16 instructions, so `--precision bf16` saves memory but no time"
  const value = `${cpuModel}, ${cores} ${cores === 1 ? "core" : "cores"}, ${useful.join(" ") || "no known flags"}${bf16}`
  const isX86 = flags.has("sse2")
  if (isX86 && !flags.has("avx")) {
    return {
      name: "cpu",
      status: "missing",
      value: `${value}; TensorFlow's library needs AVX`,
      fix: "use another machine",
    }
  }
  return { name: "cpu", status: "ok", value }
}

function memoryItem({ memory }: Probes): DoctorItem {
  const value = megabytes(memory)
  if (memory >= 4e9) return { name: "memory", status: "ok", value }
  return { name: "memory", status: "warning", value: `${value}; training at 224x224 wants 4 GB or more` }
}

async function packageItem({ load }: Probes, name: string): Promise<DoctorItem> {
  const answer = await load(name)
  if ("version" in answer) return { name, status: "ok", value: answer.version }
  return { name, status: "missing", value: `does not load: ${answer.problem}`, fix: "npm ci --ignore-scripts" }
}

function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`
}
