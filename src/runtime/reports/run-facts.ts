/**
 * What a report says about a run besides scores and pictures.
 *
 * Takes: the record, log and scores of a run. Gives: the facts about model, data, training and machine.
 */

import { createRequire } from "node:module"
import { cpus } from "node:os"
import { formatSetting } from "../../compiler/elaborate/values.js"
import { sizeOf } from "../../compiler/ops/ndarray.js"
import { parseReference } from "../model-file.js"
import { loadBackend } from "../native/backend.js"
import type { RunRecord, RunWeights } from "../runs/run-folder.js"
import type { Ending, LogEntry, RunScores } from "../runs/run-log.js"
import type { ModelFacts, ReportData, TrainingFacts } from "./report-data.js"

export function modelFacts({ model, description }: RunRecord): ModelFacts {
  const sections = new Map<string, { trainable: number; frozen: number }>()
  let state = 0
  for (const { role, frozen, section, shape } of description.parameters) {
    const counts = sections.get(section) ?? { trainable: 0, frozen: 0 }
    sections.set(section, counts)
    if (role === "const") continue
    if (role === "state") state += sizeOf(shape)
    else counts[frozen ? "frozen" : "trainable"] += sizeOf(shape)
  }
  const rows = [...sections].map(([name, counts]) => ({ name, ...counts }))
  const sum = (kind: "trainable" | "frozen"): number => rows.reduce((total, row) => total + row[kind], 0)
  return {
    name: description.model,
    variant: description.variant,
    reference: model.reference,
    parameters: { trainable: sum("trainable"), frozen: sum("frozen"), state },
    sections: rows,
    sizes: description.sizes,
    sourceHash: model.sourceHash,
  }
}

const ENDINGS: Readonly<Record<Ending, string>> = {
  epochs: "all epochs done",
  steps: "all steps done",
  "early-stop": "no better validation score any more",
  interrupted: "interrupted",
}

export function trainingFacts(
  { options, description }: RunRecord,
  log: readonly LogEntry[],
  scores: RunScores | undefined,
): TrainingFacts {
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

/** Versions and machine. Loads the native backend, which a report of a run has loaded anyway. */
export async function environmentOf({ versions, created, weights }: RunRecord): Promise<ReportData["environment"]> {
  const { gpus, tensorflowVersion } = await loadBackend()
  const processors = cpus()
  return [
    ["started", created.slice(0, 16).replace("T", " ") + " UTC"],
    ...(weights ? [["from weights", weightsText(weights)] as const] : []),
    ["mdl", versions["mdl"] ?? "unknown"],
    ["TensorFlow", `${tensorflowVersion}, ${gpus.length > 0 ? gpus.join(", ") : "CPU"}`],
    ["ONNX Runtime", packageVersion("onnxruntime-node")],
    ["Node", process.versions.node],
    ["machine", `${processors.length} x ${processors[0]?.model.trim() || process.arch}`],
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
