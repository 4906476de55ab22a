/**
 * An exported model against the trainer that it came from.
 *
 * Takes: a source, the model that was made of it, and a tolerance. Gives: the differences on random and real inputs, at two
 * batch sizes, and for a file with open sizes at other sizes too.
 *
 * Why so: the trainer's program has fixed sizes, so at each size it is one of its own, compiled from the same text. Such a
 * program is as good a witness as the first: it knows nothing of the file, nor of what the file took for open.
 */

import type { Sizes } from "../../compiler/ir/dims.js"
import type { ExportedModel } from "../../compiler/targets/onnx/export.js"
import { DataError } from "../data/data-error.js"
import { openDataset, openRunDataset } from "../data/dataset.js"
import { BackendUnavailable } from "../native/backend.js"
import { checkParity, type ParityInput, type ParityReport } from "../onnx/parity.js"
import { OnnxRuntimeMissing, type Feeds, type Outputs } from "../onnx/run.js"
import { NativeSession } from "../session.js"
import { UserError } from "../user-error.js"
import { CaseFeeder } from "./calibrate.js"
import type { ExportSource } from "./export-source.js"
import { predictRows } from "./native-rows.js"
import { holding, openPredictSession } from "./predict-session.js"
import { randomInputAt, randomInputs, realInputs, runFeeds } from "./parity-inputs.js"

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

export interface ComparisonRequest {
  readonly source: ExportSource
  readonly exported: ExportedModel
  /** what to compare: the bytes of `exported`, or its path */
  readonly onnx: Uint8Array | string
  readonly tolerance: number
  /** whether to compare in WebAssembly too */
  readonly wasm: boolean
  /** folder of a data set whose cases to compare on; that of the run when absent */
  readonly data: string | undefined
}

export interface Comparison {
  readonly report: ParityReport
  readonly wasm: ParityReport | undefined
  /** what was not compared, and why */
  readonly notes: readonly string[]
}

/**
 * Runs both.
 *
 * @throws ParityNotChecked when the native backend or ONNX Runtime is missing; UserError for a request that cannot be met
 */
export async function compareWithTrainer(request: ComparisonRequest): Promise<Comparison> {
  const { source, exported, onnx, tolerance, wasm } = request
  if (wasm && typeof onnx === "string") {
    throw new UserError("--parity-wasm cannot load weights in a file of their own: leave out one of the two")
  }
  const { inputs: real, notes } = await realCases(request)
  try {
    const expected = new Map<Feeds, Outputs>()
    const inputs: ParityInput[] = [...randomInputs(source.model, exported.inputs), ...real]
    const note = (session: NativeSession, feeds: Feeds): unknown =>
      expected.set(feeds, predictRows(session, feeds, exported.outputs))
    await withSession(source, (session) => inputs.forEach(({ feeds }) => note(session, feeds)))
    for (const sizes of exported.probes) inputs.push(await inputAt(sizes, source, exported, note))
    const common = { onnx, inputs, tolerance, predict: (feeds: Feeds) => Promise.resolve(expected.get(feeds)!) }
    const report = await checkParity(common)
    return { report, wasm: wasm ? await checkParity({ ...common, engine: "wasm" }) : undefined, notes }
  } catch (error) {
    if (error instanceof BackendUnavailable) throw new ParityNotChecked("native backend missing", error)
    if (error instanceof OnnxRuntimeMissing) throw new ParityNotChecked("ONNX Runtime missing", error)
    throw error
  }
}

/** Random inputs at other sizes; what the model gives for them, compiled at those, is noted. */
async function inputAt(
  sizes: Sizes,
  source: ExportSource,
  exported: ExportedModel,
  note: (session: NativeSession, feeds: Feeds) => unknown,
): Promise<ParityInput> {
  const model = source.resized(sizes)
  const input = randomInputAt(sizes, model, exported.inputs)
  const session = await openPredictSession(model, source.parameters, 1)
  try {
    note(session, input.feeds)
    return input
  } finally {
    session.close()
  }
}

/**
 * Cases of a data set. Where the run's own are not to be had a note says why; those that were asked for must be.
 *
 * @throws DataError, UserError when the data set that was asked for cannot be read, or the model cannot be fed from one
 */
async function realCases({
  source,
  exported,
  data,
}: ComparisonRequest): Promise<{ readonly inputs: readonly ParityInput[]; readonly notes: readonly string[] }> {
  const record = source.run?.folder.record
  const wanted = new Set(exported.inputs.map(({ name }) => name))
  if (!record) {
    if (data === undefined) {
      const note = "compared on random inputs only: an untrained model has no data set; --data DIR names one"
      return { inputs: [], notes: [note] }
    }
    // What an untrained model is fed stands in the file alone.
    const feeder = await CaseFeeder.of(exported.bytes, exported.inputs)
    return { inputs: await realInputs(await openDataset(data), (samples) => feeder.batch(samples), wanted), notes: [] }
  }
  try {
    const dataset = await openRunDataset(record.data, { data })
    return { inputs: await realInputs(dataset, (samples) => runFeeds(record, samples), wanted), notes: [] }
  } catch (error) {
    if (!(error instanceof DataError) || data !== undefined) throw error
    return { inputs: [], notes: [`compared on random inputs only: the run's data cannot be read: ${error.what}`] }
  }
}

/** Runs `work` with a session that holds exactly the weights that were exported. */
async function withSession(source: ExportSource, work: (session: NativeSession) => void): Promise<void> {
  const { run } = source
  const session = run
    ? holding(await NativeSession.open(run.folder.modelPath), run.variables)
    : await openPredictSession(source.model, source.parameters, 1)
  try {
    work(session)
  } finally {
    session.close()
  }
}
