import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { afterAll } from "vitest"
import { decodeModel } from "../../../src/compiler/targets/onnx/decode.js"
import { exportModel } from "../../../src/runtime/deployment/export-model.js"
import { openWorkshop, type Workshop } from "./looking-model.js"

// Everything about the export of an untrained model that needs no native backend.
describe("exportModel without a comparison", () => {
  let workshop: Workshop
  beforeAll(async () => void (workshop = await openWorkshop()))
  afterAll(() => workshop.remove())
  const source = (): string => `${workshop.model}#Looking`
  const out = (name: string): string => join(workshop.folder, name)

  it("writes the inference program with first values and says where they come from", async () => {
    const result = await exportModel({ source: source(), out: out("new/folder/a.onnx"), parity: false, text: true })
    expect(result.inputs).toEqual([
      { name: "image", dtype: "f32", shape: ["N", 3, 32, 32] },
      { name: "note_ids", dtype: "i32", shape: ["N", 12] },
      { name: "note_valid", dtype: "f32", shape: ["N", 12] },
    ])
    expect(result.outputs.map(({ name }) => name)).toEqual(["poi", "woi", "probability"])
    expect(result.weights).toEqual({ kind: "initial", seed: 1 })
    expect(result.parity).toBeUndefined()
    expect(result.notes).toEqual(["the file was not compared with the trainer"])
    expect(readFileSync(result.file)).toHaveLength(result.bytes)
    expect(readFileSync(result.textFile!, "utf8")).toContain("Looking (float[N,3,32,32] image")
  })

  it("writes equal bytes for equal requests, others for another seed", async () => {
    const [first, second, other] = [
      await exportModel({ source: source(), out: out("b.onnx"), parity: false }),
      await exportModel({ source: source(), out: out("c.onnx"), parity: false }),
      await exportModel({ source: source(), out: out("d.onnx"), parity: false, seed: 2 }),
    ]
    expect(second.sha256).toBe(first.sha256)
    expect(other.sha256).not.toBe(first.sha256)
  })

  it("puts text, preprocessing, notes, weights and frozen sections into the metadata", async () => {
    const { file } = await exportModel({ source: source(), out: out("e.onnx"), parity: false })
    const metadata = Object.fromEntries(decodeModel(readFileSync(file)).metadata)
    expect(metadata).toMatchObject({
      "mdl.model": "Looking",
      "mdl.frozen_sections": '["language"]',
      "mdl.weights": '{"kind":"initial","seed":1}',
      "Image.BitmapPixelFormat": "Bgr8",
      "Image.NominalPixelRange": "Normalized_0_1",
    })
    const texts = JSON.parse(metadata["mdl.source"]!) as Record<string, string>
    expect(Object.values(texts)).toContain(readFileSync(workshop.model, "utf8"))
    expect(metadata["mdl.source_sha256"]).toMatch(/^[0-9a-f]{64}$/)
    expect(JSON.parse(metadata["mdl.preprocessing"]!)).toMatchObject({ image: { channels: "bgr", range: [0, 1] } })
    expect(JSON.parse(metadata["mdl.notes"]!)).toMatchObject({ note: { tokenizer: { kind: "words", vocabulary: 64 } } })
  })

  it("refuses what cannot be exported, and where it cannot go", async () => {
    const refusal = (more: Partial<Parameters<typeof exportModel>[0]>) =>
      exportModel({ source: source(), out: out("f.onnx"), parity: false, ...more }).then(
        () => "written",
        (error: unknown) => `${(error as { exitCode?: number }).exitCode}: ${(error as Error).message}`,
      )
    mkdirSync(out("folder"))
    writeFileSync(out("file"), "")
    expect(await refusal({ opset: 9 })).toMatch(/^1: opset 9 cannot be written: choose one from 15 to 18/)
    expect(await refusal({ tolerance: 0 })).toMatch(/^1: a tolerance of 0/)
    expect(await refusal({ out: out("folder") })).toMatch(/^1: .*is a folder/)
    expect(await refusal({ out: workshop.model })).toMatch(/^1: .*is a model text/)
    expect(await refusal({ out: out("file/f.onnx") })).toMatch(/^1: .*cannot be written/)
    expect(await refusal({ source: out("nothing") })).toMatch(/^1: there is no run or model/)
    expect(await refusal({ source: out("nothing.mdl") })).toMatch(/^1: there is no file/)
    expect(await refusal({ source: `${workshop.model}#Lokking` })).toMatch(/^1: [\s\S]*Looking/)
    expect(await refusal({ source: out("folder") })).toMatch(/^1: .*is not the folder of a run/)
    expect(existsSync(out("f.onnx"))).toBe(false)
    expect(readdirSync(out("folder"))).toEqual([])
  })
})
