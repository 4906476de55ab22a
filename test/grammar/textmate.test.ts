/** The grammar for editors knows the words of the language. Colours themselves are a matter for the eye. */

import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { SECTION_ROLES } from "../../grammar/ast.js"
import { ALL_TOKENS, FOREIGN } from "../../grammar/tokens.js"

const source = readFileSync(new URL("../../grammar/mdl.tmLanguage.json", import.meta.url), "utf8")

/** Every value of a key, at any depth. */
function all(value: unknown, key: string): string[] {
  if (Array.isArray(value)) return value.flatMap((inner) => all(inner, key))
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) =>
    name === key && typeof inner === "string" ? [inner] : all(inner, key),
  )
}

describe("mdl.tmLanguage.json", () => {
  const grammar: unknown = JSON.parse(source)
  const patterns = ["match", "begin", "end"].flatMap((key) => all(grammar, key))

  test("has patterns that are regular expressions", () => {
    for (const pattern of patterns) expect(() => new RegExp(pattern)).not.toThrow()
  })

  test("includes only what it has", () => {
    const repository = Object.keys((grammar as { repository: object }).repository)
    expect(all(grammar, "include").filter((name) => !repository.includes(name.slice(1)))).toEqual([])
  })

  test("knows every keyword and every kind of section", () => {
    const words = new Set(
      patterns
        .join(" ")
        .replace(/\\[a-z]/g, " ")
        .match(/[a-z]+/g),
    )
    const keywords = ALL_TOKENS.flatMap((type) =>
      typeof type.PATTERN === "string" && /^[a-z]+$/.test(type.PATTERN) && !FOREIGN.has(type) ? [type.PATTERN] : [],
    )
    for (const word of [...keywords, ...SECTION_ROLES]) expect(words, word).toContain(word)
  })
})
