/**
 * `mdl ablate` as a person calls it: real processes for its members, one of which fails.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { AblationResult } from "../../src/runtime/ablation/result.js"
import { openWorkshop, type Workshop } from "../runtime/training/tiny.js"

const MDL = fileURLToPath(new URL("../../bin/mdl.mjs", import.meta.url))

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.remove())

const mdl = (...words: string[]) => spawnSync(process.execPath, [MDL, "ablate", ...words], { encoding: "utf8" })

test("members train in processes of their own; one that fails is named, and the others go on", () => {
  const sweep = shop.run("sweep")
  const words = [shop.model(), "--data", shop.data, "--run", sweep, "--seeds", "1", "--epochs", "1"]
  const all = [...words, "--only", "exploding,no_note", "--jobs", "2", "--workers", "0", "--json"]
  const first = mdl(...all)
  expect(first.status).toBe(1)
  const result = JSON.parse(first.stdout) as AblationResult
  expect(result.missing.map(({ member, code }) => [member, code])).toEqual([["exploding/seed-1", 1]])
  expect(result.missing[0]!.message).toMatch(/^error: /)
  expect(first.stderr).toContain("exploding/seed-1")
  expect(first.stderr).toContain("no_note/seed-1: done")
  expect(result.comparisons.map(({ label }) => label)).toEqual(["no_note"])
  expect(readFileSync(join(sweep, "logs", "no_note.seed-1.log"), "utf8")).toContain("epoch 1/1")
  for (const name of ["run.json", "log.jsonl", "evaluation.json"])
    expect(existsSync(join(sweep, "runs", "no_note", "seed-1", name))).toBe(true)

  const without = mdl(...words, "--only", "no_note")
  expect(without.stderr).toContain("2 members done, 0 to do")
  expect(without.status).toBe(0)
  expect(without.stdout).toContain("what matters, the most first:")
  const concluded = mdl("--run", sweep, "--conclude", "--json")
  expect((JSON.parse(concluded.stdout) as AblationResult).complete).toBe(true)
})
