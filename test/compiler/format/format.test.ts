/** The one formatting, construct by construct. */

import * as prettier from "prettier"
import { describe, expect, test } from "vitest"
import { format, NotFormattableError } from "../../../src/compiler/format/format.js"
import * as plugin from "../../../src/compiler/format/plugin.js"

/** The text is its own formatting. */
async function stays(text: string): Promise<void> {
  expect(await format(text)).toBe(text)
}

/** One text is formatted to the other, which then stays. */
async function becomes(before: string, after: string): Promise<void> {
  expect(await format(before)).toBe(after)
  await stays(after)
}

describe("files", () => {
  test("nothing stays nothing", async () => {
    await becomes("", "")
    await becomes("\n\n  \n", "")
    await becomes("\ufeff// alone\r\n\r\n\r\n// again", "// alone\n\n// again\n")
  })

  test("blocks and models stand apart, imports and one-line definitions as they were written", async () => {
    await becomes(
      `import {A} from "a"
import { B as C , D } from "b"
fn f(x)=x
fn g(x)=x


fn h(x)=x
block B()(x) { return x }
model M { }
ablation a of M { without b }
ablation c of M { without d }`,
      `import { A } from "a"
import { B as C, D } from "b"
fn f(x) = x
fn g(x) = x

fn h(x) = x

block B()(x) { return x }

model M {}

ablation a of M { without b }
ablation c of M { without d }
`,
    )
  })

  test("several blank lines become one, and none stay at the edges of a body", async () => {
    await becomes(
      "model M {\n\n\n  let a = 1\n\n\n\n  let b = 2\n  let c = 3\n\n}\n",
      "model M {\n  let a = 1\n\n  let b = 2\n  let c = 3\n}\n",
    )
  })
})

describe("lines", () => {
  test("are one each, and nothing is aligned", async () => {
    await becomes(
      `model M(dim:int=3) { input  image : f32[N,3,H=224,W=224]  input note:tokens[N] using clip
        train { optimizer = adam( lr=3e-4 ), batch=32  epochs = 20 } }`,
      `model M(dim: int = 3) {
  input image: f32[N, 3, H = 224, W = 224]
  input note: tokens[N] using clip
  train {
    optimizer = adam(lr = 3e-4)
    batch = 32
    epochs = 20
  }
}
`,
    )
  })

  test("a body of one line stays on the line of its braces if written so", async () => {
    await stays(`model M {
  encoder vision { let { v, skips: s } = Encoder()(image) }
  frozen head h {
    let a = b
  }
  decoder {}
}
`)
  })

  test("and leaves it when it does not fit, or is not one line", async () => {
    await becomes(
      `model M {
  encoder vision { let { v, skips } = Encoder(widths = [64, 128, 256, 512, dim], dropout = 0.1, norm = batch)(image, mask) }
  head { let a = b let c = d }
}
`,
      `model M {
  encoder vision {
    let { v, skips } = Encoder(widths = [64, 128, 256, 512, dim], dropout = 0.1, norm = batch)(image, mask)
  }
  head {
    let a = b
    let c = d
  }
}
`,
    )
  })

  test("every kind of statement", async () => {
    await stays(`block B(a: int, b = 2)(x: f32[...B, C], y: f32[..., D] = none) -> f32[N, C / 2] {
  check a % b == 0, "must divide"
  param weight: f32[a, C] = kaiming_uniform(C)
  state mean: f32[]
  let { p, q: r } = f(x)
  output o = p
  loss l = r
  return o
}
`)
  })

  test("every kind of change", async () => {
    await stays(`ablation a of M {
  without x, y
  freeze z
  unfreeze w
  set train.batch = 4
  vary mask in [0.1, 0.3]
}
`)
  })
})

describe("published names", () => {
  test("stand one on a line, and in one line only alone and where they were written so", async () => {
    await becomes(
      `block B()(x) { return x weights "Others" { a="b" c . d [ i ]. e [0]="f.{i}" // why
g = ("h" or "i")[ 0..2*n ] } }`,
      `block B()(x) {
  return x
  weights "Others" {
    a = "b"
    c.d[i].e[0] = "f.{i}" // why
    g = ("h" or "i")[0 .. 2 * n]
  }
}
`,
    )
    await stays('block B()(x) {\n  return x\n\n  // theirs\n  weights "Others" { a = "b" }\n}\n')
    await stays('block B()(x) {\n  return x\n  weights "Others" {\n    // none yet\n  }\n}\n')
  })

  test("that are long break within", async () => {
    await becomes(
      'model M { weights "Others" { a_long_name_of_a_part = "another.rather.long.name.of.a.tensor.weight" or "yet.another.rather.long.name.of.a.tensor.weight" } }',
      `model M {
  weights "Others" {
    a_long_name_of_a_part =
      "another.rather.long.name.of.a.tensor.weight"
      or "yet.another.rather.long.name.of.a.tensor.weight"
  }
}
`,
    )
  })
})

describe("expressions", () => {
  const expression = async (text: string): Promise<string> => {
    const formatted = await format(`fn f(x) = ${text}`)
    return formatted.slice("fn f(x) = ".length, -1)
  }

  test.each([
    ["(a+b)*c-(d)", "(a + b) * c - d"],
    ["a-(b-c)", "a - (b - c)"],
    ["(a*b)+(c/d)", "a * b + c / d"],
    ["-(a+b)", "-(a + b)"],
    ["-(-a)", "-(-a)"],
    ["not (a and b)", "not (a and b)"],
    ["(not a) and b", "not a and b"],
    ["(a==b)==c", "(a == b) == c"],
    ["(a|>b)|>c", "a |> b |> c"],
    ["a|>(b|>c)", "a |> (b |> c)"],
    ["(a|>b)+c", "(a |> b) + c"],
    ["0..n", "0..n"],
    ["0..(n+1)", "0 .. n + 1"],
    ["(if a then b else c)+1", "(if a then b else c) + 1"],
    ["if a then b else(if c then d else e)", "if a then b else if c then d else e"],
    ["(f(x)).y[ 0 ]", "f(x).y[0]"],
    ["[ a,b, ]", "[a, b]"],
    ["{a,b:c,...d,}", "{ a, b: c, ...d }"],
    ["{ }", "{}"],
    ["[f(i) for i in 0..n if i>0]", "[f(i) for i in 0..n if i > 0]"],
    ["fold h=x for {a,b} in xs=>f(h)", "fold h = x for { a, b } in xs => f(h)"],
    ["{let a=b return a}", "{\n  let a = b\n  return a\n}"],
    ["{ return a }", "{ return a }"],
    ['"as \\"written\\" \\u{e9}"', '"as \\"written\\" \\u{e9}"'],
    ["1_000+3E-4", "1_000 + 3E-4"],
  ])("%s becomes %s", async (before, after) => {
    expect(await expression(before)).toBe(after)
  })

  test("that do not fit break from the outside in", async () => {
    await becomes(
      `block B()(x) {
  let p = tokens_of(conv2d(feature, dim, kernel = 1)) |> add_position() |> dropout(0.1) |> layer_norm(epsilon = 1e-5) |> linear(dim)
  let attended = CrossAttention(heads = 4, dropout = 0.1, causal = false)(query = encoded_text, key = placed, valid = note.valid)
  loss segmentation = 5.0 * (0.5 * dice_loss(probability, mask) + 0.5 * binary_cross_entropy(probability, mask)) + 0.1 * regulariser
  let kind_of_activation = if kind == "relu" then relu(x) else if kind == "gelu" then gelu(x) else if kind == "silu" then silu(x) else x
  return { attended_features_of_the_image, attended_features_of_the_note: attended, everything_else_that_was_made_here: p }
}
`,
      `block B()(x) {
  let p = tokens_of(conv2d(feature, dim, kernel = 1))
    |> add_position()
    |> dropout(0.1)
    |> layer_norm(epsilon = 1e-5)
    |> linear(dim)
  let attended = CrossAttention(heads = 4, dropout = 0.1, causal = false)(
    query = encoded_text,
    key = placed,
    valid = note.valid,
  )
  loss segmentation =
    5.0 * (0.5 * dice_loss(probability, mask) + 0.5 * binary_cross_entropy(probability, mask))
    + 0.1 * regulariser
  let kind_of_activation = if kind == "relu" then relu(x)
    else if kind == "gelu" then gelu(x)
    else if kind == "silu" then silu(x)
    else x
  return {
    attended_features_of_the_image,
    attended_features_of_the_note: attended,
    everything_else_that_was_made_here: p,
  }
}
`,
    )
  })

  test("a lone list, record or body keeps to the parentheses around it", async () => {
    await stays(`fn f(x) = concat([
  the_first_of_several_long_names_of_values,
  the_second_of_several_long_names_of_values,
  the_third_of_several_long_names_of_values,
])

fn g(n) = fold h = 0 for i in 0..n => {
  let a = h + i
  return a
}
`)
  })

  test("long lists of numbers are rows", async () => {
    const numbers = Array.from({ length: 60 }, (_, i) => i * 1000).join(", ")
    const formatted = await format(`fn f() = [${numbers}]`)
    expect(formatted.split("\n").length).toBeLessThan(8)
    await stays(formatted)
  })

  test("headers break at their last list first", async () => {
    await becomes(
      "block Attention(heads: int, dropout: float = 0.0, causal: bool = false)(query: f32[N, Q, C], key: f32[N, K, C], valid: f32[N, K] = none) -> f32[N, Q, C] { return query }",
      `block Attention(heads: int, dropout: float = 0.0, causal: bool = false)(
  query: f32[N, Q, C],
  key: f32[N, K, C],
  valid: f32[N, K] = none,
) -> f32[N, Q, C] { return query }
`,
    )
  })
})

describe("comments", () => {
  test("beside and between lines stay where they are", async () => {
    await stays(`// The file.

/// A block.
/// More of it.
block B()(x) { // opens
  // first
  let a = x // after a

  // between

  // before b
  /// Doc of b.
  let b = a
  // last
}

// after all
`)
  })

  test("in lists stay with what they are beside", async () => {
    await stays(`import {
  A, // the first
  // before B
  B,
} from "x"

block B(
  a: int, // how many
  // how large
  b: int,
  // none more
)(x) {
  let y = f(
    x, // the input
    // its mask
    mask = m,
    // nothing else
  )
  let z = x
    // first
    |> f()
    |> g() // second
    |> h()
  return {
    y, // one
    z: [
      // two
      z,
    ],
  }
}
`)
  })

  test("in empty bodies stay in them", async () => {
    await stays(`model M { // nothing yet
  decoder {
    // to do
  }
  train {
    // to do

    // as well
  }
}
`)
  })

  test("in the midst of an expression move above its line", async () => {
    await becomes(
      `block B()(x) {
  let y = x + // one
    // two
    x
  return f(a = // three
    y)
}
`,
      `block B()(x) {
  // one
  // two
  let y = x + x
  return f(
    // three
    a = y,
  )
}
`,
    )
  })

  test("that document nothing do not begin to when they move", async () => {
    await becomes("block B()(x) {\n  let y = x + /// why\n    x\n}\n", "block B()(x) {\n  // why\n  let y = x + x\n}\n")
  })
})

describe("what cannot be formatted", () => {
  test("is refused with its diagnostics", async () => {
    const error = await format("model M {\n  let a = \n}\n", "m.mdl").catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(NotFormattableError)
    expect((error as NotFormattableError).diagnostics.map(({ code }) => code)).toEqual(["MDL1201"])
  })

  test("but a mistake that is none of reading is no hindrance", async () => {
    await stays("fn f(x, x) = x\n")
  })
})

describe("the Prettier plugin", () => {
  test("formats .mdl files", async () => {
    expect(await prettier.format("fn f( x )=x", { plugins: [plugin], filepath: "a.mdl" })).toBe("fn f(x) = x\n")
  })

  test("says where an error is", async () => {
    const failed = prettier.format("fn f(x) =", { plugins: [plugin], parser: "mdl" })
    await expect(failed).rejects.toThrow("Syntax error: expected an expression, found the end of the file")
  })
})
