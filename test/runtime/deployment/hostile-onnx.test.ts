/**
 * ONNX files made to do harm, or damaged, at every door that takes one: `mdl predict`, `mdl serve` and `mdl diff`. Each must
 * be refused as the user's input, in words about the file: no crash, no memory by a number in a file, nothing read elsewhere.
 */

import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import onnxProto from "onnx-proto"
import type { onnx as Onnx } from "onnx-proto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { exportModel } from "../../../src/runtime/deployment/export-model.js"
import { readExportedSource } from "../../../src/runtime/deployment/exported-source.js"
import { readOwnOnnx } from "../../../src/runtime/deployment/own-onnx.js"
import { readExported } from "../../../src/runtime/deployment/exported-file.js"
import { openOnnxPredictor } from "../../../src/runtime/prediction/onnx-predictor.js"
import { openModelToServe } from "../../../src/runtime/serving/served-model.js"
import { RandomStream } from "../../../src/runtime/data/random.js"
import { openServedFiles, type ServedFiles } from "../serving/served-files.js"

const { onnx } = onnxProto
let files: ServedFiles
let bytes: Buffer
let folder: string
beforeAll(async () => {
  files = await openServedFiles()
  bytes = readFileSync(files.onnx)
  folder = mkdtempSync(join(tmpdir(), "mdl-hostile-"))
})
afterAll(() => {
  files.remove()
  rmSync(folder, { recursive: true })
})

/** What each command does with a file, as far as the file is concerned. */
const DOORS = {
  predict: async (path: string) => {
    const predictor = await openOnnxPredictor(path, 1)
    try {
      const { height, width } = predictor.ports.image.size
      const ids = new Int32Array(predictor.ports.note?.length ?? 0)
      const note = predictor.tokenizer?.encode("left lung", ids.length)
      await predictor.run([{ image: new Float32Array(3 * height * width), note }])
    } finally {
      await predictor.close()
    }
  },
  serve: openModelToServe,
  diff: (path: string) => readExportedSource(path),
} as const

/** How a command ends: `1: message` for a refusal. */
async function outcome(door: keyof typeof DOORS, path: string): Promise<string> {
  try {
    await DOORS[door](path)
    return "taken"
  } catch (error) {
    return `${(error as { exitCode?: number }).exitCode}: ${(error as Error).message}`
  }
}

/** The file with something changed. */
function altered(name: string, change: (model: Onnx.ModelProto) => void): string {
  const model = onnx.ModelProto.decode(bytes)
  change(model)
  const path = join(folder, name)
  writeFileSync(path, onnx.ModelProto.encode(model).finish())
  return path
}

const metadata = (model: Onnx.ModelProto, key: string, value: string): void =>
  void (model.metadataProps.find((entry) => entry.key === key)!.value = value)
const imageSize = (model: Onnx.ModelProto, height: number, width: number): void => {
  for (const [{ name }, type] of [...model.graph!.input!, ...model.graph!.output!].map((v) => [v, v.type!] as const)) {
    const dims = type.tensorType!.shape!.dim!
    if (name !== "image" && name !== "probability") continue
    dims[2]!.dimValue = height
    dims[3]!.dimValue = width
  }
}

it("the file as it was written is taken everywhere", async () => {
  for (const door of ["predict", "serve", "diff"] as const) expect(await outcome(door, files.onnx)).toBe("taken")
})

describe("a file that says what cannot be", () => {
  const CASES: Readonly<Record<string, readonly [(model: Onnx.ModelProto) => void, RegExp]>> = {
    "images of a million by a million pixels": [
      (m) => imageSize(m, 1e6, 1e6),
      /wants images of 1000000 x 1000000 pixels/,
    ],
    "images of no pixels": [(m) => imageSize(m, 0, 32), /image has the size 0, that is none/],
    "images of a negative size": [(m) => imageSize(m, -32, 32), /image has the size -32, that is none/],
    "a size past what is counted exactly": [
      (m) => imageSize(m, 2 ** 60, 32),
      /has the size 1152921504606847000, that is none/,
    ],
    "notes of a billion tokens": [
      (m) => {
        for (const { name, type } of m.graph!.input!)
          if (name!.startsWith("note")) type!.tensorType!.shape!.dim![1]!.dimValue = 1e9
      },
      /wants notes of 1000000000 tokens/,
    ],
    "an open size of which nothing is said": [
      (m) => {
        m.graph!.input![0]!.type!.tensorType!.shape!.dim![2] = onnx.TensorShapeProto.Dimension.create({
          dimParam: "Q/0",
        })
      },
      /image has the size Q\/0, that is open/,
    ],
    "metadata that is a list": [(m) => metadata(m, "mdl.preprocessing", "[1]"), /mdl\.preprocessing is not what/],
    "metadata that is nothing": [(m) => metadata(m, "mdl.notes", "null"), /mdl\.notes is not what/],
    "metadata of nothing": [(m) => metadata(m, "mdl.notes", '{"note":null}'), /mdl\.notes is not what/],
    "a prototype for metadata": [
      (m) => metadata(m, "mdl.preprocessing", '{"__proto__":{"channels":"rgb"}}'),
      /has no image input/,
    ],
  }
  for (const [name, [change, message]] of Object.entries(CASES)) {
    it(`is refused: ${name}`, async () => {
      const path = altered("said.onnx", change)
      for (const door of ["predict", "serve"] as const) {
        const found = await outcome(door, path)
        expect(found).toMatch(/^1: .*said\.onnx/)
        expect(found).toMatch(message)
      }
      expect(({} as { channels?: string }).channels).toBeUndefined()
    })
  }

  it("does not make the comparison run out of anything", async () => {
    const path = altered("large.onnx", (m) => imageSize(m, 2 ** 40, 2 ** 40))
    expect(await outcome("diff", path)).toMatch(/^(taken|1: )/)
  })

  it("is told to be damaged when ONNX Runtime will not have it", async () => {
    const path = altered("node.onnx", (m) => void (m.graph!.node![0]!.opType = "Nothing"))
    expect(await outcome("predict", path)).toMatch(/^1: .*node\.onnx is damaged: ONNX Runtime does not accept/)
    const shape = altered("shape.onnx", (m) => {
      const tensor = m.graph!.initializer!.find(({ dims }) => dims!.length === 4)!
      tensor.dims = tensor.dims!.map(() => 2 ** 30)
    })
    expect(await outcome("predict", shape)).toMatch(/^1: .*shape\.onnx is damaged/)
  })
})

describe("a damaged file", () => {
  it("is refused wherever it was cut", async () => {
    const path = join(folder, "cut.onnx")
    for (const share of [0, 0.001, 0.1, 0.5, 0.9, 0.999]) {
      writeFileSync(path, bytes.subarray(0, Math.floor(share * bytes.length)))
      for (const door of ["predict", "serve", "diff"] as const) expect(await outcome(door, path)).toMatch(/^1: /)
    }
  })

  it("is read or refused, never worse, whichever byte was changed", async () => {
    const random = new RandomStream("hostile")
    const path = join(folder, "flipped.onnx")
    let refused = 0
    for (let round = 0; round < 150; round++) {
      const flipped = Buffer.from(bytes)
      for (let times = 0; times < 1 + (round % 4); times++)
        flipped[random.integer(flipped.length)] = random.integer(256)
      writeFileSync(path, flipped)
      try {
        readExported((await readOwnOnnx(path)).model, path)
      } catch (error) {
        expect(`${(error as { exitCode?: number }).exitCode} ${(error as Error).message}`).toMatch(/^1 /)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(5)
  })
})

describe("weights in another file", () => {
  let model: string
  let text: string
  beforeAll(async () => {
    const home = join(folder, "home")
    mkdirSync(home)
    model = join(home, "m.onnx")
    await exportModel({ source: `${files.model}#Looking`, out: model, parity: false, externalData: true })
    text = readFileSync(model, "latin1")
  })

  /** Eleven letters as `m.onnx.data` has, so that lengths stay right. */
  const PLACES = [
    ["../m.o.data", "leads out of the model's folder"],
    ["a/../../b/c", "leads out of the model's folder"],
    ["/etc/passwd", "is not relative"],
    ["C:\\m.o.data", "is not relative"],
  ] as const
  it.each(PLACES)("is not looked for at %s", async (place, reason) => {
    writeFileSync(model, text.replaceAll("m.onnx.data", place.replaceAll("\\", "/")), "latin1")
    for (const door of ["predict", "serve", "diff"] as const) {
      expect(await outcome(door, model)).toMatch(new RegExp(`^1: .*m\\.onnx has its weights in .*${reason}`))
    }
  })

  it("is not followed behind a link out of the folder, but within it", async () => {
    writeFileSync(model, text, "latin1")
    const data = `${model}.data`
    renameSync(data, join(folder, "elsewhere.data"))
    symlinkSync(join(folder, "elsewhere.data"), data)
    for (const door of ["predict", "serve", "diff"] as const) {
      expect(await outcome(door, model)).toMatch(/^1: .*that is a link out of its folder/)
    }
    rmSync(data)
    renameSync(join(folder, "elsewhere.data"), `${data}.v1`)
    symlinkSync("m.onnx.data.v1", data)
    expect((await readOwnOnnx(model)).dataFile).toBe(data)
  })
})
