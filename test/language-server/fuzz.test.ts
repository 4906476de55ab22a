/** Whatever is typed, the server does not fall over, and afterwards answers as if nothing had been. */

import fc from "fast-check"
import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Document, Editor } from "./editor.js"

const editor = new Editor()
beforeAll(async () => {
  await editor.start()
})
afterAll(async () => {
  expect(editor.errors).toEqual([])
  expect(await editor.stop()).toBe(0)
})

const SOURCE = readFileSync("models/unet.mdl", "utf8")
/** Pieces that break a text in the places where it matters. */
const PIECES = [
  "{",
  "}",
  "(",
  ")",
  "[",
  "]",
  '"',
  "import { ",
  "let ",
  "model M {",
  "without ",
  "train ",
  ".",
  "|> ",
  "=",
  ",",
  "op.",
  "//",
  "\n",
  "\u{1f9e0}",
  "\r\n",
]

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.integer({ min: 0, max: 60 }),
  insert: fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 12 }), fc.constant("")),
})

/** Everything an editor asks while somebody types; each must be answered, or refused in words. */
async function askEverything(document: Document, at: number): Promise<void> {
  const range = document.range(0, document.text.length)
  const options = { tabSize: 2, insertSpaces: true }
  const here = (method: Parameters<Document["ask"]>[0], more: object = {}) => document.ask(method, more, at)
  await Promise.all([
    here("textDocument/completion"),
    here("textDocument/signatureHelp"),
    here("textDocument/definition"),
    here("textDocument/references", { context: { includeDeclaration: true } }),
    here("textDocument/documentHighlight"),
    here("textDocument/documentSymbol"),
    here("textDocument/foldingRange"),
    here("textDocument/semanticTokens/full"),
    here("textDocument/formatting", { options }),
    here("textDocument/rangeFormatting", { range, options }),
    here("textDocument/rename", { newName: "renamed" }).catch((error: unknown) => {
      // Refused, with a reason: an internal error has another code.
      expect((error as { code?: number }).code, String(error)).toBe(-32600)
    }),
  ])
}

describe("random edits", () => {
  test("never end the server, and the mended text is as it was", async () => {
    const document = await editor.open(SOURCE)
    const before = await document.diagnostics()
    const symbols = await document.ask("textDocument/documentSymbol")
    expect(before).toEqual([])
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        for (const { at, remove, insert } of edits) {
          const start = Math.floor(at * document.text.length)
          await document.edit(start, Math.min(document.text.length, start + remove), insert)
          await askEverything(document, Math.min(start + insert.length, document.text.length))
        }
      }),
      { numRuns: 25 },
    )
    await document.edit(0, document.text.length, SOURCE)
    expect(await document.diagnostics()).toEqual(before)
    expect(await document.ask("textDocument/documentSymbol")).toEqual(symbols)
  })
  test("of a text that grows by a letter at a time, every state is answered", async () => {
    const document = await editor.open("")
    const text =
      'import { UNetEncoder } from "std/unet"\nmodel M {\n  input image: f32[N, 3, H = 32, W = 32]\n  output y = op.relu(image)\n}\n'
    for (const letter of text) {
      await document.edit(document.text.length, document.text.length, letter)
      await document.ask("textDocument/completion", {}, document.text.length)
    }
    expect(document.text).toBe(text)
    expect(await document.diagnostics()).toEqual([])
  })
  test("places outside of the text are its end, and a text that is not open is refused", async () => {
    const document = await editor.open("fn f(x: tensor) = x\n")
    const position = { line: 1000, character: 1000 }
    expect(await document.ask("textDocument/hover", { position })).toBeNull()
    const missing = { textDocument: { uri: "file:///nowhere/missing.mdl" }, position }
    await expect(editor.request("textDocument/definition", missing)).rejects.toThrow(/there is no text/)
    expect(await document.ask("textDocument/documentSymbol")).toHaveLength(1)
  })
})
