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
    const diff = edited("0.5 * dice_loss", "2.0 * dice_loss")
    expect(diff.losses).toEqual([{ name: "overlap", change: "re-weighted", before: 0.5, after: 2 }])
    expect([diff.operations, diff.parameters, diff.renames]).toEqual([[], [], []])
    expect(diff.isEmpty).toBe(false)
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

describe("what is called otherwise is the same", () => {
  const onlyRenames = (diff: ReturnType<typeof edited>): unknown => {
    const { sections, parameters, operations, inputs, outputs, losses, training, sizes } = diff
    expect([sections, parameters, operations, inputs, outputs, losses, training, sizes].flat()).toEqual([])
    return diff.renames.map(({ what, before, after }) => `${what} ${before} -> ${after}`)
  }
  test("a section", () => {
    const diff = edited("encoder vision", "encoder sight")
    expect(onlyRenames(diff)).toEqual(["section vision -> sight"])
    expect(diff.isEmpty).toBe(false)
    expect(diff.checkpoint).toMatchObject({
      fits: 2,
      missing: expect.arrayContaining(["sight.stem.weight"]) as unknown,
    })
    expect(diff.checkpoint.tensors.filter(({ state }) => state === "renamed")).toHaveLength(4)
    expect(diff.checkpoint.tensors[0]).toEqual({
      name: "sight.stem.weight",
      state: "renamed",
      was: "vision.stem.weight",
      before: "f32[8, 3, 3, 3]",
      after: "f32[8, 3, 3, 3]",
    })
  })
  test("statements, one of which reads the other", () => {
    const text = TEXT.replaceAll("noisy", "thinned").replaceAll("deep", "deeper")
    const names = onlyRenames(diffModels(base, elaborated(compileText(text))))
    expect(names).toEqual(["statement vision.noisy -> vision.thinned", "statement vision.deep -> vision.deeper"])
  })
  test("an input, an output and a loss", () => {
    const text = TEXT.replaceAll("image", "scan").replaceAll("probability", "p").replaceAll("overlap", "dice")
    const names = onlyRenames(diffModels(base, elaborated(compileText(text))))
    expect(names).toEqual([
      "input image -> scan",
      "loss overlap -> dice",
      "statement decoder.probability -> decoder.p",
      "output probability -> p",
    ])
  })
  test("a block's own parameter", () => {
    const block = (name: string): string => `
block Scale()(x) {
  param ${name}: f32[4] = uniform(-1, 1)
  return x * reshape(${name}, [1, 4, 1, 1])
}
model M {
  input x: f32[N, 4, H = 8, W = 8]
  output y = Scale()(x)
}`
    const [a, b] = [block("gain"), block("factor")].map((text) => elaborated(compileText(text)))
    const names = diffModels(a!, b!).renames
    expect(names.map(({ what, before, after }) => [what, before, after])).toEqual([["parameter", "y.gain", "y.factor"]])
  })
  test("and is still told what else it changed in", () => {
    const diff = edited(
      "let deep = conv2d(noisy, dim, kernel = 3)",
      "let deeper = conv2d(noisy, 12, kernel = 3)\n    let deep = relu(deeper)",
    )
    expect(diff.renames.map(({ before, after }) => [before, after])).toEqual([])
    const other = diffModels(
      base,
      elaborated(compileText(TEXT.replaceAll("deep", "d").replace("noisy, dim", "stem, dim"))),
    )
    expect(other.renames.map(({ before, after }) => [before, after])).toEqual([["vision.deep", "vision.d"]])
    expect(other.operations).toEqual([
      {
        section: "vision",
        scope: "vision.d.y",
        change: "rewired",
        detail: "conv2d: vision.noisy.dropout -> vision.stem.add",
      },
    ])
  })
  test("but not what is merely alike", () => {
    const diff = edited(
      "let noisy = dropout(stem, rate)",
      "let noisy = dropout(stem, rate)\n    let other = conv2d(stem, dim, kernel = 3)",
    )
    expect(diff.renames).toEqual([])
    expect(diff.operations.map(({ scope, change }) => `${scope} ${change}`)).toEqual([
      "vision.other.y added",
      "vision.other added",
    ])
  })
})

describe("losses and time", () => {
  test("a loss that is new, gone, or of something else", () => {
    const line = "  loss overlap = 0.5 * dice_loss(probability, mask)"
    const added = edited(line, `${line}\n  loss cross = 2.0 * 0.25 * bce(probability, mask)`)
    expect(added.losses).toEqual([{ name: "cross", change: "added", after: 0.5 }])
    const removed = edited(line, "  loss cross = bce(probability, mask)")
    expect(removed.losses).toEqual([
      { name: "overlap", change: "removed", before: 0.5 },
      { name: "cross", change: "added", after: 1 },
    ])
  })
  test("a factor within a function that a loss calls is not its weight", () => {
    const diff = diffModels(zoo("reclmis", { selector: "quick" }), zoo("reclmis", { selector: "quick+no_ccl" }))
    expect(diff.losses).toEqual([{ name: "ccl.contrast", change: "removed", before: 0.2 }])
  })
  test("a step is estimated from what it computes and moves, at the model's batch", () => {
    const { stepTime } = edited("batch = 4", "batch = 8")
    expect([stepTime.before?.batch, stepTime.after?.batch]).toEqual([4, 8])
    expect(stepTime.after!.milliseconds / stepTime.before!.milliseconds).toBeCloseTo(2, 2)
    const without = edited("  loss overlap = 0.5 * dice_loss(probability, mask)\n", "")
    expect(without.stepTime.after).toBeNull()
  })
  test("the estimate is what was measured, where its rates were measured", () => {
    const bench = elaborated(compile("bench/unet-bench.mdl", fileHost("bench")))
    const { stepTime } = diffModels(
      { ...bench, training: { batch: 2 } },
      zoo("reclmis", {
        selector: "quick",
        sizes: new Map([
          ["H", 64],
          ["W", 64],
        ]),
      }),
    )
    expect(stepTime.before!.milliseconds).toBeCloseTo(35, 0)
    expect(stepTime.after!.milliseconds / stepTime.after!.batch).toBeCloseTo(50.1 / 8, 1)
  })
})

test("two models with no part in common are said to be so", () => {
  const other = elaborated(compileText(`model Other {\n  input x: f32[N, 4]\n  output y = relu(x)\n}`))
  expect(diffModels(base, other).haveCommonPart).toBe(false)
  expect(edited("batch = 4", "batch = 8").haveCommonPart).toBe(true)
})
