/**
 * `mdl compile`: a trainer package, which trains the model without this tool.
 */

import { resolve } from "node:path"
import { Command } from "commander"
import { settingsLeftOut } from "../compiler/package/trainer-source.js"
import { trainerPackage } from "../compiler/package/trainer-package.js"
import type { Precision } from "../compiler/passes/precision.js"
import { buildTrainer } from "../compiler/trainer.js"
import { parseReference, requireModel, sourceHash } from "../runtime/model-file.js"
import { type WrittenData, writeDataFiles } from "../runtime/package/data-files.js"
import { requirePackagePlace, writePackage } from "../runtime/package/write-package.js"
import { programHash } from "../runtime/runs/run-folder.js"
import { toolVersion } from "../runtime/runs/tool-version.js"
import { DEFAULTS } from "../runtime/training/prepare.js"
import { UserError } from "../runtime/user-error.js"
import { grouped, print, printJson } from "./output.js"
import { precisionOption } from "./precision-option.js"
import { promptOption } from "./prompt-option.js"
import { positive } from "./whole-number.js"

interface CompileFlags {
  readonly output: string
  readonly batch?: number
  readonly size?: number
  readonly data?: string
  readonly prompt?: string
  readonly precision?: Precision
  readonly json?: boolean
}

export function compileCommand(): Command {
  return new Command("compile")
    .description("make a trainer package: the TensorFlow program, its description, and a readable trainer.mjs")
    .argument("<model>", "file.mdl, file.mdl#Model or file.mdl#ablation")
    .requiredOption("-o, --output <dir>", "folder to make; an earlier package there is replaced")
    .option("--batch <n>", "cases in a batch", positive)
    .option("--size <pixels>", "height and width: sets the symbols H and W", positive)
    .addOption(precisionOption())
    .option("--data <dir>", "also put this data set into the package, decoded and tokenised")
    .addOption(promptOption())
    .option("--json", "print as JSON")
    .action(async (reference: string, flags: CompileFlags) => {
      const report = await compileModel(reference, flags)
      if (flags.json) printJson(report)
      else print(formatReport(report))
    })
}

/** What `mdl compile --json` prints. */
interface CompileReport {
  readonly output: string
  readonly model: string
  readonly variant: string
  readonly batch: number
  readonly sizes: Readonly<Record<string, number>>
  /** of the TensorFlow graph */
  readonly nodes: number
  readonly bytes: number
  /** cases by split; absent without --data */
  readonly cases?: Readonly<Record<string, number>>
  /** training settings that the generated trainer does not carry out */
  readonly leftOut: readonly string[]
}

async function compileModel(reference: string, flags: CompileFlags): Promise<CompileReport> {
  await requirePackagePlace(flags.output)
  const { model, result } = modelAt(reference, flags.size)
  if (model.graph.losses.length === 0) {
    throw new UserError(
      `${model.variant} has no loss, so there is nothing to train: write \`loss NAME = ...\` in the model`,
    )
  }
  const {
    batch = DEFAULTS.batch,
    epochs = DEFAULTS.epochs,
    seed = DEFAULTS.seed,
  } = model.training as Partial<Record<"batch" | "epochs" | "seed", number>>
  const trainer = buildTrainer(model, { batch: flags.batch ?? batch, precision: flags.precision ?? "f32" })
  const files = await trainerPackage({
    model,
    trainer,
    provenance: {
      model: reference,
      sourceHash: sourceHash(result.sources, model),
      programHash: programHash(trainer.savedModel),
      versions: { mdl: toolVersion() },
    },
    epochs,
    seed,
  })
  let data: WrittenData | undefined
  await writePackage(flags.output, files, async (folder) => {
    if (flags.data === undefined) return
    data = await writeDataFiles(resolve(folder, "data"), flags.data, trainer.description, { prompt: flags.prompt })
  })
  const { description, savedModel, report } = trainer
  return {
    output: flags.output,
    model: description.model,
    variant: description.variant,
    batch: description.batch.train,
    sizes: description.sizes,
    nodes: report.nodes,
    bytes: savedModel.length,
    ...(data
      ? { cases: Object.fromEntries(Object.entries(data.index.splits).map(([s, { count: n }]) => [s, n])) }
      : {}),
    leftOut: [...settingsLeftOut(description.training), ...(data?.leftOut ?? [])],
  }
}

/** The model, with H and W as `size` says. */
function modelAt(reference: string, size: number | undefined): ReturnType<typeof requireModel> {
  const parsed = parseReference(reference)
  const found = requireModel(parsed)
  if (size === undefined) return found
  const symbols = [...found.model.graph.sizes.keys()].filter((symbol) => symbol === "H" || symbol === "W")
  if (symbols.length === 0) throw new UserError(`--size sets the symbols H and W, and ${reference} has neither`)
  return requireModel(parsed, new Map(symbols.map((symbol) => [symbol, size])))
}

function formatReport(report: CompileReport): string {
  const { output, variant, batch, nodes, bytes, cases, leftOut } = report
  const sizes = Object.entries(report.sizes).map(([name, size]) => `, ${name} = ${size}`)
  return [
    `${output}: ${variant}, batch ${batch}${sizes.join("")}; ${grouped(nodes)} TensorFlow nodes, ${grouped(bytes)} bytes`,
    ...(cases
      ? [
          `data: ${Object.entries(cases)
            .map(([split, n]) => `${n} ${split}`)
            .join(", ")}`,
        ]
      : []),
    ...leftOut.map((line) => `not in the generated trainer: ${line}`),
    `run it: node ${output}/trainer.mjs${cases ? "" : " --random"}   (needs @tensorflow/tfjs-node-gpu)`,
  ].join("\n")
}
