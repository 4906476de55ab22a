/** Completeness of the registry: every op says what it is, and its parts agree with each other on all of its cases. */

import { describe, expect, test } from "vitest"
import { asConstant } from "../../../src/compiler/ir/dims.js"
import type { ConcreteType } from "../../../src/compiler/ops/definition.js"
import { OP_NAMES } from "../../../src/compiler/ops/names.js"
import type { NdArray } from "../../../src/compiler/ops/ndarray.js"
import { opDefinition, registry } from "../../../src/compiler/ops/registry.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { allCases, buildCase, CASE_SIZES, drawCase, type NamedCase } from "./case-values.js"

const options = { sizes: CASE_SIZES, seed: 7, step: 3 }

function run({ op, case: c }: NamedCase): { types: readonly string[]; results: readonly NdArray[] } {
  const { graph, inputs, outputs } = buildCase(op, c)
  const values = drawCase(op, c)
  const feeds = new Map(inputs.map((id, index) => [id, values[index]!]))
  return {
    types: outputs.map((id) => graph.values[id]!.type.dtype),
    results: interpret(graph, outputs, feeds, options),
  }
}

test("the list of names and the records agree both ways", () => {
  expect(Object.keys(registry).sort()).toEqual([...OP_NAMES].sort())
})

describe.each([...OP_NAMES])("%s", (name) => {
  const record = opDefinition(name)

  test("is documented, with its operands and attributes", () => {
    expect(record.family).not.toBe("")
    expect(record.doc).toMatch(/^[A-Z].*\.$/s)
    for (const input of record.inputs) expect(input, input.name).toHaveProperty("doc", expect.stringMatching(/\S/))
    for (const [key, spec] of Object.entries(record.attributes)) expect(spec.doc, key).toMatch(/\S/)
  })

  test("has a gradient or says why not", () => {
    if (typeof record.gradient !== "function") expect(record.gradient.none).toMatch(/\S/)
  })

  test("has cases with names of their own, known attributes and reasoned exceptions", () => {
    expect(record.cases.length).toBeGreaterThan(0)
    expect(new Set(record.cases.map((c) => c.name)).size).toBe(record.cases.length)
    for (const c of record.cases) {
      for (const key of Object.keys(c.attributes ?? {})) expect(Object.keys(record.attributes), c.name).toContain(key)
      for (const reason of Object.values(c.skip ?? {})) expect(reason, c.name).toMatch(/\S/)
      const variadic = record.inputs[0]?.variadic === true
      if (!variadic) expect(c.inputs.length, c.name).toBe(record.inputs.length)
    }
  })

  test("declares only inputs that can hold its types", () => {
    for (const input of record.inputs) expect(input.dtypes.length, input.name).toBeGreaterThan(0)
    const variadic = record.inputs.findIndex((input) => input.variadic === true)
    if (variadic >= 0) expect(record.inputs.length).toBe(1)
  })
})

test.each(allCases())("reference and inference agree on $id", (named) => {
  // `interpret` throws when a result's shape is not the inferred one; element types are checked here.
  const { types, results } = run(named)
  results.forEach((result, index) => {
    expect(result.data.length, "an empty result proves nothing").toBeGreaterThan(0)
    expect(result.data.every((value) => Number.isFinite(value))).toBe(true)
    if (types[index] === "i32") expect(result.data.every((value) => Number.isInteger(value))).toBe(true)
    if (types[index] === "bool") expect(result.data.every((value) => value === 0 || value === 1)).toBe(true)
  })
})

test.each(allCases())("costs of $id are natural numbers", ({ op, case: c }) => {
  const { graph, inputs, outputs } = buildCase(op, c)
  const concrete = (id: number): ConcreteType => {
    const { dtype, shape } = graph.values[id]!.type
    return { dtype, shape: shape.map((dim) => asConstant(dim)!) }
  }
  const { macs } = opDefinition(op).cost(inputs.map(concrete), outputs.map(concrete), graph.nodes.at(-1)!.attributes)
  expect(Number.isSafeInteger(macs) && macs >= 0, `${macs}`).toBe(true)
})

test("drawn values are the same on every call and differ between cases", () => {
  const [first, second] = opDefinition("mul").cases
  expect(drawCase("mul", first!)).toEqual(drawCase("mul", first!))
  expect(drawCase("mul", first!)[0]!.data.slice(0, 3)).not.toEqual(drawCase("mul", second!)[0]!.data.slice(0, 3))
})

test("values with kinks stay away from integers and from each other", () => {
  const c = opDefinition("max").cases.find((one) => one.inputs[0]!.shape.length === 4)!
  const values = [...drawCase("max", c)[0]!.data].sort((a, b) => a - b)
  const distance = c.inputs[0]!.awayFromZero!
  for (const value of values) expect(Math.abs(value - Math.round(value))).toBeGreaterThan(distance * 0.99)
  values.forEach((value, index) => {
    if (index > 0) expect(value - values[index - 1]!).toBeGreaterThan(1e-3)
  })
})
