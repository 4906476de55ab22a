/**
 * The evidence script: what it refuses, and that the page has a place for every study.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { parseReference, requireModel } from "../../src/runtime/model-file.js"
import { temporaryFolder } from "../runtime/data/temporary.js"

const SCRIPT = fileURLToPath(new URL("../../scripts/evidence.mjs", import.meta.url))
const source = readFileSync(SCRIPT, "utf8")
const page = (): string => readFileSync(new URL("../../docs/results.md", import.meta.url), "utf8")
const table = source.slice(source.indexOf("const STUDIES"), source.indexOf("const { values: flags }"))
const studies = [...table.matchAll(/^ {2}(\w+): \{$/gm)].map(([, name]) => name!)
const built = existsSync(new URL("../../dist/src/cli/main.js", import.meta.url))

const evidence = (...words: string[]) => spawnSync(process.execPath, [SCRIPT, ...words], { encoding: "utf8" })

test("there are studies, each with its place on the page, and figures for those that are filled", () => {
  expect(studies).toEqual(["phantoms", "qata", "monuseg"])
  for (const name of studies) {
    const part = page().match(new RegExp(`<!-- evidence:${name} -->([^]*?)<!-- end:evidence:${name} -->`))
    expect(part).not.toBeNull()
    for (const [, figure] of part![1]!.matchAll(/\]\((evidence\/[^)]+)\)/g))
      expect(existsSync(new URL(`../../docs/${figure}`, import.meta.url))).toBe(true)
  }
})

test.each([...new Set([...source.matchAll(/"(models\/[^"]+)"/g)].map(([, reference]) => reference!))])(
  "%s is a model",
  (reference) => {
    expect(requireModel(parseReference(reference)).model.graph.losses.length).toBeGreaterThan(0)
  },
)

describe.skipIf(!built)("the script (skipped where dist/ has not been built)", () => {
  test("collects nothing from nothing, and leaves the page as it is", async () => {
    const before = page()
    const { status, stderr } = evidence("--collect", "--out", await temporaryFolder())
    expect([status, stderr]).toEqual([0, ""])
    expect(page()).toBe(before)
  })
  test.each([
    [["--only", "phantom"], /there is no study phantom: there are phantoms, qata, monuseg/],
    [["--only", "qata"], /--qata is missing: the folder of that data set/],
  ])("%j is refused", (words, message) => {
    const { status, stderr } = evidence(...words)
    expect(stderr).toMatch(message)
    expect(status).toBe(1)
  })
})
