/**
 * The algebraic clean-up, rule by rule: each rule of the table has a small program to which it applies, the exact graph
 * that is left, and its promise about rounding held against the interpreter. Near misses show what is left alone.
 */

import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import type { ValueId } from "../../../src/compiler/ir/graph.js"
import { removeDeadCode } from "../../../src/compiler/passes/dead-code.js"
import { foldConstants } from "../../../src/compiler/passes/fold-constants.js"
import { runPasses, type PassOptions, type Program } from "../../../src/compiler/passes/pass.js"
import { simplify } from "../../../src/compiler/passes/simplify.js"
import { RULES } from "../../../src/compiler/passes/simplify-rules.js"
import { graphText } from "./graph-text.js"
import { sameNumbers, valuesOf } from "./random-programs.js"

type Build = (b: GraphBuilder, x: ValueId, y: ValueId) => ValueId

const dims = (...sizes: readonly number[]) => sizes.map(constant)

/** A program over x and y, both [N, 3], of which `build` makes the result. */
function program(build: Build): Program {
  const builder = new GraphBuilder(new Map())
  const type = { dtype: "f32", shape: [symbol("N"), constant(3)] } as const
  const x = builder.input("x", type, "input")
  const y = builder.input("y", type, "input")
  return { results: [build(builder, x, y)], graph: builder.finish() }
}

const clean = (given: Program, rounding: PassOptions["rounding"]): Program =>
  runPasses([foldConstants, simplify, removeDeadCode], given, { rounding }).program

const wide = [symbol("N"), constant(3)]

/** By rule: programs it applies to, and what is left of each. */
const CASES: Readonly<Record<string, readonly (readonly [Build, readonly string[]])[]>> = {
  "x + 0 is x": [
    [(b, x) => b.op("tanh", [b.op("add", [x, b.scalar(0)])]), ["%0 = tanh(x)", "gives %0"]],
    [(b, x) => b.op("tanh", [b.op("add", [b.scalar(0), x])]), ["%0 = tanh(x)", "gives %0"]],
  ],
  "x - 0 is x": [[(b, x) => b.op("sub", [x, b.scalar(0)]), ["gives x"]]],
  "x * 1 is x": [[(b, x) => b.op("mul", [b.op("constant", [], { shape: [1, 3], values: [1] }), x]), ["gives x"]]],
  "x / 1 and x to the power 1 are x": [
    [(b, x) => b.op("pow", [b.op("div", [x, b.scalar(1)]), b.scalar(1)]), ["gives x"]],
  ],
  "a choice that is always the same is none": [
    [(b, x, y) => b.op("select", [b.op("less", [b.scalar(1), b.scalar(2)]), x, y]), ["gives x"]],
    [(b, x, y) => b.op("select", [b.op("less", [b.scalar(2), b.scalar(1)]), x, y]), ["gives y"]],
  ],
  "after gradients are made, nothing stops them": [[(b, x) => b.op("stop_gradient", [x]), ["gives x"]]],
  "a cast to the type it has is none": [[(b, x) => b.op("cast", [x], { to: "f32" }), ["gives x"]]],
  "a reshape to the same shape is none": [[(b, x) => b.op("reshape", [x], { shape: wide }), ["gives x"]]],
  "a reshape of a reshape is one": [
    [
      (b, x) =>
        b.op("reshape", [b.op("reshape", [x], { shape: [constant(1), ...wide] })], { shape: [...wide, constant(1)] }),
      ["%0 = reshape(x, [N, 3, 1])", "gives %0"],
    ],
    [
      (b, x) => b.op("reshape", [b.op("reshape", [x], { shape: [constant(1), ...wide] })], { shape: wide }),
      ["gives x"],
    ],
  ],
  "a transpose that moves no axis is none": [[(b, x) => b.op("transpose", [x], { perm: [0, 1] }), ["gives x"]]],
  "a transpose of a transpose is one": [
    [(b, x) => b.op("transpose", [b.op("transpose", [x], { perm: [1, 0] })], { perm: [1, 0] }), ["gives x"]],
    [
      (b, x) => {
        const cube = b.op("broadcast_to", [x], { shape: [constant(2), ...wide] })
        return b.op("transpose", [b.op("transpose", [cube], { perm: [1, 2, 0] })], { perm: [1, 2, 0] })
      },
      ["%0 = broadcast_to(x, [2, N, 3])", "%1 = transpose(%0, [2, 0, 1])", "gives %1"],
    ],
  ],
  "a transpose that moves only axes of size 1 is a reshape": [
    [
      (b, x) => b.op("transpose", [b.op("sum", [x], { axes: [1], keep: true })], { perm: [1, 0] }),
      ["%0 = sum(x, [1], true)", "%1 = reshape(%0, [1, N])", "gives %1"],
    ],
  ],
  "a broadcast to the same shape is none": [[(b, x) => b.op("broadcast_to", [x], { shape: wide }), ["gives x"]]],
  "a broadcast of a broadcast is one": [
    [
      (b, x) => {
        const row = b.op("sum", [x], { axes: [1], keep: true })
        const once = b.op("broadcast_to", [row], { shape: wide })
        return b.op("broadcast_to", [once], { shape: [constant(2), ...wide] })
      },
      ["%0 = sum(x, [1], true)", "%1 = broadcast_to(%0, [2, N, 3])", "gives %1"],
    ],
  ],
  "a slice of everything is none": [[(b, x) => b.op("slice", [x], { starts: dims(0, 0), sizes: wide }), ["gives x"]]],
  "a slice of a slice is one": [
    [
      (b, x) => {
        const two = b.op("slice", [x], { starts: dims(0, 1), sizes: [symbol("N"), constant(2)] })
        return b.op("slice", [two], { starts: dims(0, 1), sizes: [symbol("N"), constant(1)] })
      },
      ["%0 = slice(x, [0, 2], [N, 1])", "gives %0"],
    ],
  ],
  "a border of nothing is none": [[(b, x) => b.op("pad", [x], { before: dims(0, 0), after: dims(0, 0) }), ["gives x"]]],
  "one part is the whole": [[(b, x) => b.op("concat", [x], { axis: 0 }), ["gives x"]]],
  "a reduction over axes of size 1 is a reshape": [
    [
      (b, x) => b.op("mean", [b.op("sum", [x], { axes: [1], keep: true })], { axes: [1] }),
      ["%0 = sum(x, [1], true)", "%1 = reshape(%0, [N])", "gives %1"],
    ],
  ],
  "-(-x) is x, and so is not (not x)": [
    [(b, x) => b.op("neg", [b.op("neg", [x])]), ["gives x"]],
    [(b, x, y) => b.op("logical_not", [b.op("logical_not", [b.op("less", [x, y])])]), ["%0 = less(x, y)", "gives %0"]],
  ],
  "x + (-y) is x - y": [
    [(b, x, y) => b.op("add", [x, b.op("neg", [y])]), ["%0 = sub(x, y)", "gives %0"]],
    [(b, x, y) => b.op("add", [b.op("neg", [x]), y]), ["%0 = sub(y, x)", "gives %0"]],
  ],
  "x - (-y) is x + y": [[(b, x, y) => b.op("sub", [x, b.op("neg", [y])]), ["%0 = add(x, y)", "gives %0"]]],
  "0 - x is -x": [[(b, x) => b.op("sub", [b.scalar(0), x]), ["%0 = neg(x)", "gives %0"]]],
  "-(x - y) is y - x": [[(b, x, y) => b.op("neg", [b.op("sub", [x, y])]), ["%0 = sub(y, x)", "gives %0"]]],
  "x * -1 is -x": [[(b, x) => b.op("mul", [x, b.scalar(-1)]), ["%0 = neg(x)", "gives %0"]]],
  "(-x) * (-y) is x * y": [
    [(b, x, y) => b.op("mul", [b.op("neg", [x]), b.op("neg", [y])]), ["%0 = mul(x, y)", "gives %0"]],
  ],
  "(-x) * c is x * (-c)": [[(b, x) => b.op("mul", [b.op("neg", [x]), b.scalar(3)]), ["%0 = mul(x, -3)", "gives %0"]]],
  "-(x * c) is x * (-c)": [[(b, x) => b.op("neg", [b.op("mul", [b.scalar(3), x])]), ["%0 = mul(x, -3)", "gives %0"]]],
  "abs(-x) is abs(x), and the squares are the same": [
    [(b, x) => b.op("abs", [b.op("neg", [x])]), ["%0 = abs(x)", "gives %0"]],
    [(b, x) => b.op("square", [b.op("neg", [x])]), ["%0 = square(x)", "gives %0"]],
  ],
  "doing it twice changes nothing more": [[(b, x) => b.op("relu", [b.op("relu", [x])]), ["%0 = relu(x)", "gives %0"]]],
  "x / c is x * (1/c) for a power of two": [
    [(b, x) => b.op("div", [x, b.scalar(4)]), ["%0 = mul(x, 0.25)", "gives %0"]],
  ],
  "(x * c) * d is x * (c * d) when one is a power of two": [
    [(b, x) => b.op("mul", [b.op("mul", [x, b.scalar(3)]), b.scalar(0.5)]), ["%0 = mul(x, 1.5)", "gives %0"]],
  ],
  "(x * c) * d is x * (c * d)": [
    [(b, x) => b.op("mul", [b.op("mul", [x, b.scalar(3)]), b.scalar(5)]), ["%0 = mul(x, 15)", "gives %0"]],
  ],
  "(x + c) + d is x + (c + d)": [
    [(b, x) => b.op("add", [b.op("add", [x, b.scalar(3)]), b.scalar(5)]), ["%0 = add(x, 8)", "gives %0"]],
  ],
  "x to the power 2 is a square": [[(b, x) => b.op("pow", [x, b.scalar(2)]), ["%0 = square(x)", "gives %0"]]],
  "operand 1 need not be broadcast first": [
    [
      (b, x, y) => b.op("sub", [b.op("broadcast_to", [b.op("sum", [x])], { shape: wide }), y]),
      ["%0 = sum(x, [], false)", "%1 = sub(%0, y)", "gives %1"],
    ],
  ],
  "operand 2 need not be broadcast first": [
    [
      (b, x, y) => b.op("sub", [y, b.op("broadcast_to", [b.op("sum", [x])], { shape: wide })]),
      ["%0 = sum(x, [], false)", "%1 = sub(y, %0)", "gives %1"],
    ],
  ],
  "operand 3 need not be broadcast first": [
    [
      (b, x, y) => b.op("select", [b.op("less", [x, y]), x, b.op("broadcast_to", [b.op("sum", [x])], { shape: wide })]),
      ["%0 = less(x, y)", "%1 = sum(x, [], false)", "%2 = select(%0, x, %1)", "gives %2"],
    ],
  ],
  "operand 1, one number, is a scalar": [
    [(b, x) => b.op("sub", [b.op("constant", [], { shape: [1, 3], values: [7] }), x]), ["%0 = sub(7, x)", "gives %0"]],
  ],
  "operand 2, one number, is a scalar": [
    [(b, x) => b.op("sub", [x, b.op("constant", [], { shape: [3], values: [7] })]), ["%0 = sub(x, 7)", "gives %0"]],
  ],
  "operand 3, one number, is a scalar": [
    [
      (b, x, y) => b.op("select", [b.op("less", [x, y]), x, b.op("constant", [], { shape: [3], values: [7] })]),
      ["%0 = less(x, y)", "%1 = select(%0, x, 7)", "gives %1"],
    ],
  ],
}

const titled = RULES.flatMap((rule) => (CASES[rule.name] ?? []).map(([build, left]) => ({ rule, build, left })))

describe("each rule of the table", () => {
  test("has a case", () => {
    expect(RULES.map((rule) => rule.name).filter((name) => !CASES[name])).toEqual([])
    expect(Object.keys(CASES).filter((name) => !RULES.some((rule) => rule.name === name))).toEqual([])
  })

  test.each(titled)("$rule.name", ({ rule, build, left }) => {
    const before = program(build)
    const after = clean(before, rule.rounding === "rounds" ? "free" : "exact")
    expect(graphText(after)).toEqual(left)
    expect(sameNumbers(valuesOf(after), valuesOf(before))).toBe(true)
  })

  test.each(titled.filter(({ rule }) => rule.rounding === "rounds"))(
    "is left out of training when it rounds: $rule.name",
    ({ build }) => {
      const before = program(build)
      expect(graphText(clean(before, "exact"))).toEqual(graphText(before))
    },
  )
})

describe("what only looks like it is left alone", () => {
  test.each<[string, Build]>([
    [
      "a zero that makes the result wider",
      (b, x) => b.op("add", [x, b.op("constant", [], { shape: [2, 1, 3], values: [0] })]),
    ],
    ["a number in front of a division", (b, x) => b.op("div", [b.scalar(1), x])],
    ["a division by what is no power of two", (b, x) => b.op("div", [x, b.scalar(3)])],
    ["the difference of a number and x", (b, x) => b.op("sub", [b.scalar(1), x])],
    ["a cast that changes the type", (b, x) => b.op("cast", [x], { to: "i32" })],
    [
      "a broadcast from which the result has its shape",
      (b, x) => b.op("add", [b.op("broadcast_to", [b.op("sum", [x])], { shape: wide }), b.op("sum", [x])]),
    ],
    ["a transpose that moves something", (b, x) => b.op("transpose", [x], { perm: [1, 0] })],
  ])("%s", (_, build) => {
    const before = program(build)
    const after = clean(before, "exact")
    expect(after.graph.nodes.map((node) => node.op).sort()).toEqual(before.graph.nodes.map((node) => node.op).sort())
  })
})
