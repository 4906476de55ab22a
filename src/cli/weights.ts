/**
 * `mdl weights`: look into a file of weights, make a published one fit a model, or write the weights of a run.
 *
 * Takes the command line. Gives a report on stdout (with --json nothing but the JSON). Thin: the work is in
 * runtime/weights/. `inspect --model` exits with 1 when the file lacks something that the model needs.
 */
import { Command, Option } from "commander"
import pc from "picocolors"
import { sizeText } from "../runtime/byte-sizes.js"
import { parseReference, requireModel, sourceHash } from "../runtime/model-file.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { exportWeights } from "../runtime/weights/export-weights.js"
import { misshapedLines } from "../runtime/weights/fit.js"
import { type ImportedWeights, importTarget, importWeights } from "../runtime/weights/import-weights.js"
import {
  inspectWeights,
  type ModelFit,
  type SectionFit,
  type WeightsReport,
} from "../runtime/weights/inspect-weights.js"
import type { FoundScheme } from "../runtime/weights/published-fit.js"
import { grouped, print, printJson, table } from "./output.js"

/** The `weights` command with its subcommands. */
export function weightsCommand(): Command {
  const weights = new Command("weights").description(
    "look into weights, import published ones, or write those of a run",
  )

  weights
    .command("inspect")
    .description("the tensors of a file, a checkpoint or a run, and how a model fits, by its own or published names")
    .argument(
      "<file>",
      "FILE.safetensors, an index of shards, a checkpoint, or the folder of a run (its best checkpoint)",
    )
    .option("--model <model>", "file.mdl#name: what fits, is missing, is left over, has another shape")
    .option("--json", "print the report as JSON and nothing else")
    .action(async (file: string, flags: { model?: string; json?: boolean }) => {
      const model = flags.model === undefined ? undefined : requireModel(parseReference(flags.model)).model
      const report = await inspectWeights(file, model)
      if (flags.json) printJson(report)
      else print(reportText(report))
      // The listing is the message.
      if (report.model && !report.model.complete) process.exitCode = 1
    })

  weights
    .command("import")
    .description("write what a published file has for a model, in the model's own names, for `mdl train --weights`")
    .argument("<file>", "FILE.safetensors, FILE.safetensors.index.json (shards), or the folder of a published model")
    .requiredOption("--model <model>", "file.mdl#name: its text says what published files call its parameters")
    .option("-o, --out <file>", "the .safetensors file to write (default: FILE-MODEL.safetensors in this folder)")
    .option("--section <names...>", "only these sections of the model")
    .option("--json", "print the result as JSON and nothing else")
    .action(
      async (file: string, flags: { model: string; out?: string; section?: readonly string[]; json?: boolean }) => {
        const { model, result } = requireModel(parseReference(flags.model))
        const out = flags.out ?? importTarget(file, model.variant)
        const imported = await importWeights(file, model, sourceHash(result.sources, model), out, flags.section)
        if (flags.json) printJson(imported)
        else print(importedText(imported))
      },
    )

  weights
    .command("export")
    .description("write a run's weights as safetensors: names of the language, layouts of PyTorch")
    .argument("<run>", "folder of a run")
    .requiredOption("-o, --out <file>", "the .safetensors file to write")
    .addOption(new Option("--checkpoint <name>", "which weights").choices([...CHECKPOINT_NAMES]).default("best"))
    .option("--json", "print the result as JSON and nothing else")
    .action(async (run: string, flags: { out: string; checkpoint: CheckpointName; json?: boolean }) => {
      const result = await exportWeights(run, flags.out, flags.checkpoint)
      if (flags.json) printJson(result)
      else {
        const { file, bytes, tensors, values } = result
        print(`${pc.bold(file)}\n  ${grouped(tensors)} tensors, ${grouped(values)} values, ${sizeText(bytes)}`)
      }
    })

  return weights
}

function reportText(report: WeightsReport): string {
  const { file, tensors, training, totals, model } = report
  const lines = [
    pc.bold(file),
    `  ${grouped(totals.tensors)} tensors, ${grouped(totals.values)} values, ${grouped(totals.bytes)} bytes`,
    ...(training.length > 0
      ? [`  and ${grouped(training.length)} tensors of the training (moments, averages, step)`]
      : []),
    "",
  ]
  if (model) return [...lines, ...fitLines(model)].join("\n")
  const rows = tensors.map(({ name, type, bytes }) => [name, type, grouped(bytes)])
  return [...lines, table(["tensor", "type", "bytes"], rows, [2])].join("\n")
}

function importedText(imported: ImportedWeights): string {
  const { file, tensors, values, bytes, source, published, sections, leftOver } = imported
  return [
    pc.bold(file),
    `  ${grouped(tensors)} tensors, ${grouped(values)} values, ${sizeText(bytes)}, of ${source.file}`,
    "",
    ...publishedLines(published),
    // A section that the file knows nothing of is one line: the file is for another part of the model.
    ...sectionLines(sections, ({ fits }) => fits > 0),
    ...leftOverLines(leftOver),
  ].join("\n")
}

function fitLines({ variant, published, sections, leftOver, complete }: ModelFit): readonly string[] {
  return [
    complete ? `${variant} has all it needs` : `${variant} ${pc.red("cannot be filled from this file")}`,
    ...publishedLines(published),
    ...sectionLines(sections),
    ...leftOverLines(leftOver),
  ]
}

function publishedLines(published: readonly FoundScheme[]): readonly string[] {
  return published.map(
    ({ scheme, root, prefix, found, of }) =>
      `  ${root || "the model"} by the names of ${scheme}${prefix ? `, behind ${prefix}` : ""}: ` +
      `${grouped(found)} of ${grouped(of)}`,
  )
}

function sectionLines(
  sections: readonly SectionFit[],
  listsMissing: (section: SectionFit) => boolean = () => true,
): readonly string[] {
  return sections.flatMap((fit) => [
    `  ${fit.section || "(outside of sections)"}: ${grouped(fit.fits)} fit` +
      (fit.missing.length > 0 ? `, ${grouped(fit.missing.length)} missing` : "") +
      (fit.misshaped.length > 0 ? `, ${grouped(fit.misshaped.length)} of another shape` : ""),
    ...(listsMissing(fit) ? fit.missing.map((name) => `    ${pc.red("-")} ${name} is missing`) : []),
    ...misshapedLines(fit.misshaped).map((line) => `    ${pc.yellow("~")} ${line}`),
  ])
}

function leftOverLines(leftOver: readonly string[]): readonly string[] {
  return [
    ...(leftOver.length > 0 ? [`  left over: ${grouped(leftOver.length)}`] : []),
    ...leftOver.map((name) => `    ${pc.green("+")} ${name}`),
  ]
}
