/**
 * What a report says about a run besides scores and pictures.
 *
 * Takes: the record, log and scores of a run. Gives: the facts about model, training and machine, and the command that
 * trains it again.
 */

import { createRequire } from "node:module"
import { availableParallelism, cpus, totalmem } from "node:os"
import { formatSetting } from "../../compiler/elaborate/values.js"
import { sizeOf } from "../../compiler/ops/ndarray.js"
import { type ModelSummary, summarise } from "../../compiler/summary.js"
import { sizeText } from "../byte-sizes.js"
import { compileRun } from "../deployment/export-source.js"
import { ModelError, parseReference } from "../model-file.js"
import { loadBackend } from "../native/backend.js"
import { RunFolderError, type RunRecord, type RunWeights } from "../runs/run-folder.js"
import type { Ending, LogEntry, RunScores } from "../runs/run-log.js"
import { toolVersion } from "../runs/tool-version.js"
import { readableWord } from "../shell-words.js"
import type { ModelFacts, ReportData, SectionFacts, TrainingFacts } from "./report-data.js"

/**
 * The model in numbers.
 *
 * @param cost what compiling its text again tells; undefined when that was not possible
 */
export function modelFacts({ model, description }: RunRecord, cost: ModelSummary | undefined): ModelFacts {
  const costs = new Map(cost?.sections.map((section) => [section.name, section]))
  const sections = new Map<string, { trainable: number; frozen: number; state: number }>()
  const countsOf = (name: string) => {
    const counts = sections.get(name) ?? { trainable: 0, frozen: 0, state: 0 }
    sections.set(name, counts)
    return counts
  }
  // In the order of the text, those without a parameter included; then what only the parameters tell.
  for (const { name } of cost?.sections ?? []) countsOf(name)
  for (const { role, frozen, section, shape } of description.parameters) {
    if (role === "const") continue
    countsOf(section)[role === "state" ? "state" : frozen ? "frozen" : "trainable"] += sizeOf(shape)
  }
  const rows = [...sections].map(([name, counts]): SectionFacts => {
    const own = costs.get(name)
    const { role, macs, trainingOnly } = own ?? {}
    return {
      name,
      ...counts,
      ...(role !== undefined && macs !== undefined && trainingOnly !== undefined
        ? { cost: { role, macs, trainingOnly } }
        : {}),
    }
  })
  const sum = (kind: "trainable" | "frozen" | "state"): number => rows.reduce((total, row) => total + row[kind], 0)
  return {
    name: description.model,
    variant: description.variant,
    reference: model.reference,
    parameters: { trainable: sum("trainable"), frozen: sum("frozen"), state: sum("state") },
    sections: rows,
    ...(cost ? { macs: cost.macs } : {}),
    sizes: description.sizes,
    sourceHash: model.sourceHash,
  }
}

/** What the model of a run costs; a reason instead when the text that the run keeps is another model to this version. */
export function costOf(record: RunRecord): ModelSummary | { readonly unknown: string } {
  try {
    return summarise(compileRun(record))
  } catch (thrown) {
    if (!(thrown instanceof ModelError || thrown instanceof RunFolderError)) throw thrown
    return { unknown: "the model was made with another version of this tool: what its sections cost is not known" }
  }
}

const ENDINGS: Readonly<Record<Ending, string>> = {
  epochs: "all epochs done",
  steps: "all steps done",
  "early-stop": "no better validation score any more",
  interrupted: "interrupted",
}

/** How it was trained. */
export function trainingFacts(
  record: RunRecord,
  log: readonly LogEntry[],
  scores: RunScores | undefined,
): TrainingFacts {
  const { options, description } = record
  const { training } = description
  const schedule = training["schedule"]
  return {
    seed: options.seed,
    batch: options.batch,
    epochs: scores?.epochs ?? log.filter((entry) => entry.kind === "epoch").length,
    steps: scores?.step ?? Math.max(0, ...log.map((entry) => entry.step)),
    seconds: secondsOf(log),
    optimizer: formatSetting(training["optimizer"] ?? { name: "adam", arguments: {} }),
    schedule: schedule === undefined ? undefined : formatSetting(schedule),
    ended: scores && ENDINGS[scores.ended],
    command: commandOf(record),
  }
}

/** Time in steps, waiting for data and evaluating; undefined before the first epoch has ended. */
function secondsOf(log: readonly LogEntry[]): number | undefined {
  let seconds = 0
  for (const entry of log) {
    if (entry.kind === "epoch") seconds += entry.seconds.steps + entry.seconds.data
    else if (entry.kind === "evaluation") seconds += entry.seconds
  }
  return log.some((entry) => entry.kind === "epoch") ? seconds : undefined
}

/** The texts of the model, its own file first, the standard library last. */
export function sourcesOf({ model }: RunRecord): ReportData["sources"] {
  const { path: root } = parseReference(model.reference)
  const order = (path: string): number => (path === root ? 0 : path.startsWith("std/") ? 2 : 1)
  return Object.entries(model.sources)
    .map(([path, text]) => ({ path, text }))
    .sort((a, b) => order(a.path) - order(b.path) || (a.path < b.path ? -1 : 1))
}

/** The command that trains the same run again, in a folder to choose. */
export function commandOf({ model, data, options, description, weights }: RunRecord): string {
  const { seed, batch, epochs, steps, evalEvery, size, precision, memory, earlyStop } = options
  const flags: readonly (readonly [string, string | number | undefined])[] = [
    ["data", data.root],
    ["prompt", data.prompt],
    ["run", "DIR"],
    ["epochs", epochs],
    ["steps", steps],
    ["batch", batch],
    ["accumulate", description.accumulate > 1 ? description.accumulate : undefined],
    ["size", size],
    ["seed", seed],
    ["eval-every", evalEvery],
    ["precision", precision === "f32" ? undefined : precision],
    ["memory", memory === undefined ? undefined : `${memory / 1e6}MB`],
    ["weights", weights?.file],
  ]
  const words = flags.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, readableWord(`${value}`)]))
  if (earlyStop === false) words.push("--no-early-stop")
  return ["mdl", "train", readableWord(model.reference), ...words].join(" ")
}

/** Versions and machine. Loads the native backend, which a report of a run has loaded anyway. */
export async function environmentOf({ versions, created, weights }: RunRecord): Promise<ReportData["environment"]> {
  const { gpus, tensorflowVersion } = await loadBackend()
  const processors = cpus()
  const threads = process.env["TF_NUM_INTRAOP_THREADS"]
  const now = { mdl: toolVersion(), tensorflow: tensorflowVersion, node: process.versions.node }
  const versionText = (name: keyof typeof now): string => {
    const trained = versions[name] ?? "unknown"
    return trained === now[name] ? trained : `${trained} in training, ${now[name]} here`
  }
  return [
    ["started", created.slice(0, 16).replace("T", " ") + " UTC"],
    ...(weights ? [["from weights", weightsText(weights)] as const] : []),
    ["mdl", versionText("mdl")],
    ["TensorFlow", `${versionText("tensorflow")}, ${gpus.length > 0 ? gpus.join(", ") : "CPU"}`],
    ["ONNX Runtime", packageVersion("onnxruntime-node")],
    ["Node", versionText("node")],
    ["system", `${process.platform} ${process.arch}`],
    ["processors", `${processors.length} x ${processors[0]?.model.trim() || process.arch}`],
    ["threads", threads ?? `${availableParallelism()}, one for each processor`],
    ["memory", sizeText(totalmem())],
  ]
}

function weightsText({ file, sha256, loaded, missing }: RunWeights): string {
  return `${file} (${sha256.slice(0, 8)}): ${loaded} of ${loaded + missing} tensors`
}

function packageVersion(name: string): string {
  const require = createRequire(import.meta.url)
  try {
    return (require(`${name}/package.json`) as { version: string }).version
  } catch (error) {
    // A report can be written where ONNX Runtime is not installed; then it says so.
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return "not installed"
    throw error
  }
}
