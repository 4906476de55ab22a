/**
 * The written grammar is the parser's: rule by rule, and sentence by sentence in both directions.
 *
 * The parser is code, and Chevrotain records from it what it would take (without its gates, which choose between readings).
 * Five rules are wider in the code than they are written, so that a slip in them is told in good words; for those the
 * sentences show that what is accepted in the end is what is written.
 */

import fc from "fast-check"
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { parse } from "../../grammar/parse.js"
import { MdlParser } from "../../grammar/parser.js"
import * as tokens from "../../grammar/tokens.js"
import { canonical, isClass, readEbnf, readGast, sentence, type Grammar } from "./ebnf.js"
import { Recogniser } from "./earley.js"

const written = readEbnf(readFileSync(new URL("../../grammar/mdl.ebnf", import.meta.url), "utf8"))
const types = new Map(tokens.ALL_TOKENS.map((type) => [type.name, type]))
const recorded = readGast(new MdlParser({ skipValidations: false }).getSerializedGastProductions(), (name) => {
  const pattern = types.get(name)?.PATTERN
  return typeof pattern === "string" ? pattern : name
})

/** What the code of some rules takes, for better messages: the builder of the AST refuses what is too much. */
const WIDER = readEbnf(`
  parameter = WORD , [ ":" , type ] , [ "=" , expression ] ;                         (* reserved words are told so *)
  do        = "{" , statement , { statement } , "}" ;
  list      = "[" , [ list_item , ( "for" , pattern , "in" , expression , [ "if" , expression ]
            | { "," , list_item } , [ "," ] ) ] , "]" ;
  arguments = argument , { "," , argument } , [ "," ] ;
  argument  = [ WORD , "=" ] , expression | "..." ;
`)

const RESERVED = tokens.ALL_TOKENS.filter((type) => type.CATEGORIES?.includes(tokens.Reserved)).flatMap((type) =>
  typeof type.PATTERN === "string" && /^[a-z]+$/.test(type.PATTERN) ? [type.PATTERN] : [],
)
const CONTEXTUAL = tokens.ALL_TOKENS.filter((type) => type.CATEGORIES?.includes(tokens.Name)).flatMap((type) =>
  typeof type.PATTERN === "string" ? [type.PATTERN] : [],
)
const PLAIN = ["a", "b", "x1", "encoder", "f32", "widths"]
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  NAME: PLAIN,
  WORD: [...PLAIN, ...RESERVED],
  NUMBER: ["0", "1_000", "0.5", "3e-4"],
  STRING: ['"text"', '"\\"\\n"'],
}

const isWord = (token: string): boolean => /^[A-Za-z_]\w*$/.test(token)
const inClass =
  (namesAreContextualToo: boolean) =>
  (terminal: string, token: string): boolean => {
    switch (terminal) {
      case "NAME":
        return isWord(token) && !RESERVED.includes(token) && (namesAreContextualToo || !CONTEXTUAL.includes(token))
      case "WORD":
        return isWord(token)
      case "NUMBER":
        return /^[0-9]/.test(token)
      case "STRING":
        return token.startsWith('"')
      default:
        return terminal === token
    }
  }

const full = new Recogniser(written, inClass(true))
/** Reads contextual keywords as keywords only, so that there is nothing to choose. */
const strict = new Recogniser(written, inClass(false))

const accepted = (words: readonly string[]): boolean => parse("m.mdl", words.join(" ")).complete

/** A sentence of a grammar, its classes filled in. */
const sentences = (grammar: Grammar, size: number): fc.Arbitrary<string[]> =>
  fc.infiniteStream(fc.nat(2 ** 30)).map((stream) => {
    const numbers = stream[Symbol.iterator]()
    const draw = (below: number): number => (numbers.next().value as number) % below
    const fill = (token: string): string => {
      const samples = isClass(token) ? SAMPLES[token] : undefined
      return samples === undefined ? token : samples[draw(samples.length)]!
    }
    return sentence(grammar, "file", draw, size).map(fill)
  })

const ANY_TOKEN = [
  ...new Set([...PLAIN, ...RESERVED, ...CONTEXTUAL, "1", '"s"']),
  ...tokens.ALL_TOKENS.flatMap((type) =>
    typeof type.PATTERN === "string" && !/^[a-z]/.test(type.PATTERN) && !tokens.FOREIGN.has(type) ? [type.PATTERN] : [],
  ),
]

describe("mdl.ebnf and the parser", () => {
  test("have the same rules", () => {
    expect([...recorded.keys()].sort()).toEqual([...written.keys()].sort())
  })

  test.each([...written])("say the same in the rule %s", (name, part) => {
    expect(canonical(recorded.get(name)!)).toBe(canonical(WIDER.get(name) ?? part))
  })

  test("what is written can be read", () => {
    fc.assert(
      fc.property(sentences(written, 60), (words) => {
        expect(strict.accepts("file", words), words.join(" ")).toBe(true)
        expect(accepted(words), words.join(" ")).toBe(true)
      }),
      { numRuns: 400 },
    )
  })

  test("what the parser's code takes is written, or refused", () => {
    fc.assert(
      fc.property(sentences(recorded, 60), (words) => {
        if (accepted(words)) expect(full.accepts("file", words), words.join(" ")).toBe(true)
        else expect(strict.accepts("file", words), words.join(" ")).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  test("what is nearly a sentence is one for both or for neither", () => {
    const edits = fc.array(
      fc.record({
        at: fc.nat(),
        token: fc.constantFrom(...ANY_TOKEN),
        how: fc.constantFrom("insert", "replace", "remove", "double", "swap"),
      }),
      { minLength: 1, maxLength: 2 },
    )
    let both = 0
    let neither = 0
    fc.assert(
      fc.property(sentences(written, 40), edits, (words, list) => {
        const edited = list.reduce((now, { at, token, how }) => edit(now, at % (now.length + 1), token, how), words)
        const verdict = accepted(edited)
        if (verdict) both++
        else neither++
        if (verdict) expect(full.accepts("file", edited), edited.join(" ")).toBe(true)
        else expect(strict.accepts("file", edited), edited.join(" ")).toBe(false)
      }),
      { numRuns: 600 },
    )
    // Both verdicts have been compared, and not only one.
    expect(Math.min(both, neither)).toBeGreaterThan(20)
  })
})

function edit(words: readonly string[], at: number, token: string, how: string): string[] {
  const before = words.slice(0, at)
  const [here, next] = [words.slice(at, at + 1), words.slice(at + 1, at + 2)]
  switch (how) {
    case "insert":
      return [...before, token, ...words.slice(at)]
    case "replace":
      return [...before, token, ...words.slice(at + 1)]
    case "remove":
      return [...before, ...words.slice(at + 1)]
    case "double":
      return [...before, ...here, ...words.slice(at)]
    default:
      return [...before, ...next, ...here, ...words.slice(at + 2)]
  }
}
