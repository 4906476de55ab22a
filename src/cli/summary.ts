/**
 * `mdl summary`: shapes, parameters, multiply-accumulates and activation memory, by section.
 */

import { Command } from "commander"
import pc from "picocolors"
import { summarise, type ModelSummary } from "../compiler/summary.js"
import { parseReference, requireModel } from "../runtime/model-file.js"
import { engineering, grouped, print, printJson, table } from "./output.js"

export function summaryCommand(): Command {
  return new Command("summary")
    .description("what a model is made of: shapes, parameters, cost")
    .argument("<model>", "file.mdl, file.mdl#Model or file.mdl#ablation")
    .option("--json", "print as JSON")
    .option("--shapes", "also list the shape of every `let`")
    .action((reference: string, options: { json?: boolean; shapes?: boolean }) => {
      const summary = summarise(requireModel(parseReference(reference)).model)
      if (options.json) printJson(summary)
      else print(formatSummary(summary, options.shapes === true))
    })
}

export function formatSummary(summary: ModelSummary, shapes: boolean): string {
  const { parameters, macs, activations, peak, nodes } = summary
  const sizes = Object.entries(summary.sizes).map(([name, size]) => `${name} = ${size}`)
  const rows = summary.sections.map((section) => [
    section.name || "(model)",
    section.role,
    grouped(section.parameters.trainable),
    grouped(section.parameters.frozen),
    section.trainingOnly ? "training only" : engineering(section.macs),
  ])
  const lines = [
    `${pc.bold(summary.model)}${summary.variant === summary.model ? "" : ` (${summary.variant})`}   ${sizes.join(", ")}`,
    "",
    table(["section", "role", "trainable", "frozen", "MACs"], rows, [2, 3, 4]),
    "",
    `parameters   ${grouped(parameters.total)}: ${grouped(parameters.trainable)} trainable, ${grouped(parameters.frozen)} frozen; ${grouped(parameters.state)} values of state`,
    ...(parameters.constant > 0 ? [`constants    ${grouped(parameters.constant)} values from files`] : []),
    `MACs         ${engineering(macs.inference)} for one image, ${engineering(macs.training)} for one training step at batch 1 (convolutions and matrix products)`,
    `activations  ${engineering(activations.inference, "B")} in use, ${engineering(activations.training, "B")} in training, at batch 1`,
    `at once      ${engineering(peak.inference, "B")} in use, ${engineering(peak.training, "B")} in training, about`,
    `operations   ${nodes.inference} in use, ${nodes.training} in training`,
    `inputs       ${summary.inputs.map((v) => `${v.name}: ${v.type}`).join(", ")}`,
    `outputs      ${summary.outputs.map((v) => `${v.name}: ${v.type}`).join(", ")}`,
    `losses       ${summary.losses.join(", ") || "none"}`,
  ]
  if (!shapes) return lines.join("\n")
  const values = summary.sections.flatMap((s) => s.values.map((v) => [v.name, v.type]))
  return [...lines, "", table(["let", "shape"], values, [])].join("\n")
}
