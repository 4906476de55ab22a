/**
 * Every op of which an ONNX file can hold the axes open: exported with symbols for its sizes, run at sizes that the export
 * itself allows and no case has, compared with the float64 reference there. What an op cannot leave open it must refuse.
 */

import { describe, expect, it } from "vitest"
import { GraphBuilder, OpTypeError } from "../../../../src/compiler/ir/builder.js"
import { asConstant, constant, evaluate, symbol, type Dim, type Sizes } from "../../../../src/compiler/ir/dims.js"
import type { Attributes, AttributeValue, Graph } from "../../../../src/compiler/ir/graph.js"
import type { OpCase } from "../../../../src/compiler/ops/definition.js"
import { sizeOf } from "../../../../src/compiler/ops/ndarray.js"
import { SizeFixed } from "../../../../src/compiler/targets/onnx/errors.js"
import { exportOnnx, type ExportedModel } from "../../../../src/compiler/targets/onnx/export.js"
import { interpret } from "../../../../src/compiler/targets/reference/interpret.js"
import { runOnnx } from "../../../../src/runtime/onnx/run.js"
import { allCases, CASE_ORIGIN, caseType, drawCase, type NamedCase } from "../../ops/case-values.js"
import { relativeError } from "../../ops/measured-errors.js"
import { runtimeTensor } from "./graphs.js"

/** Which axes of which inputs get a symbol: all of all, all of the first, or those of the first that are an image's. */
const VARIANTS: readonly ((input: number, axis: number, rank: number) => boolean)[] = [
  () => true,
  (input) => input === 0,
  (input, axis) => input === 0 && axis >= 2,
  (input, axis, rank) => input === 0 && axis !== rank - 1,
]

/** One symbol for each size, so that what has to agree does. */
const nameOf = (size: number): string => `S${size}`

interface OpenCase {
  readonly inputs: readonly (readonly Dim[])[]
  readonly graphAt: (sizes: Sizes) => Graph
  readonly usual: Sizes
}

/** A case with symbols for some of its sizes; the same symbols stand in its attributes. */
function opened({ op, case: c }: NamedCase, isOpen: (typeof VARIANTS)[number]): OpenCase {
  const usual = new Map<string, number>()
  const inputs = c.inputs.map((input, index) =>
    caseType(input).shape.map((dim, axis) => {
      const size = asConstant(dim)!
      if (size < 2 || !isOpen(index, axis, input.shape.length)) return dim
      usual.set(nameOf(size), size)
      return symbol(nameOf(size))
    }),
  )
  const named = (entry: number | Dim): number | Dim => {
    const size = typeof entry === "number" ? undefined : asConstant(entry)
    return size !== undefined && usual.has(nameOf(size)) ? symbol(nameOf(size)) : entry
  }
  const attributes: Attributes = Object.fromEntries(
    Object.entries(c.attributes ?? {}).map(([name, value]) => [
      name,
      Array.isArray(value) ? ((value as readonly (number | Dim)[]).map(named) as AttributeValue) : value,
    ]),
  )
  const graphAt = (sizes: Sizes): Graph => {
    const builder = new GraphBuilder(sizes)
    builder.setOrigin(CASE_ORIGIN)
    const values = inputs.map((shape, i) => builder.input(`i${i}`, { dtype: c.inputs[i]!.dtype, shape }, "input"))
    builder.all(op, values, attributes).forEach((value, i) => builder.output(`o${i}`, value))
    return builder.finish()
  }
  return { inputs, graphAt, usual }
}

/** The file with open sizes; undefined when the op has none to open or refuses it. */
function exported(name: string, { graphAt, usual }: OpenCase): ExportedModel | undefined {
  if (usual.size === 0) return undefined
  try {
    const graph = graphAt(usual)
    const symbols = [...usual.keys()]
    return exportOnnx({ name, graph, parameters: new Map(), symbols, resized: graphAt, metadata: {} })
  } catch (error) {
    // Refused as it should be; or the op does not exist at the other size.
    if (error instanceof SizeFixed || error instanceof OpTypeError) return undefined
    throw error
  }
}

/** The case at other sizes; written-out values are repeated, and whole numbers are indices of the smallest axis. */
function resizedCase(c: OpCase, open: OpenCase, sizes: Sizes): OpCase {
  const least = Math.min(...sizes.values())
  const inputs = c.inputs.map((input, i) => {
    const shape = open.inputs[i]!.map((dim) => evaluate(dim, sizes)!)
    const { values, ...rest } = input
    const repeated = values && Array.from({ length: sizeOf(shape) }, (_, at) => values[at % values.length]!)
    if (input.dtype === "i32" && !values) return { ...rest, shape, high: Math.min(input.high ?? 4, least) }
    return { ...rest, shape, ...(repeated && { values: repeated }) }
  })
  return { ...c, inputs }
}

const kept = allCases().filter((c) => c.case.skip?.onnx === undefined && c.case.inputs.length > 0)
const byOp = new Map(kept.map(({ op }) => [op, kept.filter((c) => c.op === op)] as const))
/** As many cases of an op tell what its others would. */
const ENOUGH = 2
const open = new Set<string>()

describe("an op with open sizes gives what the reference gives at others", () => {
  for (const [op, cases] of byOp) {
    it(op, async () => {
      let done = 0
      for (const named of cases) {
        if (done === ENOUGH) return
        for (const isOpen of VARIANTS) {
          const variant = opened(named, isOpen)
          const model = exported(op, variant)
          if (!model) continue
          open.add(op)
          done++
          const sizes = model.probes[0]!
          const c = resizedCase(named.case, variant, sizes)
          const arrays = drawCase(op, c)
          const graph = variant.graphAt(sizes)
          const feeds = new Map(graph.inputs.map(({ value }, i) => [value, arrays[i]!] as const))
          const wanted = graph.outputs.map(({ value }) => value)
          const expected = interpret(graph, wanted, feeds, { sizes, seed: 0, step: 0 })
          const given = model.inputs.map(({ name, dtype }) => {
            return [name, runtimeTensor(dtype, arrays[Number(name.slice(1))]!)] as const
          })
          const found = await runOnnx(model.bytes, Object.fromEntries(given))
          expected.forEach((array, i) => {
            const what = `${named.id} at ${JSON.stringify(Object.fromEntries(sizes))}`
            expect([...found[`o${i}`]!.shape], what).toEqual([...array.shape])
            expect(relativeError(Array.from(found[`o${i}`]!.data, Number), array.data), what).toBeLessThan(1e-4)
          })
          break
        }
      }
    })
  }

  it("for all but those whose windows are decided by the size", () => {
    expect([...byOp.keys()].filter((op) => !open.has(op))).toEqual(["adaptive_max_pool2d", "fold2d"])
  })
})

it("a size written into an attribute as a number is no open size", () => {
  const c: NamedCase = {
    id: "reshape",
    op: "reshape",
    case: { name: "x", inputs: [{ dtype: "f32", shape: [4, 6] }], attributes: { shape: [constant(24)] } },
  }
  expect(exported("reshape", opened(c, VARIANTS[0]!))).toBeUndefined()
})
