import { describe, expect, test } from "vitest"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import { verifyGraph } from "../../src/compiler/ir/verify.js"
import { predictProgram, trainProgram } from "../../src/compiler/passes/programs.js"
import { summarise } from "../../src/compiler/summary.js"
import { compileText, elaborated, zoo } from "../compiler/source-host.js"
import { readFileSync } from "node:fs"

/** Published or independently measured counts of the official implementation: trainable parameters by depth. */
const PUBLISHED = { 4: 69_440_255, 3: 56_822_527, 2: 44_204_799, 1: 31_587_071 } as const

const text = readFileSync("models/reclmis.mdl", "utf8")
const withLayers = (layers: number): ElaboratedModel =>
  elaborated(compileText(`${text}\nablation depth of RecLMIS { set layers = ${layers} }`, { selector: "depth" }))

describe("RecLMIS has the parameters of the official implementation", () => {
  test("trainable at the published depth, measured on the instantiated model", () => {
    expect(summarise(zoo("reclmis")).parameters.trainable).toBe(PUBLISHED[4])
  })
  test.each([3, 2, 1] as const)("trainable with %i layers", (layers) => {
    expect(summarise(withLayers(layers)).parameters.trainable).toBe(PUBLISHED[layers])
  })
  test("the frozen text tower is CLIP ViT-B/32's", () => {
    // 49,408 x 512 words, 77 positions, 12 layers of 3,152,384, the final norm, the projection
    expect(summarise(zoo("reclmis")).parameters.frozen).toBe(63_428_096)
  })
  test("multiply-accumulates at batch 1 are within 2 % of the profiled 24.13 G", () => {
    const { inference } = summarise(zoo("reclmis")).macs
    expect(Math.abs(inference / 24.13e9 - 1)).toBeLessThan(0.02)
  })
})

describe("its ablations change what they say and nothing else", () => {
  const base = zoo("reclmis", { selector: "quick" })
  test.each(["no_cvr", "no_clr", "no_ccl", "no_aux", "no_text"])(
    "%s keeps name, shape and first value of the rest",
    (name) => {
      const ablated = zoo("reclmis", { selector: `quick+${name}` })
      const known = new Map(base.graph.parameters.map((p) => [p.name, p] as const))
      expect(ablated.graph.parameters.length).toBeGreaterThan(0)
      for (const { name: parameter, shape, initializer } of ablated.graph.parameters) {
        expect(known.get(parameter)).toMatchObject({ shape, initializer })
      }
    },
  )
  test("random numbers of the sections that stay keep their keys", () => {
    const keys = (model: ElaboratedModel): string[] =>
      model.graph.nodes.flatMap((n) => ("key" in n.attributes ? [String(n.attributes["key"])] : []))
    const all = keys(base)
    const kept = keys(zoo("reclmis", { selector: "quick+no_cvr" }))
    expect(kept).toEqual(all.filter((key) => !key.startsWith("cvr.")))
    expect(new Set(all).size).toBe(all.length)
  })
  test("each removes its loss", () => {
    const losses = (selector: string): string[] => zoo("reclmis", { selector }).graph.losses.map((l) => l.name)
    expect(losses("RecLMIS")).toEqual(["cvr.t2v", "clr.v2t", "ccl.contrast", "dice", "cross_entropy"])
    expect(losses("no_cvr")).toEqual(["clr.v2t", "ccl.contrast", "dice", "cross_entropy"])
    expect(losses("no_aux")).toEqual(["dice", "cross_entropy"])
    expect(losses("no_text")).toEqual(["dice", "cross_entropy"])
  })
})

describe("its programs", () => {
  const model = zoo("reclmis", { selector: "quick" })
  test("hold what a graph must hold", () => {
    expect(verifyGraph(model.graph)).toEqual([])
    expect(verifyGraph(predictProgram(model).graph)).toEqual([])
    expect(verifyGraph(trainProgram(model).graph)).toEqual([])
  })
  test("in use there is no dropout, no random number, and nothing of the reconstructions", () => {
    const { graph } = predictProgram(model)
    expect(graph.nodes.filter((n) => ["dropout", "random_uniform", "stop_gradient"].includes(n.op))).toEqual([])
    const sections = new Set(graph.nodes.map((n) => n.origin.section))
    expect([...sections].sort()).toEqual(["conditioned", "decoder", "language", "vision"])
  })
  test("in training the frozen text tower gets no gradient, the rest does", () => {
    const full = zoo("reclmis")
    const { gradients } = trainProgram(full)
    const sections = new Set(gradients.map((g) => g.parameter.split(".")[0]))
    expect([...sections].sort()).toEqual(["clr", "conditioned", "cvr", "decoder", "vision"])
    // What the published classes own and never call has no gradient either.
    expect(gradients.filter((g) => g.parameter.includes(".unused."))).toEqual([])
  })
  test("every normalisation layer in a section that is trained updates its statistics", () => {
    const { updates } = trainProgram(model)
    const state = model.graph.parameters.filter((p) => p.role === "state").map((p) => p.name)
    expect(updates.map((u) => u.parameter).sort()).toEqual(
      state
        .filter((n) => !n.startsWith("conditioned.e2"))
        .concat(state.filter((n) => n.startsWith("conditioned.e2")))
        .sort(),
    )
  })
})
