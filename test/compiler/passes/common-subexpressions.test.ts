/** What is computed twice is computed once; what only looks the same is kept apart. */

import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import type { ValueId } from "../../../src/compiler/ir/graph.js"
import { shareCommonSubexpressions } from "../../../src/compiler/passes/common-subexpressions.js"
import { removeDeadCode } from "../../../src/compiler/passes/dead-code.js"
import { runPasses, type Program } from "../../../src/compiler/passes/pass.js"
import { graphText } from "./graph-text.js"

function program(build: (b: GraphBuilder, x: ValueId, y: ValueId) => readonly ValueId[]): Program {
  const builder = new GraphBuilder(new Map())
  const type = { dtype: "f32", shape: [symbol("N"), constant(3)] } as const
  const [x, y] = [builder.input("x", type, "input"), builder.input("y", type, "input")]
  return { results: build(builder, x, y), graph: builder.finish() }
}

const shared = (given: Program): string[] =>
  graphText(runPasses([shareCommonSubexpressions], given, { rounding: "exact" }).program)

describe("common subexpressions", () => {
  test("equal nodes become one, and so do those that read them", () => {
    const given = program((b, x) => [
      b.op("tanh", [b.op("square", [x])]),
      b.op("tanh", [b.op("square", [x])]),
      b.op("neg", [b.op("square", [x])]),
    ])
    expect(shared(given)).toEqual(["%0 = square(x)", "%1 = tanh(%0)", "%2 = neg(%0)", "gives %1, %1, %2"])
  })

  test("operands may change places in sums and products, and nowhere else", () => {
    const given = program((b, x, y) =>
      (["add", "mul", "sub", "maximum"] as const).flatMap((name) => [b.op(name, [x, y]), b.op(name, [y, x])]),
    )
    expect(shared(given).at(-1)).toBe("gives %0, %0, %1, %1, %2, %3, %4, %5")
  })

  test("attributes tell nodes apart", () => {
    const given = program((b, x) => [
      b.op("sum", [x], { axes: [0] }),
      b.op("sum", [x], { axes: [1] }),
      b.op("sum", [x], { axes: [1], keep: true }),
      b.op("sum", [x], { axes: [1] }),
    ])
    expect(shared(given).at(-1)).toBe("gives %0, %1, %2, %1")
  })

  test("constants are told apart by every bit: infinities, and 0 from -0", () => {
    const values = [Infinity, -Infinity, 0, -0, Infinity]
    const given = program((b) => values.map((value) => b.op("constant", [], { shape: [2], values: [value, 1] })))
    expect(shared(given).at(-1)).toBe("gives %0, %1, %2, %3, %0")
  })

  test("random numbers are the same when their key and shape are", () => {
    const draw = (b: GraphBuilder, key: string, size: number): ValueId =>
      b.op("random_uniform", [], { shape: [constant(size)], key })
    const given = program((b) => [draw(b, "a", 2), draw(b, "b", 2), draw(b, "a", 3), draw(b, "a", 2)])
    expect(shared(given).at(-1)).toBe("gives %0, %1, %2, %0")
  })

  test("every output of a node with several is shared", () => {
    const given = program((b, x) => {
      const vector = b.op("sum", [x], { axes: [0] })
      const [first, second] = [0, 1].map(() => b.all("batch_norm_training", [x, vector, vector], { epsilon: 1e-5 }))
      return [first![0]!, first![1]!, second![1]!, second![2]!]
    })
    expect(shared(given).at(-1)).toBe("gives %1, %1.1, %1.1, %1.2")
  })
})

describe("dead code", () => {
  test("what no result needs is left out; inputs stay", () => {
    const given = program((b, x, y) => {
      b.op("exp", [b.op("add", [x, y])])
      return [b.op("neg", [x])]
    })
    const { program: after } = runPasses([removeDeadCode], given, { rounding: "exact" })
    expect(graphText(after)).toEqual(["%0 = neg(x)", "gives %0"])
    expect(after.graph.inputs.map((input) => input.name)).toEqual(["x", "y"])
  })
})
