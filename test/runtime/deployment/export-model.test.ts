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
    expect(result.leftOut).toEqual({ sections: [], losses: ["cross_entropy"] })
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

  const refusal = (more: Partial<Parameters<typeof exportModel>[0]>) =>
    exportModel({ source: source(), out: out("f.onnx"), parity: false, ...more }).then(
      () => "written",
      (error: unknown) => `${(error as { exitCode?: number }).exitCode}: ${(error as Error).message}`,
    )

  it("leaves sizes open by name, or says at the user's line what fixes them", async () => {
    const { outputs, openSizes } = await exportModel({
      source: `${workshop.model}#Blind`,
      out: out("open.onnx"),
      parity: false,
      dynamic: ["W"],
      weights: "f16",
    })
    expect(outputs).toEqual([{ name: "probability", dtype: "f32", shape: ["N", 1, 32, "W"] }])
    expect(openSizes).toEqual({ W: { usual: 32, least: 1, step: 1 } })
    expect(await refusal({ dynamic: ["H", "Q"] })).toBe("1: Looking has no size Q: its sizes with names are H, W, T")
    expect(await refusal({ dynamic: ["N"] })).toBe("1: N, the batch, always stays open")
    const fixed = join(workshop.folder, "fixed.mdl")
    writeFileSync(
      fixed,
      `model Fixed {
  input image: f32[N, 3, H = 16, W = 16]
  encoder vision { let p = tokens_of(max_pool(image, 4)) |> add_position() }
  output features = p
}
model Checked {
  input image: f32[N, 3, H = 16, W = 16]
  check H == 16, "only small ones"
  output features = relu(image)
}
`,
    )
    const lines = (await refusal({ source: `${fixed}#Fixed`, dynamic: ["H", "W"] })).split("\n")
    expect(lines[0]).toBe("1: error[MDL3501]: H and W cannot stay open in the file")
    expect(lines[1]).toMatch(/fixed\.mdl:3:61$/)
    const label = lines[4]!.slice(lines[4]!.indexOf("^"))
    expect(label).toBe("^^^^^^^^^^^^^^ `add` fixes them: shapes [N, H*W/16, 3] and [1, 16, 3] do not broadcast")
    expect(lines[3]!.slice(lines[4]!.indexOf("^"))).toMatch(/^add_position\(\) \}/)
    expect(lines.at(-1)).toContain(
      "help: leave H and W out of `--dynamic`, or write this so that it works at every size",
    )
    expect(await refusal({ source: `${fixed}#Checked`, dynamic: ["H"] })).toMatch(
      /^1: H cannot stay open: the model does not compile at H = 17\nerror\[MDL3203\][^]*only small ones/,
    )
    expect(await refusal({ source: `${fixed}#Checked`, dynamic: ["W"], out: out("w.onnx") })).toBe("written")
  })

  it("says which sections and losses exist in training only", async () => {
    const helped = join(workshop.folder, "helped.mdl")
    writeFileSync(
      helped,
      `model Helped {
  input image: f32[N, 3, H = 16, W = 16]
  target mask: f32[N, 1, H, W]
  decoder { output probability = sigmoid(conv2d(image, 1)) }
  head helper { loss help = mse(conv2d(image, 1, kernel = 3), mask) }
  loss main = mse(probability, mask)
}
`,
    )
    const { leftOut } = await exportModel({ source: helped, out: out("h.onnx"), parity: false })
    expect(leftOut).toEqual({ sections: ["helper"], losses: ["helper.help", "main"] })
  })

  it("refuses what cannot be exported, and where it cannot go", async () => {
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
