/** Published names found in files: full-size checkpoints, prefixes, what is missing, left over and of another shape. */

import { describe, expect, test } from "vitest"
import { fitWeights } from "../../../src/runtime/weights/fit.js"
import type { StoredWeight } from "../../../src/runtime/weights/weights-file.js"
import { compileText, elaborated, zoo } from "../../compiler/source-host.js"
import { clipModel, fullSize } from "./published-fixture.js"

const weight = (name: string, shape: readonly number[], type = "f32"): StoredWeight => ({
  name,
  type,
  dtype: type === "f32" ? type : undefined,
  shape,
  bytes: 0,
})

describe("a full-size checkpoint", () => {
  test.each([
    ["clip-hugging-face", "Hugging Face", 197],
    ["clip-openai", "OpenAI", 197],
  ] as const)(
    "%s fills the text tower of RecLMIS, all twelve layers, and leaves the vision tower over",
    (name, scheme, of) => {
      const model = zoo("reclmis")
      const fit = fitWeights({ weights: fullSize(name, "f16") }, model)
      expect(fit.schemes).toEqual([{ scheme, root: "language.t", prefix: "", found: of, of }])
      expect(fit.misshaped).toEqual([])
      expect(fit.missing.filter((parameter) => parameter.startsWith("language."))).toEqual([])
      expect(fit.fits.every((parameter) => parameter.startsWith("language.t."))).toBe(true)
      const text = fullSize(name).filter((tensor) => !/^(vision|visual|logit_scale)/.test(tensor.name))
      expect(fit.extra).toHaveLength(fullSize(name).length - text.length)
      expect(fit.extra.length).toBeGreaterThan(150)
    },
  )

  test("of BERT-base fits std/bert with its own sizes", () => {
    const model = elaborated(
      compileText(`import { BertPooler, BertText } from "std/bert"
model Reader() {
  input note: tokens[N, T = 18] using words(30522)
  encoder language {
    let t = BertText(note.vocabulary)(note.ids, note.valid)
    let p = BertPooler()(t)
  }
  output pooled = p
}`),
    )
    const fit = fitWeights({ weights: fullSize("bert") }, model)
    expect([fit.missing, fit.misshaped]).toEqual([[], []])
    expect(fit.fits).toHaveLength(199)
    expect(fit.extra.every((name) => name.startsWith("cls."))).toBe(true)
  })
})

describe("names behind something else", () => {
  const openai = fullSize("clip-openai")
  const behind = (prefix: string): StoredWeight[] =>
    openai.map((tensor) => ({ ...tensor, name: `${prefix}${tensor.name}` }))

  test("are found, and where they stand is told", () => {
    const { schemes, missing } = fitWeights({ weights: behind("module.clip.") }, zoo("reclmis"))
    expect(schemes).toMatchObject([{ prefix: "module.clip.", found: 197 }])
    expect(missing.some((name) => name.startsWith("language."))).toBe(false)
  })

  test("lose against the names as they are published", () => {
    const { schemes } = fitWeights({ weights: [...behind("teacher."), ...openai] }, zoo("reclmis"))
    expect(schemes).toMatchObject([{ prefix: "", found: 197 }])
  })

  test("twice are an error that says what to write", () => {
    expect(() => fitWeights({ weights: [...behind("student."), ...behind("teacher.")] }, zoo("reclmis"))).toThrow(
      'twice: behind student and behind teacher; say which in the text, around language.t: weights "OpenAI" { t = "student" }',
    )
  })

  test("are what the text around the block says, where it says so", () => {
    const text = (name: string): string => `import { ClipText } from "std/clip"
model Reader() {
  input note: tokens[N, T = 18] using clip
  encoder language {
    let t = ClipText(12, 512, 8, note.vocabulary)(note.ids, note.valid)
    weights "OpenAI" { t = "${name}" }
  }
  output features = t
}`
    const weights = [...behind("student."), ...behind("teacher.")]
    const fit = fitWeights({ weights }, elaborated(compileText(text("teacher"))))
    expect(fit.schemes).toEqual([{ scheme: "OpenAI", root: "language", prefix: "", found: 197, of: 197 }])
    expect(fit.extra).toContain("student.token_embedding.weight")
    expect(fit.extra).not.toContain("teacher.token_embedding.weight")
  })
})

describe("what does not fit", () => {
  const model = clipModel()

  test("the parameter's own name comes first", () => {
    const tensors = [weight("language.t.embedded.weight", [40, 16]), weight("token_embedding.weight", [1, 1])]
    const fit = fitWeights({ weights: tensors }, model)
    expect(fit.fits).toEqual(["language.t.embedded.weight"])
    expect(fit.extra).toEqual(["token_embedding.weight"])
    expect(fit.schemes).toEqual([])
  })

  test("a few names in common are a coincidence, and left over", () => {
    const { schemes, extra } = fitWeights({ weights: [weight("head.text_projection", [16, 16])] }, model)
    expect([schemes, extra]).toEqual([[], ["head.text_projection"]])
  })

  test("other sizes are told with the name in the file; rows that are not there, other types and joined tensors too", () => {
    const made = elaborated(
      compileText(`block B()(x: f32[N, C]) {
  let a = linear(x, 4)
  let b = linear(a, 4)
  let c = linear(b, 4, bias = false)
  return c
  weights "Others" {
    a.weight = "qkv"[4..8]
    a.bias = "ids"
    b.weight = concat(["x", "y"])
    b.bias = transpose("flat", [1, 0])
    c.weight = reshape("square", [4, 4])
  }
}
model M() {
  input x: f32[N, 4]
  encoder e { let m = B()(x) }
  output y = m
}`),
    )
    const tensors = [
      weight("qkv", [7, 4]),
      weight("ids", [4], "i64"),
      weight("x", [2, 4]),
      weight("y", [2, 5]),
      weight("flat", [4]),
      weight("square", [15]),
    ]
    const { misshaped, fits, missing } = fitWeights({ weights: tensors }, made)
    expect([fits, missing]).toEqual([[], []])
    expect(misshaped).toEqual([
      { name: "e.m.a.weight", file: "[7, 4], which has no rows 4..8 (of qkv)", model: "f32[4, 4]" },
      { name: "e.m.a.bias", file: "i64[4] (of ids)", model: "f32[4]" },
      {
        name: "e.m.b.weight",
        file: "[2, 4] and [2, 5], which cannot be joined along axis 0 (of x and y)",
        model: "f32[4, 4]",
      },
      { name: "e.m.b.bias", file: "[4], which cannot be transposed by [1, 0] (of flat)", model: "f32[4]" },
      { name: "e.m.c.weight", file: "[15], which cannot be reshaped to [4, 4] (of square)", model: "f32[4, 4]" },
    ])
  })
})
