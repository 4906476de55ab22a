/**
 * Whatever is done to a text, compiling it ends and answers: with a model, or with diagnostics that lie within the texts.
 * It never throws.
 */

import { readdirSync, readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { compile } from "../../src/compiler/compile.js"
import { renderGithub, renderJson, renderTerminal } from "../../src/compiler/diagnostics/render.js"
import { selectableNames } from "../../src/compiler/elaborate/ablations.js"
import { LIMITS } from "../../src/compiler/elaborate/budget.js"
import type { SourceHost } from "../../src/compiler/resolve/modules.js"
import { fileHost } from "../../src/runtime/model-file.js"

const files = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".mdl"))
    .map((name) => `${folder}/${name}`)

const TOUR = "test/fixtures/constants/tour.mdl"
const MODELS = [...files("models"), TOUR]
const LIBRARY = files("std")
const disk = fileHost("models")
const tourDisk = fileHost("test/fixtures/constants")
const tensor = tourDisk.tensor!
/** Texts are read once; a compilation that reads the disk each time would make this slow. */
const texts = new Map<string, string | undefined>()
const read = (path: string): string | undefined => {
  if (!texts.has(path)) texts.set(path, (path === TOUR ? tourDisk : disk).read(path))
  return texts.get(path)
}

/** Words, numbers and signs of all texts: what people mistype one for another. */
const WORDS = [
  ...new Set(
    [...MODELS, ...LIBRARY].flatMap((path) => readFileSync(path, "utf8").match(/\w+|"[^"\n]*"|[^\s\w]+/g) ?? []),
  ),
].sort()
const ODD = ["0", "-1", "1.5", "1000000000", "9007199254740991", "none", "[]", "{}", "x", "N", "H", "T", "0..100000"]

interface Edit {
  readonly at: number
  readonly kind: "replace" | "remove" | "insert" | "swap"
  readonly word: string
}

const edit = fc.record<Edit>({
  at: fc.nat(1_000_000),
  kind: fc.constantFrom("replace", "replace", "remove", "insert", "swap"),
  word: fc.oneof(fc.constantFrom(...WORDS), fc.constantFrom(...ODD)),
})

/** Edits whole words, so that most results still parse and reach the later stages. */
function mutate(text: string, edits: readonly Edit[]): string {
  const parts = text.match(/\/\/[^\n]*|\w+|"[^"\n]*"|\s+|[^\s\w]/g) ?? []
  const words = parts.flatMap((part, index) => (/^(\s|\/\/)/.test(part) ? [] : [index]))
  for (const { at, kind, word } of edits) {
    const index = words[at % words.length]!
    const next = words[(at + 1) % words.length]!
    if (kind === "replace") parts[index] = word
    else if (kind === "remove") parts[index] = ""
    else if (kind === "insert") parts[index] += ` ${word} `
    else [parts[index], parts[next]] = [parts[next]!, parts[index]!]
  }
  return parts.join("")
}

/** Compiles; fails unless the result is a model or diagnostics, all within the texts. */
function answers(path: string, host: SourceHost, selector: string | undefined): void {
  const result = compile(path, host, { selector })
  const errors = result.diagnostics.filter((d) => d.severity === "error")
  expect(result.output === undefined).toBe(errors.length > 0)
  if (result.output) expect(result.output.graph.nodes.length).toBeLessThanOrEqual(LIMITS.nodes + 1)
  for (const { span } of result.diagnostics.flatMap((d) => d.labels)) {
    const length = result.sources.get(span.file)?.length ?? 0
    expect(span.start >= 0 && span.start <= span.end && span.end <= length, JSON.stringify(span)).toBe(true)
  }
  const sources = new Map(result.sources)
  expect(renderTerminal(result.diagnostics, sources, { colour: false })).not.toContain("undefined")
  expect(renderJson(result.diagnostics, sources)).toHaveLength(result.diagnostics.length)
  renderGithub(result.diagnostics, sources)
}

/** The names behind `#` that are elaborated fast: a full-size model is as wrong as its reduced form. */
function selectorsOf(path: string): (string | undefined)[] {
  const modules = compile(path, { read, tensor }, { selector: "none of them" }).modules
  const names = modules ? selectableNames(modules.root) : []
  return names.length > 0 ? names : [undefined]
}

describe("compiling answers", () => {
  test.each(MODELS)("to %s with words changed", (path) => {
    const original = read(path)!
    const selectors = selectorsOf(path)
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.nat(100), (edits, choice) => {
        const text = mutate(original, edits)
        const host: SourceHost = { tensor, read: (asked) => (asked === path ? text : read(asked)) }
        answers(path, host, selectors[choice % selectors.length])
      }),
      { numRuns: 60 },
    )
  })

  test("to the tour of the language, without a complaint", () => {
    for (const selector of selectorsOf(TOUR)) {
      const { diagnostics, output } = compile(TOUR, { read, tensor }, { selector, everyValue: true })
      expect(diagnostics, selector).toEqual([])
      expect(output === undefined).toBe(selector === "kinds")
    }
  })

  test.each(LIBRARY)("to a model over %s with words changed", (path) => {
    const module = path.replace(/\.mdl$/, "")
    const original = read(module)!
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), fc.nat(100), (edits, choice) => {
        const text = mutate(original, edits)
        const host: SourceHost = { tensor, read: (asked) => (asked === module ? text : read(asked)) }
        const model = MODELS[choice % MODELS.length]!
        answers(model, host, selectorsOf(model).at(-1))
      }),
      { numRuns: 25 },
    )
  })
})

describe("imports stay in the project", () => {
  test.each(["../../etc/passwd", "../secret", "/etc/passwd", "std/../../package", "std/../src/cli/main", "./../../x"])(
    "%s is not found",
    (from) => {
      const text = `import { a } from "${from}"\nmodel M {\n  input x: f32[N, 3]\n  output y = x\n}`
      const asked: string[] = []
      const host: SourceHost = {
        read: (path) => {
          if (path === "models/m.mdl") return text
          const found = disk.read(path)
          if (found !== undefined) asked.push(path)
          return found
        },
      }
      const result = compile("models/m.mdl", host)
      expect(result.output).toBeUndefined()
      expect(result.diagnostics.map((d) => d.title)).toContain("Unknown module")
      expect(asked).toEqual(["std/prelude"])
    },
  )
})
