/** The graph of a step that times itself: one chain of all its nodes, and where each of them comes from. */

import messages from "@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js"
import { describe, expect, test } from "vitest"
import { buildSavedModel, compileSavedModel } from "../../../../src/compiler/targets/tensorflow/saved-model.js"
import { readSignatures } from "../../../../src/compiler/targets/tensorflow/signatures.js"
import { smallNetwork } from "./small-network.js"

const { spec } = smallNetwork()
const { bytes, timing } = compileSavedModel({ ...spec, timed: true })
const { nodes, links, output } = timing!

const nodesOf = (file: Uint8Array) =>
  messages.SavedModel.deserializeBinary(file).getMetaGraphsList()[0]!.getGraphDef()!.getNodeList()
const all = nodesOf(bytes)
const inputsOf = new Map(all.map((node) => [node.getName(), node.getInputList()]))

describe("a timed step", () => {
  test("has the nodes of the plain step, and times all that do something", () => {
    const plain = nodesOf(buildSavedModel(spec)).map((node) => node.getName())
    const added = all.map((node) => node.getName()).filter((name) => !plain.includes(name))
    expect(all.filter((node) => plain.includes(node.getName()))).toHaveLength(plain.length)
    expect(added.filter((name) => !/^(train\/)?profile\//.test(name))).toEqual([])
    const atRest = ["Const", "Placeholder", "VarHandleOp"]
    const doing = nodesOf(buildSavedModel(spec)).filter(
      (node) => node.getName().startsWith("train/") && !atRest.includes(node.getOp()),
    )
    expect(nodes.map((node) => node.name).sort()).toEqual(doing.map((node) => node.getName()).sort())
  })

  test("is one chain: each node waits for the clock, and the clock for the node", () => {
    nodes.forEach(({ name }, index) => {
      expect(inputsOf.get(name), name).toContain(`^profile/clock_${index}`)
      expect(inputsOf.get(`profile/clock_${index + 1}`), name).toEqual([`^${name}`])
    })
    for (let link = nodes.length; link < nodes.length + links; link++) {
      expect(inputsOf.get(`profile/clock_${link + 1}`)).toEqual([`^profile/clock_${link}`])
    }
  })

  test("gives a number for each node and each empty link beside its losses", () => {
    const outputs = readSignatures(bytes).get("train_step")!.outputs
    expect(outputs.find(({ name }) => name === output)?.shape).toEqual([nodes.length + links])
    expect(outputs.map(({ name }) => name)).toContain("total")
    expect(
      readSignatures(buildSavedModel(spec))
        .get("train_step")!
        .outputs.map(({ name }) => name),
    ).not.toContain(output)
  })

  test("leaves the other programs as they were", () => {
    for (const node of all) {
      if (/^(train|profile)\//.test(node.getName())) continue
      expect(node.getInputList().filter((input) => input.includes("profile/"))).toEqual([])
    }
  })
})

describe("a node is told to come from", () => {
  const of = (name: string) => nodes.find((node) => node.name === name)

  test("its statement, forward or backward", () => {
    const forward = of("train/vision/down1/conv/Conv2D")
    expect(forward).toMatchObject({ op: "Conv2D", phase: "forward", origin: { scope: "vision.down1.conv" } })
    const backward = nodes.find(({ name }) => name.startsWith("train/vision/down1/conv/gradient/Conv2DBackpropFilter"))
    expect(backward).toMatchObject({ phase: "backward", origin: { section: "vision" } })
  })

  test("the parameter that it reads or updates", () => {
    const section = { origin: { section: "vision" } }
    expect(of("train/read/vision/down1/conv/weight")).toMatchObject({ phase: "forward", ...section })
    const updates = nodes.filter(({ op }) => op === "ResourceApplyAdam")
    expect(updates).toHaveLength(spec.train.gradients.length)
    for (const node of updates) expect(node).toMatchObject({ phase: "update", origin: expect.anything() as unknown })
    expect(of("train/assign/vision/down1/norm/mean")).toMatchObject({ phase: "update", ...section })
  })

  test("the step as a whole, where it is about all of it", () => {
    const whole = nodes.filter(({ origin }) => origin === undefined)
    expect(whole.map(({ name }) => name)).toContain("train/outputs/total")
    expect(whole.filter(({ name }) => /conv|norm\/(gain|bias)/.test(name))).toEqual([])
  })
})
