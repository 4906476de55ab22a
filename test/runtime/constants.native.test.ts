/** A constant from a file in TensorFlow: the values that NumPy wrote, untouched by training, in every checkpoint once. */

import { readFileSync, rmSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { buildTrainer } from "../../src/compiler/trainer.js"
import { NativeSession } from "../../src/runtime/session.js"
import { writeSavedModel } from "../compiler/targets/tensorflow/case-model.js"
import { compileWithData, elaborated } from "../compiler/source-host.js"

const expected = JSON.parse(readFileSync("test/fixtures/constants/expected.json", "utf8")) as Record<string, number[]>

const model = elaborated(
  compileWithData(`model Table {
  input x: f32[N, 3]
  input id: i32[N]
  target y: f32[N, 4]
  head {
    const words: f32[K, 3] = load("words.npy")
    const cube: f32[2, 3, 4] = load("fortran.npy")
    const flags: bool[3] = load("tensors.safetensors", "mask")
    const shift: i32[2, 2] = load("tensors.safetensors", "ids")
    let scores = linear(select(flags, x, 0), 4)
    output product = matmul(x, words, transpose_b = true)
    output row = gather(reshape(cube, [6, 4]), id)
    output first = broadcast_to(slice(cast(shift, to = "f32"), [0, 0], [1, 1]), [N, 1])
    output learned = scores
    loss distance = mse(scores + product, y)
  }
  train { optimizer = sgd(lr = 0.01) }
}`),
)
const trainer = buildTrainer(model, { batch: 1 })
const feeds = {
  x: { dtype: "f32", shape: [1, 3], data: Float32Array.of(1, 10, 100) },
  id: { dtype: "i32", shape: [1], data: Int32Array.of(4) },
} as const
const y = { dtype: "f32", shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) } as const

let folder: string
let session: NativeSession

beforeAll(async () => {
  folder = writeSavedModel(trainer.savedModel)
  session = await NativeSession.open(folder)
  session.init(1)
}, 120_000)

afterAll(() => {
  session?.close()
  rmSync(folder, { recursive: true, force: true })
})

describe("constants from files", () => {
  test("hold what was written", () => {
    const words = expected["words.npy"]!
    const outputs = session.predict(feeds)
    const at = (row: number): number => words[row * 3]! + 10 * words[row * 3 + 1]! + 100 * words[row * 3 + 2]!
    Array.from(outputs["product"]!.data).forEach((value, row) => expect(value).toBeCloseTo(at(row), 3))
    expect(Array.from(outputs["row"]!.data)).toEqual(expected["fortran.npy"]!.slice(16, 20))
    expect(Array.from(outputs["first"]!.data)).toEqual([7])
  })
  test("are state of the session that training leaves alone", () => {
    const before = session.read()
    session.trainStep({ ...feeds, y })
    const after = session.read()
    for (const name of ["head.words", "head.cube", "head.flags", "head.shift"]) {
      expect(Array.from(after.get(name)!.data), name).toEqual(Array.from(before.get(name)!.data))
    }
    expect(after.get("head.scores.weight")!.data).not.toEqual(before.get("head.scores.weight")!.data)
    expect([...after.keys()].filter((name) => name.includes("words"))).toEqual(["head.words"])
  })
  test("come back from a checkpoint", () => {
    const state = session.read()
    session.init(2)
    session.write(state)
    expect(Array.from(session.read().get("head.words")!.data)).toEqual(expected["words.npy"])
  })
  test("are in the program once", () => {
    const bytes = Buffer.from(trainer.savedModel)
    const values = Buffer.from(Float32Array.from(expected["words.npy"]!).buffer)
    const at = bytes.indexOf(values)
    expect(at).toBeGreaterThan(0)
    expect(bytes.indexOf(values, at + 1)).toBe(-1)
  })
})
