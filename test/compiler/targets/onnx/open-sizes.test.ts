/**
 * Sizes that stay open in the file: what the shapes then are, which sizes they allow, that the numbers are right at others,
 * and that a statement which fixes a size is named.
 */

import fc from "fast-check"
import onnxProto from "onnx-proto"
import { describe, expect, it } from "vitest"
import { constant, symbol } from "../../../../src/compiler/ir/dims.js"
import type { Graph } from "../../../../src/compiler/ir/graph.js"
import type { NdArray } from "../../../../src/compiler/ops/ndarray.js"
import { optimise } from "../../../../src/compiler/passes/pipelines.js"
import { predictProgram } from "../../../../src/compiler/passes/programs.js"
import { checkOnnx } from "../../../../src/compiler/targets/onnx/check.js"
import { decodeModel } from "../../../../src/compiler/targets/onnx/decode.js"
import { SizeFixed } from "../../../../src/compiler/targets/onnx/errors.js"
import { exportOnnx, type ExportedModel, type ExportSpec } from "../../../../src/compiler/targets/onnx/export.js"
import { OPEN_SIZES_KEY, readOpenSizes } from "../../../../src/compiler/targets/onnx/open-sizes.js"
import { initialValues } from "../../../../src/runtime/deployment/initial-values.js"
import { compileText, elaborated } from "../../source-host.js"
import { drawn, expectParity, ModelBuilder, OPSETS, parameterValues } from "./graphs.js"

const { onnx } = onnxProto

/** The inference graph of a text at other sizes than its own, when some are given. */
function graphOf(text: string, open: readonly string[], sizes: ReadonlyMap<string, number> = new Map()): Graph {
  return optimise("onnx", predictProgram(elaborated(compileText(text, { sizes }))), open).program.graph
}

function opened(text: string, open: readonly string[], more: Partial<ExportSpec> = {}): ExportedModel {
  const graph = graphOf(text, open)
  return exportOnnx({
    name: "m",
    graph,
    parameters: initialValues(graph.parameters, 1),
    symbols: ["N", ...open],
    resized: (sizes) => graphOf(text, open, sizes),
    metadata: {},
    ...more,
  })
}

/** What is refused: which sizes, at which words of the text, why. */
function refusal(text: string, open: readonly string[]): { symbols: string; at: string; reason: string } {
  try {
    opened(text, open)
  } catch (error) {
    if (!(error instanceof SizeFixed)) throw error
    const { symbols, origin, reason } = error
    const span = origin && [origin.span, ...origin.chain].find(({ file }) => file === "model.mdl")
    return { symbols: symbols.join(), at: span ? text.slice(span.start, span.end) : "", reason }
  }
  throw new Error("it was not refused")
}

/** Convolutions, pooling, up-sampling, a skip, and pixels laid out from tokens. */
const SEGMENTER = `
import { UpConv } from "std/unet"

model Segmenter {
  input image: f32[N, 3, H = 16, W = 24]
  encoder vision {
    let fine = conv2d(image, 4, kernel = 3) |> batch_norm() |> relu()
    let coarse = conv2d(max_pool(fine, 2), 4, kernel = 3, stride = 2) |> relu()
  }
  decoder {
    let finer = UpConv()(coarse) |> upsample(2)
    output probability = concat([finer, fine], axis = 1) |> conv2d(1) |> sigmoid()
    output centre = mean(tokens_of(coarse), axes = [1])
  }
}
`

/** Tokens with a table of places, a causal look back, and a mask. */
const READER = `
import { ClipText } from "std/clip"

model Reader {
  input note: tokens[N, T = 6] using words(32)
  encoder language {
    let t = ClipText(1, 8, 2, note.vocabulary, positions = 9)(note.ids, note.valid)
  }
  output features = conv1d(t, 3, kernel = 3)
}
`

const image = (label: string, ...shape: number[]): Record<string, NdArray> => ({ image: drawn(label, shape) })

describe("height and width that stay open", () => {
  const model = opened(SEGMENTER, ["H", "W"])

  it("are dimensions of every value, by their names", () => {
    expect(model.inputs).toEqual([{ name: "image", dtype: "f32", shape: ["N", 3, "H", "W"] }])
    const shapes = new Map(decodeModel(model.bytes).values.map(({ name, shape }) => [name, shape]))
    expect([...shapes.values()].every((shape) => shape !== undefined)).toBe(true)
    expect([...shapes.values()]).toContainEqual(["N", 4, "H/4", "W/4"])
    expect([...shapes.values()]).toContainEqual(["N", "H*W/16", 4])
  })

  it("are said to be what the shapes allow", () => {
    expect(model.openSizes).toEqual({ H: { usual: 16, least: 4, step: 4 }, W: { usual: 24, least: 4, step: 4 } })
    const metadata = new Map(decodeModel(model.bytes).metadata)
    expect(Object.fromEntries(readOpenSizes(metadata.get(OPEN_SIZES_KEY)))).toEqual(model.openSizes)
  })

  it("are tried at two other sizes that differ from each other", () => {
    expect(model.probes.map((sizes) => Object.fromEntries(sizes))).toEqual([
      { H: 20, W: 20 },
      { H: 12, W: 32 },
    ])
  })

  for (const [batch, H, W] of [
    [1, 16, 24],
    [2, 4, 4],
    [1, 28, 8],
  ] as const) {
    it(`give at ${batch} x ${H} x ${W} what the model compiled at that size gives`, async () => {
      const graph = graphOf(SEGMENTER, [], new Map([...Object.entries({ H, W })]))
      const values = initialValues(graph.parameters, 1)
      await expectParity(graph, model, image(`${H}`, batch, 3, H, W), batch, values)
    })
  }

  it.each(OPSETS)("pass the checker in opset %d", (opset) => {
    expect(checkOnnx(opened(SEGMENTER, ["H", "W"], { opset }).bytes)).toEqual([])
  })

  it.each(["bilinear", "bicubic"])("are what a map is brought to, %s", async (mode) => {
    const text = `model Bridged {
  input image: f32[N, 3, H = 8, W = 8]
  output y = max_pool(image, 4) |> resize([H, W], mode = "${mode}")
}`
    const file = opened(text, ["H", "W"])
    await expectParity(
      graphOf(text, [], new Map([...Object.entries({ H: 12, W: 4 })])),
      file,
      image(mode, 2, 3, 12, 4),
      2,
    )
  })

  it("can be one of the two", () => {
    const { inputs, openSizes } = opened(SEGMENTER, ["W"])
    expect(inputs[0]!.shape).toEqual(["N", 3, 16, "W"])
    expect(openSizes).toEqual({ W: { usual: 24, least: 4, step: 4 } })
  })

  it("need no arithmetic where an axis stays or one size is left", () => {
    const { nodes, tensors } = decodeModel(model.bytes)
    const constants = new Set(tensors.map(({ name }) => name))
    const targets = nodes.filter(({ op }) => op === "Reshape").map(({ inputs }) => constants.has(inputs[1]!))
    // The tokens; the pixels that each becomes, and the grid of these, need H and W.
    expect(targets).toEqual([true, false, false])
    const reader = decodeModel(opened(READER, ["T"]).bytes)
    expect(reader.nodes.map(({ op }) => op)).not.toContain("Concat")
  })
})

describe("a length that stays open", () => {
  const model = opened(READER, ["T"])

  it("ends where the table of places does", () => {
    expect(model.openSizes).toEqual({ T: { usual: 6, least: 1, step: 1, most: 9 } })
  })

  it.each([1, 9])("gives at %d what the model compiled at that length gives", async (T) => {
    const graph = graphOf(READER, [], new Map([["T", T]]))
    const ids = drawn("ids", [2, T], 0, 32)
    const feeds = {
      note_ids: { ...ids, data: ids.data.map(Math.floor) },
      note_valid: {
        shape: [2, T],
        data: Float64Array.from({ length: 2 * T }, (_, i) => (i % T < (T + 1) / 2 ? 1 : 0)),
      },
    }
    await expectParity(graph, model, feeds, 2, initialValues(graph.parameters, 1))
  })
})

describe("a size that the model fixes is refused", () => {
  const model = (lines: string): string => `
model Small {
  input image: f32[N, 3, H = 8, W = 8]
  ${lines}
}
`
  const AT_LINE: readonly (readonly [string, string, string, RegExp])[] = [
    [
      "by a learned table of places",
      "output y = tokens_of(image) |> add_position()",
      "add_position()",
      /\[N, H\*W, 3\] and \[1, 64, 3\] do not broadcast/,
    ],
    [
      "by a layer over the whole map",
      "output y = linear(reshape(image, [N, 3 * H * W]), 4)",
      "linear(reshape(image, [N, 3 * H * W]), 4)",
      /differ: 3\*H\*W and 192/,
    ],
    [
      "by a number that is one of its sizes",
      "output y = image * (1.0 / H)",
      "image * (1.0 / H)",
      /computes with 0\.125 at one size and 0\.1\d* at another/,
    ],
    [
      "by a choice that depends on it",
      "output y = if H > 8 then relu(image) else sigmoid(image)",
      "sigmoid(image)",
      /written with Sigmoid at one size and Relu at another/,
    ],
    [
      "by an attribute that depends on it",
      "output y = softmax(image, axis = if H > 8 then 2 else 3)",
      "softmax(image, axis = if H > 8 then 2 else 3)",
      /attributes of Softmax depend on the size/,
    ],
    [
      "by neighbours that are chosen by it",
      'output y = resize(image, [5, 5], mode = "nearest")',
      'resize(image, [5, 5], mode = "nearest")',
      /needs H as a number/,
    ],
  ]
  it.each(AT_LINE)("%s", (_, line, at, reason) => {
    expect(refusal(model(line), ["H", "W"])).toEqual({
      symbols: expect.stringMatching(/^H(,W)?$/) as string,
      at,
      reason: expect.stringMatching(reason) as string,
    })
  })

  it("by a parameter of that size, which shapes of one size do not show", () => {
    const text = `
block Gains(size: int)(x: f32[N, C, Y, X]) {
  param gain: f32[size] = filled(1.0)
  return x * sum(gain)
}
${model("output y = Gains(H)(image)")}`
    expect(refusal(text, ["H"])).toMatchObject({ symbols: "H", reason: "y.gain is [8], and [9] at H = 9" })
  })

  it("by shapes that allow no other", () => {
    const text = `
block Last()(x: f32[N, C, Y, X]) {
  const table: f32[8] = 1.0
  return x * reshape(slice(table, [Y - 1], [1]), [1])
}
${model("output y = conv2d(image, 2, kernel = 8, padding = 0) + mean(Last()(image))")}`
    // At least 8 for the kernel, at most 8 for the table.
    expect(refusal(text, ["H"]).reason).toBe("the shapes of this model allow no other sizes than H = 8")
  })
})

it("a size of an input that no output needs is not there to stay open", () => {
  const text = `model Deaf {
  input image: f32[N, 3, H = 8, W = 8]
  input note: tokens[N, T = 6] using words(32)
  output y = relu(image)
}`
  expect(() => opened(text, ["H", "T"])).toThrow("no input that the outputs depend on has the size T")
})

it("a graph with an open size is not written without the means to try another", () => {
  const graph = graphOf(SEGMENTER, ["H"])
  const spec = { name: "m", graph, parameters: initialValues(graph.parameters, 1), symbols: ["N", "H"], metadata: {} }
  expect(() => exportOnnx(spec)).toThrow("without a way to get it at others")
})

it("the sizes allowed are those at which every window fits, for any chain of convolutions", () => {
  const layer = fc.record({
    kernel: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    padding: fc.integer({ min: 0, max: 2 }),
  })
  fc.assert(
    fc.property(fc.array(layer, { minLength: 1, maxLength: 3 }), fc.integer({ min: 8, max: 30 }), (layers, usual) => {
      /** The size after every layer, rounded as convolutions round. */
      const after = (size: number): number[] => {
        const sizes: number[] = []
        for (const { kernel, stride, padding } of layers) {
          size = Math.floor((size + 2 * padding - kernel) / stride) + 1
          sizes.push(size)
        }
        return sizes
      }
      fc.pre(after(usual).every((size) => size > 0))
      const graphAt = (size: number): Graph => {
        const b = new ModelBuilder(new Map([["H", size]]))
        const shape = [symbol("N"), constant(1), symbol("H"), constant(9)]
        let x = b.input("x", { dtype: "f32", shape }, "input")
        layers.forEach(({ kernel, stride, padding }, i) => {
          const weight = b.weight(`w${i}`, [1, 1, kernel, 1])
          x = b.op("conv2d", [x, weight], { stride: [stride, 1], padding: [padding, 0] })
        })
        b.output("y", x)
        return b.finish()
      }
      const graph = graphAt(usual)
      const { openSizes, outputs } = exportOnnx({
        name: "m",
        graph,
        parameters: parameterValues(graph),
        symbols: ["N", "H"],
        resized: (sizes) => graphAt(sizes.get("H")!),
        metadata: {},
      })
      const { least, step, most } = openSizes["H"]!
      expect([(usual - least) % step, most]).toEqual([0, undefined])
      // The step is that of the strides, or less: where it is less, sizes between would round otherwise.
      const strides = layers.reduce((product, { stride }) => product * stride, 1)
      expect(strides % step).toBe(0)
      // The last size as a line through the usual one: what the file says it is.
      const slope = 1 / strides
      for (let size = least; size <= usual + 4 * step; size += step) {
        expect(after(size).every((s) => s > 0)).toBe(true)
        expect(after(size).at(-1)).toBeCloseTo(after(usual).at(-1)! + (size - usual) * slope, 9)
      }
      if (least > step) expect(after(least - step).some((s) => s <= 0)).toBe(true)
      expect(typeof outputs[0]!.shape[2]).toBe("string")
    }),
    { numRuns: 60, seed: 5 },
  )
})

describe("what a file says of its open sizes", () => {
  const { bytes } = opened(SEGMENTER, ["H", "W"])
  /** The problems that the checker finds when the file says something else. */
  function problems(text: string): string[] {
    const model = onnx.ModelProto.decode(bytes)
    model.metadataProps.find(({ key }) => key === OPEN_SIZES_KEY)!.value = text
    return checkOnnx(onnx.ModelProto.encode(model).finish())
  }

  it("is what its shapes are checked by", () => {
    expect(problems('{"H":{"usual":16,"least":4,"step":4},"W":{"usual":24,"least":4,"step":4}}')).toEqual([])
    const odd = problems('{"H":{"usual":17,"least":4,"step":4},"W":{"usual":24,"least":4,"step":4}}')
    expect(odd[0]).toMatch(/is declared f32\[N, 4, H\/2, W\/2\], but node .* makes f32\[N, 4, H\/2 - 1\/2, W\/2\]/)
  })

  it.each(["{", "3", '{"H":4}', '{"H":{"usual":0,"least":1,"step":1}}', '{"H":null}', '{"H":{"usual":"16"}}'])(
    "is refused when it is %s",
    (text) => {
      expect(problems(text)[0]).toMatch(/^the metadata mdl\.open_sizes cannot be read: /)
    },
  )
})
