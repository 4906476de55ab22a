/** Identity is by name: what parameters are called, what sharing means, what an inserted line leaves alone. */

import { describe, expect, test } from "vitest"
import { compileText, elaborated, messages } from "../source-host.js"

const HEAD = `  input image: f32[N, 3, H = 16, W = 16]
  target mask: f32[N, 1, H, W]
`
const model = (lines: string, before = ""): string => `${before}\nmodel Small() {\n${HEAD}${lines}\n}`

const parameters = (text: string, selector?: string): string[] =>
  elaborated(compileText(text, { selector })).graph.parameters.map((p) => p.name)

describe("a parameter is called after its section, its lets and the block's own names", () => {
  test("a layer in a let takes the let's name", () => {
    expect(
      parameters(
        model(`  encoder vision { let stem = conv2d(image, 4, kernel = 3) }
  decoder { output probability = sigmoid(conv2d(stem, 1)) }`),
      ),
    ).toEqual(["vision.stem.weight", "vision.stem.bias", "decoder.probability.weight", "decoder.probability.bias"])
  })
  test("two layers in one let are told apart by what they are, not by number", () => {
    expect(
      parameters(
        model(`  encoder vision { let stem = conv2d(image, 4) |> batch_norm() }
  decoder { output probability = sigmoid(conv2d(stem, 1, bias = false)) }`),
      ),
    ).toEqual([
      "vision.stem.conv2d.weight",
      "vision.stem.conv2d.bias",
      "vision.stem.batch_norm.weight",
      "vision.stem.batch_norm.bias",
      "vision.stem.batch_norm.running_mean",
      "vision.stem.batch_norm.running_var",
      "decoder.probability.weight",
    ])
  })
  test("repeated layers are told apart by their position in the loop, as in a ModuleList", () => {
    expect(
      parameters(model(`  output probability = sigmoid(fold x = image for i in 0..3 => conv2d(x, 1, bias = false))`)),
    ).toEqual(["probability.0.weight", "probability.1.weight", "probability.2.weight"])
  })
  test("a record pattern adds nothing, so a block's parts stand directly in the section", () => {
    const text = model(
      `  encoder vision { let { deep } = Stem()(image) }
  output probability = sigmoid(conv2d(deep, 1, bias = false))`,
      `block Stem()(x: f32[N, C, Y, X]) {
  let first = conv2d(x, 4, bias = false)
  return { deep: relu(first) }
}`,
    )
    expect(parameters(text)).toEqual(["vision.first.weight", "probability.weight"])
  })
})

describe("sharing", () => {
  const shared = (use: string): string =>
    model(`  encoder twice {
    let f = Conv2d(3, bias = false)
    let once = f(image)
    let again = ${use}
  }
  output probability = sigmoid(conv2d(again, 1, bias = false))`)

  test("an instance used twice has one set of weights", () => {
    expect(parameters(shared("f(once)"))).toEqual(["twice.f.weight", "probability.weight"])
  })
  test("two instances have two", () => {
    expect(parameters(shared("Conv2d(3, bias = false)(once)"))).toEqual([
      "twice.f.weight",
      "twice.again.weight",
      "probability.weight",
    ])
  })
  test("an instance used twice shares the parts inside it too", () => {
    const text = model(
      `  encoder twice {
    let f = Pair()
    let once = f(image)
    let again = f(once)
  }
  output probability = sigmoid(mean(again, axes = [1], keep = true))`,
      `block Pair()(x: f32[N, C, Y, X]) {
  let first = conv2d(x, C, bias = false)
  let second = conv2d(first, C, bias = false)
  return second
}`,
    )
    expect(parameters(text)).toEqual(["twice.f.first.weight", "twice.f.second.weight"])
  })
})

describe("parameters in loops and functions of a block", () => {
  const block = (body: string): string =>
    model("  let y = Scales()(image)\n  let z = y\n  output o = z", `block Scales()(x: f32[N, C, Y, X]) {\n${body}\n}`)

  test("each turn of a loop has its own", () => {
    const text = block(`  let y = fold h = x for i in 0..2 => {
    let turn = i + 1
    param gain: f32[1] = filled(turn)
    return h * gain
  }
  return y`)
    expect(parameters(text)).toEqual(["y.y.0.gain", "y.y.1.gain"])
  })
  test("each call of a function has its own", () => {
    const text = block("  let a = scaled(x)\n  let b = scaled(a)\n  return b").replace(
      "block Scales",
      "fn scaled(x: tensor) {\n  param gain: f32[1] = ones\n  return x * gain\n}\nblock Scales",
    )
    expect(parameters(text)).toEqual(["y.a.gain", "y.b.gain"])
  })
  test("an instance applied twice shares them all", () => {
    const text = block(
      "  let y = fold h = x for i in 0..2 => {\n    let turn = h\n    param gain: f32[1] = ones\n    return turn * gain\n  }\n  return y",
    )
      .replace("let y = Scales()(image)", "let f = Scales()\n  let y = f(image)")
      .replace("let z = y", "let z = f(y)")
    expect(parameters(text)).toEqual(["f.y.0.gain", "f.y.1.gain"])
  })
})

describe("an edit changes only what it says", () => {
  const text = model(`  encoder vision {
    let a = conv2d(image, 4)
    let noisy = dropout(a, 0.5)
    let b = conv2d(noisy, 4)
  }
  output probability = sigmoid(conv2d(b, 1))`)

  test("an inserted line renames no parameter and no source of random numbers", () => {
    const edited = text.replace("let noisy", "let between = conv2d(a, 7) |> dropout(0.1)\n    let noisy")
    const keys = (source: string): unknown[] =>
      elaborated(compileText(source)).graph.nodes.flatMap((n) => ("key" in n.attributes ? [n.attributes["key"]] : []))
    const added = parameters(edited).filter((name) => !parameters(text).includes(name))
    expect(added).toEqual(["vision.between.weight", "vision.between.bias"])
    expect(keys(edited)).toEqual(expect.arrayContaining(keys(text)))
  })
  test("comments, spaces and the order of independent lines change nothing", () => {
    const edited = text.replace("let a =", "// the stem\n\n    let   a  =")
    const plain = (source: string): unknown =>
      elaborated(compileText(source)).graph.nodes.map(({ op, inputs, attributes }) => ({ op, inputs, attributes }))
    expect(plain(edited)).toEqual(plain(text))
  })
  test("an ablation that freezes a section marks its parameters and no other", () => {
    const frozen = elaborated(compileText(`${text}\nablation still of Small { freeze vision }`, { selector: "still" }))
    expect(frozen.graph.parameters.filter((p) => p.frozen).map((p) => p.name)).toEqual([
      "vision.a.weight",
      "vision.a.bias",
      "vision.b.weight",
      "vision.b.bias",
    ])
  })
})

describe("compile-time values", () => {
  const output = (lines: string, before = ""): string => {
    const graph = elaborated(compileText(model(lines, before))).graph
    const { value } = graph.outputs[0]!
    const { shape } = graph.values[value]!.type
    return `[${shape.map((d) => [...d.terms].map(([m, c]) => `${c.numerator}/${c.denominator}${m}`).join("+")).join(" ")}]`
  }
  test("the branch that is not taken may name what is not there for it", () => {
    expect(
      output(`  let grey = if 1 == 2 then dropout(image, 7.5) else mean(image, axes = [1], keep = true)
  output probability = sigmoid(grey)`),
    ).toBe("[1/1N 1/1 1/1H 1/1W]")
  })
  test("comprehensions, ranges and conditions in them", () => {
    expect(
      output(`  let maps = [image for i in 0..5 if i != 2]
  output probability = concat(maps, axis = 1)`),
    ).toBe("[1/1N 12/1 1/1H 1/1W]")
  })
  test("a block given as an argument makes its parameters under the user's name", () => {
    const text = model(
      `  let deep = Twice(Conv2d(3, bias = false))(image)
  output probability = sigmoid(mean(deep, axes = [1], keep = true))`,
      `block Twice(inner: block)(x: f32[N, C, Y, X]) {
  return inner(inner(x))
}`,
    )
    // The outer block and the inner instance are made in one statement, so each carries its own name.
    expect(parameters(text)).toEqual(["deep.conv2d.weight"])
  })
  test("rest dims take any number of leading axes", () => {
    const text = model(`  let rows = linear(image, 5)
  output probability = rows`)
    expect(parameters(text)).toEqual(["rows.weight", "rows.bias"])
  })
  test("what is wrong in a text never throws", () => {
    for (const broken of [
      "model",
      "model M(",
      "block B()(x) { return",
      "ablation a of b { set }",
      "model M() { output x = 1 }",
    ]) {
      expect(messages(compileText(broken))).toMatch(/error\[MDL\d+\]/)
    }
  })
})
