/** Files that are ours are read; those that are not, or whose weights are not with them, are refused by name. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import onnxProto from "onnx-proto"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { exportModel } from "../../../src/runtime/deployment/export-model.js"
import { readOwnOnnx } from "../../../src/runtime/deployment/own-onnx.js"
import { runOnnx } from "../../../src/runtime/onnx/run.js"
import { openServedFiles, type ServedFiles } from "../serving/served-files.js"

const { onnx } = onnxProto
let files: ServedFiles
let folder: string
beforeAll(async () => void (files = await openServedFiles()))
afterAll(() => files.remove())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mdl-own-"))
  return () => rmSync(folder, { recursive: true })
})

const refusal = (path: string): Promise<string> =>
  readOwnOnnx(path).then(
    () => "read",
    (error: unknown) => `${(error as { exitCode?: number }).exitCode}: ${(error as Error).message}`,
  )

describe("a file of ours", () => {
  it("is read with its hash and metadata", async () => {
    const own = await readOwnOnnx(files.onnx)
    expect(own.file).toBe(files.onnx)
    expect(own.dataFile).toBeUndefined()
    expect(own.metadata.get("mdl.model")).toBe("Looking")
    expect(own.sha256).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe("a file that is not ours", () => {
  it("is refused, whatever it is", async () => {
    const made = (name: string, content: string | Uint8Array): string => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
    const foreign = onnx.ModelProto.decode(readFileSync(files.onnx))
    foreign.producerName = "pytorch"
    expect(await refusal(made("foreign.onnx", onnx.ModelProto.encode(foreign).finish()))).toMatch(
      /^1: .*foreign\.onnx was written by pytorch, not by mdl export/,
    )
    foreign.producerName = "mdl"
    foreign.metadataProps = []
    expect(await refusal(made("bare.onnx", onnx.ModelProto.encode(foreign).finish()))).toMatch(/^1: .*mdl export wrote/)
    expect(await refusal(made("empty.onnx", ""))).toMatch(/^1: .*is not an ONNX file/)
    expect(await refusal(made("text.onnx", "Dear sirs, ".repeat(50)))).toMatch(/^1: .*is not an ONNX file/)
    expect(await refusal(made("cut.onnx", readFileSync(files.onnx).subarray(0, 5000)))).toMatch(
      /^1: .*not an ONNX file/,
    )
    mkdirSync(join(folder, "folder.onnx"))
    expect(await refusal(join(folder, "folder.onnx"))).toMatch(/^1: .*is no file/)
    expect(await refusal(join(folder, "none.onnx"))).toMatch(/^1: there is no run or ONNX file/)
    truncateSync(made("huge.onnx", "x"), 2 ** 31)
    expect(await refusal(join(folder, "huge.onnx"))).toMatch(/^1: .*more than 2 GB/)
  })
})

describe("a file whose weights are in a file of their own", () => {
  let [model, weights] = ["", ""]
  beforeEach(async () => {
    model = join(folder, "m.onnx")
    weights = `${model}.data`
    const source = `${files.model}#Looking`
    const { data, sha256 } = await exportModel({ source, out: model, parity: false, externalData: true })
    expect(data).toMatchObject({ location: "m.onnx.data", bytes: readFileSync(weights).length })
    expect((await readOwnOnnx(model)).sha256).toBe(sha256)
  })

  it("is read, runs, and gives what the file in one piece gives", async () => {
    expect((await readOwnOnnx(model)).dataFile).toBe(weights)
    const whole = join(folder, "whole.onnx")
    await exportModel({ source: `${files.model}#Looking`, out: whole, parity: false })
    const feeds = {
      image: { dtype: "f32", shape: [1, 3, 32, 32], data: new Float32Array(3072).fill(0.25) },
      note_ids: { dtype: "i32", shape: [1, 12], data: new Int32Array(12).fill(3) },
      note_valid: { dtype: "f32", shape: [1, 12], data: new Float32Array(12).fill(1) },
    } as const
    expect(await runOnnx(model, feeds)).toEqual(await runOnnx(whole, feeds))
  })

  it("is refused without them, or with others", async () => {
    copyFileSync(weights, `${weights}.kept`)
    rmSync(weights)
    expect(await refusal(model)).toMatch(/^1: .*is not beside it/)
    mkdirSync(weights)
    expect(await refusal(model)).toMatch(/^1: .*that is no file/)
    rmSync(weights, { recursive: true })
    copyFileSync(`${weights}.kept`, weights)
    truncateSync(weights, 100)
    expect(await refusal(model)).toMatch(/^1: .*has 100 bytes instead of/)
    const changed = readFileSync(`${weights}.kept`)
    changed[10]! ^= 1
    writeFileSync(weights, changed)
    expect(await refusal(model)).toMatch(/^1: .*not the one it was written with/)
  })

  it("is refused when it leads elsewhere", async () => {
    const text = readFileSync(model).toString("latin1")
    writeFileSync(model, text.replaceAll("m.onnx.data", "../m.o.data"), "latin1")
    expect(await refusal(model)).toMatch(/^1: .*leads out of the model's folder/)
    writeFileSync(model, text.replaceAll("mdl.external_data", "mdl.external_none"), "latin1")
    expect(await refusal(model)).toMatch(/^1: .*does not say which/)
  })
})
