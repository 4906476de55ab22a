/**
 * Compiling with a memory gives what compiling without one gives, whatever was compiled before, and runs only what an edit
 * changed.
 */

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { compile, type CompileResult } from "../../src/compiler/compile.js"
import { selectableNames } from "../../src/compiler/elaborate/ablations.js"
import { CompilerMemory } from "../../src/compiler/memory.js"
import { MODELS, mutate, read, tensor, wordEdit } from "./word-edits.js"

/** All of a result but the texts, which both have from the same place. */
function plain({ output, diagnostics, variant }: CompileResult): string {
  const values = (_: string, value: unknown): unknown => (value instanceof Map ? [...value] : value)
  return JSON.stringify([output, diagnostics, variant?.name], values)
}

/** Compiles `text` in the place of `path`, with and without the memory, and insists that nothing tells them apart. */
function compare(path: string, changed: string, text: string, selector: string | undefined, memory: CompilerMemory) {
  const host = { tensor, read: (asked: string) => (asked === changed ? text : read(asked)) }
  const options = { selector, everyValue: true, training: false }
  const fast = compile(path, host, { ...options, memory })
  expect(plain(fast) === plain(compile(path, host, options)), `${path}#${selector ?? ""}`).toBe(true)
  return fast
}

/** An edit after which most texts are still whole: a number, a line left out or moved, a comment. */
const mildEdit = fc.record({
  at: fc.nat(1_000_000),
  kind: fc.constantFrom("number", "number", "remove", "double", "comment"),
  number: fc.constantFrom("0", "1", "2", "3", "4", "7", "64", "0.25"),
})

function mildly(text: string, { at, kind, number }: typeof mildEdit extends fc.Arbitrary<infer T> ? T : never): string {
  const lines = text.split("\n")
  const places = lines.flatMap((line, i) => {
    const isStatement = /^ {4}(let|loss|output|set|without) [^{]*$/.test(line)
    return (kind === "number" ? /[^\w.]\d/.test(line) : kind === "comment" || isStatement) ? [i] : []
  })
  const place = places[at % places.length]!
  const line = lines[place]!
  if (kind === "number") lines[place] = line.replace(/(?<![\w.])\d[\d.]*(?![\w.])/, number)
  else if (kind === "remove") lines.splice(place, 1)
  else if (kind === "double") lines.splice(place, 0, line.replace(/(let|output|loss) (\w+)/, "$1 $2_again"))
  else lines.splice(place, 0, "// Something to say.")
  return lines.join("\n")
}

const selectorsOf = (path: string): readonly string[] => {
  const { modules } = compile(path, { read, tensor }, { selector: "none of them" })
  return selectableNames(modules!.root)
}
const RECLMIS = "models/reclmis.mdl"

describe("compiling with a memory gives the same", () => {
  test.each(MODELS)("for %s, its ablations one after another, and the first again", (path) => {
    const memory = new CompilerMemory()
    const selectors = selectorsOf(path)
    for (const selector of [...selectors, ...selectors.slice(0, 2)]) compare(path, path, read(path)!, selector, memory)
  })

  test.each(["models/reclmis.mdl", "models/unet.mdl"])("for %s with words changed, edit upon edit", (path) => {
    const memory = new CompilerMemory()
    const selectors = selectorsOf(path)
    fc.assert(
      fc.property(fc.array(wordEdit, { minLength: 1, maxLength: 2 }), fc.nat(100), (edits, choice) => {
        const selector = selectors[choice % selectors.length]
        compare(path, path, mutate(read(path)!, edits), selector, memory)
      }),
      { numRuns: 12 },
    )
    compare(path, path, read(path)!, selectors[0], memory)
  })

  test("for RecLMIS with lines and numbers changed, each text made from the one before", () => {
    const memory = new CompilerMemory()
    const selectors = selectorsOf(RECLMIS)
    let models = 0
    fc.assert(
      fc.property(fc.array(mildEdit, { minLength: 2, maxLength: 4 }), fc.nat(100), (edits, choice) => {
        let text = read(RECLMIS)!
        for (const edit of edits) {
          text = mildly(text, edit)
          if (compare(RECLMIS, RECLMIS, text, selectors[choice % selectors.length], memory).output) models++
        }
      }),
      { numRuns: 8 },
    )
    expect(models).toBeGreaterThan(2)
    expect(memory.calls.counts.recalled).toBeGreaterThan(100)
  })

  test.each(["std/unet", "std/prelude", "std/attention"])("when %s changes under it", (module) => {
    const memory = new CompilerMemory()
    fc.assert(
      fc.property(fc.array(wordEdit, { minLength: 1, maxLength: 2 }), (edits) => {
        compare(RECLMIS, module, mutate(read(module)!, edits), "quick", memory)
        compare(RECLMIS, module, read(module)!, "quick", memory)
      }),
      { numRuns: 4 },
    )
  })

  test("where calls share constants, names and tensors", () => {
    const memory = new CompilerMemory()
    const text = (body: string): string =>
      `model M {\n  input x: f32[N, 4, H = 8, W = 8]\n  input z: f32[N, 4, H, W]\n${body}\n  output out = y\n}\n`
    for (const body of [
      "  let y = relu(x)",
      "  let y = gelu(x)",
      "  let b = gelu(x)\n  let y = gelu(b)",
      "  let b = x * 0.5\n  let y = gelu(b)",
      "  let b = gelu(z)\n  let y = gelu(x) + b",
      "  let f = Conv2d(4, kernel = 3)\n  let a = f(x)\n  let y = f(a)",
      "  let f = Conv2d(4, kernel = 3)\n  let y = f(x)",
      "  let f = Conv2d(4, kernel = 3)\n  let a = f(z)\n  let y = f(x)",
      "  let a = dropout(x, 0.5)\n  let y = dropout(a, 0.5) + dropout(x, 0.5)",
      "  let a = dropout(x, 0.5)\n  let y = dropout(x, 0.5)",
      "  let y = Attention(heads = 2)(tokens_of(x), tokens_of(x))",
      "  let y = Attention(heads = 2)(tokens_of(x), tokens_of(z))",
      "  let y = conv2d(x, 4) + conv2d(x, 4)",
      "  let y = fold(a = x, i in 0..3) { conv2d(a, 4) }",
      "  let y = [conv2d(x, 4) for i in 0..2][1]",
      "  let y = conv2d(x, missing)",
      "  let y = conv2d(x, 4, kernel = -1)",
    ]) {
      const imports = body.includes("Attention") ? 'import { Attention } from "std/attention"\n\n' : ""
      for (let count = 0; count < 2; count++) compare("m.mdl", "m.mdl", imports + text(body), undefined, memory)
    }
  })
})

describe("an edit runs only what it changed", () => {
  const original = read(RECLMIS)!
  /** How many calls of the library are run to compile RecLMIS as edited, after it was compiled as it is. */
  function runs(edited: string): { readonly run: number; readonly recalled: number } {
    const memory = new CompilerMemory()
    expect(edited).not.toBe(original)
    const results = [original, edited].map((text) => {
      const before = { ...memory.calls.counts }
      const host = { read: (asked: string) => (asked === RECLMIS ? text : read(asked)) }
      expect(compile(RECLMIS, host, { selector: "RecLMIS", memory, training: false }).diagnostics).toEqual([])
      const { run, recalled } = memory.calls.counts
      return { run: run - before.run, recalled: recalled - before.recalled }
    })
    return results[1]!
  }
  test.each([
    ["a comment above everything", "/// RecLMIS", "/// The RecLMIS", 0],
    ["a setting of the training", "epochs = 2000", "epochs = 20", 0],
    ["the weight of a loss", "loss t2v = 1.0", "loss t2v = 1.5", 0],
    ["one argument of one call", "TokenConv(kernel = 3)", "TokenConv(kernel = 5)", 1],
    // The two calls of its statement are named after it; what reads it is as it was.
    ["the name of a tensor", /\bhidden_patches\b/g, "hidden_parts", 2],
  ])("%s", (_, from, to, expected) => {
    const { run, recalled } = runs(original.replaceAll(from, to))
    expect(run).toBe(expected)
    expect(recalled).toBeGreaterThan(20)
  })
  test("and an ablation only what it does not share with its model", () => {
    const memory = new CompilerMemory()
    const counts = ["RecLMIS", "no_cvr", "no_cvr"].map((selector) => {
      const { run } = memory.calls.counts
      compile(RECLMIS, { read }, { selector, memory, training: false })
      return memory.calls.counts.run - run
    })
    expect(counts[0]).toBeGreaterThan(20)
    expect(counts[1]).toBeLessThan(5)
    expect(counts[2]).toBe(0)
  })
})
