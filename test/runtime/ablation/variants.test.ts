/**
 * Which models a sweep compares: every ablation, every value of a `vary`, further models; all checked before anything else.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { planVariants, type VariantRequest } from "../../../src/runtime/ablation/variants.js"
import { ModelError } from "../../../src/runtime/model-file.js"
import { temporaryFolder } from "../data/temporary.js"

const MODEL = `model Base(dim: int = 8, deep: bool = false) {
  input image: f32[N, 3, H = 16, W = 16]
  target mask: f32[N, 1, H, W]
  encoder vision { let v = conv2d(image, dim, kernel = 3) |> relu() }
  encoder extra { let more = conv2d(v, dim) }
  decoder { output probability = sigmoid(conv2d(if deep then more else v, 1)) }
  section side { loss size = 0.1 * mean(square(more)) }
  loss overlap = dice_loss(probability, mask)
  train { batch = 2  epochs = 4 }
}
ablation no_side of Base { without side }
ablation wide of Base { set dim = 12  set train.batch = 4 }
ablation sizes of Base { vary dim in [4, 8]  vary train.optimizer in [sgd(lr = 0.1)] }
ablation deeper of no_side { set deep = true }
`
const OTHER = `model Other { input image: f32[N, 3, H = 16, W = 16]  target mask: f32[N, 1, H, W]
  output probability = sigmoid(conv2d(image, 1))
  loss overlap = dice_loss(probability, mask)
  train { batch = 32 }
}
ablation plain of Other {}
`

async function planned(request: Partial<VariantRequest> & { selector?: string } = {}, more = "") {
  const folder = await temporaryFolder()
  writeFileSync(join(folder, "model.mdl"), MODEL + more)
  writeFileSync(join(folder, "other.mdl"), OTHER)
  const { selector, others, ...rest } = request
  const model = join(folder, "model.mdl") + (selector === undefined ? "" : `#${selector}`)
  return planVariants({ model, ...rest, others: others?.map((name) => join(folder, name)) })
}
const labels = async (...args: Parameters<typeof planned>) =>
  (await planned(...args)).variants.map(({ label }) => label)

describe("the variants of a model", () => {
  test("are the base and each of its ablations, each value of a vary one factor at a time", async () => {
    const { variants } = await planned()
    expect(variants.map(({ label, kind }) => [label, kind])).toEqual([
      ["Base", "base"],
      ["no_side", "ablation"],
      ["wide", "ablation"],
      ["sizes[dim=4]", "value"],
      ["sizes[dim=8]", "value"],
      ["sizes[train.optimizer=sgd(lr = 0.1)]", "value"],
      ["deeper", "ablation"],
    ])
    expect(variants.map(({ changes }) => changes)).toEqual([
      [],
      ["without side"],
      ["set dim = 12", "set train.batch = 4"],
      ["set dim = 4"],
      ["set dim = 8"],
      ["set train.optimizer = sgd(lr = 0.1)"],
      ["without side", "set deep = true"],
    ])
    expect(new Set(variants.map(({ folder }) => folder)).size).toBe(variants.length)
    for (const { folder } of variants) expect(folder).toMatch(/^[\w.=+-]+$/)
  })
  test("with the value that the base has are the base", async () => {
    const { variants } = await planned()
    expect(variants.map(({ sameAs }) => sameAs)).toEqual([null, null, null, null, "Base", null, null])
  })
  test("have all combinations of values on request", async () => {
    expect(await labels({ product: true, only: ["sizes"] })).toEqual([
      "Base",
      "sizes[dim=4,train.optimizer=sgd(lr = 0.1)]",
      "sizes[dim=8,train.optimizer=sgd(lr = 0.1)]",
    ])
  })
  test("can be chosen, combined, and given a value", async () => {
    expect(await labels({ only: ["no_side", "wide+deeper", "sizes[dim=4]"] })).toEqual([
      "Base",
      "no_side",
      "wide+deeper",
      "sizes[dim=4]",
    ])
    expect(await labels({ only: [] })).toEqual(["Base"])
  })
  test("of an ablation are built on top of it, and leave it out", async () => {
    const { variants } = await planned({ selector: "no_side", only: undefined })
    expect(variants.map(({ label }) => label)).toEqual([
      "no_side",
      "wide",
      "sizes[dim=4]",
      "sizes[dim=8]",
      "sizes[train.optimizer=sgd(lr = 0.1)]",
      "deeper",
    ])
    expect(variants[1]!.reference).toMatch(/model\.mdl#no_side\+wide$/)
    expect(variants.at(-1)!.changes).toEqual(["set deep = true"])
  })
  test("and other models share the base's batch, but an ablation that sets one keeps it", async () => {
    const { variants } = await planned({ only: ["wide"], others: ["other.mdl", "other.mdl#plain"] })
    expect(variants.map(({ label, kind, batch }) => [label, kind, batch])).toEqual([
      ["Base", "base", 2],
      ["wide", "ablation", 4],
      ["other", "other", 2],
      ["other#plain", "other", 2],
    ])
    expect((await planned({ only: ["wide"], batch: 3 })).variants.map(({ batch }) => batch)).toEqual([3, 3])
  })
  test("have their cost, and an identity that changes with what they are", async () => {
    const { variants } = await planned({ only: ["wide"] })
    const [base, wide] = variants
    expect(base!.parameters).toEqual({ trainable: 8 * 27 + 8 + 8 * 8 + 8 + 8 + 1, frozen: 0 })
    expect(base!.macs).toBe(16 * 16 * (8 * 27 + 8))
    expect(wide!.identity).not.toBe(base!.identity)
    expect((await planned()).variants[0]!.identity).toBe(base!.identity)
    expect((await planned({ size: 32, only: [] })).variants[0]!.identity).not.toBe(base!.identity)
  })
})

describe("what is wrong is told before anything is trained", () => {
  const wrong = async (...args: Parameters<typeof planned>): Promise<Error> =>
    planned(...args).then(
      () => new Error("nothing was refused"),
      (thrown: unknown) => thrown as Error,
    )
  test("an ablation whose removal breaks later lines: each use, and the variant", async () => {
    const error = await wrong({}, "ablation blind of Base { without vision }\n")
    expect(error).toBeInstanceOf(ModelError)
    const { diagnostics } = error as ModelError
    expect(diagnostics.map(({ code }) => code)).toEqual(["MDL4105", "MDL4105"])
    expect(error.message).toContain("model.mdl:5:")
    expect(error.message).toContain("model.mdl:6:")
    expect(error.message).toContain("found in the variant `blind`")
  })
  test("mistakes of several variants, all at once", async () => {
    const more = "ablation a of Base { set dims = 3 }\nablation b of Base { set train.bacth = 3 }\n"
    const { diagnostics } = (await wrong({}, more)) as ModelError
    expect(diagnostics.map(({ code }) => code)).toEqual(["MDL4104", "MDL4201"])
  })
  test.each<[string, Partial<VariantRequest> & { selector?: string }, RegExp]>([
    ["an ablation that is not there", { only: ["no_sied"] }, /did you mean `no_side`/],
    ["a value that is not varied", { only: ["sizes[dim=5]"] }, /MDL4107/],
    ["a variant that is named twice", { only: ["wide", "wide"] }, /wide is named twice/],
    ["a base that stands for several models", { selector: "sizes" }, /choose one: `#sizes\[dim=4\]`/],
    ["a model whose file is not there", { others: ["gone.mdl"] }, /there is no file/],
  ])("%s", async (_, request, message) => {
    expect((await wrong(request)).message).toMatch(message)
  })
  test("a vary that lists nothing", async () => {
    const { diagnostics } = (await wrong({}, "ablation nothing of Base { vary dim in [] }\n")) as ModelError
    expect(diagnostics.map(({ code }) => code)).toEqual(["MDL4202"])
  })
})
