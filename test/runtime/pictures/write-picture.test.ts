/** Pages of files and of git revisions: whole files, the same for the same text, that name nothing outside. */

import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Script } from "node:vm"
import { afterAll, beforeAll, expect, test } from "vitest"
import { diffModels } from "../../../src/compiler/diff/diff.js"
import { openSide } from "../../../src/runtime/model-side.js"
import { PICTURE_MODULES, pageScript } from "../../../src/runtime/pictures/page-script.js"
import { drawn } from "../../../src/runtime/pictures/side.js"
import { writeDiff, writeGraph } from "../../../src/runtime/pictures/write-picture.js"
import { edited, SMALL } from "../../compiler/picture/small-model.js"
import { readModule } from "../page-module.js"

const readPage = (name: string): Promise<string> => readModule(`pictures/page/${name}`)

let folder: string
let before: string
const git = (...words: string[]): void => {
  execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...words], { cwd: folder, stdio: "pipe" })
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mdl-picture-"))
  before = process.cwd()
  process.chdir(folder)
  writeFileSync("small.mdl", SMALL)
  git("init", "-q")
  git("add", ".")
  git("commit", "-qm", "one")
  writeFileSync("small.mdl", edited("0.25 *", "0.5 *"))
})
afterAll(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

test("a difference to a git revision is a page that names both as they were asked for", async () => {
  const [old, fresh] = await Promise.all([openSide("HEAD:small.mdl", "before"), openSide("small.mdl", "after")])
  const diff = diffModels(old.model, fresh.model)
  const bytes = await writeDiff(diff, old, fresh, "page.html", { readModule: readPage, note: "weights: the same" })
  const html = readFileSync("page.html", "utf8")
  expect(Buffer.byteLength(html)).toBe(bytes)
  expect(html).toContain("<h1>HEAD:small.mdl → small.mdl</h1>")
  expect(html).toContain("weights: the same")
  expect(html).toContain("<strong>again.colours</strong> re-weighted: weight 0.25 → 0.5")
  // Nothing but the namespace of SVG looks like an address, and no folder of this machine is named.
  expect(new Set(html.match(/https?:\/\/[^\s"'<)]+/g))).toEqual(new Set(["http://www.w3.org/2000/svg"]))
  expect(html).not.toContain(folder)
})

test("a page is the same for the same text", async () => {
  const side = drawn(await openSide("small.mdl"))
  await writeGraph(side, "one.html", { readModule: readPage })
  await writeGraph(drawn(await openSide("small.mdl")), "two.html", { readModule: readPage })
  expect(readFileSync("two.html", "utf8")).toBe(readFileSync("one.html", "utf8"))
})

test("the script of a page is one text without imports", async () => {
  const script = await pageScript(readPage)
  expect(script).not.toMatch(/^\s*(import|export)\b/m)
  // It is one scope: a name that two modules had would not parse.
  expect(() => new Script(script)).not.toThrow()
  expect(PICTURE_MODULES.at(-1)).toBe("main")
})

test("a page that is not built says how to build it", async () => {
  await expect(pageScript()).rejects.toThrow("npm run build")
})
