/** The package as a library: what a program that imports `mdl` can do, and that the package gives it that. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { format as prettify } from "prettier"
import { afterAll, describe, expect, test } from "vitest"
import { compile, compileText, diff, format, ModelError, requireOutput, summary, UserError } from "../src/index.js"

const SMALL = `model Small(width: int = 8) {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]
  encoder vision { let v = conv2d(image, width) }
  decoder { output probability = sigmoid(conv2d(v, 1)) }
  loss overlap = dice_loss(probability, mask)
}
ablation narrow of Small { set width = 4 }
`

const folder = mkdtempSync(join(tmpdir(), "mdl-api-"))
afterAll(() => rmSync(folder, { recursive: true }))

describe("import from mdl", () => {
  test("compile, summary and diff by reference", () => {
    const file = join(folder, "small.mdl")
    writeFileSync(file, SMALL)
    const { output, diagnostics } = compile(`${file}#Small`)
    expect(diagnostics).toEqual([])
    // 3 x 8 + 8 and 8 x 1 + 1, with 1x1 kernels.
    expect(summary(output!).parameters.trainable).toBe(32 + 9)
    const smaller = compile(`${file}#Small`, { sizes: { H: 16, W: 16 } }).output!
    expect(summary(smaller).sizes).toMatchObject({ H: 16, W: 16 })
    const change = diff(`${file}#Small`, `${file}#narrow`)
    expect(change.parameters.map(({ name, before, after }) => [name, before, after])).toContainEqual([
      "vision.v.weight",
      "8x3x1x1",
      "4x3x1x1",
    ])
    expect(diff(output!, output!).isEmpty).toBe(true)
    expect(() => compile(join(folder, "nothing.mdl"))).toThrow(UserError)
  })
  test("compileText needs no file, and has std/ and the texts it is given", () => {
    const text = `import { Double } from "blocks"\n${SMALL.replace("conv2d(image, width)", "Double(width)(image)")}`
    const files = {
      "blocks.mdl": "block Double(c)(x: f32[N, A, Y, X]) {\n  let first = conv2d(x, c)\n  return conv2d(first, c)\n}",
    }
    const { diagnostics, output } = compileText(text, { selector: "narrow", files })
    expect(diagnostics).toEqual([])
    expect(output?.variant).toBe("narrow")
    const wrong = compileText(SMALL.replace("sigmoid(", "sigmoidd("), { selector: "Small" })
    expect(wrong.diagnostics.map(({ code, hint }) => [code, hint])).toEqual([
      ["MDL2101", expect.stringContaining("sigmoid")],
    ])
    expect(() => requireOutput(wrong)).toThrow(ModelError)
  })
  test("format is what Prettier does with mdl/prettier-plugin", async () => {
    const ragged = SMALL.replace("{ let v", "{\n\n   let   v")
    const plugin = await import("../src/compiler/format/plugin.js")
    expect(await prettify(ragged, { parser: "mdl", plugins: [plugin], printWidth: 120 })).toBe(await format(ragged))
  })
})

describe("package.json", () => {
  const { exports, files, bin } = JSON.parse(readFileSync("package.json", "utf8"))
  test("every entry is made from a source that there is, and is packed", () => {
    for (const [name, entry] of Object.entries<string | { types: string; default: string }>(exports)) {
      if (typeof entry === "string") expect(existsSync(entry), name).toBe(true)
      else {
        expect(entry.types).toBe(entry.default.replace(/\.js$/, ".d.ts"))
        expect(existsSync(entry.default.replace("./dist/", "").replace(/\.js$/, ".ts")), name).toBe(true)
      }
    }
    expect(files).toEqual(expect.arrayContaining(["dist", "std", "models", "docs"]))
    expect(existsSync(bin.mdl)).toBe(true)
  })
  test("mdl/training gives what the commands use", async () => {
    const training = await import("../src/training.js")
    expect(Object.keys(training).sort()).toEqual(
      ["ParityFailed", "evaluateRun", "exportModel", "openRun", "resumeTraining", "train", "writePrediction"].sort(),
    )
  })
})
