/**
 * `mdl export`: a run or a model as an ONNX file, compared with the trainer before it is written.
 *
 * Thin: the work is in runtime/deployment/. Exit 1 when the comparison fails, 2 when it cannot be made.
 */

import { Command, InvalidArgumentError, Option } from "commander"
import pc from "picocolors"
import { exportModel, type ExportResult, ParityFailed } from "../runtime/deployment/export-model.js"
import { formatParity } from "../runtime/onnx/parity.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { grouped, print, printJson } from "./output.js"

interface ExportFlags {
  readonly out: string
  readonly opset: number
  readonly checkpoint: CheckpointName
  readonly tolerance: number
  readonly seed?: number
  readonly parity: boolean
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
    .option("--tolerance <t>", "largest difference allowed, absolute or relative", positive, 1e-4)
    .option("--seed <n>", "seed of the first values of an untrained model", wholeNumber)
    .option("--no-parity", "write the file without the comparison")
    .option("--onnx-text", "also write the model as text, FILE.txt")
    .option("--json", "print the result as JSON and nothing else")
    .action(async (source: string, flags: ExportFlags) => {
      const { out, opset, checkpoint, tolerance, seed, parity, json } = flags
      try {
        const text = flags.onnxText === true
        const result = await exportModel({ source, out, opset, checkpoint, tolerance, seed, parity, text })
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
  const { file, textFile, opset, bytes, nodes, initializers, inputs, outputs, weights, parity, notes } = result
  const types = (tensors: ExportResult["inputs"]): string =>
    tensors.map(({ name, dtype, shape }) => `${name}: ${dtype}[${shape.join(", ")}]`).join(", ")
  const from =
    weights.kind === "trained"
      ? `${weights.run}, checkpoint ${weights.checkpoint}, step ${grouped(weights.step)}`
      : `first values, seed ${weights.seed} (not trained)`
  const lines = [
    `${pc.bold(file)}`,
    `  opset ${opset}, ${(bytes / 1e6).toFixed(2)} MB, ${grouped(nodes)} nodes, ${grouped(initializers)} constants`,
    `  inputs   ${types(inputs)}`,
    `  outputs  ${types(outputs)}`,
    `  weights  ${from}`,
    ...(textFile === undefined ? [] : [`  as text  ${textFile}`]),
    ...(parity ? ["", formatParity(parity).trimEnd()] : []),
    ...notes.map((note) => `${pc.yellow("note")}: ${note}`),
  ]
  return lines.join("\n")
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("give a whole number.")
  return Number(text)
}

function positive(text: string): number {
  const value = Number(text)
  if (text.trim() === "" || !(value > 0) || !Number.isFinite(value)) {
    throw new InvalidArgumentError("give a number above 0, such as 1e-4.")
  }
  return value
}
