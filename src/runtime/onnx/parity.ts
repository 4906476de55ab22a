/**
 * Numeric parity of an exported model with the trainer that it came from.
 *
 * Takes the ONNX bytes, a way to run the trainer, and inputs (random and real, at more than one batch size); gives a
 * report with the differences per case and output, and whether all are within the tolerance. A constant batch hidden in
 * a model shows only at a second batch size, so the caller should give at least two.
 */

import { openOnnx, type Feeds, type OnnxEngine, type Outputs, type RuntimeTensor } from "./run.js"

/** What two runs differ by in one output. */
export interface OutputDifference {
  readonly name: string
  /** largest absolute difference; infinite where one side is no finite number and the other is another */
  readonly maxAbs: number
  /** `maxAbs` relative to the largest magnitude that is expected of this output, 0 when both are all zero */
  readonly maxRel: number
  /**
   * share of elements on the same side of 0.5 (a mask's agreement) when the output is f32 and all its values lie in
   * [0, 1]; share of equal elements for integers and booleans; else undefined
   */
  readonly agreement: number | undefined
  /** why the outputs cannot be compared: missing, or of another type or shape */
  readonly problem: string | undefined
}

export type CaseKind = "random" | "real"

export interface ParityInput {
  readonly kind: CaseKind
  readonly batch: number
  /** sizes that the file leaves open besides the batch, where they are not those of the model's text */
  readonly sizes?: Readonly<Record<string, number>>
  readonly feeds: Feeds
}

export interface ParityCase {
  readonly kind: CaseKind
  readonly batch: number
  /** where they are not those of the model's text */
  readonly sizes?: Readonly<Record<string, number>>
  readonly outputs: readonly OutputDifference[]
}

export interface ParityReport {
  readonly cases: readonly ParityCase[]
  readonly tolerance: number
  readonly passed: boolean
}

export interface ParityRequest {
  /** bytes of the file, or its path */
  readonly onnx: Uint8Array | string
  /** runs the trainer's inference program */
  readonly predict: (feeds: Feeds) => Promise<Outputs>
  readonly inputs: readonly ParityInput[]
  /** largest difference allowed, see `withinTolerance`; 1e-4 when absent */
  readonly tolerance?: number
  /** what runs the file; `native` when absent */
  readonly engine?: OnnxEngine
}

export const USUAL_TOLERANCE = 1e-4

/**
 * Runs the file and the trainer on the same inputs.
 *
 * @throws RangeError when there are no inputs, which would pass without having shown anything
 * @throws OnnxRuntimeMissing, OnnxRunError as `openOnnx` does
 */
export async function checkParity(request: ParityRequest): Promise<ParityReport> {
  const { onnx, predict, inputs, tolerance = USUAL_TOLERANCE } = request
  if (inputs.length === 0) throw new RangeError("a parity check needs at least one input")
  const model = await openOnnx(onnx, request.engine === undefined ? {} : { engine: request.engine })
  try {
    const cases: ParityCase[] = []
    for (const { feeds, ...what } of inputs) {
      const outputs = compareOutputs(await model.run(feeds), await predict(feeds))
      cases.push({ ...what, outputs })
    }
    const passed = cases.every(
      ({ outputs }) => outputs.length > 0 && outputs.every((o) => withinTolerance(o, tolerance)),
    )
    return { cases, tolerance, passed }
  } finally {
    await model.close()
  }
}

/**
 * Whether a difference is small enough: at most `tolerance`, absolute or relative to the largest magnitude expected,
 * whichever allows more. Integers and booleans differ by at least 1 and have no relative closeness: they must be equal.
 */
export function withinTolerance(difference: OutputDifference, tolerance: number): boolean {
  if (difference.problem !== undefined) return false
  return difference.maxAbs <= tolerance || difference.maxRel <= tolerance
}

/** Compares `found` with `expected`, output by output; outputs that only one side has are reported as problems. */
export function compareOutputs(found: Outputs, expected: Outputs): OutputDifference[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])]
  return names.map((name) => {
    const [a, b] = [found[name], expected[name]]
    if (!a || !b) return incomparable(name, a ? "the trainer does not give it" : "the ONNX model does not give it")
    const problem = mismatch(a, b)
    return problem === undefined ? compareTensors(name, a, b) : incomparable(name, problem)
  })
}

const incomparable = (name: string, problem: string): OutputDifference => ({
  name,
  maxAbs: Infinity,
  maxRel: Infinity,
  agreement: undefined,
  problem,
})

function mismatch(found: RuntimeTensor, expected: RuntimeTensor): string | undefined {
  const text = ({ dtype, shape }: RuntimeTensor): string => `${dtype}[${shape.join(", ")}]`
  return text(found) === text(expected) && found.data.length === expected.data.length
    ? undefined
    : `ONNX gives ${text(found)}, the trainer ${text(expected)}`
}

function compareTensors(name: string, found: RuntimeTensor, expected: RuntimeTensor): OutputDifference {
  const isFloat = found.dtype === "f32"
  const count = found.data.length
  let [maxAbs, largest, agreeing] = [0, 0, 0]
  let inUnit = isFloat
  for (let i = 0; i < count; i++) {
    const [a, b] = [Number(found.data[i]), Number(expected.data[i])]
    maxAbs = Math.max(maxAbs, distance(a, b))
    if (Number.isFinite(b)) largest = Math.max(largest, Math.abs(b))
    inUnit &&= a >= 0 && a <= 1 && b >= 0 && b <= 1
    if (isFloat ? a >= 0.5 === b >= 0.5 : a === b) agreeing++
  }
  // one differing integer is wrong however large the others are, so integers are never close, only equal
  const maxRel = maxAbs === 0 ? 0 : isFloat && largest > 0 ? maxAbs / largest : Infinity
  const agreement = count > 0 && (inUnit || !isFloat) ? agreeing / count : undefined
  return { name, maxAbs, maxRel, agreement, problem: undefined }
}

/** Equal infinities and two NaNs are equal; a NaN against a number is infinitely far. */
function distance(a: number, b: number): number {
  if (Object.is(a, b) || a === b) return 0
  const difference = Math.abs(a - b)
  return Number.isNaN(difference) ? Infinity : difference
}

/** The report as a table for people. @param title what was compared */
export function formatParity(report: ParityReport, title = "ONNX parity"): string {
  const head = ["inputs", "batch", "output", "max abs", "max rel", "agreement", ""]
  const rows = report.cases.flatMap(({ kind, batch, sizes, outputs }) =>
    outputs.map((output) => [
      sizes ? `${kind}, ${sizesText(Object.entries(sizes))}` : kind,
      `${batch}`,
      output.name,
      output.problem === undefined ? number(output.maxAbs) : "-",
      output.problem === undefined ? number(output.maxRel) : "-",
      output.agreement === undefined ? "-" : `${(100 * output.agreement).toFixed(3)} %`,
      withinTolerance(output, report.tolerance) ? "ok" : (output.problem ?? "differs"),
    ]),
  )
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd()
  const verdict = report.passed
    ? `${title}: passed (tolerance ${report.tolerance})`
    : `${title}: FAILED (tolerance ${report.tolerance})`
  return [verdict, ...[head, ...rows].map(line)].join("\n") + "\n"
}

/** `H = 240, W = 208` */
export function sizesText(sizes: Iterable<readonly [string, number]>): string {
  return [...sizes].map(([name, size]) => `${name} = ${size}`).join(", ")
}

const number = (value: number): string => (value === 0 ? "0" : value.toExponential(2))
