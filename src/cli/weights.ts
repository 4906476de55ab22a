/**
 * `mdl weights`: look into a file of weights, or write the weights of a run.
 *
 * Takes the command line. Gives a report on stdout (with --json nothing but the JSON). Thin: the work is in
 * runtime/weights/. `inspect --model` exits with 1 when the file lacks something that the model needs.
 */
import { Command, Option } from "commander"
import pc from "picocolors"
import { sizeText } from "../runtime/byte-sizes.js"
import { parseReference, requireModel } from "../runtime/model-file.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { exportWeights } from "../runtime/weights/export-weights.js"
import { misshapedLines } from "../runtime/weights/fit.js"
import { inspectWeights, type ModelFit, type WeightsReport } from "../runtime/weights/inspect-weights.js"
import { grouped, print, printJson, table } from "./output.js"

/** The `weights` command with its two subcommands. */
export function weightsCommand(): Command {
  const weights = new Command("weights").description("look into weights, or write those of a run")

  weights
    .command("inspect")
    .description("the tensors of a file, a checkpoint or a run, by their names in the language; and how a model fits")
    .argument("<file>", "FILE.safetensors, a checkpoint of a run, or the folder of a run (its best checkpoint)")
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

function fitLines({ variant, sections, leftOver, complete }: ModelFit): readonly string[] {
  return [
    complete ? `${variant} has all it needs` : `${variant} ${pc.red("cannot be filled from this file")}`,
    ...sections.flatMap(({ section, fits, missing, misshaped }) => [
      `  ${section || "(outside of sections)"}: ${grouped(fits)} fit` +
        (missing.length > 0 ? `, ${grouped(missing.length)} missing` : "") +
        (misshaped.length > 0 ? `, ${grouped(misshaped.length)} of another shape` : ""),
      ...missing.map((name) => `    ${pc.red("-")} ${name} is missing`),
      ...misshapedLines(misshaped).map((line) => `    ${pc.yellow("~")} ${line}`),
    ]),
    ...(leftOver.length > 0 ? [`  left over: ${grouped(leftOver.length)}`] : []),
    ...leftOver.map((name) => `    ${pc.green("+")} ${name}`),
  ]
}
