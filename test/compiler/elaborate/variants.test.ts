/** Several models in a file, imported models and ablations, optional inputs, `vary`: which model is meant, and what it has. */

import { describe, expect, test } from "vitest"
import { compile } from "../../../src/compiler/compile.js"
import { selectVariant, variedChoices } from "../../../src/compiler/elaborate/ablations.js"
import { fileHost } from "../../../src/runtime/model-file.js"
import { compileText, elaborated, messages } from "../source-host.js"

const parameters = (text: string, selector?: string, files = {}): string[] =>
  elaborated(compileText(text, { selector }, files)).graph.parameters.map((p) => `${p.name} ${p.shape.join("x")}`)

describe("optional inputs", () => {
  const text = `model Followed(use_note: bool = true) {
  input image: f32[N, 3, H = 8, W = 8]
  /// The scan before this one.
  optional input prior: f32[N, 3, H, W]
  optional input note: tokens[N, T = 5] using words(10)
  optional target mask: f32[N, 1, H, W]
  encoder vision {
    let both = if prior == none then image else concat([image, prior], axis = 1)
    let v = conv2d(both, 2, bias = false)
  }
  encoder language {
    let t = if note == none then none else Embedding(note.vocabulary, 2)(note.ids)
  }
  head { output map = conv2d(if t == none then v else v + reshape(mean(t, axes = [1]), [N, 2, 1, 1]), 1, bias = false) }
  section scored { check T == 5, "T is known either way" }
}
ablation alone of Followed { without prior, note }
ablation no_prior of Followed { without prior }
ablation smaller of no_prior { set T = 5  set H = 4 }`

  test("are there, unless an ablation leaves them out", () => {
    const model = elaborated(compileText(text))
    expect(model.inputs.map((i) => i.name)).toEqual(["image", "prior", "note", "mask"])
    expect(model.inputs[1]!.doc).toBe("The scan before this one.")
    expect(parameters(text)).toEqual(["vision.v.weight 2x6x1x1", "language.t.weight 10x2", "head.map.weight 1x2x1x1"])
  })
  test("left out they are none, and nothing else changes", () => {
    const model = elaborated(compileText(text, { selector: "alone" }))
    expect(model.graph.inputs.map((i) => i.name)).toEqual(["image", "mask"])
    expect(parameters(text, "alone")).toEqual(["vision.v.weight 2x3x1x1", "head.map.weight 1x2x1x1"])
    expect(parameters(text, "no_prior")).toEqual([
      "vision.v.weight 2x3x1x1",
      "language.t.weight 10x2",
      "head.map.weight 1x2x1x1",
    ])
  })
  test("their sizes keep their names, so that other ablations can still set them", () => {
    expect(Object.fromEntries(elaborated(compileText(text, { selector: "smaller" })).graph.sizes)).toEqual({
      H: 4,
      W: 8,
      T: 5,
    })
  })
})

describe("names that ablations speak of", () => {
  test("are those of one thing each", () => {
    const text = `model Two {
  input image: f32[N, 3]
  optional input prior: f32[N, 3]
  section prior { let a = image }
  output o = image
}`
    expect(compileText(text).diagnostics.map((d) => d.code)).toEqual(["MDL4302"])
  })
})

describe("several models", () => {
  const library = `fn width() = 4
/// The model of another file.
model Base(dim: int = width(), classes: int = 1) {
  input image: f32[N, 3, H = 8, W = 8]
  target mask: f32[N, 1, H, W]
  head { let v = conv2d(image, dim)  output map = conv2d(v, classes) }
  loss l = mse(map, mask)
  train { batch = width() }
}
ablation wide of Base { set dim = 2 * width()  set train.batch = 3 * width() }`
  const text = `import { Base as Imported, wide } from "./lib/base"
fn size() = 6
model First { input image: f32[N, 3, H = 8, W = 8]  output one = conv2d(image, 1)  output two = conv2d(image, 2) }
model Second {
  input image: f32[N, 3, H = 8, W = 8]
  target mask: f32[N, 1, H, W]
  target edge: f32[N, 1, H, W]
  head { output map = conv2d(image, 1)  output contour = conv2d(image, 1)  loss main = mse(map, mask) }
  section deep { loss contour_loss = 0.1 * mse(contour, edge) }
}
ablation wider of wide { set dim = size() + 4 }
ablation only_first of Second { without deep }
ablation renamed of Imported { set dim = size() }`
  const files = { "lib/base.mdl": library }
  const model = (selector: string) => elaborated(compileText(text, { selector }, files))

  test("each is asked for by name, with outputs and losses of its own", () => {
    expect(model("First").graph.outputs.map((o) => o.name)).toEqual(["one", "two"])
    const second = model("Second").graph
    expect(second.outputs.map((o) => o.name)).toEqual(["map", "contour"])
    expect(second.losses.map((l) => l.name)).toEqual(["head.main", "deep.contour_loss"])
    expect(model("only_first").graph.losses.map((l) => l.name)).toEqual(["head.main"])
  })
  test("imported ones use the names of their own file", () => {
    expect(model("Imported").graph.parameters[0]!.shape).toEqual([4, 3, 1, 1])
    expect(model("Imported").doc).toBe("The model of another file.")
    expect(model("wide").graph.parameters[0]!.shape).toEqual([8, 3, 1, 1])
    expect(model("wide").training).toMatchObject({ batch: 12 })
    expect(model("Imported").training).toMatchObject({ batch: 4 })
  })
  test("ablations of imported models and ablations use the names of the file they stand in", () => {
    expect(model("wider").graph.parameters[0]!.shape).toEqual([10, 3, 1, 1])
    expect(model("wider").training).toMatchObject({ batch: 12 })
    expect(model("renamed").graph.parameters[0]!.shape).toEqual([6, 3, 1, 1])
    expect(model("renamed+wide").graph.parameters[0]!.shape).toEqual([8, 3, 1, 1])
  })
  test("ablations of different models cannot be joined", () => {
    const result = compileText(text, { selector: "only_first+wide" }, files)
    expect(result.diagnostics.map((d) => d.code)).toEqual(["MDL4004"])
  })
  test("a circle of imports is told in full, whatever file it begins in", () => {
    const result = compileText(
      `import { a } from "./a"\n${library}`,
      {},
      {
        "a.mdl": `import { b } from "./b"\nfn a(x) = x`,
        "b.mdl": `import { c } from "./c"\nfn b(x) = x`,
        "c.mdl": `import { a } from "./a"\nfn c(x) = x`,
      },
    )
    expect(messages(result)).toContain("a.mdl -> b.mdl -> c.mdl -> a.mdl")
    const itself = compileText(`import { Base } from "./model"\n${library}`)
    expect(messages(itself)).toContain("model.mdl -> model.mdl")
  })
  test("a circle of ablations is told in full", () => {
    const circle = `${text}\nablation x of y {}\nablation y of z {}\nablation z of x {}`
    expect(messages(compileText(circle, { selector: "x" }, files))).toContain("x of y of z of x")
  })
})

describe("vary", () => {
  const text = (changes: string): string => `model Base(dim: int = 8, deep: bool = false) {
  input image: f32[N, 3, H = 8, W = 8]
  target mask: f32[N, 1, H, W]
  check dim % 2 == 0, "an even dim"
  output map = conv2d(conv2d_twice(image, dim), 1)
  loss l = mse(map, mask)
  train { batch = 2 }
}
fn conv2d_twice(x, dim) = { let once = conv2d(x, dim)  return conv2d(once, dim) }
ablation sizes of Base { ${changes} }
ablation fixed of sizes { set dim = 4 }`
  const names = (changes: string, selector = "sizes"): string[] => {
    const { modules } = compileText(text(changes), { selector, everyValue: true })
    return variedChoices(selectVariant(modules!.root, selector).output!).output.map((choice) => choice.variant.name)
  }
  const codes = (changes: string): string[] =>
    compileText(text(changes), { selector: "sizes", everyValue: true }).diagnostics.map((d) => d.code)

  test("stands for every combination of the values, each with a name", () => {
    expect(names("vary dim in [2, 4]  vary train.batch in [1, 8]")).toEqual([
      "sizes (dim = 2, train.batch = 1)",
      "sizes (dim = 2, train.batch = 8)",
      "sizes (dim = 4, train.batch = 1)",
      "sizes (dim = 4, train.batch = 8)",
    ])
    expect(names("vary deep in [true]")).toEqual(["sizes (deep = true)"])
  })
  test("what is set later counts", () => {
    expect(names("vary dim in [2, 4]", "fixed")).toEqual(["fixed"])
    expect(names("vary dim in [2, 4]  vary H in [8, 16]", "fixed")).toEqual(["fixed (H = 8)", "fixed (H = 16)"])
  })
  test("every value is checked, and a mistake is told once with the first value that shows it", () => {
    expect(codes("vary dim in [2, 4]  vary H in [8, 16]")).toEqual([])
    expect(codes("vary dim in [2, 3, 5]")).toEqual(["MDL3203"])
    const shown = messages(compileText(text("vary dim in [2, 3, 5]"), { selector: "sizes", everyValue: true }))
    expect(shown).toContain("found at dim = 3")
  })
  test.each([
    ["one value, the rest as without the ablation", "sizes[dim=4]", { dim: 4, H: 8, batch: 2 }],
    ["several, however they are spaced", "sizes[dim = 2, train.batch=8]", { dim: 2, H: 8, batch: 8 }],
    ["a choice of the base of an ablation", "fixed[H=16]", { dim: 4, H: 16, batch: 2 }],
    ["a choice, with another ablation on top", "sizes[H=16]+thick", { dim: 6, H: 16, batch: 2 }],
  ])("a selector chooses %s", (_, selector, { dim, H, batch }) => {
    const varied = `${text("vary dim in [2, 4]  vary H in [4, 16]  vary train.batch in [1, 8]")}
ablation thick of Base { set dim = 6 }`
    const { output } = compileText(varied, { selector })
    expect(output!.graph.parameters[0]!.shape[0]).toBe(dim)
    expect(output!.graph.sizes.get("H")).toBe(H)
    expect(output!.training["batch"]).toBe(batch)
    expect(output!.variant).toBe(selector)
  })
  test.each([
    ["a value that is not listed", "sizes[dim=3]", "MDL4107"],
    ["a parameter that is not varied", "sizes[deep=true]", "MDL4107"],
    ["a choice where nothing varies", "Base[dim=2]", "MDL4107"],
    ["a choice that is not closed", "sizes[dim=2", "MDL4001"],
    ["a choice without a value", "sizes[dim]", "MDL4001"],
  ])("a selector cannot choose %s", (_, selector, code) => {
    const result = compileText(text("vary dim in [2, 4]"), { selector })
    expect(result.output).toBeUndefined()
    expect(result.diagnostics.map((d) => d.code)).toEqual([code])
  })
  test.each([
    ["a list that is computed", "vary dim in [i for i in 1..4]", "MDL4202"],
    ["no list", "vary dim in 3", "MDL4202"],
    ["no values", "vary dim in []", "MDL4202"],
    ["a parameter that is not there", "vary dims in [1]", "MDL4104"],
    ["a setting that is not there", "vary train.bacth in [1]", "MDL4201"],
    ["a path of a parameter", "set dim.size = 2", "MDL4104"],
    ["too many combinations", `vary dim in [${"2, ".repeat(40)}]  vary H in [${"8, ".repeat(40)}]`, "MDL4202"],
  ])("%s is refused", (_, changes, code) => {
    expect(codes(changes)).toEqual([code])
  })
})

describe("a file without models", () => {
  const base = { "base.mdl": "model Base(dim: int = 8) { input x: f32[N, 4]  output y = linear(x, dim) }" }
  const compiled = (text: string) => compileText(`import { Base } from "./base"\n${text}`, {}, base)

  test("means its only ablation", () => {
    const { variant, output } = compiled("ablation wide of Base { set dim = 16 }")
    expect(variant!.name).toBe("wide")
    expect(output!.graph.parameters.map(({ shape }) => shape)).toEqual([[16, 4], [16]])
  })

  test("asks which of its ablations is meant", () => {
    expect(messages(compiled("ablation wide of Base {}  ablation narrow of Base {}"))).toBe(
      [
        "error[MDL4002]: There is no model in this file",
        "  --> model.mdl:1:1",
        "   |",
        ' 1 | import { Base } from "./base"',
        "   | ^ it has ablations of models of other files: `wide` and `narrow`",
        "   |",
        "   = help: say which: file.mdl#wide",
        "",
      ].join("\n"),
    )
  })
})

describe("the models of the repository", () => {
  test("are found through an import from a neighbour", () => {
    const host = fileHost("models")
    const text = `import { RecLMIS } from "./reclmis"\nablation tiny of RecLMIS { set dim = 64 }`
    const path = "models/neighbour.mdl"
    const result = compile(
      path,
      { ...host, read: (wanted) => (wanted === path ? text : host.read(wanted)) },
      {
        selector: "tiny",
        sizes: new Map([
          ["H", 32],
          ["W", 32],
        ]),
      },
    )
    expect(elaborated(result).name).toBe("RecLMIS")
  })
})
