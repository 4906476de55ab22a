/** Node names, constants and signatures as they stand in the file; needs no TensorFlow. */

import messages from "@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js"
import { describe, expect, test } from "vitest"
import { GraphDefBuilder, nodeOfTensor, scopeOfNode } from "../../../../src/compiler/targets/tensorflow/graphdef.js"
import { readSignatures, savedModelBytes } from "../../../../src/compiler/targets/tensorflow/signatures.js"

const names = (builder: GraphDefBuilder): string[] =>
  builder
    .finish()
    .getNodeList()
    .map((node) => node.getName())

describe("node names", () => {
  test("say program, scope and op, and are used once", () => {
    const builder = new GraphDefBuilder()
    const first = builder.node("Relu", "train/vision.down1.act", ["x"])
    const second = builder.node("Relu", "train/vision.down1.act", ["x"])
    const third = builder.node("Relu", "train/vision.down1.act", ["x"])
    expect([first, second, third]).toEqual([
      "train/vision/down1/act/Relu",
      "train/vision/down1/act/Relu_1",
      "train/vision/down1/act/Relu_2",
    ])
  })

  test("do not collide with a scope that already ends in a number", () => {
    const builder = new GraphDefBuilder()
    builder.named("Identity", "train/a_1", ["x"])
    builder.named("Identity", "train/a", ["x"])
    builder.named("Identity", "train/a", ["x"])
    builder.named("Identity", "train/a_1", ["x"])
    expect(new Set(names(builder)).size).toBe(4)
  })

  test("hold only characters that TensorFlow accepts", () => {
    const builder = new GraphDefBuilder()
    builder.node("Relu", "train/vision.bloc é[3]..x", ["x"])
    builder.named("Identity", "read/adam_m/vision.w:0,1", ["x"])
    for (const name of names(builder)) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9_/-]*$/)
  })

  test("give the scope back", () => {
    expect(scopeOfNode("train/vision/down1/conv/Conv2D_1")).toBe("vision.down1.conv")
    expect(scopeOfNode("train/Conv2D")).toBe("")
    expect(nodeOfTensor("a/b:2")).toBe("a/b")
    expect(nodeOfTensor("a/b")).toBe("a/b")
  })
})

describe("constants", () => {
  test("that are equal are one node; other types, shapes and values are others", () => {
    const builder = new GraphDefBuilder()
    const first = builder.constant("DT_FLOAT", [2], [1, 2])
    expect(builder.constant("DT_FLOAT", [2], [1, 2])).toBe(first)
    const others = [
      builder.constant("DT_FLOAT", [1, 2], [1, 2]),
      builder.constant("DT_FLOAT", [2], [1, 3]),
      builder.constant("DT_INT32", [2], [1, 2]),
      builder.constant("DT_FLOAT", [2], [1]),
      builder.constant("DT_FLOAT", [], [1]),
    ]
    expect(new Set([first, ...others]).size).toBe(6)
    expect(builder.ints([1, 2])).toBe(others[2])
    expect(builder.nodeCount).toBe(6)
  })

  test("of one repeated value are stored once, whatever their size", () => {
    const builder = new GraphDefBuilder()
    builder.constant("DT_FLOAT", [1000, 1000], [0.5])
    expect(savedModelBytes(builder, new Map()).length).toBeLessThan(300)
  })

  test("need as many values as elements", () => {
    const builder = new GraphDefBuilder()
    expect(() => builder.constant("DT_FLOAT", [3], [1, 2])).toThrow(RangeError)
  })

  test("are written little-endian", () => {
    const builder = new GraphDefBuilder()
    builder.constant("DT_INT64", [2], [2 ** 32, -1])
    const bytes = Buffer.from(savedModelBytes(builder, new Map()))
    expect(bytes.includes(Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]))).toBe(true)
  })
})

describe("nodes", () => {
  test("carry control inputs once each, after the tensors", () => {
    const builder = new GraphDefBuilder()
    builder.node("Identity", "train", ["x", "y:1"], { T: { type: "DT_FLOAT" } }, ["a", "b", "a"])
    expect(builder.finish().getNodeList()[0]!.getInputList()).toEqual(["x", "y:1", "^a", "^b"])
  })
})

describe("signatures", () => {
  const builder = new GraphDefBuilder()
  const tensor = builder.named("Placeholder", "predict/inputs/x", [], { dtype: { type: "DT_FLOAT" } })
  const x = { tensor, type: "DT_FLOAT", shape: [2, 3] } as const
  const mask = { tensor: `${tensor}:1`, type: "DT_BOOL", shape: [] } as const

  test("read back as they were written", () => {
    const bytes = savedModelBytes(builder, new Map([["predict", { inputs: { x }, outputs: { mask } }]]))
    expect(readSignatures(bytes)).toEqual(
      new Map([
        [
          "predict",
          {
            inputs: [{ name: "x", tensor: "predict/inputs/x:0", dtype: "f32", shape: [2, 3] }],
            outputs: [{ name: "mask", tensor: "predict/inputs/x:1", dtype: "bool", shape: [] }],
          },
        ],
      ]),
    )
  })

  test("of a type that a session cannot hold are refused", () => {
    const resource = { tensor, type: "DT_INT64", shape: [] } as const
    const bytes = savedModelBytes(builder, new Map([["odd", { inputs: {}, outputs: { resource } }]]))
    expect(() => readSignatures(bytes)).toThrow(/resource has the TensorFlow type number 9/)
  })

  test("of a file with another tag are not found", () => {
    expect(() => readSignatures(new messages.SavedModel().serializeBinary())).toThrow(/no graph tagged "serve"/)
  })
})
