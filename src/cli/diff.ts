/**
 * `mdl diff`: what turns one model into another, in the words of the model.
 */

import { Command } from "commander"
import pc from "picocolors"
import { diffModels, type ModelDiff, type ValueChange } from "../compiler/diff/diff.js"
import type { CheckpointFit, CheckpointTensor } from "../compiler/diff/checkpoint-fit.js"
import type { LossChange } from "../compiler/diff/loss-weights.js"
import type { OperationChange } from "../compiler/diff/operation-changes.js"
import { openSide } from "../runtime/model-side.js"
import { requirePageName, writeDiff } from "../runtime/pictures/write-picture.js"
import { engineering, grouped, print, printJson, table } from "./output.js"

/** What --json gives. */
export interface DiffReport extends ModelDiff {
  /** of two ONNX files: whether the tensors in them differ; null where that is not known or there are no weights */
  readonly weightsDiffer: boolean | null
}

export function diffCommand(): Command {
  return new Command("diff")
    .description("what changed between two models or ablations: sections, wiring, parameters, cost")
    .argument("<a>", "before: file.mdl#name, REVISION:file.mdl#name of a git revision, or an exported file.onnx")
    .argument("<b>", "after, likewise; `#name` alone means the same file")
    .option("--tensors", "list what of a checkpoint of the first fits the second, tensor by tensor")
    .option("--html <file>", "also write both pictures, side by side, with what changed lit, as one HTML file")
    .option("--json", "print as JSON, with the patch that turns the one into the other")
    .action(async (a: string, b: string, options: { json?: boolean; tensors?: boolean; html?: string }) => {
      if (options.html !== undefined) requirePageName(options.html)
      const before = await openSide(a, "before")
      const after = await openSide(b.startsWith("#") ? `${fileOf(a)}${b}` : b, "after")
      const known = before.weights !== undefined && after.weights !== undefined
      const weightsDiffer = known ? before.weights !== after.weights : null
      const report: DiffReport = { ...diffModels(before.model, after.model), weightsDiffer }
      const weights = weightsDiffer === null ? undefined : `weights: ${weightsDiffer ? "they differ" : "the same"}`
      const bytes =
        options.html === undefined ? 0 : await writeDiff(report, before, after, options.html, { note: weights })
      if (options.json) printJson(report)
      else {
        print(formatDiff(report))
        if (weights !== undefined) print(weights)
        if (options.tensors) print(`\n${formatTensors(report.checkpoint)}`)
        if (options.html !== undefined) print(`\n${options.html} (${(bytes / 1e6).toFixed(2)} MB)`)
      }
    })
}

/** A reference without what stands behind its `#`. */
function fileOf(reference: string): string {
  const at = reference.lastIndexOf("#")
  return at < 0 ? reference : reference.slice(0, at)
}

const MARKS = { added: pc.green("+"), removed: pc.red("-") } as const
const mark = (change: string): string => MARKS[change as keyof typeof MARKS] ?? pc.yellow("~")

export function formatDiff(diff: ModelDiff): string {
  const { before, after } = diff
  if (diff.isEmpty) return `${before.variant} and ${after.variant} are the same model`
  const lines: string[] = [pc.bold(`${before.variant} -> ${after.variant}`), ""]
  if (!diff.haveCommonPart) lines.push("these are two models with no part in common: everything is new", "")
  const block = (title: string, entries: readonly string[]): void => {
    if (entries.length > 0) lines.push(title, ...entries.map((e) => `  ${e}`), "")
  }
  block(
    "renamed",
    diff.renames.map(({ what, before: old, after: fresh }) => `${mark("")} ${what} ${old} -> ${fresh}`),
  )
  block(
    "sections",
    diff.sections.map(({ section, change }) => `${mark(change)} ${section} ${change}`),
  )
  const values = (changes: readonly ValueChange[]): string[] =>
    changes.map(({ name, before: old, after: fresh }) => {
      if (old === undefined) return `${MARKS.added} ${name}${fresh ? `: ${fresh}` : ""}`
      if (fresh === undefined) return `${MARKS.removed} ${name}${old ? `: ${old}` : ""}`
      return `${mark("")} ${name}: ${old} -> ${fresh}`
    })
  block("sizes", values(diff.sizes))
  block("inputs", values(diff.inputs))
  block("outputs", values(diff.outputs))
  block("losses", diff.losses.map(lossText))
  block("operations", bySection(diff.operations))
  const gone = new Set(
    diff.sections.filter((s) => s.change === "added" || s.change === "removed").map((s) => s.section),
  )
  block(
    "parameters",
    shortened(
      diff.parameters
        .filter((p) => !gone.has(p.section))
        .map((p) => `${mark(p.change)} ${p.name}: ${p.change} ${[p.before, p.after].filter(Boolean).join(" -> ")}`),
    ),
  )
  block("training", values(diff.training))
  const row = (name: string, a: number, b: number, show: (n: number) => string): string[] => [
    name,
    show(a),
    show(b),
    a === b ? "" : `${b > a ? "+" : "-"}${show(Math.abs(b - a))}`,
  ]
  lines.push(
    table(
      ["", before.variant, after.variant, "change"],
      [
        row("trainable parameters", before.parameters.trainable, after.parameters.trainable, grouped),
        row("frozen parameters", before.parameters.frozen, after.parameters.frozen, grouped),
        row("MACs, one image", before.macs.inference, after.macs.inference, engineering),
        row("MACs, training", before.macs.training, after.macs.training, engineering),
        row("activations, training", before.activations.training, after.activations.training, (n) =>
          engineering(n, "B"),
        ),
        ...stepRow(diff),
      ],
      [1, 2, 3],
    ),
  )
  const { fits, missing, extra, misshaped, tensors } = diff.checkpoint
  const renamed = tensors.filter(({ state }) => state === "renamed").length
  lines.push(
    "",
    `a checkpoint of ${before.variant} in ${after.variant}: ${fits} tensors fit, ${misshaped.length} have another shape, ${missing.length} are missing, ${extra.length} are left over`,
    ...(renamed > 0 ? [`of those that are missing, ${renamed} are there under the name that they had before`] : []),
  )
  return lines.join("\n")
}

function lossText({ name, change, before, after }: LossChange): string {
  const weights = [before, after].filter((weight) => weight !== undefined)
  const shown = change === "rewired" ? "" : `, weight ${weights.map((w) => Number(w.toPrecision(6))).join(" -> ")}`
  return `${mark(change)} ${name}: ${change}${shown}`
}

/** The estimate is for comparing: its absolute values are those of one machine. */
function stepRow({ stepTime: { before, after } }: ModelDiff): string[][] {
  if (!before || !after) return []
  const share = after.milliseconds / before.milliseconds - 1
  const name = before.batch === after.batch ? `batch ${before.batch}` : `batches ${before.batch}, ${after.batch}`
  const change = share === 0 ? "" : `${share > 0 ? "+" : "-"}${Math.abs(100 * share).toFixed(0)} %`
  return [[`step, ${name}, estimate`, time(before.milliseconds), time(after.milliseconds), change]]
}

const time = (milliseconds: number): string =>
  milliseconds < 1000 ? `${milliseconds} ms` : `${Number((milliseconds / 1000).toPrecision(3))} s`

/** Every tensor with whether it fits. */
function formatTensors({ tensors }: CheckpointFit): string {
  const detail = ({ state, was, before = "", after = "" }: CheckpointTensor): string => {
    if (state === "misshaped") return `${before} -> ${after}`
    return `${after || before}${was === undefined ? "" : ` as ${was}`}`
  }
  return table(
    ["tensor", "", "type"],
    tensors.map((tensor) => [tensor.name, tensor.state, detail(tensor)]),
    [],
  )
}

/** Under the name of each section, the statements without it. */
function bySection(operations: readonly OperationChange[]): string[] {
  const shown = operations.slice(0, MOST_LINES)
  const sections = [...new Set(shown.map(({ section }) => section))]
  const lines = sections.flatMap((section) => [
    section || "(model)",
    ...shown
      .filter((operation) => operation.section === section)
      .map(({ scope, change, detail }) => {
        const name = section !== "" && scope.startsWith(`${section}.`) ? scope.slice(section.length + 1) : scope
        return `  ${mark(change)} ${name}: ${change}, ${detail}`
      }),
  ])
  return [...lines, ...notShown(operations.length)]
}

/** Of lists in the terminal; --json has all. */
const MOST_LINES = 24

const notShown = (length: number): string[] =>
  length > MOST_LINES ? [`… and ${length - MOST_LINES} more (--json lists all)`] : []

/** A long list, shortened. */
function shortened(entries: readonly string[]): string[] {
  return [...entries.slice(0, MOST_LINES), ...notShown(entries.length)]
}
