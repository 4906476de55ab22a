/**
 * `mdl diff`: what turns one model into another, in the words of the model.
 */

import { Command } from "commander"
import pc from "picocolors"
import { diffModels, type ModelDiff, type ValueChange } from "../compiler/diff/diff.js"
import { parseReference, requireModel } from "../runtime/model-file.js"
import { engineering, grouped, print, printJson, table } from "./output.js"

export function diffCommand(): Command {
  return new Command("diff")
    .description("what changed between two models or ablations: sections, wiring, parameters, cost")
    .argument("<a>", "file.mdl#name before")
    .argument("<b>", "file.mdl#name after; `#name` alone means the same file")
    .option("--json", "print as JSON")
    .action((a: string, b: string, options: { json?: boolean }) => {
      const before = parseReference(a)
      const after = b.startsWith("#") ? { ...before, selector: b.slice(1) } : parseReference(b)
      const diff = diffModels(requireModel(before).model, requireModel(after).model)
      if (options.json) printJson(diff)
      else print(formatDiff(diff))
    })
}

const MARKS = { added: pc.green("+"), removed: pc.red("-") } as const
const mark = (change: string): string => MARKS[change as keyof typeof MARKS] ?? pc.yellow("~")

export function formatDiff(diff: ModelDiff): string {
  const { before, after } = diff
  if (diff.isEmpty) return `${before.variant} and ${after.variant} are the same model`
  const lines: string[] = [pc.bold(`${before.variant} -> ${after.variant}`), ""]
  const block = (title: string, entries: readonly string[]): void => {
    if (entries.length > 0) lines.push(title, ...entries.map((e) => `  ${e}`), "")
  }
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
  block("losses", values(diff.losses))
  block(
    "operations",
    grouping(diff.operations.map((o) => ({ ...o, text: `${mark(o.change)} ${o.scope}: ${o.change}, ${o.detail}` }))),
  )
  const gone = new Set(
    diff.sections.filter((s) => s.change === "added" || s.change === "removed").map((s) => s.section),
  )
  block(
    "parameters",
    grouping(
      diff.parameters
        .filter((p) => !gone.has(p.section))
        .map((p) => ({
          text: `${mark(p.change)} ${p.name}: ${p.change} ${[p.before, p.after].filter(Boolean).join(" -> ")}`,
        })),
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
      ],
      [1, 2, 3],
    ),
  )
  const { fits, missing, extra, misshaped } = diff.checkpoint
  lines.push(
    "",
    `a checkpoint of ${before.variant} in ${after.variant}: ${fits} tensors fit, ${misshaped.length} have another shape, ${missing.length} are missing, ${extra.length} are left over`,
  )
  return lines.join("\n")
}

/** A long list, shortened; --json has all of it. */
function grouping(entries: readonly { readonly text: string }[], most = 24): string[] {
  const shown = entries.slice(0, most).map((e) => e.text)
  return entries.length > most ? [...shown, `… and ${entries.length - most} more (--json lists all)`] : shown
}
