/** RecLMIS as published for three data sets, and mended: what each configuration is, and that it is nothing else. */

import { describe, expect, test } from "vitest"
import { diffModels } from "../../src/compiler/diff/diff.js"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import { verifyGraph } from "../../src/compiler/ir/verify.js"
import { predictProgram, trainProgram } from "../../src/compiler/passes/programs.js"
import { summarise } from "../../src/compiler/summary.js"
import { zoo } from "../compiler/source-host.js"
import { profilerMacs, unseenInRecLMIS } from "./profiler-count.js"

const published = zoo("reclmis")

const setting = (name: string, given: Record<string, unknown>) => ({
  name,
  arguments: expect.objectContaining(given) as unknown,
})
const cosine = setting("cosine_restarts", { period: 10, min: 1e-4, factor: 1 })
const stopAfter = (epochs: number) =>
  setting("patience", { metric: expect.objectContaining({ name: "dice" }) as unknown, epochs })

/** The table of the published configurations: how many words are read, how many layers, how many of the 196 patches are hidden. */
const CONFIGURATIONS = [
  {
    selector: "RecLMIS",
    trainable: 69_440_255,
    sizes: { H: 224, W: 224, T: 18 },
    patches: 98,
    interestDropout: 0,
    training: { optimizer: setting("adam", { lr: 3e-4, weight_decay: 0 }), schedule: cosine, batch: 32, epochs: 2000 },
    stop: stopAfter(100),
  },
  {
    selector: "mosmed",
    trainable: 56_822_527,
    sizes: { H: 224, W: 224, T: 18 },
    patches: 58,
    interestDropout: 0.5,
    training: {
      optimizer: setting("adam", { lr: 3e-4, weight_decay: 0 }),
      schedule: setting("exponential", { gamma: 0.99, floor: 0.1 }),
      batch: 20,
      epochs: 400,
    },
    stop: stopAfter(30),
  },
  {
    selector: "monuseg",
    trainable: 56_822_527,
    sizes: { H: 224, W: 224, T: 10 },
    patches: 98,
    interestDropout: 0.5,
    training: { optimizer: setting("adam", { lr: 1e-3, weight_decay: 0 }), schedule: cosine, batch: 24, epochs: 2000 },
    stop: stopAfter(50),
  },
] as const

/** The numbers that are written in the graph of a section. */
function constantsIn(model: ElaboratedModel, section: string): readonly number[] {
  return model.graph.nodes
    .filter((node) => node.op === "constant" && node.origin.section === section)
    .flatMap((node) => node.attributes["values"] as readonly number[])
}

describe.each(CONFIGURATIONS)("the configuration $selector", (configuration) => {
  const { selector, trainable, sizes, training, stop } = configuration
  const model = zoo("reclmis", { selector })
  test("has the trainable parameters of its depth, and the sizes of its data", () => {
    const summary = summarise(model)
    expect(summary.parameters).toMatchObject({ trainable, frozen: 63_428_096 })
    expect(summary.sizes).toEqual(sizes)
  })
  test("is trained as published", () => {
    expect(model.training).toMatchObject({ ...training, stop, channels: "bgr" })
  })
  test("drops words and patches out of their interest where it was published so", () => {
    const rates = model.graph.nodes
      .filter((n) => n.op === "dropout" && /^conditioned\.(poi|woi)\./.test(String(n.attributes["key"])))
      .map((n) => n.attributes["rate"])
    expect(rates).toEqual([configuration.interestDropout, configuration.interestDropout])
  })
  test("hides as many patches as published, and three words in ten", () => {
    expect(constantsIn(model, "cvr").filter((number) => number === 98 || number === 58)).toEqual([
      configuration.patches,
    ])
    expect(constantsIn(model, "clr")).toContain(0.3)
  })
  test("costs the profiled 24.13 G at batch 1, by our count and by the profiler's", () => {
    expect(Math.abs(summarise(model).macs.inference / 24.13e9 - 1)).toBeLessThan(0.02)
    expect(Math.abs(profilerMacs(model, unseenInRecLMIS) / 24.13e9 - 1)).toBeLessThan(0.02)
  })
})

/** By switch: double_softmax; padding_keys; causal; detach_targets and all_tokens; dice_scale. */
const MENDED_PLACES = [
  ...["ccl.contrast.a", "ccl.contrast.b", "ccl.contrast.by_words", "ccl.contrast.by_patches"],
  ...["conditioned.v1.attention.allowed", "conditioned.v1.attention.plain"],
  ...["cvr.rebuilt_patches.encoder", "cvr.rebuilt_patches.decoder"],
  ...["clr.rebuilt_words.encoder", "clr.rebuilt_words.decoder"],
  ...["cvr.t2v", "cvr.t2v.error", "clr.v2t", "clr.v2t.error"],
  ...["dice.p", "dice.t"],
]

const MENDED = ["corrected", "mosmed+corrected", "monuseg+corrected", "quick+corrected"] as const

describe("RecLMIS mended", () => {
  test.each(MENDED)("%s has the parameters of what it mends", (selector) => {
    const base = selector.includes("+") ? selector.split("+")[0]! : "RecLMIS"
    const mended = zoo("reclmis-corrected", { selector })
    const shapes = ({ graph }: ElaboratedModel) => graph.parameters.map((p) => [p.name, p.shape, p.initializer])
    expect(shapes(mended)).toEqual(shapes(zoo("reclmis", { selector: base })))
    expect(verifyGraph(predictProgram(mended).graph)).toEqual([])
    expect(verifyGraph(trainProgram(mended).graph)).toEqual([])
  })

  const diff = diffModels(published, zoo("reclmis-corrected", { selector: "corrected" }))
  test("a published checkpoint fits it", () => {
    expect(diff.checkpoint).toMatchObject({ missing: [], extra: [], misshaped: [] })
    expect(diff.parameters).toEqual([])
  })
  test("the difference names what was mended and nothing else", () => {
    // Of the augmentations, their names and which flip it is.
    const short = (text: string | undefined) => text?.match(/\w+(?=\()|note_aware = \w+/g)?.join(" ") ?? text
    expect(diff.training.map(({ name, before, after }) => [name, short(before), short(after)])).toEqual([
      [
        "augment",
        "row_blur photometric flip_rotate note_aware = false",
        "blur photometric flip_rotate note_aware = true",
      ],
      ["channels", '"bgr"', '"rgb"'],
    ])
    const places = new Set(diff.operations.map(({ scope }) => scope.replace(/\.(encoder|decoder)\.\d\b.*/, ".$1")))
    expect([...places].sort()).toEqual([...MENDED_PLACES].sort())
    expect([diff.sections, diff.inputs, diff.outputs, diff.losses, diff.sizes]).toEqual([[], [], [], [], []])
  })
  test("the encoders and the decoder compute what they did", () => {
    const changed = new Set(diff.operations.map(({ section }) => section))
    expect([...changed].filter((section) => ["vision", "language", "decoder"].includes(section))).toEqual([])
  })
})
