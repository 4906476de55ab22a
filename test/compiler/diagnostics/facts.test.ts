/** The tables of facts, and the suggestions they show. */

import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { FACTS } from "../../../src/compiler/diagnostics/facts.js"
import { NAME_FACTS } from "../../../src/compiler/diagnostics/facts-names.js"
import { SHAPE_FACTS } from "../../../src/compiler/diagnostics/facts-shapes.js"
import { SYNTAX_FACTS } from "../../../src/compiler/diagnostics/facts-syntax.js"
import { TRAINING_FACTS } from "../../../src/compiler/diagnostics/facts-training.js"
import { WEIGHTS_FACTS } from "../../../src/compiler/diagnostics/facts-weights.js"
import { didYouMean } from "../../../src/compiler/diagnostics/suggest.js"

describe("facts", () => {
  /** with the number of the stage; published names are names */
  const stages = [
    [1, SYNTAX_FACTS],
    [2, NAME_FACTS],
    [2, WEIGHTS_FACTS],
    [3, SHAPE_FACTS],
    [4, TRAINING_FACTS],
  ] as const

  test("have kinds of their own, so that no table hides another's", () => {
    const kinds = stages.flatMap(([, table]) => Object.keys(table))
    expect(Object.keys(FACTS)).toHaveLength(kinds.length)
  })

  test("have codes of their own, in the thousand of their stage", () => {
    const codes = stages.flatMap(([stage, table]) => Object.values(table).map(({ code }) => ({ stage, code })))
    expect(new Set(codes.map(({ code }) => code)).size).toBe(codes.length)
    for (const { stage, code } of codes) expect(code).toMatch(new RegExp(`^MDL${stage}\\d{3}$`))
  })
})

/** Facts whose texts would fill pages (`test/grammar`, `test/compiler/limits.test.ts`), and those that export states. */
const ELSEWHERE: ReadonlySet<string> = new Set(["file-too-large", "too-many-errors", "limit-exceeded", "size-fixed"])

test("every fact has a golden message", () => {
  const shown = ["messages", "diagnostics"].flatMap((folder) => {
    const files = new URL(`../../golden/${folder}/`, import.meta.url)
    return readdirSync(files).map((name) => readFileSync(new URL(name, files), "utf8"))
  })
  const codes = new Set(shown.flatMap((text) => [...text.matchAll(/^\w+\[(MDL\d+)\]/gm)].map(([, code]) => code)))
  const missing = Object.entries(FACTS).filter(([kind, { code }]) => !codes.has(code) && !ELSEWHERE.has(kind))
  expect(missing.map(([kind]) => kind)).toEqual([])
  expect(shown.length).toBeGreaterThanOrEqual(80)
})

describe("did you mean", () => {
  test.each([
    ["encodr", ["decoder", "encoder"], "encoder"],
    ["lett", ["loss", "let"], "let"],
    ["UNETENCODER", ["UNetDecoder", "UNetEncoder"], "UNetEncoder"],
    ["kernal", ["kernel", "stride"], "kernel"],
    ["unetencodr", ["UNetEncoder"], "UNetEncoder"],
  ])("%s, of %j: %s", (name, candidates, expected) => {
    expect(didYouMean(name, candidates)).toBe(expected)
  })

  test.each([
    ["x", ["y", "z"]],
    ["backbone", ["encoder", "decoder"]],
    ["ab", ["cd"]],
    ["dim", []],
    ["dim", ["dim"]],
  ])("nothing for %s, of %j", (name, candidates) => {
    expect(didYouMean(name, candidates)).toBeUndefined()
  })

  test("the first of equals", () => {
    expect(didYouMean("dam", ["dim", "dom"])).toBe("dim")
  })
})
