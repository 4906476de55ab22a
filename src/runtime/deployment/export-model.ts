/**
 * From a run or a model to an ONNX file that is known to compute the same.
 *
 * Takes: what to export and where to. Gives: the file and what was found when it was compared with the trainer. The file
 * is written after the comparison, and only when it passed: a file under its final name is a file that was checked (or one
 * whose caller asked for no check). What is written goes there in one piece.
 */

import { createHash } from "node:crypto"
import { existsSync, statSync } from "node:fs"
import { join, resolve } from "node:path"
import { describe } from "../../compiler/diagnostics/facts.js"
import { isStandard } from "../../compiler/elaborate/context.js"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import type { Sizes } from "../../compiler/ir/dims.js"
import { inferenceNodes, type Graph, type Origin } from "../../compiler/ir/graph.js"
import { optimise } from "../../compiler/passes/pipelines.js"
import { predictProgram } from "../../compiler/passes/programs.js"
import { OnnxExportError, SizeFixed } from "../../compiler/targets/onnx/errors.js"
import {
  exportOnnx,
  observedModel,
  type ExportedModel,
  type ExportedTensor,
  type ExportSpec,
} from "../../compiler/targets/onnx/export.js"
import type { OpenSize } from "../../compiler/targets/onnx/open-sizes.js"
import { onnxText } from "../../compiler/targets/onnx/text.js"
import { ModelError } from "../model-file.js"
import { formatParity, sizesText, USUAL_TOLERANCE, type ParityReport } from "../onnx/parity.js"
import { writeAtomically } from "../runs/atomic-file.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import { UserError } from "../user-error.js"
import {
  type Calibration,
  CaseFeeder,
  chooseCases,
  measureRounding,
  observeRanges,
  type RoundingReport,
} from "./calibrate.js"
import { compareWithTrainer } from "./compare-with-trainer.js"
import { openExportSource, type ExportSource, type Weights } from "./export-source.js"
import { exportMetadata } from "./metadata.js"
import { type DataFileRecord, externalFor, recordOf, writeChecked } from "./write-onnx.js"

export interface ExportOptions {
  /** `RUN`, `file.mdl` or `file.mdl#selector` */
  readonly source: string
  /** path of the ONNX file */
  readonly out: string
  readonly opset?: number | undefined
  /** weights of a run; `best` when absent */
  readonly checkpoint?: CheckpointName | undefined
  /** largest difference allowed, absolute or relative to the output's largest magnitude */
  readonly tolerance?: number | undefined
  /** whether to compare with the trainer; true when absent */
  readonly parity?: boolean | undefined
  /** seed of the first values of an untrained model */
  readonly seed?: number | undefined
  /** whether to write the model's textual form beside the file, as `OUT.txt` */
  readonly text?: boolean | undefined
  /** how weights are stored; `f32` when absent */
  readonly weights?: WeightKind | undefined
  /** whether large weights go to `OUT.data`; when absent, only when the file would pass 2 GB */
  readonly externalData?: boolean | undefined
  /** folder of the data set whose cases int8 weights are calibrated on; that of the run when absent */
  readonly calibrate?: string | undefined
  /** how a range follows from the values seen; their extremes when absent */
  readonly calibration?: Calibration | undefined
  /** most cases to calibrate on, and most to measure on; `USUAL_CASES` when absent */
  readonly cases?: number | undefined
  /** whether to compare in WebAssembly too */
  readonly wasm?: boolean | undefined
  /** folder of a data set whose cases to compare on; that of the run when absent */
  readonly data?: string | undefined
  /** names of sizes that stay open in the file, as the batch does: `H`, `W`, `T` */
  readonly dynamic?: readonly string[] | undefined
}

/** How weights can be stored. */
export const WEIGHT_KINDS = ["f32", "f16", "int8"] as const
export type WeightKind = (typeof WEIGHT_KINDS)[number]

/** As many cases as quantisation tools look at: ranges hardly move after some tens. */
export const USUAL_CASES = 64

/** Weights of 16 bits are rounded to 11 digits (2^-11 = 5e-4), and the differences add up from layer to layer. */
const HALF_TOLERANCE = 2e-2

export interface ExportResult {
  /** absolute path of the ONNX file */
  readonly file: string
  /** absolute path of its textual form, when it was asked for */
  readonly textFile: string | undefined
  readonly model: string
  readonly variant: string
  readonly opset: number
  readonly bytes: number
  /** of the file, in hexadecimal */
  readonly sha256: string
  /** the weights, when they are in a file of their own beside it */
  readonly data: DataFileRecord | undefined
  readonly storage: WeightKind
  readonly nodes: number
  readonly initializers: number
  readonly inputs: readonly ExportedTensor[]
  readonly outputs: readonly ExportedTensor[]
  readonly weights: Weights
  /** undefined when no comparison was asked for; of int8 weights, the model that they were rounded from */
  readonly parity: ParityReport | undefined
  /** the same comparison in WebAssembly, when it was asked for */
  readonly parityWasm: ParityReport | undefined
  /** what exists in training only and is not in the file: sections without a part in the outputs, and losses */
  readonly leftOut: { readonly sections: readonly string[]; readonly losses: readonly string[] }
  /** by name, what the sizes may be that stay open besides the batch */
  readonly openSizes: Readonly<Record<string, OpenSize>>
  /** what int8 weights cost in accuracy */
  readonly rounding: RoundingReport | undefined
  /** what the comparison did not cover, and why */
  readonly notes: readonly string[]
}

/** The exported model does not compute what the trainer does. Nothing was written. */
export class ParityFailed extends UserError {
  override readonly name = "ParityFailed"
  constructor(readonly result: ExportResult & { readonly parity: ParityReport }) {
    super(
      `the ONNX model differs from the trainer by more than ${result.parity.tolerance}; ${result.file} was not written\n` +
        `${formatReports(result)}\n` +
        "  This is a fault of the export, not of the model; please report it. A greater --tolerance accepts the difference.",
    )
  }
}

/**
 * Exports, compares, writes.
 *
 * @throws UserError, ModelError, CheckpointError for what the user can mend; ParityFailed; ParityNotChecked when the
 *   native backend or ONNX Runtime is missing
 */
export async function exportModel(options: ExportOptions): Promise<ExportResult> {
  const storage = options.weights ?? "f32"
  const { tolerance = storage === "f16" ? HALF_TOLERANCE : USUAL_TOLERANCE, cases = USUAL_CASES } = options
  if (!(tolerance > 0)) throw new UserError(`a tolerance of ${tolerance} cannot be met: give a number above 0`)
  const unused = storage === "int8" ? undefined : (["calibrate", "calibration"] as const).find((name) => options[name])
  if (unused) throw new UserError(`--${unused} is for --weights int8; ${storage} weights need no calibration`)
  const file = checkedTarget(options.out)
  const source = await openExportSource(options.source, {
    checkpoint: options.checkpoint ?? "best",
    seed: options.seed,
  })
  const external = externalFor(file, options.externalData ?? false)
  const rounding = storage === "int8" ? await calibrated(source, options, cases) : undefined
  const exported = toOnnx(source, options.opset, {
    external,
    dynamic: options.dynamic,
    weights: rounding?.weights ?? (storage === "f16" ? { kind: "f16" } : { kind: "f32" }),
  })
  const data = exported.data && recordOf(exported.data)
  let result: ExportResult | undefined
  await writeChecked(file, exported, async (onnx) => {
    const compared =
      options.parity === false
        ? undefined
        : await compareWithTrainer({
            source,
            exported: rounding?.f32 ?? exported,
            onnx: rounding?.f32.bytes ?? onnx,
            tolerance,
            wasm: options.wasm ?? false,
            data: options.data,
          })
    result = {
      file,
      textFile: options.text ? `${file}.txt` : undefined,
      model: source.model.name,
      variant: source.model.variant,
      opset: exported.opset,
      bytes: exported.bytes.length,
      sha256: createHash("sha256").update(exported.bytes).digest("hex"),
      data,
      storage,
      nodes: exported.nodes,
      initializers: exported.initializers,
      inputs: exported.inputs,
      outputs: exported.outputs,
      leftOut: leftOut(source.model),
      openSizes: exported.openSizes,
      weights: source.weights,
      parity: compared?.report,
      parityWasm: compared?.wasm,
      rounding:
        rounding &&
        (await measureRounding(rounding.f32.bytes, onnx, rounding.feeder, rounding.cases, options.calibration)),
      notes: [...exported.notes, ...(compared?.notes ?? ["the file was not compared with the trainer"])],
    }
    const passed = [compared?.report, compared?.wasm].every((report) => report?.passed ?? true)
    if (compared && !passed) throw new ParityFailed({ ...result, parity: compared.report })
  })
  if (!result) throw new Error("the file was written without its check")
  if (result.textFile !== undefined) await writeAtomically(result.textFile, onnxText(exported.bytes))
  return result
}

/** What int8 weights are made of: the f32 model, the ranges seen on cases, and what to measure with. */
async function calibrated(source: ExportSource, options: ExportOptions, most: number) {
  const cases = await chooseCases(source, options.calibrate, most)
  const { opset, dynamic } = options
  const f32 = toOnnx(source, opset, { dynamic })
  const observed = observedModel(onnxSpec(source, opset, { dynamic }))
  if (!observed) throw new UserError(`${source.model.variant} has no layer that int8 is for: use --weights f16`)
  const feeder = await CaseFeeder.of(f32.bytes, f32.inputs)
  const ranges = await observeRanges(observed, feeder, cases.calibration, options.calibration)
  return { f32, feeder, cases, weights: { kind: "int8", ranges } as const }
}

/** What of a model its outputs do not need. */
function leftOut({ graph, sections }: ElaboratedModel): ExportResult["leftOut"] {
  const needed = inferenceNodes(graph)
  const deployed = new Set(graph.nodes.flatMap(({ id, origin }) => (needed.has(id) ? [origin.section] : [])))
  return {
    sections: sections.map(({ name }) => name).filter((name) => !deployed.has(name)),
    losses: graph.losses.map(({ name }) => name),
  }
}

/** The comparisons as tables for people. */
export function formatReports({ parity, parityWasm }: Pick<ExportResult, "parity" | "parityWasm">): string {
  const tables = [parity && formatParity(parity), parityWasm && formatParity(parityWasm, "ONNX parity, WebAssembly")]
  return tables
    .filter((table) => table !== undefined)
    .join("\n")
    .trimEnd()
}

/** The absolute path to write to. @throws UserError for a folder or a model text */
function checkedTarget(out: string): string {
  const file = resolve(out)
  if (out.endsWith(".mdl")) throw new UserError(`${out} is a model text; name the ONNX file, such as model.onnx`)
  if (out === "" || out.endsWith("/") || (existsSync(file) && statSync(file).isDirectory())) {
    throw new UserError(`${out || '""'} is a folder; name the ONNX file in it, such as ${join(out, "model.onnx")}`)
  }
  return file
}

/** How a file is written, besides what it is of. */
export interface FileOptions extends Pick<ExportSpec, "external" | "weights"> {
  /** see `ExportOptions` */
  readonly dynamic?: readonly string[] | undefined
}

/**
 * The ONNX file of a source, in memory and not compared with anything.
 *
 * @throws UserError, ModelError when the model, the opset or a size that is to stay open does not allow it
 */
export function toOnnx(source: ExportSource, opset?: number, options: FileOptions = {}): ExportedModel {
  try {
    return exportOnnx(onnxSpec(source, opset, options))
  } catch (error) {
    if (error instanceof SizeFixed && error.origin) throw sizeFixed(error, error.origin, source)
    if (error instanceof OnnxExportError) throw new UserError(error.message, { cause: error })
    throw error
  }
}

/** What is written of a source, and how. @throws UserError for a size that the model does not name */
export function onnxSpec(source: ExportSource, opset?: number, options: FileOptions = {}): ExportSpec {
  const { model, parameters } = source
  const { dynamic = [], external, weights } = options
  const known = [...model.graph.sizes.keys()]
  const unknown = dynamic.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const have = known.length > 0 ? `its sizes with names are ${known.join(", ")}` : "none of its sizes has a name"
    throw new UserError(
      unknown === "N" ? "N, the batch, always stays open" : `${model.variant} has no size ${unknown}: ${have}`,
    )
  }
  const graphOf = (variant: ElaboratedModel): Graph => optimise("onnx", predictProgram(variant), dynamic).program.graph
  return {
    name: model.variant.replace(/[^A-Za-z0-9_]+/g, "_"),
    graph: graphOf(model),
    parameters,
    symbols: ["N", ...dynamic],
    resized: (sizes) => graphOf(resized(source, sizes)),
    metadata: { ...exportMetadata(source), "mdl.storage": weights?.kind ?? "f32" },
    ...(opset === undefined ? {} : { opset }),
    ...(model.doc === undefined ? {} : { doc: model.doc }),
    ...(external && { external }),
    ...(weights && { weights }),
  }
}

/** The model at other sizes. @throws UserError when its text does not compile there */
function resized(source: ExportSource, sizes: Sizes): ElaboratedModel {
  try {
    return source.resized(sizes)
  } catch (error) {
    if (!(error instanceof ModelError)) throw error
    throw new UserError(
      `${[...sizes.keys()].join(" and ")} cannot stay open: the model does not compile at ${sizesText(sizes)}\n${error.message}`,
      { cause: error },
    )
  }
}

/** The refusal at the user's own line. */
function sizeFixed(error: SizeFixed, { span, chain }: Origin, { sources }: ExportSource): ModelError {
  const user = isStandard(span) ? chain.findLast((call) => !isStandard(call)) : undefined
  const place = user ? { span: user, inner: span } : { span, inner: undefined }
  const { symbols, op, reason } = error
  return new ModelError(
    [describe({ kind: "size-fixed", ...place, calls: [], symbols, operation: op, reason })],
    sources,
  )
}
