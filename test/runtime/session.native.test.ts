/**
 * The session: state that lives between calls, tensors that do not, and errors that name the user's place.
 */

import { rmSync } from "node:fs"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { GraphBuilder, NOWHERE } from "../../src/compiler/ir/builder.js"
import { constant } from "../../src/compiler/ir/dims.js"
import { buildSavedModel } from "../../src/compiler/targets/tensorflow/saved-model.js"
import { loadBackend } from "../../src/runtime/native/backend.js"
import { NativeSession, SessionError, type HostTensor } from "../../src/runtime/session.js"
import { CaseModel, writeSavedModel } from "../compiler/targets/tensorflow/case-model.js"
import {
  batch,
  BATCH,
  constantRate,
  feedsOf,
  SIZE,
  smallNetwork,
} from "../compiler/targets/tensorflow/small-network.js"

const net = smallNetwork()
const inputsOf = (index: number) => {
  const { image, note } = batch(index)
  return feedsOf({ image, note })
}

/** The error that `call` throws. */
function errorOf(call: () => unknown): SessionError {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(SessionError)
    return error as SessionError
  }
  throw new Error("nothing was thrown")
}

let directory: string
let session: NativeSession

beforeAll(async () => {
  directory = writeSavedModel(buildSavedModel(net.spec))
  session = await NativeSession.open(directory)
}, 120_000)

afterAll(() => {
  session?.close()
  rmSync(directory, { recursive: true, force: true })
})

describe("state", () => {
  beforeEach(() => session.init(3))

  test("persists between signatures: training changes what evaluate, predict and read see", () => {
    const before = session.predict(inputsOf(5))
    const lossBefore = session.evaluate(feedsOf(batch(5))).losses["segmentation"]!
    expect(session.trainStep(feedsOf(batch(5)))["step"]).toBe(1)
    expect(session.trainStep(feedsOf(batch(5)))["step"]).toBe(2)
    expect(session.predict(inputsOf(5))).not.toEqual(before)
    expect(session.evaluate(feedsOf(batch(5))).losses["segmentation"]).not.toBe(lossBefore)
    expect(Array.from(session.read().get("step")!.data)).toEqual([2])
    expect(Array.from(session.read().get("seed")!.data)).toEqual([3])
  })

  test("evaluate and predict change nothing and repeat themselves", () => {
    const before = session.read()
    const first = session.evaluate(feedsOf(batch(1)))
    expect(session.evaluate(feedsOf(batch(1)))).toEqual(first)
    session.predict(inputsOf(1))
    expect(session.read()).toEqual(before)
  })

  test("the same seed and batches give the same run; another seed gives another", () => {
    const run = (seed: number): number[] => {
      session.init(seed)
      return [0, 1, 2].map((index) => session.trainStep(feedsOf(batch(index)))["total"]!)
    }
    const first = run(3)
    expect(run(3)).toEqual(first)
    expect(run(-4)).not.toEqual(first)
  })

  test("a learning rate of 0 moves the statistics and the moments but no parameter", async () => {
    const path = writeSavedModel(buildSavedModel(smallNetwork({ rate: constantRate(0) }).spec))
    const standing = await NativeSession.open(path)
    standing.init(3)
    const before = standing.read()
    standing.trainStep(feedsOf(batch(0)))
    const after = standing.read()
    standing.close()
    rmSync(path, { recursive: true, force: true })
    for (const { name, role } of net.parameters) {
      if (role === "param") expect(after.get(name), name).toEqual(before.get(name))
      else expect(after.get(name), name).not.toEqual(before.get(name))
    }
    expect(after.get("adam_v/decoder.head.weight")).not.toEqual(before.get("adam_v/decoder.head.weight"))
  })

  test("read gives every variable in the language's layout", () => {
    const variables = session.read()
    for (const { name, shape, role } of net.parameters) {
      expect(variables.get(name)).toMatchObject({ dtype: "f32", shape })
      expect(variables.has(`adam_m/${name}`)).toBe(role === "param")
    }
    expect(variables.get("vision.down1.conv.weight")!.shape).toEqual([4, 3, 3, 3])
  })

  test("what was read and written back continues the run exactly, also in another session", async () => {
    for (let step = 0; step < 3; step++) session.trainStep(feedsOf(batch(step)))
    const saved = session.read()
    const expected = [3, 4].map((index) => session.trainStep(feedsOf(batch(index))))
    session.init(99)
    session.write(saved)
    expect(session.read()).toEqual(saved)
    expect([3, 4].map((index) => session.trainStep(feedsOf(batch(index))))).toEqual(expected)

    const other = await NativeSession.open(directory)
    other.write(saved)
    expect([3, 4].map((index) => other.trainStep(feedsOf(batch(index))))).toEqual(expected)
    other.close()
    expect(session.read().get("step")!.data[0]).toBe(5)
  })

  test("the session keeps copies of what was written, however the arrays are aligned", async () => {
    const size = 1024
    const builder = new GraphBuilder(new Map())
    const w = builder.parameter({
      name: "w",
      role: "param",
      shape: [size],
      dtype: "f32",
      initializer: { kind: "constant", value: 0 },
      section: "",
      frozen: true,
    })
    builder.output("double", builder.op("add", [w, w]))
    const graph = builder.finish()
    const predict = { graph, batch: 1, outputs: graph.outputs }
    const path = writeSavedModel(buildSavedModel({ parameters: graph.parameters, predict }))
    const copying = await NativeSession.open(path)
    copying.init(0)
    const variables = copying.read()
    const memory = new ArrayBuffer(4 * (size + 16))
    // TensorFlow takes memory over without a copy when it starts at a multiple of 64 bytes: one of these 16 does.
    for (let offset = 0; offset < 16; offset++) {
      const data = new Float32Array(memory, 4 * offset, size).fill(5)
      copying.write(new Map([...variables, ["w", { dtype: "f32", shape: [size], data }]]))
      data.fill(0)
      expect(copying.predict({})["double"]!.data.every((value) => value === 10)).toBe(true)
    }
    copying.close()
    rmSync(path, { recursive: true, force: true })
  })
})

test("no call leaves tensors behind, nor does one that fails", async () => {
  const { tf } = await loadBackend()
  const backend = tf.backend() as unknown as { getNumOfTFTensors(): number }
  const count = () => ({ tfjs: tf.memory().numTensors, native: backend.getNumOfTFTensors() })
  const before = count()
  session.init(1)
  for (let step = 0; step < 20; step++) {
    session.trainStep(feedsOf(batch(step)))
    session.evaluate(feedsOf(batch(step)))
    session.predict(inputsOf(step))
    session.write(session.read())
    expect(() => session.predict({})).toThrow(SessionError)
  }
  expect(count()).toEqual(before)
})

describe("errors", () => {
  test("feeds that do not fit are all listed at once", () => {
    session.init(1)
    const wrong: HostTensor = { dtype: "f32", shape: [BATCH, SIZE], data: new Float32Array(BATCH * SIZE) }
    const { message } = errorOf(() => session.predict({ image: wrong, prompt: wrong }))
    expect(message).toContain("image must be f32[2, 3, 8, 8], not f32[2, 8]")
    expect(message).toContain("note is missing: f32[2, 3]")
    expect(message).toContain("prompt is not known")
  })

  test("data of another length or type than its shape says is refused", () => {
    const feeds = inputsOf(0)
    const short = { ...feeds, note: { ...feeds["note"]!, data: new Float32Array(5) } }
    expect(errorOf(() => session.predict(short)).message).toContain("note has 5 values for f32[2, 3]")
    const typed = { ...feeds, note: { ...feeds["note"]!, data: new Int32Array(6) } }
    expect(errorOf(() => session.predict(typed)).message).toContain("note is f32 but its data is a Int32Array")
  })

  test("write lists missing, unknown and mis-shaped variables and changes nothing", () => {
    session.init(1)
    const before = session.read()
    const variables = new Map(before)
    variables.delete("step")
    variables.set("vision.weight", before.get("seed")!)
    variables.set("decoder.head.bias", { dtype: "f32", shape: [2], data: new Float32Array(2) })
    const { message } = errorOf(() => session.write(variables))
    expect(message).toContain("step is missing: i32[]")
    expect(message).toContain("vision.weight is not known")
    expect(message).toContain("decoder.head.bias must be f32[1], not f32[2]")
    expect(session.read()).toEqual(before)
  })

  test("a failure inside TensorFlow is told with the place in the model", async () => {
    const builder = new GraphBuilder(new Map())
    const indices = builder.input("indices", { dtype: "i32", shape: [constant(2)] }, "input")
    const table = builder.input("table", { dtype: "f32", shape: [constant(4), constant(3)] }, "input")
    builder.setOrigin({ ...NOWHERE, section: "language", scope: "language.embed.tokens" })
    builder.output("rows", builder.op("gather", [table, indices]))
    const model = new CaseModel()
    model.add("look_up", builder.finish())
    const path = model.save()
    const failing = await NativeSession.open(path)
    const feeds = (values: number[]) => ({
      indices: { dtype: "i32", shape: [2], data: Int32Array.from(values) } as const,
      table: { dtype: "f32", shape: [4, 3], data: new Float32Array(12).fill(1) } as const,
    })
    expect(failing.call("look_up", feeds([0, 3])).get("rows")!.shape).toEqual([2, 3])
    const { tf } = await loadBackend()
    const tensors = tf.memory().numTensors
    const error = errorOf(() => failing.call("look_up", feeds([0, 9])))
    expect(error.scopes).toEqual(["language.embed.tokens"])
    expect(error.message).toContain("look_up failed in language.embed.tokens")
    expect(error.message).toContain("9 is not in [0, 4)")
    expect(tf.memory().numTensors).toBe(tensors)
    failing.close()
    rmSync(path, { recursive: true, force: true })
  })

  test("calls before init, after close, or of a signature that is not there say so", async () => {
    const fresh = await NativeSession.open(directory)
    expect(errorOf(() => fresh.read()).message).toContain("call init or write first")
    expect(errorOf(() => fresh.trainStep(feedsOf(batch(0)))).message).toContain("call init or write first")
    expect(errorOf(() => fresh.call("encode", {})).message).toContain("has no encode; it has")
    expect(errorOf(() => fresh.init(1.5)).message).toContain("a seed is a 32-bit integer")
    fresh.close()
    fresh.close()
    expect(errorOf(() => fresh.init(1)).message).toContain("closed session")
  })

  test("a directory without a SavedModel is refused", async () => {
    await expect(NativeSession.open(`${directory}-not-there`)).rejects.toThrow(/saved_model\.pb/)
  })

  test("a graph that TensorFlow does not accept is refused when it is opened", async () => {
    const { GraphDefBuilder } = await import("../../src/compiler/targets/tensorflow/graphdef.js")
    const { savedModelBytes } = await import("../../src/compiler/targets/tensorflow/signatures.js")
    const builder = new GraphDefBuilder()
    builder.node("NoSuchOperation", "train/vision", [])
    const path = writeSavedModel(savedModelBytes(builder, new Map()))
    await expect(NativeSession.open(path)).rejects.toThrow(/open failed.*NoSuchOperation/s)
    rmSync(path, { recursive: true, force: true })
  })
})
