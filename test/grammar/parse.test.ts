/** What the parser makes of correct files. */

import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import type { Expression, ModelItem, SourceFile } from "../../grammar/ast.js"
import { parse } from "../../grammar/parse.js"
import { withoutSpans } from "./without-spans.js"

const reclmis = readFileSync(new URL("../fixtures/reclmis.mdl", import.meta.url), "utf8")

function parsed(text: string): SourceFile {
  const { file, diagnostics } = parse("test.mdl", text)
  expect(diagnostics).toEqual([])
  return file
}

function expression(text: string): Expression {
  const item = parsed(`fn f(x) = ${text}`).items[0]
  const statement = item?.kind === "fn" ? item.body[0] : undefined
  if (statement?.kind !== "return") throw new Error("expected a concise function")
  return statement.value
}

/** An expression with all its groupings visible. */
function grouped(node: Expression): string {
  switch (node.kind) {
    case "number":
      return node.text
    case "string":
      return JSON.stringify(node.value)
    case "boolean":
      return String(node.value)
    case "none":
      return "none"
    case "name":
      return node.name.text
    case "list":
      return `[${node.items.map((item) => (item.spread ? "..." : "") + grouped(item.value)).join(", ")}]`
    case "record":
      return `{${node.fields
        .map((field) =>
          field.kind === "spread"
            ? `...${grouped(field.value)}`
            : field.name.text + (field.value === undefined ? "" : `: ${grouped(field.value)}`),
        )
        .join(", ")}}`
    case "comprehension": {
      const variable = node.variable.kind === "name-pattern" ? node.variable.name.text : "{...}"
      const condition = node.condition === undefined ? "" : ` if ${grouped(node.condition)}`
      return `[${grouped(node.body)} for ${variable} in ${grouped(node.iterable)}${condition}]`
    }
    case "range":
      return `(${grouped(node.from)}..${grouped(node.to)})`
    case "unary":
      return `(${node.operator} ${grouped(node.operand)})`
    case "binary":
      return `(${grouped(node.left)} ${node.operator} ${grouped(node.right)})`
    case "pipe":
      return `(${grouped(node.left)} |> ${grouped(node.right)})`
    case "call": {
      const given = node.arguments.map((a) => (a.name === undefined ? "" : `${a.name.text}=`) + grouped(a.value))
      return `${grouped(node.callee)}(${given.join(", ")})`
    }
    case "member":
      return `${grouped(node.object)}.${node.name.text}`
    case "index":
      return `${grouped(node.object)}[${grouped(node.index)}]`
    case "if":
      return `(if ${grouped(node.condition)} then ${grouped(node.then)} else ${grouped(node.else)})`
    case "fold":
      return `(fold ${node.accumulator.text}=${grouped(node.start)} in ${grouped(node.iterable)} => ${grouped(node.body)})`
    case "do":
      return `do(${node.body.map(({ kind }) => kind).join(" ")})`
  }
}

describe("the model of the design document", () => {
  const file = parsed(reclmis)
  const model = file.items.find((item): item is ModelItem => item.kind === "model")

  test("has its items in order", () => {
    expect(file.items.map((item) => (item.kind === "import" ? item.from.text : item.name.text))).toEqual([
      "std/unet",
      "std/clip",
      "std/conditioned",
      "RecLMIS",
      "no_cvr",
      "no_aux",
      "shallow",
      "masks",
    ])
  })

  test("has its members, sections with their names, and settings", () => {
    const members = model?.members.map((member) => {
      if (member.kind === "section") {
        const words = [member.frozen ? "frozen" : "", member.role.text, member.name?.text ?? ""]
        return `${words.filter((word) => word !== "").join(" ")}: ${member.body.map(({ kind }) => kind).join(" ")}`
      }
      if (member.kind === "train") return `train: ${member.settings.map(({ name }) => name.text).join(" ")}`
      if (member.kind === "input") return `${member.role} ${member.name.text}`
      return member.kind === "loss" ? `loss ${member.name.text}` : member.kind
    })
    expect(members).toEqual([
      "input image",
      "input note",
      "target mask",
      "encoder vision: let",
      "frozen encoder language: let",
      "interaction conditioned: let let let let output output",
      "decoder: output",
      "reconstruction cvr: let loss",
      "reconstruction clr: let loss",
      "contrastive ccl: loss",
      "loss segmentation",
      "train: optimizer schedule batch epochs stop augment",
    ])
  })

  test("has its parameters with types and defaults", () => {
    expect(
      model?.parameters.map(({ name, type, default: value }) => [
        name.text,
        type?.kind === "plain-type" ? type.name.text : type?.kind,
        value && grouped(value),
      ]),
    ).toEqual([
      ["dim", "int", "512"],
      ["layers", "int", "4"],
      ["mask_image", "float", "0.5"],
      ["mask_text", "float", "0.3"],
    ])
  })

  test("has its changes", () => {
    const ablations = file.items.flatMap((item) => (item.kind === "ablation" ? [withoutSpans(item.changes)] : []))
    expect(ablations).toEqual([
      [{ kind: "without", sections: [{ text: "cvr" }] }],
      [{ kind: "without", sections: [{ text: "cvr" }, { text: "clr" }, { text: "ccl" }] }],
      [{ kind: "set", path: [{ text: "layers" }], value: withoutSpans(expression("2")) }],
      [{ kind: "vary", path: [{ text: "mask_image" }], values: withoutSpans(expression("[0.1, 0.3, 0.5, 0.7]")) }],
    ])
  })

  test("keeps its comments", () => {
    const { comments } = parse("test.mdl", reclmis)
    expect(comments.map(({ kind, ownLine, text }) => [kind, ownLine, text.slice(0, 12)])).toEqual([
      ["doc", true, "/// RecLMIS:"],
      ["line", false, "// v: f32[N,"],
      ["line", false, "// exists in"],
    ])
  })
})

describe("expressions", () => {
  test.each([
    ["1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"],
    ["a / b / c", "((a / b) / c)"],
    ["a - (b - c)", "(a - (b - c))"],
    ["-a * b", "((- a) * b)"],
    ["-a.b(c)[0]", "(- a.b(c)[0])"],
    ["not a == b and c or d", "(((not (a == b)) and c) or d)"],
    ["a |> f(b) |> g", "((a |> f(b)) |> g)"],
    ["0..n + 1 |> f", "((0..(n + 1)) |> f)"],
    ["if a then b else if c then d else e", "(if a then b else (if c then d else e))"],
    ["if a then b else c |> f", "(if a then b else (c |> f))"],
    ["fold h = x for i in 0..n => f(h)", "(fold h=x in (0..n) => f(h))"],
    ["[f(i) for i in 0..n if i > 0]", "[f(i) for i in (0..n) if (i > 0)]"],
    ["[...a, b,]", "[...a, b]"],
    ["[[]]", "[[]]"],
    ["{ a, b: c, ...d }", "{a, b: c, ...d}"],
    ["{}", "{}"],
    ["{ let y = x return y }", "do(let return)"],
    ["{ return x }", "do(return)"],
    ["{ let: x, return: y }", "{let: x, return: y}"],
    ["Block(a, b = c)(d).e", "Block(a, b=c)(d).e"],
    ["f()()", "f()()"],
    ['"a\\n\\"\\u{e9}"', '"a\\n\\"é"'],
    ["1_000 + 3e-4", "(1_000 + 3e-4)"],
    ["none == true", "(none == true)"],
  ])("%s", (text, groups) => {
    expect(grouped(expression(text))).toBe(groups)
  })

  test("numbers know whether they are integers", () => {
    const numbers = ["12", "1_000", "0.5", "3e-4", "1e3"].map(expression)
    expect(numbers.map((node) => node.kind === "number" && [node.value, node.isInteger])).toEqual([
      [12, true],
      [1000, true],
      [0.5, false],
      [3e-4, false],
      [1000, false],
    ])
  })
})

describe("contextual keywords", () => {
  test("are names in parameter lists, bodies, arguments and fields", () => {
    parsed(`block B(block: block, state = 1)(query, target, input, output, loss, train, set, from, of, as, using) {
      let from = f(target = input, loss = output)(input)
      let { output, set: vary } = g(of)
      let frozen = { input, target, loss: state }
      return [state, from, of] |> train(target)
    }`)
  })

  test("still begin statements after a value", () => {
    const { items } = parse(
      "test.mdl",
      "block B()(x) { let a = x output y = a let b = target state c: f32 = loss }",
    ).file
    const block = items[0]
    expect(block?.kind === "block" && block.body.map(({ kind }) => kind)).toEqual(["let", "output", "let", "param"])
  })

  test("are settings and values in train", () => {
    const { items } = parsed("model M { train { monitor = loss  output = target, set = 1 } }")
    const member = items[0]?.kind === "model" ? items[0].members[0] : undefined
    expect(member?.kind === "train" && member.settings.map(({ name }) => name.text)).toEqual([
      "monitor",
      "output",
      "set",
    ])
  })

  test("name sections, inputs and ablations", () => {
    parsed(`model model { input input: f32[N] target target: f32[N] section train { } frozen head loss { let a = input } }
            ablation of of model { without train freeze loss set train.batch = 4 vary set in [1] }`)
  })

  test("are told from sections by what follows", () => {
    const { items } = parsed("model M { let v = encoder decoder { let a = v } head { } }")
    const members = items[0]?.kind === "model" ? items[0].members : []
    expect(members.map((member) => (member.kind === "section" ? member.role.text : member.kind))).toEqual([
      "let",
      "decoder",
      "head",
    ])
  })

  test("reserved words are names after a dot, before the = of an argument, and as fields", () => {
    expect(grouped(expression("conv(in = 3, let = a.for)({ if: b.in })"))).toBe("conv(in=3, let=a.for)({if: b.in})")
  })
})

describe("doc comments", () => {
  test("belong to what follows them", () => {
    const text = `/// A block.
/// Two lines.
block B()(x) {
  /// A weight.
  param w: f32[N]
  let a = w /// not of the next line
  // nor is this
  let b = a
  return b
}
/// A model.
model M {
  /// An input.
  input x: f32[N]
  /// A section.
  head h { }
}
/// An ablation.
ablation a of M { }
`
    const { items } = parsed(text)
    expect(items.map((item) => (item.kind === "import" ? undefined : item.doc))).toEqual([
      "A block.\nTwo lines.",
      "A model.",
      "An ablation.",
    ])
    const [block, model] = items
    expect(block?.kind === "block" && block.body.map((node) => ("doc" in node ? node.doc : undefined))).toEqual([
      "A weight.",
      undefined,
      undefined,
      undefined,
    ])
    expect(model?.kind === "model" && model.members.map((node) => ("doc" in node ? node.doc : undefined))).toEqual([
      "An input.",
      "A section.",
    ])
  })
})

describe("published names", () => {
  test("have paths of names and positions, and begin no other line", () => {
    const text = `block B()(weights) {
  let state = weights
  return Attention(weights = state)(weights)
  weights "Others" {
    weights.if[i].norm[0] = "a.{i}"
    output = "b" or "c"
    state = if x then "d"[0..2] else none
  }
}`
    const block = parsed(text).items[0]
    if (block?.kind !== "block") throw new Error("expected a block")
    expect(block.body.map(({ kind }) => kind)).toEqual(["let", "return", "weights"])
    const last = block.body[2]
    if (last?.kind !== "weights") throw new Error("expected weights")
    expect([last.scheme.text, text.slice(last.scheme.span.start, last.scheme.span.end)]).toEqual(["Others", '"Others"'])
    const [first] = last.entries
    const parts = first?.path.parts.map((part) => [part.kind, part.kind === "number" ? part.text : part.name.text])
    expect(parts).toEqual([
      ["name", "weights"],
      ["name", "if"],
      ["variable", "i"],
      ["name", "norm"],
      ["number", "0"],
    ])
    expect(last.entries.map(({ value }) => grouped(value))).toEqual([
      '"a.{i}"',
      '("b" or "c")',
      '(if x then "d"[(0..2)] else none)',
    ])
    expect(text.slice(first!.path.span.start, first!.path.span.end)).toBe("weights.if[i].norm[0]")
  })
})

describe("spans", () => {
  test("cover what was written, parentheses around operands included", () => {
    const text = "fn f(x) = (a + b) * c.d"
    const value = expression("(a + b) * c.d")
    expect(text.slice(value.span.start, value.span.end)).toBe("(a + b) * c.d")
    if (value.kind !== "binary") throw new Error("expected a product")
    expect(text.slice(value.left.span.start, value.left.span.end)).toBe("a + b")
    expect(text.slice(value.operatorSpan.start, value.operatorSpan.end)).toBe("*")
    expect(text.slice(value.right.span.start, value.right.span.end)).toBe("c.d")
  })

  test("a block with one list of parameters has settings and no inputs", () => {
    const block = parsed("block B(a) { return a }").items[0]
    expect(block?.kind === "block" && [block.parameters.length, block.inputs.length]).toEqual([1, 0])
  })

  test("an empty file is a file", () => {
    expect(parsed("").items).toEqual([])
    expect(parsed("\ufeff// only a comment\r\n").items).toEqual([])
  })
})
