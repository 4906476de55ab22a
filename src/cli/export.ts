/**
 * `mdl export`: a run or a model as an ONNX file, compared with the trainer before it is written.
 *
 * Thin: the work is in runtime/deployment/. Exit 1 when the comparison fails, 2 when it cannot be made.
 */

import { Command, InvalidArgumentError, Option } from "commander"
import pc from "picocolors"
import type { Calibration, RoundingReport } from "../runtime/deployment/calibrate.js"
import {
  exportModel,
  type ExportResult,
  formatReports,
  ParityFailed,
  USUAL_CASES,
  WEIGHT_KINDS,
  type WeightKind,
} from "../runtime/deployment/export-model.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { UserError } from "../runtime/user-error.js"
import { grouped, print, printJson } from "./output.js"
import { wholeNumber } from "./whole-number.js"

interface ExportFlags {
  readonly out: string
  readonly opset: number
  readonly checkpoint: CheckpointName
  readonly weights: WeightKind
  readonly calibrate?: string
  readonly calibration?: Calibration
  readonly data?: string
  readonly cases: number
  readonly externalData?: boolean
  readonly dynamic?: readonly string[]
  readonly tolerance?: number
  readonly seed?: number
  readonly parity: boolean
  readonly parityWasm?: boolean
  readonly onnxText?: boolean
  readonly json?: boolean
}

/** The `export` command. */
export function exportCommand(): Command {
  return new Command("export")
    .description("write a run (or an untrained model) as ONNX, after checking that it computes what the trainer does")
    .argument("<source>", "folder of a run, or file.mdl#selector")
    .requiredOption("-o, --out <file>", "the ONNX file to write")
    .option("--opset <n>", "ONNX operator set, 15 to 18", wholeNumber, 17)
    .addOption(new Option("--checkpoint <name>", "weights of a run").choices([...CHECKPOINT_NAMES]).default("best"))
    .addOption(
      new Option("--weights <kind>", "how weights are stored; int8 also computes in whole numbers")
        .choices([...WEIGHT_KINDS])
        .default("f32"),
    )
    .option("--calibrate <dir>", "data set to see the ranges for int8 on; a run's own when absent")
    .option(
      "--calibration <method>",
      "how ranges follow from the values: minmax, or percentile=P, which cuts off all but P % (default: minmax)",
      calibrationMethod,
    )
    .option("--cases <n>", "most cases to calibrate on, and to measure int8 on", wholeNumber, USUAL_CASES)
    .option(
      "--dynamic <names>",
      "sizes that stay open as the batch does, by the names of the inputs: H,W or T",
      sizeNames,
    )
    .option("--external-data", "large weights in a file of their own, FILE.data (always so past 2 GB)")
    .option(
      "--tolerance <t>",
      "largest difference allowed, absolute or relative (default: 1e-4; 0.02 for f16)",
      positive,
    )
    .option("--seed <n>", "seed of the first values of an untrained model", wholeNumber)
    .option("--data <dir>", "data set whose cases to compare on; a run's own when absent")
    .option("--no-parity", "write the file without the comparison")
    .option("--parity-wasm", "compare in WebAssembly too, as browsers run it")
    .option("--onnx-text", "also write the model as text, FILE.txt")
    .option("--json", "print the result as JSON and nothing else")
    .action(async (source: string, flags: ExportFlags) => {
      const { json, onnxText: text, parityWasm: wasm, ...options } = flags
      try {
        if (options.cases < 1) throw new UserError("--cases 0 leaves nothing to calibrate on: give 1 or more")
        if (options.data !== undefined && !options.parity) {
          throw new UserError("--data is what to compare on: it and --no-parity exclude each other")
        }
        if (wasm && !options.parity) throw new UserError("--parity-wasm and --no-parity exclude each other")
        const result = await exportModel({ source, text, wasm, ...options })
        if (json) printJson({ written: true, ...result })
        else print(formatExport(result))
      } catch (error) {
        if (error instanceof ParityFailed && json) printJson({ written: false, ...error.result })
        throw error
      }
    })
}

/** The result as a person reads it. */
export function formatExport(result: ExportResult): string {
  const { file, textFile, opset, bytes, nodes, initializers, inputs, outputs, leftOut, openSizes, weights, notes } =
    result
  const types = (tensors: ExportResult["inputs"]): string =>
    tensors.map(({ name, dtype, shape }) => `${name}: ${dtype}[${shape.join(", ")}]`).join(", ")
  const from =
    weights.kind === "trained"
      ? `${weights.run}, checkpoint ${weights.checkpoint}, step ${grouped(weights.step)}`
      : `first values, seed ${weights.seed} (not trained)`
  const reports = formatReports(result)
  const megabytes = (count: number): string => `${(count / 1e6).toFixed(2)} MB`
  const open = Object.entries(openSizes).map(([name, { usual, least, step, most }]) => {
    const steps = step === 1 ? "" : ` in steps of ${step}`
    return `${name} from ${least}${most === undefined ? "" : ` to ${most}`}${steps} (${usual} in the text)`
  })
  const absent = [
    leftOut.sections.length > 0 ? `sections ${leftOut.sections.join(", ")}` : "",
    leftOut.losses.length > 0 ? `losses ${leftOut.losses.join(", ")}` : "",
  ].filter((text) => text !== "")
  const lines = [
    `${pc.bold(file)}`,
    `  opset ${opset}, ${megabytes(bytes)}, ${grouped(nodes)} nodes, ${grouped(initializers)} constants`,
    ...(result.data ? [`  beside   ${result.data.location}, ${megabytes(result.data.bytes)} of weights`] : []),
    `  inputs   ${types(inputs)}`,
    `  outputs  ${types(outputs)}`,
    ...(absent.length > 0 ? [`  left out ${absent.join("; ")} (training only)`] : []),
    ...(open.length > 0 ? [`  open     ${open.join(", ")}`] : []),
    `  weights  ${from}${result.storage === "f32" ? "" : `, stored as ${result.storage}`}`,
    ...(textFile === undefined ? [] : [`  as text  ${textFile}`]),
    ...(reports === "" ? [] : ["", reports]),
    ...(result.rounding ? ["", formatRounding(result.rounding)] : []),
    ...notes.map((note) => `${pc.yellow("note")}: ${note}`),
  ]
  return lines.join("\n")
}

function formatRounding({ calibration, measured, outputs, dice }: RoundingReport): string {
  const share = (agreement: number | undefined): string =>
    agreement === undefined ? "" : `, ${(100 * agreement).toFixed(3)} % on the same side of 0.5`
  return [
    `int8 against f32: ranges from ${grouped(calibration.cases)} cases (${calibration.split}, ${calibration.method}), ` +
      `differences on ${grouped(measured.cases)} cases (${measured.split})`,
    ...outputs.map(
      ({ name, maxAbs, meanAbs, agreement }) =>
        `  ${name}  max abs ${maxAbs.toExponential(2)}, mean abs ${meanAbs.toExponential(2)}${share(agreement)}`,
    ),
    dice
      ? `  Dice  ${dice.f32.toFixed(4)} as f32, ${dice.int8.toFixed(4)} as int8`
      : "  Dice  not known: the cases have no masks",
  ].join("\n")
}

function calibrationMethod(text: string): Calibration {
  const [kind, value = "", ...rest] = text.split("=")
  const percentile = Number(value)
  if (text === "minmax") return { kind: "minmax" }
  if (kind !== "percentile" || rest.length > 0 || value.trim() === "" || !(percentile > 50 && percentile <= 100)) {
    throw new InvalidArgumentError(
      "give minmax, or percentile=P with P above 50 and at most 100, such as percentile=99.99.",
    )
  }
  return { kind, percentile }
}

function sizeNames(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim())
  if (names.includes("")) throw new InvalidArgumentError("give names with commas between them, such as H,W.")
  return [...new Set(names)]
}

function positive(text: string): number {
  const value = Number(text)
  if (text.trim() === "" || !(value > 0) || !Number.isFinite(value)) {
    throw new InvalidArgumentError("give a number above 0, such as 1e-4.")
  }
  return value
}
