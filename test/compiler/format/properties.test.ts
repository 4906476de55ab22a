/** What formatting must not do, to any file: change what it means, lose a comment, or change its mind. */

import { readdirSync, readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Item, Span } from "../../../grammar/ast.js"
import { parse } from "../../../grammar/parse.js"
import { format } from "../../../src/compiler/format/format.js"
import { fileWords, spaced } from "../../grammar/arbitrary.js"
import { withoutSpans } from "../../grammar/without-spans.js"

/** Comments by what they say: a `///` that documents nothing may become a `//`. */
const saying = (text: string): string[] =>
  parse("m.mdl", text)
    .comments.map((comment) => comment.text.replace(/^\/+/, ""))
    .sort()

/** What may have comments above it: definitions, and the lines of their bodies. */
interface Line {
  readonly span: Span
  readonly lines: readonly Line[]
}

const leaf = ({ span }: { readonly span: Span }): Line => ({ span, lines: [] })
const bodied = (node: { readonly span: Span; readonly body: readonly { readonly span: Span }[] }): Line => ({
  span: node.span,
  lines: node.body.map(leaf),
})

function lineOf(item: Item): Line {
  if (item.kind === "block") return bodied(item)
  if (item.kind === "ablation") return { span: item.span, lines: item.changes.map(leaf) }
  if (item.kind !== "model") return leaf(item)
  return { span: item.span, lines: item.members.map((m) => (m.kind === "section" ? bodied(m) : leaf(m))) }
}

/** Where the body of a line begins: at the first brace that stands in no other bracket. */
function bodyOf(bare: string, { span }: Line): number {
  let depth = 0
  for (let at = span.start; at < span.end; at++) {
    if (bare[at] === "{" && depth === 0) return at
    if ("([{".includes(bare[at] ?? " ")) depth++
    if (")]}".includes(bare[at] ?? " ")) depth--
  }
  return span.end
}

/** With each comment the line it belongs to: that which it stands in, else the next one, else the end of what is around. */
function owners(text: string): string[] {
  const { file, comments } = parse("m.mdl", text)
  const blank = (now: string, start: number, end: number): string =>
    now.slice(0, start) + " ".repeat(end - start) + now.slice(end)
  const bare = comments
    .reduceRight((now, { span }) => blank(now, span.start, span.end), text)
    .replace(/"(?:[^"\\\n]|\\.)*"/g, (string) => " ".repeat(string.length))
  const owner = (at: number, lines: readonly Line[], path: string): string => {
    const inside = lines.findIndex(({ span }) => span.start <= at && at < span.end)
    const line = lines[inside]
    if (line === undefined) {
      const next = lines.findIndex(({ span }) => span.start > at)
      return next === -1 ? `end of ${path}` : `${path}/${next}`
    }
    const isHeader = line.lines.length === 0 || at < bodyOf(bare, line)
    return isHeader ? `${path}/${inside}` : owner(at, line.lines, `${path}/${inside}`)
  }
  const lines = file.items.map(lineOf)
  return comments.map(({ text: said, span }) => `${said.replace(/^\/+/, "")} @ ${owner(span.start, lines, "")}`).sort()
}

async function keeps(text: string): Promise<void> {
  const before = parse("m.mdl", text)
  expect(before.complete, text).toBe(true)
  const formatted = await format(text)
  const after = parse("m.mdl", formatted)
  expect(after.complete, formatted).toBe(true)
  expect(withoutSpans(after.file.items)).toEqual(withoutSpans(before.file.items))
  expect(saying(formatted)).toEqual(saying(text))
  expect(owners(formatted), `${text}\n=>\n${formatted}`).toEqual(owners(text))
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
