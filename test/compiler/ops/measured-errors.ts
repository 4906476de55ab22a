/**
 * How far each op is from what it should be, in one target: measured by the tests that compare it, case by case, and held
 * against what the documentation says (`scripts/docs/operator-errors/*.json`).
 *
 * Takes errors by op; gives the ops whose error has grown. With MDL_MEASURE set (`node scripts/docs/measure-operators.mjs`)
 * the file is written instead. Errors are rounded up to one significant digit, so that the file changes only when an op
 * does.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { OP_NAMES, type OpName } from "../../../src/compiler/ops/names.js"

/** What is compared with what; see the legend in docs/operators.md. */
export type Measured =
  | "tensorflow"
  | "tensorflow-gradient"
  | "onnx"
  | "tfjs"
  | "tfjs-gradient"
  | "pytorch"
  | "pytorch-images"
  | "differences"

const FOLDER = new URL("../../../scripts/docs/operator-errors/", import.meta.url)

/** Machines differ in how they add up: an error is larger when it is this much larger. */
const GROWTH = 4
/** Below this, in units of the result, an error says nothing about an op; float32 resolves 6e-8. */
const NOISE: Readonly<Record<Measured, number>> = {
  tensorflow: 1e-6,
  "tensorflow-gradient": 1e-6,
  onnx: 1e-6,
  tfjs: 1e-6,
  "tfjs-gradient": 1e-6,
  pytorch: 1e-11,
  "pytorch-images": 1e-11,
  differences: 1e-8,
}

/** Largest difference, relative to the largest magnitude of the expected values (at least 1e-3). */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity
  let error = 0
  let magnitude = 1e-3
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!)
    if (!(difference <= error)) error = Number.isNaN(difference) ? Infinity : difference
    magnitude = Math.max(magnitude, Math.abs(expected[i]!))
  }
  return error / magnitude
}

/** Rounded up to one significant digit. */
export function roundedUp(error: number): number {
  if (error === 0) return 0
  const power = Math.floor(Math.log10(error))
  return Number(`${Math.ceil(Number((error / 10 ** power).toPrecision(12)))}e${power}`)
}

/** The errors of one target, as a test run goes on. */
export class MeasuredErrors {
  private readonly largest = new Map<OpName, number>()

  constructor(private readonly target: Measured) {}

  /** Takes note of the error of one case. */
  record(op: OpName, error: number): void {
    this.largest.set(op, Math.max(error, this.largest.get(op) ?? 0))
  }

  /**
   * The ops of this run whose error is not in the file or larger than it says; call it when all cases have run. Writes the
   * file first when measuring.
   */
  grown(): readonly string[] {
    const file = new URL(`${this.target}.json`, FOLDER)
    if (process.env["MDL_MEASURE"]) {
      const listed = OP_NAMES.filter((op) => this.largest.has(op)).map((op) => [op, roundedUp(this.largest.get(op)!)])
      mkdirSync(FOLDER, { recursive: true })
      writeFileSync(file, `${JSON.stringify(Object.fromEntries(listed), undefined, 2)}\n`)
    }
    const known = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, number>) : {}
    return [...this.largest].flatMap(([op, error]) => {
      const before = known[op]
      if (before === undefined) return [`${op} is not in ${this.target}.json`]
      return error <= Math.max(before * GROWTH, NOISE[this.target]) ? [] : [`${op}: ${error}, said to be ${before}`]
    })
  }
}
