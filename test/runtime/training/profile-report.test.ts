/** Sums of node times by line, section and operation, from nodes with made-up times. */
import { describe, expect, test } from "vitest"
import type { Span } from "../../../grammar/ast.js"
import type { TimedNode } from "../../../src/compiler/targets/tensorflow/profile.js"
import { middleMean, nodeSeconds } from "../../../src/runtime/training/profile.js"
import { profileReport } from "../../../src/runtime/training/profile-report.js"

const TEXTS = new Map([
  ["m.mdl", "model M {\n  let a = Layer()(x)\n  let b = relu(a)\n}\n"],
  ["std/lib", "block Layer()(x) {\n  return conv(x)\n}\n"],
])

/** The line of `file` that holds `text`. */
const line = (file: string, text: string): Span => {
  const start = TEXTS.get(file)!.indexOf(text)
  return { file, start, end: start + text.length }
}
const node = (op: string, phase: TimedNode["phase"], section: string, ...frames: Span[]): TimedNode => {
  const [span, ...chain] = frames.reverse()
  return { name: op, op, phase, origin: { span: span!, section, scope: "", chain: chain.reverse() } }
}

const NODES: readonly TimedNode[] = [
  node("Conv2D", "forward", "vision", line("m.mdl", "Layer"), line("std/lib", "conv")),
  node("Conv2DBackpropFilter", "backward", "vision", line("m.mdl", "Layer"), line("std/lib", "conv")),
  node("Relu", "forward", "", line("m.mdl", "relu")),
  { name: "train/norm", op: "Sqrt", phase: "update", origin: undefined },
  // a block that calls itself: the line is in the chain twice
  node("Conv2D", "forward", "vision", line("std/lib", "conv"), line("std/lib", "conv")),
]
const report = profileReport(NODES, [1, 4, 2, 1, 2], TEXTS)

describe("lines", () => {
  const at = (file: string | null, number: number | null) =>
    report.lines.find((row) => row.file === file && row.line === number)

  test("have what they call, and what is their own", () => {
    expect(at("m.mdl", 2)).toMatchObject({ text: "let a = Layer()(x)", seconds: 5, self: 0, forward: 1, backward: 4 })
    expect(at("std/lib", 2)).toMatchObject({ text: "return conv(x)", seconds: 7, self: 7, share: 0.7 })
    expect(at("m.mdl", 3)).toMatchObject({ seconds: 2, self: 2, ops: { Relu: 2 } })
    expect(Object.entries(at("std/lib", 2)!.ops)).toEqual([
      ["Conv2DBackpropFilter", 4],
      ["Conv2D", 3],
    ])
  })

  test("have the step as a whole among them, and their own times add up", () => {
    expect(at(null, null)).toMatchObject({ self: 1, update: 1 })
    expect(report.lines.reduce((sum, { self }) => sum + self, 0)).toBe(10)
  })
})

test("sections, operations and phases add up too", () => {
  expect(report.phases).toEqual({ share: 1, seconds: 10, forward: 5, backward: 4, update: 1 })
  expect(report.sections.map(({ section, seconds }) => [section, seconds])).toEqual([
    ["vision", 7],
    ["", 2],
    [null, 1],
  ])
  expect(report.ops.map(({ op, count, seconds }) => [op, count, seconds])).toEqual([
    ["Conv2DBackpropFilter", 1, 4],
    ["Conv2D", 2, 3],
    ["Relu", 1, 2],
    ["Sqrt", 1, 1],
  ])
  expect(report.nodes[0]).toMatchObject({ file: "std/lib", line: 2, section: "vision", seconds: 4 })
})

describe("seconds of nodes", () => {
  const timing = { nodes: NODES.slice(0, 3), links: 2 }

  test("are without what a reading costs", () => {
    const step = Float32Array.of(3, 1.5, 0.5, 0.5, 0.5)
    expect(nodeSeconds(timing, [step, step])).toEqual({ seconds: [2.5, 1, 0], reading: 0.5 })
  })

  test("count from the latest reading when one came too early", () => {
    const step = Float32Array.of(3, -2, 4, 0, 0)
    expect(nodeSeconds(timing, [step])).toEqual({ seconds: [3, 0, 2], reading: 0 })
  })

  test("are the mean of the middle half of the steps", () => {
    expect(middleMean([100, 2, 1, 4, 3, 2, -50, 3])).toBe(2.5)
    expect(middleMean([7])).toBe(7)
  })
})
