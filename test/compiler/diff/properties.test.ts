/**
 * What holds for every difference: none between a model and itself however it is written, and the patch of a difference,
 * also after JSON, turns the outline of the one model into that of the other.
 */

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { diffModels } from "../../../src/compiler/diff/diff.js"
import { type ModelOutline, outlineOf } from "../../../src/compiler/diff/outline.js"
import { applyPatch, type Edit } from "../../../src/compiler/diff/patch.js"
import type { ElaboratedModel } from "../../../src/compiler/elaborate/model.js"
import { compileText, elaborated, zoo } from "../source-host.js"

/** Entries in an order that means nothing, as plain data. */
function plain(outline: ModelOutline): unknown {
  const tables = Object.entries(outline).map(([name, table]) => [
    name,
    Object.fromEntries([...(table as ReadonlyMap<string, unknown>)].sort(([a], [b]) => (a < b ? -1 : 1))),
  ])
  return JSON.parse(JSON.stringify(Object.fromEntries(tables)))
}

function expectPatch(a: ElaboratedModel, b: ElaboratedModel): void {
  const { patch, isEmpty } = diffModels(a, b)
  const [before, after] = [outlineOf(a), outlineOf(b)]
  expect(plain(applyPatch(before, JSON.parse(JSON.stringify(patch)) as Edit[]))).toEqual(plain(after))
  expect(isEmpty).toBe(JSON.stringify(plain(before)) === JSON.stringify(plain(after)))
}

/** A statement of the random models: its text with names by number, and how many earlier values it reads. */
const OPERATIONS = [
  (x: string) => `relu(${x})`,
  (x: string) => `conv2d(${x}, 4, kernel = 3)`,
  (x: string) => `conv2d(${x}, 4)`,
  (x: string) => `shared(${x})`,
  (x: string) => `dropout(${x}, 0.25)`,
  (x: string, y: string) => `${x} + ${y} * 0.5`,
  (x: string, y: string) => `relu(${x}) + relu(${y})`,
  (x: string, y: string) => `Pair(3)(${x}, ${y})`,
] as const

interface Line {
  readonly operation: number
  readonly reads: readonly [number, number]
}

interface Program {
  readonly lines: readonly Line[]
  readonly names: readonly string[]
  readonly weight: number
  readonly frozen: boolean
  readonly size: number
}

const line = fc.record<Line>({ operation: fc.nat(OPERATIONS.length - 1), reads: fc.tuple(fc.nat(99), fc.nat(99)) })
const program = fc.record<Program>({
  lines: fc.array(line, { minLength: 2, maxLength: 7 }),
  names: fc.uniqueArray(fc.constantFrom(..."abcdefghijklmnopqrst"), { minLength: 7, maxLength: 7 }),
  weight: fc.constantFrom(0.5, 1.5, 2),
  frozen: fc.boolean(),
  size: fc.constantFrom(8, 16),
})

/** Values that line `index` reads: -1 is the stem. */
const readsOf = ({ operation, reads }: Line, index: number): number[] =>
  reads.slice(0, OPERATIONS[operation]!.length).map((read) => (read % (index + 1)) - 1)

/** `order`: the places of the lines in the text; each after those that it reads. */
function textOf({ lines, names, weight, frozen, size }: Program, order = lines.map((_, i) => i)): string {
  const name = (index: number): string => (index < 0 ? "stem" : names[index]!)
  const statements = order.map((index) => {
    const at = lines[index]!
    const [x, y] = readsOf(at, index).map(name)
    return `    let ${name(index)} = ${OPERATIONS[at.operation]!(x!, y ?? x!)}`
  })
  return `
block Pair(kernel: int)(x, y) {
  let left = conv2d(x, 4, kernel)
  return left + conv2d(y, 4, kernel)
}
block Shared()(x) {
  let inner = conv2d(x, 4)
  return relu(inner)
}
model Random {
  input image: f32[N, 4, H = ${size}, W = ${size}]
  target mask: f32[N, 1, H, W]
  let shared = Shared()
  ${frozen ? "frozen " : ""}encoder body {
    let stem = relu(image)
${statements.join("\n")}
  }
  decoder { output probability = sigmoid(conv2d(${name(lines.length - 1)}, 1)) }
  loss overlap = ${weight} * dice_loss(probability, mask)
}`
}

/** Another order of the lines in which all stand after what they read, drawn with `draws`. */
function reordered({ lines }: Program, draws: readonly number[]): number[] {
  const order: number[] = []
  while (order.length < lines.length) {
    const ready = lines.flatMap((at, index) =>
      !order.includes(index) && readsOf(at, index).every((read) => read < 0 || order.includes(read)) ? [index] : [],
    )
    order.push(ready[draws[order.length]! % ready.length]!)
  }
  return order
}

const compiled = (text: string): ElaboratedModel => elaborated(compileText(text))

describe("random models", () => {
  test("no difference when independent lines stand in another order", () => {
    let moved = 0
    fc.assert(
      fc.property(program, fc.array(fc.nat(99), { minLength: 7, maxLength: 7 }), (model, draws) => {
        const order = reordered(model, draws)
        if (order.some((index, at) => index !== at)) moved++
        expect(diffModels(compiled(textOf(model)), compiled(textOf(model, order))).patch).toEqual([])
      }),
      { numRuns: 40 },
    )
    expect(moved).toBeGreaterThan(10)
  })

  test("the patch from one to another gives the other", () => {
    fc.assert(
      fc.property(program, program, (a, b) => expectPatch(compiled(textOf(a)), compiled(textOf(b)))),
      { numRuns: 25 },
    )
  })

  test("the patch of one changed line gives the changed model", () => {
    fc.assert(
      fc.property(program, fc.nat(99), line, (model, at, other) => {
        const lines = model.lines.map((old, index) => (index === at % model.lines.length ? other : old))
        expectPatch(compiled(textOf(model)), compiled(textOf({ ...model, lines })))
      }),
      { numRuns: 25 },
    )
  })

  test("another name of every line is nothing but renames", () => {
    fc.assert(
      fc.property(program, (model) => {
        const names = model.names.map((name) => `${name}_2`)
        const { patch } = diffModels(compiled(textOf(model)), compiled(textOf({ ...model, names })))
        const others = patch.filter(({ edit }) => edit !== "rename" && edit !== "renumber")
        // Values that are computed alike may have been taken for one another; what is left is then how they are wired.
        const isWiring = (edit: Edit): boolean => edit.edit === "set" && ["inputs", "from"].includes(edit.field)
        expect(others.filter((edit) => !isWiring(edit))).toEqual([])
      }),
      { numRuns: 25 },
    )
  })
})

describe("the zoo", () => {
  test.each([
    ["unet", "UNet", "unet", "trunk"],
    ["reclmis", "quick", "reclmis", "quick+no_text"],
    ["reclmis", "quick+no_text", "reclmis", "quick"],
    ["unet", "small", "reclmis", "quick"],
  ])("%s#%s to %s#%s", (a, from, b, to) => {
    expectPatch(zoo(a, { selector: from }), zoo(b, { selector: to }))
  })
})

describe("a patch for another model", () => {
  const outline = outlineOf(zoo("unet", { selector: "small" }))
  const [first, second] = [...outline.operations.keys()]
  test.each<readonly [Edit, string]>([
    [{ edit: "remove", table: "losses", name: "nothing" }, "cannot remove nothing of losses: it is not there"],
    [{ edit: "add", table: "losses", name: "dice", entry: {} }, "cannot add dice of losses: it is there"],
    [{ edit: "rename", table: "paths", from: "vision", to: "decoder" }, "cannot rename vision to decoder"],
    [{ edit: "renumber", names: [[first!, second!]] }, "two operations share a name"],
  ])("%j is refused", (edit, message) => {
    expect(() => applyPatch(outline, [edit])).toThrow(message)
  })
})
