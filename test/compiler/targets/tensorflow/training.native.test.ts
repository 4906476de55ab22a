/**
 * A whole training program on TensorFlow against the float64 reference with PyTorch's Adam: losses, parameters,
 * statistics, and the random numbers underneath.
 */

import { rmSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../../src/compiler/ir/builder.js"
import { constant } from "../../../../src/compiler/ir/dims.js"
import type { ValueId } from "../../../../src/compiler/ir/graph.js"
import type { NdArray } from "../../../../src/compiler/ops/ndarray.js"
import { interpret } from "../../../../src/compiler/targets/reference/interpret.js"
import { statelessRandom } from "../../../../src/compiler/targets/reference/random.js"
import { buildSavedModel, compileSavedModel } from "../../../../src/compiler/targets/tensorflow/saved-model.js"
import type { UpdateSpec } from "../../../../src/compiler/targets/tensorflow/update.js"
import { NativeSession } from "../../../../src/runtime/session.js"
import { CASE_SEED, CASE_STEP, CaseModel, relativeError, writeSavedModel } from "./case-model.js"
import {
  ADAM,
  adamStep,
  batch,
  BATCH,
  constantRate,
  feedsOf,
  initialValue,
  RATE,
  ReferenceTrainer,
  SGD,
  smallNetwork,
} from "./small-network.js"

const STEPS = 20
const SEED = 7
const directories: string[] = []
const sessions: NativeSession[] = []

async function open(directory: string): Promise<NativeSession> {
  directories.push(directory)
  const session = await NativeSession.open(directory)
  sessions.push(session)
  return session
}

afterAll(() => {
  for (const session of sessions) session.close()
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

describe("the small network", () => {
  const net = smallNetwork()
  let session: NativeSession

  beforeAll(async () => {
    session = await open(writeSavedModel(buildSavedModel(net.spec)))
  }, 120_000)

  test("starts from the reference's values, whatever the storage", () => {
    session.init(SEED)
    const variables = session.read()
    for (const parameter of net.parameters) {
      const actual = variables.get(parameter.name)!
      expect(actual.shape, parameter.name).toEqual(parameter.shape)
      expect(relativeError(actual.data, initialValue(parameter, SEED).data), parameter.name).toBeLessThan(1e-7)
    }
  })

  test("one step gives the reference's gradients for all parameters", () => {
    session.init(SEED)
    session.trainStep(feedsOf(batch(0)))
    const variables = session.read()
    const reference = new ReferenceTrainer(net, SEED)
    const { graph, spec } = net
    const feeds = new Map<ValueId, NdArray>([
      ...graph.inputs.map((input) => [input.value, batch(0)[input.name as "image"]] as const),
      ...graph.parameters.map((parameter) => [parameter.value, reference.values.get(parameter.name)!] as const),
    ])
    const wanted = spec.train.gradients.map((gradient) => gradient.value)
    const sizes = new Map([...graph.sizes, ["N", BATCH]])
    const expected = interpret(graph, wanted, feeds, { sizes, seed: SEED, step: 1 })
    spec.train.gradients.forEach(({ parameter }, index) => {
      // After one step from zero the first moment is a tenth of the gradient.
      const moment = variables.get(`adam_m/${parameter}`)!
      const gradient = Float64Array.from(moment.data, (m) => m / (1 - ADAM.beta1))
      expect(relativeError(gradient, expected[index]!.data), parameter).toBeLessThan(1e-4)
    })
  })

  test("twenty steps give the losses, norms, parameters and statistics of the float64 trainer", () => {
    session.init(SEED)
    const reference = new ReferenceTrainer(net, SEED)
    for (let step = 0; step < STEPS; step++) {
      const actual = session.trainStep(feedsOf(batch(step % 3)))
      const expected = reference.step(batch(step % 3), RATE)
      expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort())
      for (const [name, value] of Object.entries(expected)) {
        expect(Math.abs(actual[name]! - value), `${name} at step ${step + 1}`).toBeLessThan(
          1e-4 * Math.max(1, Math.abs(value)),
        )
      }
    }
    const variables = session.read()
    for (const [name, value] of reference.values) {
      expect(relativeError(variables.get(name)!.data, value.data), name).toBeLessThan(2e-3)
    }
  }, 120_000)

  test("evaluate gives the reference's outputs and losses, and predict the same outputs", () => {
    const { evaluate } = net.spec
    const graph = evaluate!.graph
    const variables = session.read()
    const inputs = batch(9)
    const feeds = new Map<ValueId, NdArray>([
      ...graph.inputs.map((input) => [input.value, inputs[input.name as "image"]] as const),
      ...graph.parameters.map(({ name, value, shape }) => {
        return [value, { shape, data: Float64Array.from(variables.get(name)!.data) }] as const
      }),
    ])
    const results = [...evaluate!.outputs, ...evaluate!.losses]
    const sizes = new Map([...graph.sizes, ["N", BATCH]])
    const wanted = results.map((result) => result.value)
    const expected = interpret(graph, wanted, feeds, { sizes, seed: SEED, step: 0 })
    const { outputs, losses } = session.evaluate(feedsOf(inputs))
    const predicted = session.predict(feedsOf({ image: inputs.image, note: inputs.note }))
    evaluate!.outputs.forEach(({ name }, index) => {
      expect(outputs[name]!.shape).toEqual(expected[index]!.shape)
      expect(relativeError(outputs[name]!.data, expected[index]!.data), name).toBeLessThan(1e-5)
      expect(predicted[name]).toEqual(outputs[name])
    })
    evaluate!.losses.forEach(({ name }, index) => {
      expect(losses[name]).toBeCloseTo(expected[evaluate!.outputs.length + index]!.data[0]!, 5)
    })
  })

  test("the layout pass leaves the transposes of the image and of the random mask only", () => {
    const { transposes } = compileSavedModel(net.spec)
    expect(transposes.predict!.inserted).toBeGreaterThan(10)
    expect(transposes.predict!.remaining).toBe(1)
    expect(transposes.train!.inserted).toBeGreaterThan(40)
    expect(transposes.train!.remaining).toBe(2)
  })
})

test("the same specification gives the same bytes", () => {
  expect(Buffer.compare(buildSavedModel(smallNetwork().spec), buildSavedModel(smallNetwork().spec))).toBe(0)
})

describe("optimisers", () => {
  /** A linear loss: the gradient of `w` is the fed `g`. */
  function linear(optimizer: UpdateSpec["optimizer"]) {
    const builder = new GraphBuilder(new Map())
    const shape = [constant(4)]
    const g = builder.input("g", { dtype: "f32", shape }, "input")
    const initializer = { kind: "values", values: [1, -2, 0.5, 3] } as const
    const w = builder.parameter({
      name: "w",
      role: "param",
      shape: [4],
      dtype: "f32",
      initializer,
      section: "",
      frozen: false,
    })
    const total = builder.op("sum", [builder.op("mul", [w, g])])
    const graph = builder.finish()
    const gradients = [{ parameter: "w", value: g }]
    const update = { optimizer, rate: constantRate(RATE) }
    const losses = [{ name: "linear", value: total }]
    return { graph, batch: 1, outputs: [], losses, total, gradients, updates: [], update }
  }
  // Gradients over many magnitudes, where epsilon and the bias corrections matter most.
  const gradient = (step: number): number[] => [1e-8 * (1 + step), 3e-4, Math.sin(step), 50 / (1 + step)]

  test("twenty steps of Adam are those of torch.optim.Adam", async () => {
    const train = linear(ADAM)
    const session = await open(writeSavedModel(buildSavedModel({ parameters: train.graph.parameters, train })))
    session.init(0)
    const values = Float64Array.of(1, -2, 0.5, 3)
    const slots = { m: new Float64Array(4), v: new Float64Array(4) }
    for (let step = 1; step <= 20; step++) {
      const g = Float32Array.from(gradient(step))
      session.trainStep({ g: { dtype: "f32", shape: [4], data: g } })
      adamStep(values, Float64Array.from(g), slots, step, Math.fround(RATE))
      const moved = session.read().get("w")!.data
      for (let i = 0; i < 4; i++) expect(Math.abs(moved[i]! - values[i]!)).toBeLessThan(step * 4e-7)
    }
  })

  test("twenty steps of SGD with momentum are those of torch.optim.SGD", async () => {
    const train = linear({ ...SGD, momentum: 0.9 })
    const session = await open(writeSavedModel(buildSavedModel({ parameters: train.graph.parameters, train })))
    session.init(0)
    const values = Float64Array.of(1, -2, 0.5, 3)
    const buffer = new Float64Array(4)
    for (let step = 1; step <= 20; step++) {
      const g = Float32Array.from(gradient(step))
      session.trainStep({ g: { dtype: "f32", shape: [4], data: g } })
      for (let i = 0; i < 4; i++) {
        buffer[i] = 0.9 * buffer[i]! + g[i]!
        values[i]! -= RATE * buffer[i]!
      }
    }
    expect(relativeError(session.read().get("w")!.data, values)).toBeLessThan(1e-6)
  })
})

describe("random ops", () => {
  const count = 1000

  async function draw(op: "random_uniform" | "random_normal"): Promise<ArrayLike<number>> {
    const builder = new GraphBuilder(new Map())
    builder.output("o", builder.op(op, [], { shape: [constant(count)], key: "vision.drop" }))
    const model = new CaseModel()
    model.add("draw", builder.finish())
    return (await open(model.save())).call("draw", {}).get("o")!.data
  }

  test("uniform numbers equal the reference's bit for bit", async () => {
    const expected = statelessRandom(CASE_SEED, CASE_STEP).uniform("vision.drop", count)
    expect(Array.from(await draw("random_uniform"))).toEqual(Array.from(expected))
  })

  test("normal numbers equal the reference's but for the last bit of TensorFlow's sine and logarithm", async () => {
    const expected = statelessRandom(CASE_SEED, CASE_STEP).normal("vision.drop", count)
    expect(relativeError(await draw("random_normal"), expected)).toBeLessThan(3e-7)
  })
})
