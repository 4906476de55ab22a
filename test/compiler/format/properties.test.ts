/** What formatting must not do, to any file: change what it means, lose a comment, or change its mind. */

import { readdirSync, readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { parse } from "../../../grammar/parse.js"
import { format } from "../../../src/compiler/format/format.js"
import { fileWords, spaced } from "../../grammar/arbitrary.js"
import { withoutSpans } from "../../grammar/without-spans.js"

/** Comments by what they say: a `///` that documents nothing may become a `//`. */
const saying = (text: string): string[] =>
  parse("m.mdl", text)
    .comments.map((comment) => comment.text.replace(/^\/+/, ""))
    .sort()

async function keeps(text: string): Promise<void> {
  const before = parse("m.mdl", text)
  expect(before.complete, text).toBe(true)
  const formatted = await format(text)
  const after = parse("m.mdl", formatted)
  expect(after.complete, formatted).toBe(true)
  expect(withoutSpans(after.file.items)).toEqual(withoutSpans(before.file.items))
  expect(saying(formatted)).toEqual(saying(text))
  expect(await format(formatted)).toBe(formatted)
}

describe("formatting keeps meaning and comments, and is settled after one go", () => {
  test("for files of the repository", async () => {
    const root = new URL("../../../", import.meta.url)
    for (const folder of ["std/", "models/", "test/fixtures/"]) {
      for (const file of readdirSync(new URL(folder, root)).filter((name) => name.endsWith(".mdl"))) {
        await keeps(readFileSync(new URL(folder + file, root), "utf8"))
      }
    }
  })

  test("for any file", async () => {
    await fc.assert(fc.asyncProperty(spaced(fileWords, false), keeps), { numRuns: 60 })
  })

  test("for any file with comments anywhere", async () => {
    await fc.assert(fc.asyncProperty(spaced(fileWords, true), keeps), { numRuns: 60 })
  })
})
