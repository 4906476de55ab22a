/** The written grammar and the parser are one grammar. */

import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { MdlParser } from "../../grammar/parser.js"
import * as tokens from "../../grammar/tokens.js"

const written = readFileSync(new URL("../../grammar/mdl.ebnf", import.meta.url), "utf8").replace(
  /\(\*[\s\S]*?\*\)/g,
  "",
)

/** Rules and what is to the right of them. Lexical rules are in capitals. */
const rules = new Map(
  [...written.matchAll(/^(\w+)\s*=\s*((?:"[^"]*"|'[^']*'|[^;"'])*);/gm)].map(([, name = "", body = ""]) => [
    name,
    body,
  ]),
)
const grammarRules = [...rules].filter(([name]) => name !== name.toUpperCase())

describe("mdl.ebnf", () => {
  test("has the rules of the parser, and the parser has its", () => {
    // Constructed with Chevrotain's own checks on: left recursion, ambiguities, duplicates.
    const parser = new MdlParser({ skipValidations: false })
    expect(Object.keys(parser.getGAstProductions()).sort()).toEqual(grammarRules.map(([name]) => name).sort())
  })

  test("uses no rule it does not have", () => {
    const known = new Set([...rules.keys(), "DOC"])
    for (const [name, body] of grammarRules) {
      const used = body.replace(/"[^"]*"/g, "").match(/[A-Za-z_]+/g) ?? []
      for (const word of used) expect(known, `${name} uses ${word}`).toContain(word)
    }
  })

  test("has the words and symbols of the lexer", () => {
    const inGrammar = new Set(
      grammarRules.flatMap(([, body]) => [...body.matchAll(/"([^"]+)"/g)].map(([, text]) => text)),
    )
    const foreign = new Set([...tokens.FOREIGN.keys()])
    const inLexer = tokens.ALL_TOKENS.flatMap((type) =>
      typeof type.PATTERN === "string" && !foreign.has(type) ? [type.PATTERN] : [],
    )
    expect([...inGrammar].sort()).toEqual(inLexer.sort())
  })
})
