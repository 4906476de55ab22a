/** `mdl new`: the project it makes is right as it stands, and its README names commands that there are. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { diff } from "../../src/index.js"
import { mdl } from "./command-line.js"

const folder = mkdtempSync(join(tmpdir(), "mdl-new-"))
const project = join(folder, "mine")
const model = join(project, "models", "segmenter.mdl")
afterAll(() => rmSync(folder, { recursive: true }))

describe("mdl new", () => {
  beforeAll(async () => {
    expect(await mdl("new", project, "--json")).toMatchObject({ code: 0, stderr: "" })
  })
  test("makes a model that is right and formatted", async () => {
    expect(await mdl("check", model)).toMatchObject({ code: 0 })
    expect(await mdl("fmt", "--check", model)).toMatchObject({ code: 0 })
    expect(readFileSync(join(project, ".gitignore"), "utf8")).toContain("runs/")
  })
  test("whose ablation without the note has no language left", () => {
    const { sections, inputs } = diff(`${model}#Segmenter`, `${model}#no_note`)
    expect(sections).toContainEqual({ section: "language", change: "removed" })
    expect(inputs).toEqual([])
  })
  test("whose README uses commands and options that there are", async () => {
    const blocks = readFileSync(join(project, "README.md"), "utf8").matchAll(/```sh\n([\s\S]*?)```/g)
    const lines = [...blocks].flatMap(([, block]) => block!.trim().split("\n"))
    expect(lines.length).toBeGreaterThan(10)
    for (const line of lines) {
      const [npx, name, command, ...words] = line.split(" ")
      expect([npx, name]).toEqual(["npx", "mdl"])
      const help = await mdl("help", command!)
      expect(help.code, line).toBe(0)
      for (const option of words.filter((word) => /^--?[a-z]/.test(word))) {
        expect(help.stdout, line).toMatch(new RegExp(`(^|[ ,])${option}\\b`, "m"))
      }
    }
  })
  test("never writes where something is", async () => {
    const before = readFileSync(model, "utf8")
    expect(await mdl("new", project)).toMatchObject({ code: 1, stdout: "" })
    expect(readFileSync(model, "utf8")).toBe(before)
    const file = join(folder, "file")
    writeFileSync(file, "")
    expect((await mdl("new", file)).stderr).toContain("is a file")
  })
})
