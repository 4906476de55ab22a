import { describe, expect, test } from "vitest"
import { diffModels } from "../../../src/compiler/diff/diff.js"
import { selectableNames } from "../../../src/compiler/elaborate/ablations.js"
import { compile } from "../../../src/compiler/compile.js"
import { fileHost } from "../../../src/runtime/model-file.js"
import { compileText, elaborated, zoo } from "../source-host.js"

const TEXT = `
model Small(dim: int = 8, rate: float = 0.1) {
  input image: f32[N, 3, H = 16, W = 16]
  target mask: f32[N, 1, H, W]
  encoder vision {
    let stem = conv2d(image, dim, kernel = 3)
    let noisy = dropout(stem, rate)
    let deep = conv2d(noisy, dim, kernel = 3)
  }
  decoder { output probability = sigmoid(conv2d(deep, 1)) }
  loss overlap = 0.5 * dice_loss(probability, mask)
  train { optimizer = adam(lr = 1e-3)  batch = 4 }
}`
const base = elaborated(compileText(TEXT))
const edited = (from: string, to: string) => {
  expect(TEXT).toContain(from)
  return diffModels(base, elaborated(compileText(TEXT.replace(from, to))))
}

describe("no difference", () => {
  const { modules } = compile("models/reclmis.mdl", fileHost("models"))
  test.each(selectableNames(modules!.root))("between %s and itself", (selector) => {
    expect(diffModels(zoo("reclmis", { selector }), zoo("reclmis", { selector })).isEmpty).toBe(true)
  })
  test("for comments, spaces, and the order of independent lines", () => {
    expect(edited("    let stem =", "    // first\n\n    let   stem =").isEmpty).toBe(true)
    expect(
      edited(
        `  loss overlap = 0.5 * dice_loss(probability, mask)\n  train { optimizer = adam(lr = 1e-3)  batch = 4 }`,
        `  train { batch = 4  optimizer = adam(lr = 1e-3) }\n  loss overlap = 0.5 * dice_loss(probability, mask)`,
      ).isEmpty,
    ).toBe(true)
  })
})

describe("a difference is told where it is", () => {
  test("a wider layer resizes its own weights and the next layer's", () => {
    const diff = edited("let stem = conv2d(image, dim,", "let stem = conv2d(image, 12,")
    expect(diff.parameters).toEqual([
      { name: "vision.stem.weight", section: "vision", change: "resized", before: "8x3x3x3", after: "12x3x3x3" },
      { name: "vision.stem.bias", section: "vision", change: "resized", before: "8", after: "12" },
      { name: "vision.deep.weight", section: "vision", change: "resized", before: "8x8x3x3", after: "8x12x3x3" },
      // PyTorch draws a bias within 1/sqrt(fan_in), which has grown.
      {
        name: "vision.deep.bias",
        section: "vision",
        change: "first value",
        before: "uniform(-0.1179, 0.1179)",
        after: "uniform(-0.09623, 0.09623)",
      },
    ])
    expect(diff.checkpoint.misshaped).toEqual(["vision.stem.weight", "vision.stem.bias", "vision.deep.weight"])
    expect(diff.checkpoint.fits).toBe(3)
  })
  test("another dropout rate changes no parameter", () => {
    const diff = edited("dropout(stem, rate)", "dropout(stem, 0.5)")
    expect(diff.parameters).toEqual([])
    expect(diff.operations).toEqual([
      { section: "vision", scope: "vision.noisy", change: "changed", detail: "dropout: rate 0.1 -> 0.5" },
    ])
  })
  test("another input is a rewiring", () => {
    const diff = edited("conv2d(noisy, dim", "conv2d(stem, dim")
    expect(diff.parameters).toEqual([])
    expect(diff.operations).toEqual([
      {
        section: "vision",
        scope: "vision.deep.y",
        change: "rewired",
        detail: "conv2d: vision.noisy.dropout -> vision.stem.add",
      },
    ])
  })
  test("another weight of a loss", () => {
    const { operations } = edited("0.5 * dice_loss", "2.0 * dice_loss")
    expect(operations.map((o) => o.detail)).toEqual(["mul: 0.5 -> 2"])
  })
  test("a setting of training", () => {
    expect(edited("batch = 4", "batch = 8").training).toEqual([{ name: "batch", before: "4", after: "8" }])
    expect(edited("adam(lr = 1e-3)", "sgd(lr = 1e-3)").training.map((t) => t.name)).toEqual(["optimizer"])
  })
  test("freezing", () => {
    const diff = edited("encoder vision", "frozen encoder vision")
    expect(diff.sections).toEqual([{ section: "vision", change: "frozen" }])
    expect(diff.after.parameters.trainable).toBe(9)
  })
  test("RecLMIS without text: the decoder is wired to the image features", () => {
    const diff = diffModels(zoo("reclmis"), zoo("reclmis", { selector: "no_text" }))
    expect(diff.sections.map((s) => `${s.section} ${s.change}`)).toEqual([
      "language removed",
      "conditioned removed",
      "cvr removed",
      "clr removed",
      "ccl removed",
    ])
    expect(diff.operations.filter((o) => o.change === "rewired")).toEqual([
      {
        section: "decoder",
        scope: "decoder.probability.up4.doubled",
        change: "rewired",
        detail: "upsample_nearest2d: decoder.deep.transpose -> vision.down4.conv2.relu",
      },
    ])
    expect(diff.losses.map((l) => l.name)).toEqual(["cvr.t2v", "clr.v2t", "ccl.contrast"])
    expect(diff.checkpoint.missing).toEqual([])
  })
})
