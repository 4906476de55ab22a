/** Bytes, hashes and dims as ONNX stores them. */

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { add, constant, equal, format, fraction, multiply, symbol, type Dim } from "../../../../src/compiler/ir/dims.js"
import {
  floatText,
  hashBytes,
  numbersOf,
  parseDim,
  tensorOf,
  transposeTensor,
} from "../../../../src/compiler/targets/onnx/tensors.js"

describe("tensors", () => {
  it("are stored little-endian", () => {
    expect([...tensorOf("f32", [1], [1]).bytes]).toEqual([0, 0, 128, 63])
    expect([...tensorOf("i32", [2], [1, -2]).bytes]).toEqual([1, 0, 0, 0, 254, 255, 255, 255])
    expect([...tensorOf("i64", [1], [-1]).bytes]).toEqual(new Array<number>(8).fill(255))
    expect([...tensorOf("bool", [3], [0, 1, 7]).bytes]).toEqual([0, 1, 1])
  })

  it("give back their numbers; a 64-bit end of all axes stays the largest there is", () => {
    for (const dtype of ["f32", "i32", "i64"] as const) {
      expect(numbersOf(tensorOf(dtype, [3], [3, -4, 0]))).toEqual([3, -4, 0])
    }
    const end = { dtype: "i64", shape: [1], bytes: Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 127]) } as const
    expect(numbersOf(end)).toEqual([Number.MAX_SAFE_INTEGER])
    expect(() => tensorOf("f32", [2], [1])).toThrow("1 values for shape [2]")
  })

  it("are transposed as NumPy does", () => {
    const tensor = tensorOf("i32", [2, 3, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    const turned = transposeTensor(tensor, [2, 0, 1])
    expect(turned.shape).toEqual([2, 2, 3])
    expect(numbersOf(turned)).toEqual([0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11])
    expect(numbersOf(transposeTensor(tensorOf("i64", [2, 2], [1, 2, 3, 4]), [1, 0]))).toEqual([1, 3, 2, 4])
  })

  it("come back when transposed there and back", () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.nat()), (shape, keys) => {
        const count = shape.reduce((a, b) => a * b, 1)
        const tensor = tensorOf(
          "f32",
          shape,
          Array.from({ length: count }, (_, i) => i),
        )
        const order = shape.map((_, axis) => [keys.next().value as number, axis] as const)
        const perm = order.sort(([a, i], [b, j]) => a - b || i - j).map(([, axis]) => axis)
        const inverse = perm.map((_, axis) => perm.indexOf(axis))
        expect(transposeTensor(transposeTensor(tensor, perm), inverse)).toEqual(tensor)
      }),
    )
  })

  it("have hashes that tell a changed byte and a moved byte", () => {
    const hash = (...bytes: number[]): string => hashBytes(Uint8Array.from(bytes))
    expect(hash(1, 2, 3)).toMatch(/^[0-9a-f]{16}$/)
    expect(new Set([hash(1, 2, 3), hash(1, 2, 4), hash(2, 1, 3), hash(1, 2, 3, 0), hash()]).size).toBe(5)
  })

  it("show a float in its shortest text that reads back", () => {
    expect([0.1, 1e-5, -10000, 3, 1 / 3].map((x) => floatText(Math.fround(x)))).toEqual([
      "0.1",
      "0.00001",
      "-10000",
      "3",
      "0.33333334",
    ])
    fc.assert(fc.property(fc.float(), (x) => Object.is(Math.fround(Number(floatText(x))) + 0, x + 0)))
  })
})

describe("a dimension's text", () => {
  const dim: fc.Arbitrary<Dim> = fc
    .array(fc.tuple(fc.integer({ min: -40, max: 40 }), fc.array(fc.constantFrom("N", "T", "H_2"), { maxLength: 3 })))
    .map((terms) =>
      terms.reduce(
        (sum, [c, names]) =>
          add(
            sum,
            names.reduce((term, name) => multiply(term, symbol(name)), constant(c)),
          ),
        constant(0),
      ),
    )

  it("is read back as the same dimension, divided or not", () => {
    const divided = fc.tuple(dim, fc.integer({ min: 1, max: 9 })).map(([d, divisor]) => fraction(d, divisor))
    fc.assert(fc.property(divided, (d) => equal(parseDim(format(d))!, d)))
  })

  it("is none when it is more than is computed with", () => {
    expect(parseDim(Array.from({ length: 40 }, () => "H").join("*"))).toBeUndefined()
    expect(parseDim("99999999999999999999")).toBeUndefined()
  })

  it.each(["", "?", "N/0", "N/T", "unk__12 x", "N**T", "2N"])("%j is not one", (text) => {
    expect(parseDim(text)).toBeUndefined()
  })
})
