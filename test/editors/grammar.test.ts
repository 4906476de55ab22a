/**
 * The TextMate grammar, which colours texts before a server runs and in the documentation, held against the real one: every
 * word and sign of the zoo and of the library is what the parser takes it for.
 */

import { readdirSync, readFileSync } from "node:fs"
import { createHighlighterCore, type HighlighterCore } from "shiki/core"
import { createJavaScriptRegexEngine } from "shiki/engine/javascript"
import { beforeAll, describe, expect, test } from "vitest"
import { SECTION_ROLES } from "../../grammar/ast.js"
import { lex } from "../../grammar/lex.js"
import { parse } from "../../grammar/parse.js"
import * as t from "../../grammar/tokens.js"
import { PLAIN_TYPES } from "../../src/compiler/elaborate/tensor-types.js"

const GRAMMAR = "editors/vscode/syntaxes/mdl.tmLanguage.json"
const files = ["models", "std"].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".mdl"))
    .map((name) => `${folder}/${name}`),
)

let highlighter: HighlighterCore
beforeAll(async () => {
  const grammar = JSON.parse(readFileSync(GRAMMAR, "utf8"))
  highlighter = await createHighlighterCore({
    langs: [{ ...grammar, name: "mdl" }],
    themes: [{ name: "scopes", settings: [] }],
    engine: createJavaScriptRegexEngine(),
  })
})

/** For each place of `text`, the scopes of the character there, without that of the language. */
function scopesOf(text: string): (offset: number) => string {
  const lines = highlighter.codeToTokensBase(text, { lang: "mdl", theme: "scopes", includeExplanation: "scopeName" })
  const ends: { readonly end: number; readonly scopes: string }[] = []
  for (const { offset, explanation } of lines.flat()) {
    let at = offset
    for (const { content, scopes } of explanation ?? []) {
      at += content.length
      ends.push({ end: at, scopes: scopes.slice(1).map(({ scopeName }) => scopeName).join(" ") }) // prettier-ignore
    }
  }
  return (offset) => ends.find(({ end }) => end > offset)?.scopes ?? ""
}

/** Where the names of a text begin: every identifier of its syntax tree. */
function namesOf(text: string): ReadonlySet<number> {
  const starts = new Set<number>()
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(visit)
    else if (typeof node === "object" && node !== null) {
      const { text: word, span } = node as { text?: unknown; span?: { start: number } }
      if (typeof word === "string" && span) starts.add(span.start)
      Object.values(node).forEach(visit)
    }
  }
  visit(parse("text", text).file)
  return starts
}

const isKeyword = (scopes: string): boolean =>
  /\b(keyword\.(?!operator\.(?!logical))|storage\.|constant\.language)/.test(scopes)

/** What is wrong with the colours of a text: `line: word is scope`. */
function mistakesIn(text: string): readonly string[] {
  const at = scopesOf(text)
  const names = namesOf(text)
  const roles: ReadonlySet<string> = new Set(SECTION_ROLES)
  const { tokens, comments } = lex("text", text)
  const mistakes: string[] = []
  const expectAt = (start: number, word: string, isRight: (scopes: string) => boolean): void => {
    const scopes = at(start)
    if (!isRight(scopes)) mistakes.push(`${text.slice(0, start).split("\n").length}: ${word} is ${scopes || "nothing"}`)
  }
  for (const { span } of comments) expectAt(span.start, "comment", (scopes) => scopes.includes("comment.line"))
  for (const { tokenType, image, startOffset } of tokens) {
    if (tokenType === t.StringLiteral) expectAt(startOffset, image, (scopes) => scopes.includes("string.quoted"))
    else if (tokenType === t.NumberLiteral)
      expectAt(startOffset, image, (scopes) => scopes.includes("constant.numeric"))
    else if (/^\w/.test(image) && !roles.has(image)) {
      // Reserved words are names behind a dot and as arguments; contextual ones wherever nothing begins.
      const isName = names.has(startOffset) || tokenType === t.Identifier
      expectAt(startOffset, image, (scopes) => isKeyword(scopes) !== isName)
    }
  }
  return mistakes
}

describe("the TextMate grammar", () => {
  test.each(files)("colours %s as the parser reads it", (file) => {
    expect(mistakesIn(readFileSync(file, "utf8"))).toEqual([])
  })
  test("knows every keyword, role and type", () => {
    const grammar = readFileSync(GRAMMAR, "utf8")
    const keywords = t.ALL_TOKENS.filter(({ PATTERN }) => typeof PATTERN === "string" && /^[a-z]+$/.test(PATTERN))
    expect(keywords.length).toBeGreaterThan(35)
    for (const word of [...keywords.map(({ PATTERN }) => PATTERN as string), ...SECTION_ROLES]) {
      expect(grammar, word).toMatch(new RegExp(`\\b${word}\\b`))
    }
    const [, types] = /->\)\\\\s\*\(([\w|]+)\)/.exec(grammar) ?? []
    expect(types?.split("|").sort()).toEqual(Object.keys(PLAIN_TYPES).sort())
  })
  test("tells words that are keywords here from the same words as names", () => {
    const text = `fn f(target: tensor, of: tensor) {
  let loss = target.input + of
  return fold x = loss for i in 0..2 => g(x, output = x, model = i)
}
model M(train: int = 1) {
  optional input image: f32[N, 3, H = 8, W = 8] // input x: y
  frozen encoder set { let a = if train > 0 then image else none }
  loss state = mean(a) and not true
}
ablation from of M { set train = 2 }
ablation more of M { vary train in [1, 2] }
ablation other of M {
  without set
  set train.batch = 3
}
`
    expect(mistakesIn(text)).toEqual([])
  })
  test("a mistake would be seen", () => {
    const at = scopesOf("let x = 1")
    expect(isKeyword(at(0))).toBe(true)
    expect(isKeyword(at(4))).toBe(false)
  })
})

describe("the snippets", () => {
  interface Snippet {
    readonly prefix: string
    readonly body: readonly string[]
  }
  const snippets = Object.values(JSON.parse(readFileSync("editors/vscode/snippets/mdl.json", "utf8")) as Record<string, Snippet>) // prettier-ignore
  /** What is written where nobody changes anything. */
  function filled(body: readonly string[]): string {
    let text = body.join("\n")
    const values = new Map<string, string>()
    for (const [, number, choices, value] of text.matchAll(/\$\{(\d+)(?:\|([^|]*)\||:([^{}]*))?\}/g)) {
      values.set(number!, choices?.split(",")[0] ?? value ?? "")
    }
    const inserted = (_: string, braced: string | undefined, bare: string | undefined): string => values.get(braced ?? bare!) ?? "" // prettier-ignore
    text = text.replace(/\$\{(\d+)[^{}]*\}|\$(\d+)/g, inserted)
    return text.replace(/\$(\d+)/g, (_, number: string) => values.get(number) ?? "")
  }
  const IN_MODEL = ["input", "input-note", "target", "section", "frozen", "let", "loss", "train"]
  const IN_BLOCK = ["param", "check"]
  test.each(snippets.map((snippet) => [snippet.prefix, snippet] as const))("%s is whole", (prefix, { body }) => {
    const text = filled(body)
    expect(text).not.toMatch(/\$/)
    const around = IN_MODEL.includes(prefix)
      ? `model M {\n${text}\n}\n`
      : IN_BLOCK.includes(prefix)
        ? `block B(kernel: int)(x: f32[N, C]) {\n${text}\nreturn x\n}\n`
        : `${text}\n`
    expect(parse("snippet", around).diagnostics).toEqual([])
  })
})
