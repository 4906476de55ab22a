import fc from "fast-check"
import { describe, expect, test } from "vitest"
import * as dims from "../../../src/compiler/ir/dims.js"

const sizes = new Map([
  ["H", 224],
  ["W", 96],
])

describe("dims print as people write them", () => {
  const h = dims.symbol("H")
  test.each([
    [dims.divideExactly(h, dims.constant(16), sizes)!, "H/16"],
    [dims.add(dims.multiply(dims.constant(2), h), dims.constant(1)), "2*H + 1"],
    [dims.subtract(dims.constant(3), h), "-H + 3"],
    [dims.multiply(h, dims.symbol("W")), "H*W"],
    [dims.constant(0), "0"],
    // the output size of a 3x3 convolution with stride 2 and padding 1
    [dims.add(dims.floorDivide(dims.subtract(h, dims.constant(1)), 2, sizes)!, dims.constant(1)), "H/2"],
  ])("%#: %s", (dim, text) => expect(dims.format(dim)).toBe(text))
})

describe("division", () => {
  test("is refused when the size does not divide", () => {
    expect(dims.divideExactly(dims.symbol("H"), dims.constant(15), sizes)).toBeUndefined()
  })
  test("of the batch is never rounded, because its size is not known", () => {
    expect(dims.floorDivide(dims.symbol("N"), 2, sizes)).toBeUndefined()
    expect(dims.divideExactly(dims.symbol("N"), dims.constant(2), sizes)).toBeUndefined()
    expect(
      dims.format(dims.divideExactly(dims.multiply(dims.constant(4), dims.symbol("N")), dims.constant(2), sizes)!),
    ).toBe("2*N")
  })
  test("by a symbol cancels it", () => {
    const area = dims.multiply(dims.symbol("H"), dims.symbol("W"))
    expect(dims.format(dims.divideExactly(area, dims.symbol("W"), sizes)!)).toBe("H")
  })
})

/** An expression over H, W and integers with the number it stands for at the given sizes. */
const expression = fc.letrec<{ e: { dim: dims.Dim; value: number } }>((tie) => ({
  e: fc.oneof(
    { depthSize: "small" },
    fc.integer({ min: -5, max: 9 }).map((n) => ({ dim: dims.constant(n), value: n })),
    fc.constantFrom("H", "W").map((s) => ({ dim: dims.symbol(s), value: sizes.get(s)! })),
    fc.tuple(tie("e"), tie("e")).map(([a, b]) => ({ dim: dims.add(a.dim, b.dim), value: a.value + b.value })),
    fc.tuple(tie("e"), tie("e")).map(([a, b]) => ({ dim: dims.multiply(a.dim, b.dim), value: a.value * b.value })),
  ),
})).e

describe("arithmetic on dims agrees with arithmetic on numbers", () => {
  test("evaluation", () => {
    fc.assert(
      fc.property(expression, ({ dim, value }) => {
        fc.pre(Math.abs(value) < 2 ** 40)
        expect(dims.evaluate(dim, sizes)).toBe(value + 0) // -0 is 0
      }),
    )
  })
  test("floor division, at the known sizes", () => {
    fc.assert(
      fc.property(expression, fc.integer({ min: 1, max: 16 }), ({ dim, value }, divisor) => {
        fc.pre(Math.abs(value) < 2 ** 30)
        expect(dims.evaluate(dims.floorDivide(dim, divisor, sizes)!, sizes)).toBe(Math.floor(value / divisor) + 0)
      }),
    )
  })
  test("equal polynomials have one key, however they were made", () => {
    fc.assert(
      fc.property(expression, expression, (a, b) => {
        const square = (d: dims.Dim): dims.Dim => dims.multiply(d, d)
        const left = square(dims.add(a.dim, b.dim))
        const cross = dims.multiply(dims.constant(2), dims.multiply(a.dim, b.dim))
        expect(left.key).toBe(dims.add(dims.add(square(a.dim), cross), square(b.dim)).key)
      }),
      { numRuns: 50 },
    )
  })
})
