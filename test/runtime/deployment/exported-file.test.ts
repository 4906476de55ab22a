/** What a file says about itself is what was exported; what it says that is not known is refused. */
import { readFileSync } from "node:fs"
import onnxProto from "onnx-proto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readExported } from "../../../src/runtime/deployment/exported-file.js"
import { decodeOnnx } from "../../../src/runtime/deployment/own-onnx.js"
import { openServedFiles, type ServedFiles } from "../serving/served-files.js"

const { onnx } = onnxProto
let files: ServedFiles
let bytes: Uint8Array
beforeAll(async () => {
  files = await openServedFiles()
  bytes = new Uint8Array(readFileSync(files.onnx))
})
afterAll(() => files.remove())

/** The file with its metadata changed; `undefined` takes an entry away. */
function changed(edit: (metadata: Map<string, string>) => void): Uint8Array {
  const model = onnx.ModelProto.decode(bytes)
  const metadata = new Map(model.metadataProps.map(({ key, value }) => [key ?? "", value ?? ""]))
  edit(metadata)
  model.metadataProps = [...metadata].map(([key, value]) => onnx.StringStringEntryProto.create({ key, value }))
  return onnx.ModelProto.encode(model).finish()
}

describe("readExported", () => {
  it("gives the inputs, the outputs and the tokenizer", () => {
    const { ports, tokenizer, weights } = readExported(decodeOnnx(bytes, "a.onnx"), "a.onnx")
    expect(ports).toEqual({
      variant: "Looking",
      image: { name: "image", size: { height: 32, width: 32 }, channels: "bgr" },
      note: { name: "note", length: 12 },
      outputs: [
        { name: "poi", shape: [16] },
        { name: "woi", shape: [12] },
        { name: "probability", shape: [1, 32, 32] },
      ],
      mask: "probability",
    })
    expect(tokenizer).toMatchObject({ kind: "words" })
    expect(weights).toEqual({ kind: "initial", seed: 5 })
  })

  it("gives a model without a note", async () => {
    const blind = await openServedFiles("Blind")
    try {
      const { ports, tokenizer } = readExported(
        decodeOnnx(new Uint8Array(readFileSync(blind.onnx)), "b.onnx"),
        "b.onnx",
      )
      expect([ports.note, tokenizer]).toEqual([undefined, undefined])
    } finally {
      blind.remove()
    }
  })

  it("refuses what it does not know", () => {
    const refusal = (file: Uint8Array): string => {
      try {
        readExported(decodeOnnx(file, "x.onnx"), "x.onnx")
        return "read"
      } catch (error) {
        return `${(error as { exitCode?: number }).exitCode}: ${(error as Error).message}`
      }
    }
    expect(refusal(new Uint8Array())).toMatch(/^1: x\.onnx is not an ONNX file/)
    expect(refusal(bytes.subarray(0, 300))).toMatch(/^1: x\.onnx is not an ONNX file/)
    expect(refusal(changed((m) => m.delete("mdl.preprocessing")))).toMatch(/^1: .*mdl export wrote/)
    expect(refusal(changed((m) => m.set("mdl.notes", "{")))).toMatch(/^1: .*mdl\.notes is no JSON/)
    expect(refusal(changed((m) => m.set("mdl.notes", "{}")))).toMatch(/^1: .*inputs besides an image and a note: note_/)
    const resized = (m: Map<string, string>): void =>
      void m.set("mdl.preprocessing", m.get("mdl.preprocessing")!.replace("triangle filter", "cubic filter"))
    expect(refusal(changed(resized))).toMatch(/^1: .*a way that this version does not know/)
    const renamed = (m: Map<string, string>): void =>
      void m.set("mdl.preprocessing", m.get("mdl.preprocessing")!.replace('"image"', '"picture"'))
    expect(refusal(changed(renamed))).toMatch(/^1: .*has no image input/)
  })
})
