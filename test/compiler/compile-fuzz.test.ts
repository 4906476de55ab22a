/**
 * Whatever is done to a text, compiling it ends and answers: with a model, or with diagnostics that lie within the texts.
 * It never throws.
 */

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { compile } from "../../src/compiler/compile.js"
import { renderGithub, renderJson, renderTerminal } from "../../src/compiler/diagnostics/render.js"
import { selectableNames } from "../../src/compiler/elaborate/ablations.js"
import { LIMITS } from "../../src/compiler/elaborate/budget.js"
import type { SourceHost } from "../../src/compiler/resolve/modules.js"
import { disk, LIBRARY, MODELS, mutate, read, tensor, TOUR, wordEdit } from "./word-edits.js"

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
      fc.property(fc.array(wordEdit, { minLength: 1, maxLength: 4 }), fc.nat(100), (edits, choice) => {
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
      fc.property(fc.array(wordEdit, { minLength: 1, maxLength: 3 }), fc.nat(100), (edits, choice) => {
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
