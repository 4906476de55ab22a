/** Blocks as values: settings given in part, blocks passed through others, parameters of instances read as tensors. */

import { describe, expect, test } from "vitest"
import { compileText, elaborated, messages } from "../source-host.js"

const model = (lines: string, before = ""): string => `${before}
model Small {
  input image: f32[N, 4, H = 8, W = 8]
  input note: tokens[N, T = 5] using words(10)
  target mask: f32[N, 1, H, W]
${lines}
}`
const graphOf = (text: string, selector?: string) => elaborated(compileText(text, { selector })).graph
const parameters = (text: string): string[] => graphOf(text).parameters.map((p) => `${p.name} ${p.shape.join("x")}`)
const codes = (text: string): string[] => compileText(text).diagnostics.map((d) => d.code)

describe("settings given in part", () => {
  const levels = `
block Norm(groups: int, affine: bool = true)(x: f32[N, C, Y, X]) {
  check C % groups == 0, "channels must be divisible by groups"
  param weight: f32[C] = ones
  return if affine then x * reshape(weight, [C, 1, 1]) else x
}
block Unit(out: int, norm: block)(x: f32[N, C, Y, X]) {
  let conv = conv2d(x, out, bias = false)
  let normed = norm()(conv)
  return relu(normed)
}
block Stage(out: int, unit: block)(x: f32[N, C, Y, X]) {
  let first = unit(out)(x)
  let second = unit(out = out)(first)
  return second
}
block Tower(widths: list, stage: block)(x: f32[N, C, Y, X]) {
  let y = fold h = x for w in widths => stage(w)(h)
  return y
}`
  const through = (norm: string): string =>
    model(
      `  encoder vision { let v = Tower([4, 8], Stage(unit = Unit(norm = ${norm}, ...), ...))(image) }
  output o = v`,
      levels,
    )

  test("a block goes through three levels with settings of its own, and each place makes its parameters", () => {
    expect(parameters(through("Norm(2, ...)"))).toEqual(
      [0, 1].flatMap((stage) => {
        const width = [4, 8][stage]!
        const path = `vision.v.y.${stage}`
        return [
          `${path}.first.conv.weight ${width}x4x1x1`,
          `${path}.first.normed.weight ${width}`,
          `${path}.second.conv.weight ${width}x${width}x1x1`,
          `${path}.second.normed.weight ${width}`,
        ]
      }),
    )
  })
  test("a mistake four levels down is told at the user's line, with the calls around it", () => {
    const shown = messages(compileText(through("Norm(3, ...)")))
    expect(shown).toContain("channels must be divisible by groups")
    expect(shown.replace(/\s+/g, " ")).toContain("inside `Tower`, inside `Stage`, inside `Unit`, inside `Norm`")
  })
  test("the rest can be given by position, by name, in several steps", () => {
    const once = model(
      "  let conv = Conv2d(kernel = 3, ...)\n  let wider = conv(bias = false, ...)\n  output o = wider(2)(image)",
    )
    expect(parameters(once)).toEqual(["o.weight 2x4x3x3"])
    const twice = model(`  let conv = Conv2d(kernel = 3, ...)
  let a = conv(2)(image) |> conv(2, bias = false)
  let b = a |> conv(1)
  output o = b`)
    // Two in one statement would have one name: each is told by what it is, as if it were written out.
    expect(codes(twice)).toEqual(["MDL2301"])
  })
  test("functions too", () => {
    const text = model(
      `  output o = applied(conv2d(kernel = 3, bias = false, ...), image)`,
      "fn applied(f, x) = f(x, 2)",
    )
    expect(parameters(text)).toEqual(["o.weight 2x4x3x3"])
  })
  test.each([
    ["a setting that is not there", "Conv2d(kernl = 3, ...)", "MDL2201"],
    ["a setting given twice", "Conv2d(kernel = 3, ...)(2, kernel = 5)(image)", "MDL2204"],
    ["too many", "Position(1, ...)", "MDL2203"],
    ["what is no block", "relu(image, ...)", "MDL3101"],
    ["an instance", "Conv2d(3)(image, ...)", "MDL3101"],
  ])("%s is refused where it is given", (_, written, code) => {
    expect(codes(model(`  let b = ${written}\n  output o = image`))).toEqual([code])
  })
  test("`...` stands last", () => {
    expect(messages(compileText(model("  let b = Conv2d(..., 3)\n  output o = image")))).toContain("is the last one")
  })
})

describe("parameters of instances", () => {
  const tied = (rest: string): string =>
    model(`  encoder words {
    let table = Embedding(note.vocabulary, 4)
    let t = table(note.ids)
  }
  head language { ${rest} }`)

  test("tie an output to an embedding: one parameter, one name, gradients from both uses", () => {
    const text = tied("output scores = matmul(t, table.weight, transpose_b = true)")
    expect(parameters(text)).toEqual(["words.table.weight 10x4"])
    const { nodes, parameters: made } = graphOf(text)
    expect(nodes.filter((node) => node.inputs.includes(made[0]!.value)).map((node) => node.op)).toEqual([
      "gather",
      "matmul",
    ])
  })
  test("are frozen with the section that made them, wherever they are read", () => {
    const text = `${tied("output scores = matmul(t, table.weight, transpose_b = true)")}
ablation still of Small { freeze words }
ablation read of Small { freeze language }`
    expect(graphOf(text, "still").parameters.map((p) => p.frozen)).toEqual([true])
    expect(graphOf(text, "read").parameters.map((p) => p.frozen)).toEqual([false])
  })
  test("are named as in a checkpoint, through the blocks inside", () => {
    const text = model(
      `  let tower = Pair()
  let y = tower(image)
  output o = y + sum(tower.first.weight) + sum(tower.layer[0].conv.weight) + sum(tower.first.bias)`.replace(
        "tower.layer[0].conv.weight",
        "tower.second.weight",
      ),
      `block Pair()(x: f32[N, C, Y, X]) {
  let first = conv2d(x, C)
  let second = conv2d(first, C)
  return second
}`,
    )
    expect(parameters(text)).toHaveLength(4)
  })
  test("are not there before the instance was applied, and only under their own names", () => {
    const early = "  let table = Embedding(note.vocabulary, 4)\n  output o = table.weight"
    expect(codes(model(early))).toEqual(["MDL2104"])
    const shown = messages(compileText(tied("output scores = table.wieght")))
    expect(shown).toContain("did you mean `weight`?")
  })
  test("of a section that an ablation left out are told so", () => {
    const text = `${tied("output scores = matmul(t, table.weight, transpose_b = true)")}
ablation bare of Small { without words }`
    expect(compileText(text, { selector: "bare" }).diagnostics.map((d) => d.code)).toEqual(["MDL4105"])
  })
})

describe("numbers when compiling", () => {
  const shape = (expression: string): string => {
    const { outputs, values } = graphOf(model(`  output o = broadcast_to(constant(values = [1]), [${expression}])`))
    return values[outputs[0]!.value]!.type.shape.map((dim) => dim.key).join()
  }
  test("rounding gives integers, which can be sizes", () => {
    expect(shape("floor(7.0 / 2)")).toBe(shape("3"))
    expect(shape("ceil(0.75 * T)")).toBe(shape("4"))
    expect(shape("round(2.5)")).toBe(shape("2"))
    expect(shape("maximum(T, 3) + pow(2, 3)")).toBe(shape("13"))
  })
  test("padding to a multiple is a size", () => {
    expect(shape("H + (7 - H % 7) % 7")).toBe(shape("H + 6"))
  })
})
