/**
 * Quoting, judged by a real shell: whatever a word holds, bash reads it back as it is.
 */
import { spawnSync } from "node:child_process"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { shellWords, splitShellWords } from "../../src/runtime/shell-words.js"

/** Any text that can be an argument of a program, with many of the characters that mean something to a shell. */
const word = fc
  .oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: fc.constantFrom(..."'\"\\ $`!*?~#&|;<>(){}[]=%-\t\n", "a", "é") }),
  )
  .filter((text) => !text.includes("\0"))

const readByBash = (text: string): readonly string[] =>
  spawnSync("bash", ["-c", `printf '%s\\0' ${text}`], { encoding: "utf8" })
    .stdout.split("\0")
    .slice(0, -1)

describe("words of a shell", () => {
  test("bash reads every quoted word as it was", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (words) => {
        expect(readByBash(shellWords(words))).toEqual(words)
      }),
      { numRuns: 40 },
    )
  })
  test("are split as they were put together", () => {
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(splitShellWords(shellWords(words))).toEqual(words)
      }),
    )
  })
  test.each([
    `--account=lab  --qos=long`,
    `--constraint='a100|h100' --comment="two \\"words\\" and \\$5"`,
    `a\\ b "" c'd'"e" 'it'\\''s'`,
  ])("are split as bash splits them: %s", (text) => {
    expect(splitShellWords(text)).toEqual(readByBash(text))
  })
  test.each([`--comment="half`, `it's`, `a\\`])("with a quote that is not closed are refused: %s", (text) => {
    expect(() => splitShellWords(text)).toThrow("closes nothing")
  })
})
