/**
 * Which kernels image ops become: TensorFlow's own where these mean the same, one ONNX node where there is one, and no
 * transposes between image ops.
 */

import { describe, expect, test } from "vitest"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import type { Attributes, Graph, ValueId } from "../../../src/compiler/ir/graph.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import { assignLayouts } from "../../../src/compiler/passes/layout.js"
import { exportOnnx } from "../../../src/compiler/targets/onnx/export.js"
import { onnxText } from "../../../src/compiler/targets/onnx/text.js"
import { GraphDefBuilder } from "../../../src/compiler/targets/tensorflow/graphdef.js"
import { lowerGraph } from "../../../src/compiler/targets/tensorflow/lower.js"
import { compileText, elaborated } from "../source-host.js"

type Shape = readonly number[]

/** A graph of one op, and of its gradients when asked. */
function graphOf(op: OpName, shapes: readonly Shape[], attributes: Attributes, withGradients = false): Graph {
  const builder = new GraphBuilder(new Map())
  const inputs = shapes.map((shape, i) => builder.input(`i${i}`, { dtype: "f32", shape: shape.map(constant) }, "input"))
  const y = builder.op(op, inputs, attributes)
  builder.output("y", y)
  if (withGradients) {
    differentiate(builder, builder.op("sum", [y]), inputs).forEach((value, i) => builder.output(`g${i}`, value!))
  }
  return builder.finish()
}

/** The TensorFlow ops that a graph becomes, without constants and movement of data, each once, in order of names. */
function kernels(graph: Graph): readonly string[] {
  const builder = new GraphDefBuilder()
  const layout = assignLayouts(graph)
  const feeds = new Map<ValueId, string>(layout.graph.inputs.map(({ name, value }) => [value, name]))
  const wanted = layout.graph.outputs.map(({ value }) => value)
  const seed = (): never => expect.unreachable("nothing here is random")
  lowerGraph(builder, { graph: layout.graph, sizes: new Map(), feeds, wanted, program: "p", seed })
  const moving = ["Const", "Reshape", "Transpose", "Pad", "Slice", "StridedSlice", "BroadcastTo"]
  const ops = builder.finish().getNodeList().map((node) => node.getOp()) // prettier-ignore
  return [...new Set(ops)].filter((op) => !moving.includes(op)).sort()
}

describe("in TensorFlow", () => {
  const one = { stride: [1, 1], padding: [1, 1] }

  test("depthwise convolutions are native, with several filters for a channel too, and so are their gradients", () => {
    for (const filters of [4, 8]) {
      const graph = graphOf("conv2d", [[2, 4, 6, 6], [filters, 1, 3, 3]], { ...one, groups: 4 }, true) // prettier-ignore
      const wanted = ["", "BackpropFilter", "BackpropInput"].map((suffix) => `DepthwiseConv2dNative${suffix}`)
      expect(kernels(graph)).toEqual(wanted)
    }
    const transposed = graphOf("conv_transpose2d", [[2, 4, 6, 6], [4, 1, 4, 4]], { stride: [2, 2], padding: [1, 1], groups: 4 }) // prettier-ignore
    expect(kernels(transposed)).toEqual(["DepthwiseConv2dNativeBackpropInput"])
  })

  test("a transposed convolution is the kernel of an input gradient, and a convolution backwards", () => {
    const attributes = { stride: [2, 2] }
    const shapes = [[2, 4, 5, 5], [4, 3, 2, 2]] // prettier-ignore
    expect(kernels(graphOf("conv_transpose2d", shapes, attributes))).toEqual(["Conv2DBackpropInput"])
    const all = ["Conv2D", "Conv2DBackpropFilter", "Conv2DBackpropInput"]
    expect(kernels(graphOf("conv_transpose2d", shapes, attributes, true))).toEqual(all)
  })

  test.each([
    ["nearest", [7, 3], ["ResizeNearestNeighbor", "ResizeNearestNeighborGrad"]],
    ["bilinear", [7, 3], ["Empty", "ResizeBilinear", "ResizeBilinearGrad"]],
    ["bicubic", [7, 3], ["BatchMatMulV2"]],
    ["area", [2, 3], ["AvgPool", "AvgPoolGrad"]],
    ["area", [3, 4], ["BatchMatMulV2"]],
  ] as const)("resizing, %s to %s", (mode, size, wanted) => {
    expect(kernels(graphOf("resize2d", [[1, 2, 4, 6]], { size: size.map(constant), mode }, true))).toEqual(wanted)
  })

  test("pools have their kernels, rounded up too; adaptive ones where the windows are even", () => {
    const window = { kernel: [3, 3], stride: [2, 2], padding: [1, 1] }
    const x = [1, 2, 6, 8]
    for (const ceil_mode of [false, true]) {
      expect(kernels(graphOf("max_pool2d", [x], { ...window, ceil_mode }, true))).toEqual(["MaxPool", "MaxPoolGrad"])
    }
    const adaptive = (size: Shape) => kernels(graphOf("adaptive_max_pool2d", [x], { size: size.map(constant) }, true))
    expect(adaptive([3, 2])).toEqual(["MaxPool", "MaxPoolGrad"])
    expect(adaptive([4, 3])).toEqual(["BatchMatMulV2", "GatherV2", "MaxPool", "MaxPoolGrad"])
  })

  test("no transpose stands between image ops, whatever border, order and size they give", () => {
    const builder = new GraphBuilder(new Map())
    const { op } = builder
    const dims = (...sizes: number[]) => sizes.map(constant)
    const x = builder.input("x", { dtype: "f32", shape: dims(2, 4, 8, 8) }, "input")
    const weight = (shape: number[]): ValueId => {
      const initializer = { kind: "constant", value: 0 } as const
      const name = `w${shape.join()}`
      return builder.parameter({ name, role: "param", shape, dtype: "f32", initializer, section: "", frozen: false })
    }
    const filters = [weight([4, 4, 3, 3]), weight([4, 6, 2, 2])]
    const framed = op("pad", [op("conv2d", [x, filters[0]!])], { before: dims(0, 0, 1, 1), after: dims(0, 0, 1, 1), mode: "reflect" }) // prettier-ignore
    const rolled = op("flip", [op("roll", [framed], { shifts: [1, 2], axes: [2, 3] })], { axes: [3] })
    const larger = op("conv_transpose2d", [rolled, filters[1]!], { stride: [2, 2] })
    const resized = op("resize2d", [larger], { size: dims(11, 9), mode: "bicubic" })
    const folded = op("fold2d", [op("unfold2d", [resized], { kernel: [2, 2] })], { kernel: [2, 2], size: dims(11, 9) })
    const pooled = op("max_pool2d", [folded], { kernel: [2, 2], stride: [1, 1], dilation: [2, 2] })
    const y = op("mean", [op("adaptive_max_pool2d", [pooled], { size: dims(4, 3) })], { axes: [2, 3] })
    builder.output("y", y)
    const wanted = differentiate(builder, op("sum", [y]), filters).map((value) => ({
      value: value!,
      storage: [2, 3, 1, 0],
    }))
    // The image comes as the language has it and is turned once.
    expect(assignLayouts(builder.finish(), { wanted }).transposes.remaining).toBe(1)
  })

  test("nor around a dynamic convolution", () => {
    const { graph } = elaborated(
      compileText(`model M {
        input x: f32[2, 4, 6, 6]
        input filters: f32[2, 1, 4, 3, 3]
        let image = conv2d(x, 4, kernel = 3)
        let y = dynamic_conv2d(image, filters, padding = 1)
        output z = conv2d(y, 1)
      }`),
    )
    // The image comes as the language has it and is turned once; one filter an image needs no turning.
    expect(assignLayouts(graph).transposes.remaining).toBe(1)
  })
})

describe("in ONNX, with the batch open", () => {
  /** The operators of one op on images [N, ...]. */
  function operators(op: OpName, shape: Shape, attributes: Attributes, opset: number): readonly string[] {
    const builder = new GraphBuilder(new Map())
    const x = builder.input("x", { dtype: "f32", shape: [symbol("N"), ...shape.map(constant)] }, "input")
    builder.output("y", builder.op(op, [x], attributes))
    const model = exportOnnx({
      name: "m",
      graph: builder.finish(),
      parameters: new Map(),
      symbols: ["N"],
      metadata: {},
      opset,
    })
    return [...onnxText(model.bytes).matchAll(/ = (\w+) [<(]/g)].map(([, name]) => name!)
  }

  test.each([
    ["nearest", false],
    ["bilinear", false],
    ["bilinear", true],
    ["bicubic", false],
    ["bicubic", true],
  ] as const)("resizing is one Resize: %s, corners aligned: %s", (mode, align_corners) => {
    for (const opset of [15, 18]) {
      for (const size of [
        [7, 9],
        [3, 2],
        [10, 12],
      ]) {
        // prettier-ignore
        expect(operators("resize2d", [2, 5, 6], { size: size.map(constant), mode, align_corners }, opset)).toEqual([
          "Resize",
        ])
      }
    }
  })

  test("borders are one Pad where ONNX has the mode; windows that are even are one pool", () => {
    const amounts = { before: [0, 0, 1, 2].map(constant), after: [0, 0, 2, 1].map(constant) }
    for (const mode of ["constant", "reflect", "replicate"]) {
      expect(operators("pad", [2, 5, 6], { ...amounts, mode }, 15)).toEqual(["Pad"])
    }
    expect(operators("resize2d", [2, 4, 6], { size: [2, 3].map(constant), mode: "area" }, 17)).toEqual(["AveragePool"])
    expect(operators("adaptive_max_pool2d", [2, 4, 6], { size: [2, 3].map(constant) }, 17)).toEqual(["MaxPool"])
    const rounded = { kernel: [2, 2], stride: [2, 2], ceil_mode: true }
    expect(operators("max_pool2d", [2, 5, 7], rounded, 17)).toEqual(["MaxPool"])
    expect(operators("avg_pool2d", [2, 5, 7], { ...rounded, count_include_pad: false }, 17)).toEqual(["AveragePool"])
  })
})
