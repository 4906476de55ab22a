/** Which folder may import which, as .dependency-cruiser.cjs says: the compiler is pure, nothing goes in circles. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cruise, type ICruiseOptions, type ICruiseResult, type IConfiguration } from "dependency-cruiser"
import { afterAll, describe, expect, test } from "vitest"

const config = createRequire(import.meta.url)("../.dependency-cruiser.cjs") as IConfiguration

/** What is wrong in `folders` of the project at `root`. */
async function violations(root: string, folders: string[]): Promise<string[]> {
  const options = { ...config.options, ruleSet: { forbidden: config.forbidden }, validate: true, baseDir: root }
  const { output } = await cruise(folders, options as ICruiseOptions, undefined, {
    tsConfig: { options: {} },
  })
  return (output as ICruiseResult).summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)
}

const root = mkdtempSync(join(tmpdir(), "mdl-architecture-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe("the rules of imports", () => {
  test("hold in the whole project", async () => {
    expect(await violations(process.cwd(), ["src", "grammar"])).toEqual([])
  })

  test.each([
    ["compiler-is-pure", "src/compiler/a.ts", 'import { readFileSync } from "node:fs"\nexport const a = readFileSync'],
    ["compiler-is-pure", "grammar/a.ts", 'import { Worker } from "worker_threads"\nexport const a = Worker'],
    ["compiler-knows-no-runtime", "src/compiler/a.ts", 'export { b as a } from "../runtime/b.js"'],
    ["grammar-knows-no-later-stage", "grammar/a.ts", 'export { b as a } from "../src/compiler/b.js"'],
    ["runtime-knows-no-command-line", "src/runtime/a.ts", 'export { b as a } from "../cli/b.js"'],
    ["nothing-imports-tests", "src/runtime/a.ts", 'export { b as a } from "../../test/b.js"'],
    ["no-orphans", "src/runtime/a.ts", "export const a = 1"],
    ["resolvable", "src/runtime/a.ts", 'export { b as a } from "./nowhere.js"'],
  ])("%s is noticed in %s", async (rule, file, text) => {
    rmSync(root, { recursive: true, force: true })
    const others = ["src/runtime/b.ts", "src/cli/b.ts", "src/compiler/b.ts", "test/b.ts"]
    for (const [path, content] of [
      ...others.map((other) => [other, "export const b = 1"] as const),
      [file, text] as const,
    ]) {
      mkdirSync(join(root, path, ".."), { recursive: true })
      writeFileSync(join(root, path), content)
    }
    expect((await violations(root, ["src", ...(file.startsWith("grammar") ? ["grammar"] : [])])).join("\n")).toContain(
      `${rule}: ${file}`,
    )
  })
})
