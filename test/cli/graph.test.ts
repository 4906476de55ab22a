/** `mdl graph`: what it writes and where, and what it says of input that is wrong. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Picture } from "../../src/compiler/picture/picture.js"
import { graphDrawing } from "../../src/runtime/pictures/write-picture.js"
import { drawnText, SMALL } from "../compiler/picture/small-model.js"
import { mdl } from "./command-line.js"

let folder: string
let model: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mdl-graph-"))
  model = join(folder, "small.mdl")
  writeFileSync(model, `${SMALL}\nablation wide of Small {\n  set H = 32\n}\n`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const failure = async (...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await mdl(...words)
  expect([code, stdout]).toEqual([1, ""])
  return stderr
}

describe("mdl graph", () => {
  test("writes a drawing, and says where", async () => {
    const out = join(folder, "pictures", "small.svg")
    const { code, stdout } = await mdl("graph", model, "-o", out)
    expect([code, stdout.startsWith(out)]).toEqual([0, true])
    const places = (svg: string): string => svg.replaceAll(/[^">\n]*\.mdl/g, "FILE")
    expect(places(readFileSync(out, "utf8"))).toBe(places(await graphDrawing(drawnText(SMALL))))
  })

  test("prints the picture as JSON, of an ablation too, and then writes only what is asked for", async () => {
    const { code, stdout } = await mdl("graph", `${model}#wide`, "--json")
    const picture = JSON.parse(stdout) as Picture
    expect([code, picture.model, picture.variant]).toEqual([0, "Small", "wide"])
    const stack = picture.root.boxes.find(({ id }) => id === "joined.stack")!
    expect(picture.sizes).toEqual({ H: 32, W: 16, T: 6 })
    expect(Object.keys(picture.views)).toContain(stack.view)
  })

  test("says what is wrong with what it is given", async () => {
    expect(await failure("graph", model, "-o", "picture.pdf")).toContain(
      "picture.pdf is no kind of picture that can be written: name it .html or .svg",
    )
    expect(await failure("graph", join(folder, "none.mdl"))).toContain("there is no file")
    expect(await failure("graph", `${model}#wied`)).toContain("wide")
    expect(await failure("graph", model, "--open-in", "ed")).toContain("vscode")
    expect(await failure("graph", model, "-o", join(model, "x.svg"))).toContain("small.mdl")
    const broken = join(folder, "broken.mdl")
    writeFileSync(broken, SMALL.replace("Twice(width)(one)", "Twice(width)(noe)"))
    expect(await failure("graph", broken)).toContain("nothing is called `noe` here")
    expect(await failure("diff", model, "#wide", "--html", join(folder, "page.txt"))).toContain("name it .html")
  })
})
