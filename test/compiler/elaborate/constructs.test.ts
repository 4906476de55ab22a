/**
 * What published vision-language models need of the language itself (not of operations): each construct, written out small.
 * The figures are those of the papers named; the shapes are what their code has.
 */

import { describe, expect, test } from "vitest"
import { formatType } from "../../../src/compiler/elaborate/values.js"
import { compileText, elaborated } from "../source-host.js"

interface Written {
  readonly outputs: Readonly<Record<string, string>>
  readonly parameters: readonly string[]
}

function written(text: string, selector?: string): Written {
  const { graph } = elaborated(compileText(text, { selector }))
  return {
    outputs: Object.fromEntries(graph.outputs.map((o) => [o.name, formatType(graph.values[o.value]!.type)])),
    parameters: graph.parameters.map((p) => p.name),
  }
}

describe("constructs of the zoo can be written", () => {
  test("a tower with a class token whose outputs are tapped at several depths, read deepest first (CLIPSeg)", () => {
    const { outputs, parameters } = written(`
block Tower(width: int, depth: int)(x: f32[N, T, C]) {
  param token: f32[1, 1, C] = zeros
  let start = concat([broadcast_to(token, [N, 1, C]), x], axis = 1)
  let layer = fold s = { x: start, all: [start] } for i in 0..depth => {
    let y = s.x + linear(s.x, C)
    return { x: y, all: [...s.all, y] }
  }
  return { states: layer.all }
}
model Tapped(taps: list = [1, 3]) {
  input image: f32[N, 3, H = 16, W = 16]
  encoder vision {
    let stem = conv2d(image, 8, kernel = 4, stride = 4, padding = 0)
    let { states } = Tower(8, 4)(tokens_of(stem))
  }
  decoder {
    let reduced = [linear(states[i + 1], 4) for i in reverse(taps)]
    let joined = fold x = reduced[0] for tap in [reduced[i] for i in 1..len(reduced)] => layer_norm(x) + tap
    output map = grid_of(slice(joined, [0, 1, 0], [N, 16, 4]), 4, 4)
  }
}`)
    expect(outputs).toEqual({ map: "f32[N, 4, 4, 4]" })
    expect(parameters.filter((name) => name.startsWith("vision"))).toEqual([
      "vision.stem.weight",
      "vision.stem.bias",
      "vision.token",
      ...[0, 1, 2, 3].flatMap((i) => [`vision.layer.${i}.y.weight`, `vision.layer.${i}.y.bias`]),
    ])
  })

  test("nested dense skips, with a loss for each depth (UNet++)", () => {
    const { outputs, parameters } = written(`
fn unit(x: tensor, out: int) = conv2d(x, out, kernel = 3) |> relu()
model Nested(widths: list = [4, 8, 16], deep_supervision: bool = true) {
  input image: f32[N, 3, H = 16, W = 16]
  target mask: f32[N, 1, H, W]
  encoder backbone {
    let x = fold levels = [unit(image, widths[0])] for i in 1..len(widths) =>
      [...levels, unit(max_pool(levels[-1], 2), widths[i])]
  }
  decoder {
    let column = fold columns = [x] for j in 1..len(widths) => [
      ...columns,
      [unit(concat([...[c[i] for c in columns], upsample(columns[-1][i + 1], 2)], axis = 1), widths[i])
        for i in 0..len(widths) - j],
    ]
    let head = [sigmoid(conv2d(c[0], 1)) for c in [column[i] for i in 1..len(column)]]
    output map = head[-1]
  }
  loss nested = fold total = mse(head[0], mask) for i in 1..len(head) => total + mse(head[i], mask)
}`)
    expect(outputs).toEqual({ map: "f32[N, 1, H, W]" })
    expect(parameters.filter((name) => name.endsWith("weight"))).toEqual([
      "backbone.x.unit.weight",
      "backbone.x.0.unit.weight",
      "backbone.x.1.unit.weight",
      "decoder.column.0.0.weight",
      "decoder.column.0.1.weight",
      "decoder.column.1.0.weight",
      "decoder.head.0.weight",
      "decoder.head.1.weight",
    ])
  })

  test("shifted windows with a table of relative positions (Swin, LAVT)", () => {
    const { outputs, parameters } = written(
      `
block WindowAttention(window: int, heads: int)(x: f32[N, C, H, W]) {
  check H % window == 0 and W % window == 0, "the map must divide into windows"
  let size = window * window
  const index: i32[size, size] = [
    [(quotient(i, window) - quotient(j, window) + window - 1) * (2 * window - 1) + i % window - j % window + window - 1 for j in 0..size]
    for i in 0..size
  ]
  param table: f32[(2 * window - 1) * (2 * window - 1), heads] = normal(0.02)
  let bias = transpose(gather(table, index), [2, 0, 1])
  let rows = reshape(x, [N, C, H / window, window, W / window, window]) |> transpose([0, 2, 4, 3, 5, 1])
  let tokens = reshape(rows, [N * (H / window) * (W / window), size, C])
  let scores = reshape(matmul(tokens, tokens, transpose_b = true), [N * (H / window) * (W / window), 1, size, size])
  return softmax(scores + bias)
}
model Windows {
  input x: f32[N, 4, H = 6, W = 6]
  let attention = WindowAttention(3, 2)(x)
  output weights = attention
}`,
    )
    expect(outputs).toEqual({ weights: "f32[H*N*W/9, 2, 9, 9]" })
    expect(parameters).toEqual(["attention.table"])
  })

  test("a masking ratio that gives a whole number of patches (MAE)", () => {
    const text = `
model Masked(ratio: float = 0.75) {
  input x: f32[N, 16, 8]
  let kept = round(16 * (1 - ratio))
  check kept > 0, "something must be left to see"
  output visible = slice(x, [0, 0, 0], [N, kept, 8])
}
ablation half of Masked { set ratio = 0.5 }
ablation all of Masked { set ratio = 1.0 }`
    expect(written(text).outputs).toEqual({ visible: "f32[N, 4, 8]" })
    expect(written(text, "half").outputs).toEqual({ visible: "f32[N, 8, 8]" })
    expect(compileText(text, { selector: "all" }).diagnostics.map((d) => d.code)).toEqual(["MDL3203"])
  })

  test("an input that may be missing, with a type vector for what is there (BioViL-T)", () => {
    const text = `
model Temporal {
  input image: f32[N, 1, H = 8, W = 8]
  optional input prior: f32[N, 1, H, W]
  encoder vision {
    let features = Conv2d(4, kernel = 2, stride = 2, padding = 0)
    let now = tokens_of(features(image)) |> add_kind()
    let before = if prior == none then [] else [tokens_of(features(prior)) |> add_kind()]
    let tokens = concat([now, ...before], axis = 1)
  }
  output state = tokens
}
block Kind()(x: f32[N, T, C]) {
  param kind: f32[1, 1, C] = normal(0.02)
  return x + kind
}
fn add_kind(x: tensor) = Kind()(x)
ablation first_visit of Temporal { without prior }`
    expect(written(text).outputs).toEqual({ state: "f32[N, H*W/2, 4]" })
    expect(written(text, "first_visit")).toEqual({
      outputs: { state: "f32[N, H*W/4, 4]" },
      parameters: ["vision.features.weight", "vision.features.bias", "vision.now.kind"],
    })
  })

  test("one projector for three inputs, contrasted in pairs (ViKL)", () => {
    const { parameters } = written(`
fn contrast(a: f32[N, C], b: f32[N, C], temperature: float) = {
  let scores = matmul(a, b, transpose_b = true) / temperature
  return 0 - mean(log_softmax(scores, axis = -1))
}
model Three {
  input image: f32[N, 8]
  input report: f32[N, 6]
  input findings: f32[N, 5]
  section shared { let project = Linear(4) }
  encoder a { let x = project(linear(image, 8)) }
  encoder b { let y = project(linear(report, 8)) }
  encoder c { let z = project(linear(findings, 8)) }
  contrastive {
    let pairs = [{ a: x, b: y, weight: 1.0 }, { a: x, b: z, weight: 0.5 }, { a: y, b: z, weight: 0.5 }]
    loss pairwise = fold total = contrast(x, x, 0.1) * 0 for p in pairs => total + p.weight * contrast(p.a, p.b, 0.07)
  }
  output features = x
}`)
    expect(parameters.filter((name) => name.startsWith("shared"))).toEqual([
      "shared.project.weight",
      "shared.project.bias",
    ])
  })

  test("an output embedding tied to the input embedding, with a bias of its own (BERT's masked words)", () => {
    const { outputs, parameters } = written(`
block Vocabulary(size: int)(x: f32[N, T, C], table: f32[size, C]) -> f32[N, T, size] {
  param bias: f32[size] = zeros
  return matmul(x, table, transpose_b = true) + bias
}
model Words {
  input note: tokens[N, T = 6] using words(30)
  encoder language {
    let words = Embedding(note.vocabulary, 8)
    let t = layer_norm(words(note.ids))
  }
  head masked { output scores = Vocabulary(note.vocabulary)(linear(t, 8), words.weight) }
}`)
    expect(outputs).toEqual({ scores: "f32[N, T, 30]" })
    expect(parameters.filter((name) => name.endsWith("weight"))).toHaveLength(3)
  })

  test("several heads that share a trunk, each with a target and a loss (TGANet, multi-task)", () => {
    const { outputs } = written(
      `
model Tasks(kinds: list = [{ name: "count", size: 2 }, { name: "size", size: 3 }]) {
  input image: f32[N, 3, H = 8, W = 8]
  target mask: f32[N, 1, H, W]
  target count: f32[N, 2]
  target size: f32[N, 3]
  encoder trunk { let v = conv2d(image, 4) |> relu() }
  head classes {
    let pooled = mean(v, axes = [2, 3])
    let logits = [linear(pooled, c.size) for c in kinds]
    output counts = softmax(logits[0])
    output sizes = softmax(logits[1])
    loss count_loss = 0 - mean(count * log_softmax(logits[0]))
    loss size_loss = 0 - mean(size * log_softmax(logits[1]))
  }
  decoder {
    const words: f32[5, 3] = [[0.1 * i + j for j in 0..3] for i in 0..5]
    let text = linear(matmul(concat([counts, sizes], axis = 1), words), 4)
    output map = sigmoid(conv2d(v * reshape(text, [N, 4, 1, 1]), 1))
    loss overlap = dice_loss(map, mask)
  }
}`,
    )
    expect(outputs).toEqual({ counts: "f32[N, 2]", sizes: "f32[N, 3]", map: "f32[N, 1, H, W]" })
  })

  test("iterations of a solver, unrolled (optimal transport in ViLT)", () => {
    const { outputs } = written(`
model Transport(iterations: int = 5) {
  input cost: f32[N, 4, 6]
  let kernel = exp(0 - cost / 0.1)
  let plan = fold p = { plan: kernel, scale: 1.0 } for i in 0..iterations => {
    let rows = p.plan / (sum(p.plan, axes = [2], keep = true) * 4 + 1e-6)
    let columns = rows / (sum(rows, axes = [1], keep = true) * 6 + 1e-6)
    return { plan: columns, scale: p.scale * 0.5 }
  }
  output distance = sum(plan.plan * cost, axes = [1, 2])
}`)
    expect(outputs).toEqual({ distance: "f32[N]" })
  })
})
