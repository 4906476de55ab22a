/** The committed errors of the ops: complete, and rounded as promised. */

import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { OP_NAMES, type OpName } from "../../../src/compiler/ops/names.js"
import { opDefinition } from "../../../src/compiler/ops/registry.js"
import { relativeError, roundedUp } from "./measured-errors.js"

const FOLDER = "scripts/docs/operator-errors"
const files = new Map(
  readdirSync(FOLDER).map((file) => [
    file.replace(".json", ""),
    JSON.parse(readFileSync(`${FOLDER}/${file}`, "utf8")) as Readonly<Record<string, number>>,
  ]),
)
const has = (file: string, op: OpName): boolean => files.get(file)![op] !== undefined

describe("every op stands in the files of what it is compared in", () => {
  test.each([...OP_NAMES])("%s", (op) => {
    const { cases, internal } = opDefinition(op)
    expect(has("tensorflow", op)).toBe(cases.some((c) => !c.skip?.tensorflow))
    expect(has("onnx", op)).toBe(cases.some((c) => !c.skip?.onnx))
    // What a model can call is compared with PyTorch, but for literals, random numbers and two forms of the identity.
    const isOwn = ["constant", "random_uniform", "random_normal", "dropout", "stop_gradient"].includes(op)
    if (!internal && !isOwn) expect(has("pytorch", op) || has("pytorch-images", op)).toBe(true)
  })

  test("and nothing else does", () => {
    const known: ReadonlySet<string> = new Set(OP_NAMES)
    for (const [file, errors] of files) {
      expect(
        Object.keys(errors).filter((op) => !known.has(op)),
        file,
      ).toEqual([])
    }
  })
})

test("errors are rounded up to one digit", () => {
  expect([0, 1e-7, 1.2e-7, 9.01e-8, 0.5].map(roundedUp)).toEqual([0, 1e-7, 2e-7, 1e-7, 0.5])
  for (const errors of files.values()) {
    for (const error of Object.values(errors)) expect(roundedUp(error)).toBe(error)
  }
})

test("an error is relative to the largest expected number, and a number that is none is no match", () => {
  expect(relativeError([1, 2.5], [1, 2])).toBeCloseTo(0.25, 12)
  expect(relativeError([0, 1e-4], [0, 0])).toBeCloseTo(0.1, 12)
  expect(relativeError([NaN], [1])).toBe(Infinity)
  expect(relativeError([1], [1, 2])).toBe(Infinity)
})
