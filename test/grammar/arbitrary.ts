/**
 * Files nobody wrote: random texts of the whole grammar, for properties.
 *
 * Gives texts as lists of words and symbols, so that a property can put any white space or comments between them.
 */

import fc from "fast-check"

type Words = fc.Arbitrary<string[]>

const contextual = [
  "target",
  "input",
  "output",
  "loss",
  "state",
  "from",
  "of",
  "using",
  "set",
  "frozen",
  "const",
  "optional",
  "block",
  "model",
  "weights",
]
const name = fc.constantFrom("a", "b", "x1", "widths", "a_rather_long_name_of_a_value", ...contextual)
/** Names of fields and arguments may be any word. */
const word = fc.oneof(
  { weight: 4, arbitrary: name },
  { weight: 1, arbitrary: fc.constantFrom("in", "let", "for", "if") },
)

const text = (...parts: (string | Words | fc.Arbitrary<string>)[]): Words =>
  fc
    .tuple(...parts.map((part) => (typeof part === "string" ? fc.constant(part) : part)))
    .map((pieces) => pieces.flat().filter((piece) => piece !== ""))

const many = (words: Words, max = 3): Words => fc.array(words, { maxLength: max }).map((list) => list.flat())

const maybe = (words: Words): Words => fc.oneof({ weight: 2, arbitrary: fc.constant<string[]>([]) }, words)

const separated = (part: Words, options: { min?: number; max?: number; trailing?: boolean } = {}): Words =>
  fc
    .tuple(fc.array(part, { minLength: options.min ?? 0, maxLength: options.max ?? 3 }), fc.boolean())
    .map(([parts, comma]) => {
      const joined = parts.flatMap((words, index) => (index === 0 ? words : [",", ...words]))
      return comma && options.trailing !== false && parts.length > 0 ? [...joined, ","] : joined
    })

/** `.attn`, `[i]`, `[0]` */
const weightStep = fc.oneof(text(".", word), text("[", fc.oneof(name, fc.constant("0")), "]"))

type Rule = "small" | "expression" | "argument" | "listItem" | "field" | "pattern" | "dim" | "type" | "statement"
type Grammar = Record<Rule, string[]>

const { expression, statement, type } = fc.letrec<Grammar>((tie) => {
  const e = tie("expression")
  const small = tie("small")
  const binary = (...operators: string[]): Words => text("(", e, fc.constantFrom(...operators), e, ")")
  return {
    small: fc.oneof(
      name.map((n) => [n]),
      fc.constantFrom("0", "1_000", "0.5", "3e-4", "true", "false", "none", '"a string"', '"\\"\\n"').map((n) => [n]),
    ),
    expression: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      small,
      // Operators without parentheses too, comparisons apart, which do not chain: how they group is for the parser to say, and for the printer to keep.
      text(small, fc.constantFrom("+", "-", "*", "/", "%", "and", "or", "|>"), e),
      text(e, fc.constantFrom("+", "-", "*", "|>", "or"), small),
      binary("+", "-", "*", "/", "%", "and", "or", "|>", "==", "<", "..", ">="),
      text("(", "-", small, ")"),
      text("(", "not", small, ")"),
      text("(", "-", "(", e, ")", ")"),
      text("(", e, ")", "(", separated(tie("argument")), ")"),
      text(name, "(", separated(tie("argument"), { max: 5 }), ")", "(", separated(tie("argument")), ")"),
      text(name, "(", separated(tie("argument"), { min: 1, trailing: false }), ",", "...", ")"),
      text(name, "(", "...", fc.constantFrom("", ","), ")"),
      text("(", e, ")", ".", word),
      text("(", e, ")", "[", e, "]"),
      text("[", separated(tie("listItem"), { max: 4 }), "]"),
      text("[", e, "for", tie("pattern"), "in", e, maybe(text("if", e)), "]"),
      text("{", separated(tie("field")), "}"),
      text("(", "if", e, "then", e, "else", e, ")"),
      text("(", "fold", name, "=", e, "for", tie("pattern"), "in", e, "=>", e, ")"),
      text("{", "let", name, "=", e, tie("statement"), "return", e, "}"),
    ),
    argument: fc.oneof(e, text(word, "=", e)),
    listItem: fc.oneof({ weight: 4, arbitrary: e }, text("...", e)),
    field: fc.oneof(
      name.map((n) => [n]),
      text(word, ":", e),
      text("...", e),
    ),
    pattern: fc.oneof(
      name.map((n) => [n]),
      text("{", separated(text(name, maybe(text(":", name))), { min: 1 }), "}"),
    ),
    dim: fc.oneof(small, text("(", e, ")"), text(name, "=", e), text("...", fc.constantFrom("", "B"))),
    type: fc.oneof(
      text(fc.constantFrom("int", "list", "f32")),
      text("f32", "[", separated(tie("dim"), { max: 5 }), "]"),
    ),
    statement: fc.oneof(
      { weight: 3, arbitrary: text("let", tie("pattern"), "=", e) },
      text("param", name, ":", tie("type"), maybe(text("=", e))),
      text("state", name, ":", tie("type")),
      text("const", name, ":", tie("type"), "=", e),
      text("output", name, "=", e),
      text("loss", name, "=", e),
      text("return", e),
      text("check", e, ",", e),
      text("weights", '"names"', "{", many(text(name, maybe(weightStep), maybe(weightStep), "=", e)), "}"),
    ),
  }
})

const body = text("{", many(statement), "}")
/** Names in one list must differ, and that is not the business of the formatter. */
const parameters = (prefix: string): Words =>
  fc.array(fc.tuple(maybe(text(":", type)), maybe(text("=", expression))), { maxLength: 4 }).map((list) => {
    const all = list.flatMap(([t, e], i) => [...(i > 0 ? [","] : []), `${prefix}${i}`, ...t, ...e])
    return ["(", ...all, ")"]
  })

const path: Words = fc.constantFrom(["layers"], ["train", ".", "batch"])
const member = fc.oneof(
  text(
    fc.constantFrom("", "optional"),
    fc.constantFrom("input", "target"),
    name,
    ":",
    type,
    maybe(text("using", name, "(", expression, ")")),
  ),
  text(
    fc.constantFrom("", "frozen"),
    fc.constantFrom("encoder", "decoder", "head", "section"),
    fc.constantFrom("", "vision"),
    body,
  ),
  text("train", "{", many(text(fc.constantFrom("batch", "stop", "loss"), "=", expression)), "}"),
  statement,
)
const item = fc.oneof(
  text("import", "{", separated(text(name, maybe(text("as", name))), { min: 1, max: 5 }), "}", "from", '"std/unet"'),
  text(
    "block",
    name,
    parameters("p"),
    fc.oneof(fc.constant<string[]>([]), parameters("q")),
    maybe(text("->", type)),
    body,
  ),
  text("fn", name, parameters("p"), maybe(text("->", type)), fc.oneof(body, text("=", expression))),
  text("model", name, fc.oneof(fc.constant<string[]>([]), parameters("p")), "{", many(member, 4), "}"),
  text(
    ...["ablation", name, "of", name, "{"],
    many(
      fc.oneof(
        text(fc.constantFrom("without", "freeze", "unfreeze"), separated(text(name), { min: 1, trailing: false })),
        text("set", path, "=", expression),
        text("vary", path, "in", expression),
      ),
    ),
    "}",
  ),
)

/** A file, as words and symbols. */
export const fileWords: Words = many(item, 3)

/** Words with all kinds of white space between them; comments too, each with a number of its own, where asked for. */
export function spaced(words: Words, comments: boolean): fc.Arbitrary<string> {
  const gap = fc.oneof(
    { weight: 30, arbitrary: fc.constant(" ") },
    { weight: 3, arbitrary: fc.constant("\n") },
    { weight: 1, arbitrary: fc.constant("\n\n\n") },
    ...(comments
      ? [
          { weight: 1, arbitrary: fc.constant(" // comment @\n") },
          { weight: 1, arbitrary: fc.constant("\n  // comment @\n") },
          { weight: 1, arbitrary: fc.constant("\n\n// comment @\n\n") },
          { weight: 1, arbitrary: fc.constant("\n/// comment @\n") },
        ]
      : []),
  )
  return words.chain((list) =>
    fc.array(gap, { minLength: list.length, maxLength: list.length, size: "max" }).map((gaps) => {
      let count = 0
      return list.map((piece, index) => piece + (gaps[index] ?? " ").replace("@", () => String(count++))).join("")
    }),
  )
}
