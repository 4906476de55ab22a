/** What a command says of warnings that `mdl check` shows at length. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { compileReference, parseReference, warningLines } from "../../src/runtime/model-file.js"

const folder = mkdtempSync(join(tmpdir(), "mdl-warnings-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test("a warning of the compiler is one line with its place and code", () => {
  const file = join(folder, "twice.mdl")
  writeFileSync(
    file,
    `model M() {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]
  decoder { output p = conv2d(image, 1) |> sigmoid() |> sigmoid() }
  loss a = bce(p, mask)
}`,
  )
  const result = compileReference(parseReference(file))
  expect(result.output).toBeDefined()
  expect(warningLines(result)).toEqual([
    `${file}:4: Probabilities are made into probabilities again: \`sigmoid\` of what \`sigmoid\` gave (MDL4307; \`mdl check\` shows the line)`,
  ])
  expect(warningLines(compileReference(parseReference("models/unet.mdl")))).toEqual([])
})
