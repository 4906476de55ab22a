/** `weights "..." { }`: from what blocks say of their parts to the names in a file. */

import { describe, expect, test } from "vitest"
import { type PublishedScheme, storedNames, type WeightSource } from "../../../src/compiler/published-weights.js"
import { compileText, elaborated, messages } from "../source-host.js"

const LAYERS = `block Layer()(x: f32[N, C, H, W]) {
  let norm = conv2d(x, C)
  let mix = conv2d(norm, C, kernel = 3)
  return x + mix
  weights "Others" { norm = "ln"  mix = "conv" }
}
block Tower(layers: int = 2, pooler: bool = false)(x: f32[N, C, H, W]) {
  let stem = conv2d(x, 4)
  let layer = fold y = stem for i in 0..layers => Layer()(y)
  let pooled = if pooler then conv2d(layer, 4) else layer
  return pooled
  weights "Others" {
    stem = "embed"
    layer[i] = "blocks.{i}"
    pooled = if pooler then "head" else none
  }
}`

const published = (model: string, before = LAYERS): readonly PublishedScheme[] =>
  elaborated(compileText(`${before}\nmodel M() {\n  input image: f32[N, 3, H = 8, W = 8]\n${model}\n}`)).published

/** Sources as text: the names alone where that is all. */
function shown(source: WeightSource): string {
  switch (source.kind) {
    case "stored":
      return source.name
    case "first":
      return source.options.map(shown).join(" or ")
    case "concat":
      return `concat(${source.parts.map(shown).join(", ")}; ${source.axis})`
    case "rows":
      return `${shown(source.of)}[${source.from}..${source.to}]`
    case "transpose":
      return `transpose(${shown(source.of)}; ${source.axes.join()})`
    case "reshape":
      return `reshape(${shown(source.of)}; ${source.shape.join()})`
  }
}

const table = ({ scheme, root, tensors }: PublishedScheme) => ({
  scheme,
  root,
  tensors: Object.fromEntries([...tensors].map(([name, source]) => [name, shown(source)])),
})

describe("a block's names", () => {
  test("go with each instance; loops are written out, and parts keep their own names behind the given one", () => {
    const tables = published(`  encoder vision { let t = Tower()(image) }\n  output y = t`)
    expect(tables.map(table)).toEqual([
      {
        scheme: "Others",
        root: "vision.t",
        tensors: {
          "vision.t.stem.weight": "embed.weight",
          "vision.t.stem.bias": "embed.bias",
          "vision.t.layer.0.norm.weight": "blocks.0.ln.weight",
          "vision.t.layer.0.norm.bias": "blocks.0.ln.bias",
          "vision.t.layer.0.mix.weight": "blocks.0.conv.weight",
          "vision.t.layer.0.mix.bias": "blocks.0.conv.bias",
          "vision.t.layer.1.norm.weight": "blocks.1.ln.weight",
          "vision.t.layer.1.norm.bias": "blocks.1.ln.bias",
          "vision.t.layer.1.mix.weight": "blocks.1.conv.weight",
          "vision.t.layer.1.mix.bias": "blocks.1.conv.bias",
        },
      },
    ])
  })

  test("of a part that a setting leaves out are not asked for", () => {
    const names = published(`  encoder vision { let t = Tower(pooler = true)(image) }\n  output y = t`)[0]!.tensors
    expect(shown(names.get("vision.t.pooled.weight")!)).toBe("head.weight")
  })

  test("of layers that there are none of are no mistake", () => {
    const [only] = published(`  encoder vision { let t = Tower(0)(image) }\n  output y = t`)
    expect([...only!.tensors.keys()]).toEqual(["vision.t.stem.weight", "vision.t.stem.bias"])
  })

  test("of an instance that runs twice are there once", () => {
    const tables = published(`  encoder vision {
    let f = Tower()
    let a = f(image)
    let b = f(image)
  }
  output y = a + b`)
    expect(tables.map(({ root, tensors }) => [root, tensors.size])).toEqual([["vision.f", 10]])
  })
})

describe("what is around a block", () => {
  test("puts a name before the block's under the same scheme, in a section or in the model", () => {
    const section = published(`  encoder vision {
    let a = Tower()(image)
    let b = Tower()(a)
    weights "Others" { a = "image_tower"  b = "second.net." }
  }
  output y = b`)
    expect(section).toHaveLength(1)
    expect(section[0]!.root).toBe("vision")
    const { tensors } = table(section[0]!)
    expect(tensors["vision.a.layer.1.mix.bias"]).toBe("image_tower.blocks.1.conv.bias")
    expect(tensors["vision.b.stem.weight"]).toBe("second.net.embed.weight")
    const model = published(`  encoder vision { let t = Tower()(image) }
  weights "Others" { vision.t = "net" }
  output y = t`)
    expect(model.map(({ root }) => root)).toEqual([""])
    expect(shown(model[0]!.tensors.get("vision.t.stem.bias")!)).toBe("net.embed.bias")
  })

  test("that says nothing of a block leaves its names as they are, and its own are apart", () => {
    const tables = published(`  encoder vision {
    let t = Tower()(image)
    let head = conv2d(t, 1)
    weights "Others" { head = "classifier" }
  }
  output y = head`)
    expect(tables.map(({ root, tensors }) => [root, tensors.size])).toEqual([
      ["vision", 2],
      ["vision.t", 10],
    ])
  })

  test("may name what is deep inside itself, and the longest path decides", () => {
    const { tensors } = table(
      published(`  encoder vision {
    let t = Tower()(image)
    weights "Others" {
      t = "net"
      t.layer[0].mix.bias = "odd_one"
      t.layer[i].norm = "norms.{i}"
    }
  }
  output y = t`)[0]!,
    )
    expect(tensors["vision.t.layer.0.mix.bias"]).toBe("odd_one")
    expect(tensors["vision.t.layer.0.mix.weight"]).toBe("net.blocks.0.conv.weight")
    expect(tensors["vision.t.layer.1.norm.weight"]).toBe("norms.1.weight")
  })

  test("under another scheme is another table", () => {
    const tables = published(`  encoder vision {
    let t = Tower()(image)
    weights "Mine" { t.stem.weight = "kernel" }
  }
  output y = t`)
    expect(tables.map(({ scheme, root }) => [scheme, root])).toEqual([
      ["Mine", "vision"],
      ["Others", "vision.t"],
    ])
  })
})

describe("what a parameter is made of", () => {
  test("is rows, transposed, reshaped and joined tensors, sizes and positions calculated", () => {
    const [only] = published(
      `  encoder vision { let t = Fused()(image) }\n  output y = t`,
      `block Fused()(x: f32[N, C, H, W]) {
  let part = fold y = x for i in 0..3 => conv2d(y, C)
  let whole = conv2d(part, 3 * C)
  return whole
  weights "Others" {
    part[i].weight = reshape("qkv"[i * C .. (i + 1) * C], [C, C, 1, 1])
    part[i].bias = "part_{i}.beta" or "part_{i}.bias"
    whole.weight = transpose(concat(["q", "k" or "key", "v"], axis = 1), [1, 0, 2, 3])
    whole.bias = concat(["q.b", "k.b", "v.b"])
  }
}`,
    )
    expect(table(only!).tensors).toEqual({
      "vision.t.part.0.weight": "reshape(qkv[0..3]; 3,3,1,1)",
      "vision.t.part.0.bias": "part_0.beta or part_0.bias",
      "vision.t.part.1.weight": "reshape(qkv[3..6]; 3,3,1,1)",
      "vision.t.part.1.bias": "part_1.beta or part_1.bias",
      "vision.t.part.2.weight": "reshape(qkv[6..9]; 3,3,1,1)",
      "vision.t.part.2.bias": "part_2.beta or part_2.bias",
      "vision.t.whole.weight": "transpose(concat(q, k or key, v; 1); 1,0,2,3)",
      "vision.t.whole.bias": "concat(q.b, k.b, v.b; 0)",
    })
    expect(storedNames(only!.tensors.get("vision.t.whole.weight")!)).toEqual(["q", "k", "key", "v"])
  })

  test("has a choice of names where its part has one", () => {
    const [only] = published(`  encoder vision {
    let t = conv2d(image, 1)
    weights "Others" { t = "a" or "b" }
  }
  output y = t`)
    expect(shown(only!.tensors.get("vision.t.bias")!)).toBe("a.bias or b.bias")
  })

  test("may be one stored tensor for two parameters, and a constant is none", () => {
    const [only] = published(`  encoder vision {
    let a = conv2d(image, 3)
    let b = conv2d(a, 3)
    weights "Others" { a = "tied"  b = "tied" }
  }
  output y = b`)
    expect(table(only!).tensors).toMatchObject({ "vision.a.weight": "tied.weight", "vision.b.weight": "tied.weight" })
  })
})

test("an ablation that takes a section away takes its names, and sets what they say", () => {
  const text = `${LAYERS}
model M(layers: int = 2) {
  input image: f32[N, 3, H = 8, W = 8]
  encoder one { let a = Tower(layers)(image) }
  encoder two { let b = Tower()(image) }
  output y = a
}
ablation less of M { without two  set layers = 1 }`
  const tables = (selector: string) =>
    elaborated(compileText(text, { selector })).published.map(({ root, tensors }) => [root, tensors.size])
  expect(tables("M")).toEqual([
    ["one.a", 10],
    ["two.b", 10],
  ])
  expect(tables("less")).toEqual([["one.a", 6]])
})

test("names change nothing of the graph", () => {
  const text = (blocks: string): string =>
    `${blocks}\nmodel M() {\n  input image: f32[N, 3, H = 8, W = 8]\n  encoder v { let t = Tower()(image) }\n  output y = t\n}`
  const graphOf = (blocks: string) => elaborated(compileText(text(blocks))).graph
  const outline = ({ nodes, parameters }: ReturnType<typeof graphOf>) => [
    nodes.map(({ op, inputs }) => [op, inputs]),
    parameters.map(({ name, shape }) => [name, shape]),
  ]
  const lines = LAYERS.split("\n")
  const kept = lines.filter((_, index) => !isInWeights(lines, index)).join("\n")
  expect(kept).not.toContain("weights")
  expect(outline(graphOf(kept))).toEqual(outline(graphOf(LAYERS)))
})

/** Lines from `weights` to its closing brace. */
function isInWeights(lines: readonly string[], index: number): boolean {
  const start = lines.slice(0, index + 1).findLastIndex((line) => line.trim().startsWith("weights"))
  if (start === -1) return false
  const end = lines.findIndex((line, at) => at >= start && line.trim().endsWith("}"))
  return index <= end
}

test("a path that names a constant names nothing: constants belong to the text", () => {
  const result = compileText(`block B()(x: f32[N, 3]) {
  const scale: f32[3] = [1.0, 2.0, 3.0]
  let y = linear(x * scale, 3)
  return y
  weights "Others" { scale = "s" }
}
model M() {
  input x: f32[N, 3]
  encoder e { let y = B()(x) }
  output z = y
}`)
  expect(messages(result)).toContain("error[MDL2401]: Published name of nothing")
})
