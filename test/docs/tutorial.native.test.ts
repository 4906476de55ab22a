/**
 * docs/tutorial.md does what it says: its texts are written, its commands run in order, and what it shows is what comes.
 *
 * A `mdl` block is the next content of lesion.mdl. A `text` block is the output of the commands before it; a line of `...`
 * stands for any lines.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { mdl } from "../cli/command-line.js"

const page = readFileSync("docs/tutorial.md", "utf8")
const blocks = [...page.matchAll(/^```(\w+)[^\n]*\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
  language: language!,
  text: text!.trimEnd(),
}))

/** The words of a command line; double quotes hold one together. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)

/** Tables end their lines with blanks that a page would lose. */
const trimmed = (text: string): string => text.replaceAll(/[ \t]+$/gm, "").trim()

describe("the tutorial", () => {
  const home = process.cwd()
  const folder = mkdtempSync(join(tmpdir(), "mdl-tutorial-"))
  /** what the commands since the last text printed */
  let printed = ""
  let dice: number[] = []
  beforeAll(() => process.chdir(folder))
  afterAll(() => {
    process.chdir(home)
    rmSync(folder, { recursive: true })
  })

  test.each(blocks.map((block, i) => [i + 1, block.language, block.text.split("\n")[0], block] as const))(
    "block %i, %s: %s",
    async (_number, _language, _first, { language, text }) => {
      if (language === "mdl") writeFileSync("lesion.mdl", `${text}\n`)
      else if (language === "sh") {
        printed = ""
        for (const line of text.split("\n")) {
          const [npx, name, ...words] = wordsOf(line)
          expect([npx, name]).toEqual(["npx", "mdl"])
          const { code, stdout, stderr } = await mdl(...words)
          printed += stdout + stderr
          const isWrongOnPurpose = stderr.includes("error[MDL3001]")
          expect(code, stderr).toBe(isWrongOnPurpose ? 1 : 0)
          const score = /^ *Dice +([\d.]+)/m.exec(stdout)
          if (words[0] === "eval") dice = [...dice, Number(score![1])]
        }
      } else {
        const pattern = trimmed(text).split(/^\.\.\.$/m).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")) // prettier-ignore
        // The three dots within a code frame are the compiler's own, and stand as they are just as well.
        expect(trimmed(printed)).toMatch(new RegExp(`^${pattern.join("[\\s\\S]*")}$`))
      }
    },
  )
  test("the model reads its notes: better with them, worse with those of others", () => {
    const [lesion, blind, shuffled] = dice
    expect(dice).toHaveLength(3)
    expect(lesion).toBeGreaterThan(blind! + 0.05)
    expect(shuffled).toBeLessThan(blind!)
    expect(existsSync("mask.png") && existsSync("lesion.onnx")).toBe(true)
  })
})
