import { describe, expect, it } from "vitest"
import { statelessRandom } from "../../../src/compiler/targets/reference/random.js"
import { initialValues } from "../../../src/runtime/deployment/initial-values.js"

const parameter = (
  name: string,
  shape: readonly number[],
  initializer: Parameters<typeof initialValues>[0][0]["initializer"],
) => ({
  name,
  shape,
  dtype: "f32" as const,
  initializer,
})

describe("initialValues", () => {
  it("fills constants, takes explicit values, keeps integers whole", () => {
    const values = initialValues(
      [
        parameter("a", [2, 2], { kind: "constant", value: 0.5 }),
        parameter("b", [3], { kind: "values", values: [1, 2, 3] }),
        { ...parameter("c", [], { kind: "constant", value: 7 }), dtype: "i32" },
      ],
      1,
    )
    expect(values.get("a")).toEqual(Float32Array.of(0.5, 0.5, 0.5, 0.5))
    expect(values.get("b")).toEqual(Float32Array.of(1, 2, 3))
    expect(values.get("c")).toEqual(Int32Array.of(7))
  })

  it("draws by name: another parameter before or after changes nothing", () => {
    const one = parameter("one", [3], { kind: "normal", mean: 0, deviation: 1 })
    const two = parameter("two", [4], { kind: "uniform", low: -1, high: 1 })
    const [alone, both, other] = [initialValues([two], 3), initialValues([one, two], 3), initialValues([two], 4)]
    expect(both.get("two")).toEqual(alone.get("two"))
    expect(other.get("two")).not.toEqual(alone.get("two"))
  })

  it("scales in float32, rounding after each operation", () => {
    const drawn = statelessRandom(5, 0).uniform("init:w", 100)
    const found = initialValues([parameter("w", [100], { kind: "uniform", low: -0.1, high: 0.3 })], 5).get("w")!
    const factor = Math.fround(0.3 - -0.1)
    const expected = Array.from(drawn, (u) => Math.fround(Math.fround(u * factor) + Math.fround(-0.1)))
    expect([...found]).toEqual(expected)
    expect(Math.min(...found)).toBeGreaterThanOrEqual(Math.fround(-0.1))
  })

  it("refuses explicit values that do not fit", () => {
    expect(() => initialValues([parameter("b", [2], { kind: "values", values: [1] })], 0)).toThrow(
      "b has 1 initial values for 2",
    )
  })
})
