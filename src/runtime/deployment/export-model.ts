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
import { optimise } from "../../compiler/passes/pipelines.js"
import { predictProgram } from "../../compiler/passes/programs.js"
import { OnnxExportError } from "../../compiler/targets/onnx/errors.js"
import {
  exportOnnx,
  observedModel,
  type ExportedModel,
  type ExportedTensor,
  type ExportSpec,
} from "../../compiler/targets/onnx/export.js"
import { onnxText } from "../../compiler/targets/onnx/text.js"
import { DataError } from "../data/data-error.js"
import { BackendUnavailable } from "../native/backend.js"
import { checkParity, formatParity, USUAL_TOLERANCE, type ParityInput, type ParityReport } from "../onnx/parity.js"
import { OnnxRuntimeMissing, type Feeds, type Outputs } from "../onnx/run.js"
import { writeAtomically } from "../runs/atomic-file.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import { type HostTensor, NativeSession } from "../session.js"
import { UserError } from "../user-error.js"
import { CaseFeeder, chooseCases, measureRounding, observeRanges, type RoundingReport } from "./calibrate.js"
import { openExportSource, type ExportSource, type Weights } from "./export-source.js"
import { exportMetadata } from "./metadata.js"
import { openPredictSession } from "./predict-session.js"
import { predictRows } from "./native-rows.js"
import { randomInputs, realInputs } from "./parity-inputs.js"
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
  /** most cases to calibrate on, and most to measure on; `USUAL_CASES` when absent */
  readonly cases?: number | undefined
  /** whether to compare in WebAssembly too */
  readonly wasm?: boolean | undefined
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

/** The comparison could not be made. Nothing was written. */
export class ParityNotChecked extends Error {
  override readonly name = "ParityNotChecked"
  /** The machine, not the user's input. */
  readonly exitCode = 2
  constructor(reason: string, cause: unknown) {
    super(
      `parity not checked: ${reason}; nothing was written\n` +
        `  ${cause instanceof Error ? cause.message.replaceAll("\n", "\n  ") : String(cause)}\n` +
        "  --no-parity writes the file without the check",
      { cause },
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
  if (storage !== "int8" && options.calibrate !== undefined) {
    throw new UserError(`--calibrate is for --weights int8; ${storage} weights need no calibration`)
  }
  const file = checkedTarget(options.out)
  const source = await openExportSource(options.source, {
    checkpoint: options.checkpoint ?? "best",
    seed: options.seed,
  })
  const external = externalFor(file, options.externalData ?? false)
  const rounding = storage === "int8" ? await calibrated(source, options, cases) : undefined
  const exported = toOnnx(source, options.opset, {
    external,
    weights: rounding?.weights ?? (storage === "f16" ? { kind: "f16" } : { kind: "f32" }),
  })
  const data = exported.data && recordOf(exported.data)
  let result: ExportResult | undefined
  await writeChecked(file, exported, async (onnx) => {
    const compared =
      options.parity === false
        ? undefined
        : await compare(
            source,
            rounding?.f32 ?? exported,
            rounding?.f32.bytes ?? onnx,
            tolerance,
            options.wasm ?? false,
          )
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
      weights: source.weights,
      parity: compared?.report,
      parityWasm: compared?.wasm,
      rounding: rounding && (await measureRounding(rounding.f32.bytes, onnx, rounding.feeder, rounding.cases)),
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
  const f32 = toOnnx(source, options.opset)
  const observed = observedModel(onnxSpec(source, options.opset))
  if (!observed) throw new UserError(`${source.model.variant} has no layer that int8 is for: use --weights f16`)
  const feeder = await CaseFeeder.of(f32.bytes, f32.inputs)
  const ranges = await observeRanges(observed, feeder, cases.calibration)
  return { f32, feeder, cases, weights: { kind: "int8", ranges } as const }
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
export type StorageOptions = Pick<ExportSpec, "external" | "weights">

/**
 * The ONNX file of a source, in memory and not compared with anything.
 *
 * @throws UserError when the model or the opset does not allow it
 */
export function toOnnx(source: ExportSource, opset?: number, storage: StorageOptions = {}): ExportedModel {
  try {
    return exportOnnx({ ...onnxSpec(source, opset, storage.weights?.kind), ...storage })
  } catch (error) {
    if (error instanceof OnnxExportError) throw new UserError(error.message, { cause: error })
    throw error
  }
}

/** What is written of a source, but for how. */
export function onnxSpec(source: ExportSource, opset?: number, storage: WeightKind = "f32"): ExportSpec {
  const { model, parameters } = source
  return {
    name: model.variant.replace(/[^A-Za-z0-9_]+/g, "_"),
    graph: optimise("onnx", predictProgram(model)).program.graph,
    parameters,
    symbols: ["N"],
    metadata: { ...exportMetadata(source), "mdl.storage": storage },
    ...(opset === undefined ? {} : { opset }),
    ...(model.doc === undefined ? {} : { doc: model.doc }),
  }
}

interface Comparison {
  readonly report: ParityReport
  readonly wasm: ParityReport | undefined
  readonly notes: readonly string[]
}

/** @param onnx what to compare: the bytes of `exported`, or its path */
async function compare(
  source: ExportSource,
  exported: ExportedModel,
  onnx: Uint8Array | string,
  tolerance: number,
  wasm: boolean,
): Promise<Comparison> {
  if (wasm && typeof onnx === "string") {
    throw new UserError("--parity-wasm cannot load weights in a file of their own: leave out one of the two")
  }
  const { inputs: real, notes } = await realCases(source, exported)
  try {
    return await withSession(source, async (session) => {
      const known = new Map<Feeds, Outputs>()
      const predict = (feeds: Feeds): Promise<Outputs> => {
        const outputs = known.get(feeds) ?? predictRows(session, feeds, exported.outputs)
        known.set(feeds, outputs)
        return Promise.resolve(outputs)
      }
      const inputs = [...randomInputs(source.model, exported.inputs), ...real]
      const request = { onnx, predict, inputs, tolerance }
      const report = await checkParity(request)
      return { report, wasm: wasm ? await checkParity({ ...request, engine: "wasm" }) : undefined, notes }
    })
  } catch (error) {
    if (error instanceof BackendUnavailable) throw new ParityNotChecked("native backend missing", error)
    if (error instanceof OnnxRuntimeMissing) throw new ParityNotChecked("ONNX Runtime missing", error)
    throw error
  }
}

/** Cases of the run's data set; when there are none to be had, a note says why. */
async function realCases(
  source: ExportSource,
  exported: ExportedModel,
): Promise<{ readonly inputs: readonly ParityInput[]; readonly notes: readonly string[] }> {
  const { run } = source
  if (!run) return { inputs: [], notes: ["compared on random inputs only: an untrained model has no data set"] }
  const { record } = run.folder
  try {
    const inputs = await realInputs({
      description: record.description,
      tokenizers: record.tokenizers,
      data: record.data,
      wanted: new Set(exported.inputs.map(({ name }) => name)),
    })
    return { inputs, notes: [] }
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    return { inputs: [], notes: [`compared on random inputs only: the run's data cannot be read: ${error.what}`] }
  }
}

/** Runs `work` with a session that holds exactly the weights that were exported. */
async function withSession<T>(source: ExportSource, work: (session: NativeSession) => Promise<T>): Promise<T> {
  const { run } = source
  if (run) return withOpened(run.folder.modelPath, run.variables, work)
  const session = await openPredictSession(source.model, source.parameters, 1)
  try {
    return await work(session)
  } finally {
    session.close()
  }
}

async function withOpened<T>(
  folder: string,
  variables: ReadonlyMap<string, HostTensor>,
  work: (session: NativeSession) => Promise<T>,
): Promise<T> {
  const session = await NativeSession.open(folder)
  try {
    session.write(variables)
    return await work(session)
  } finally {
    session.close()
  }
}
