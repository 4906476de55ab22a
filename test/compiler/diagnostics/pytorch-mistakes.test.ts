/**
 * The mistakes that someone who knows PyTorch makes first: each is one message, at the right place, with one thing to do. The
 * golden files show what is read.
 */

import { describe, expect, test } from "vitest"
import { primaryLabel } from "../../../src/compiler/diagnostics/diagnostic.js"
import { compileText, messages } from "../source-host.js"
import { MISTAKES, modelAround } from "./pytorch-mistakes.js"

describe("what a PyTorch user gets wrong first", () => {
  test.each(Object.entries(MISTAKES))("%s", async (name, { lines, text, selector, code, points, warning }) => {
    const written = text ?? modelAround(lines ?? "")
    const result = compileText(written, { selector })
    const shown = `${written.trim()}\n${"-".repeat(100)}\n${messages(result)}`
    await expect(shown).toMatchFileSnapshot(`../../golden/messages/${name}.txt`)
    expect(result.diagnostics.map((diagnostic) => diagnostic.code)).toEqual([code])
    const [diagnostic] = result.diagnostics
    const span = diagnostic && primaryLabel(diagnostic)?.span
    expect(written.slice(span?.start, span?.end)).toBe(points)
    // What a `check` says are the words of its block, which say what to do.
    if (code !== "MDL3203") expect(diagnostic?.hint).toMatch(/./)
    expect(result.output !== undefined).toBe(warning === true)
  })
})
