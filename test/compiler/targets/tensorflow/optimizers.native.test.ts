/**
 * Optimisers, schedules, clipping, accumulation and averages against twenty steps of PyTorch in float64.
 *
 * The cases are texts of `train` sections (scripts/fixtures/torch-optimizers.py), so what is tested is the whole way from
 * a setting to the weights.
 */

import { readFileSync, rmSync } from "node:fs"
import { afterAll, describe, expect, test } from "vitest"
import { rateSpec } from "../../../../src/compiler/training-plan.js"
import { buildTrainer, type Trainer } from "../../../../src/compiler/trainer.js"
import { NativeSession, type Feeds, type HostTensor } from "../../../../src/runtime/session.js"
import { uniform } from "../../../models/numbers-by-name.js"
import { compileText, elaborated } from "../../source-host.js"
import { writeSavedModel } from "./case-model.js"

interface Case {
  readonly settings: string
  /** the base rate of each step */
  readonly rates: readonly number[]
  readonly losses: readonly number[]
  /** of the last gradient, before clipping */
  readonly norm: number
  /** after the last step, one parameter after the other */
  readonly weights: readonly number[]
  readonly averages?: readonly number[]
}

interface Fixture {
  readonly stepsPerEpoch: number
  readonly rows: number
  /** for plateau schedules, after each epoch */
  readonly scores: readonly number[]
  readonly cases: readonly Case[]
}

const fixture = JSON.parse(readFileSync("test/fixtures/torch-optimizers.json", "utf8")) as Fixture

/** float32 against float64, relative to the largest number of its kind: ten roundings. */
const TOLERANCE = 1e-6
const PARAMETERS = ["first.h.weight", "first.h.bias", "second.out.weight", "second.out.bias"]

const modelText = (settings: string): string => `
model Net {
  input x: f32[N, 3]
  target y: f32[N, 2]
  encoder first { let h = linear(x, 4) }
  decoder second { output out = linear(tanh(h), 2) }
  loss error = mse(out, y)
  train { ${settings} }
}`

const directories: string[] = []
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** A session on the network, with the weights that PyTorch started from. */
async function open(settings: string, more: { readonly gradients?: boolean } = {}) {
  const model = elaborated(compileText(modelText(settings)))
  const accumulate = (model.training["accumulate"] as number | undefined) ?? 1
  const trainer = buildTrainer(model, { batch: fixture.rows / accumulate, ...more })
  const directory = writeSavedModel(trainer.savedModel)
  directories.push(directory)
  const session = await NativeSession.open(directory)
  start(session)
  return { model, trainer, session, directory }
}

function start(session: NativeSession): void {
  session.init(1, fixture.stepsPerEpoch)
  const variables = session.read()
  for (const name of PARAMETERS) {
    const { shape } = variables.get(name)!
    const key = name.replace(".h.", ".").replace(".out.", ".")
    variables.set(name, { dtype: "f32", shape, data: Float32Array.from(uniform(key, shape).data) })
  }
  session.write(variables)
}

/** Rows `from` to `to` of the data of a step. */
function feeds(step: number, from = 0, to = fixture.rows): Feeds {
  const rows = (name: string, width: number): HostTensor => {
    const { data } = uniform(`${name}${step}`, [fixture.rows, width])
    return { dtype: "f32", shape: [to - from, width], data: Float32Array.from(data.slice(from * width, to * width)) }
  }
  return { x: rows("x", 3), y: rows("y", 2) }
}

/** One step on the data of `step` (from 0), in as many batches as the program wants. */
function stepOn(session: NativeSession, { description }: Trainer, step: number): Record<string, number> {
  const { accumulate } = description
  if (accumulate === 1) return session.trainStep(feeds(step))
  const rows = fixture.rows / accumulate
  let total = 0
  for (let i = 0; i < accumulate; i++) total += session.addGradients(feeds(step, i * rows, (i + 1) * rows))["total"]!
  return { ...session.applyGradients(), total: total / accumulate }
}

/** After the last step of an epoch, what a validation would say. */
function score(session: NativeSession, step: number): void {
  const { scores, stepsPerEpoch } = fixture
  if (session.signatures.has("score") && (step + 1) % stepsPerEpoch === 0) {
    session.reportScore(scores[(step + 1) / stepsPerEpoch - 1]!)
  }
}

function values(session: NativeSession, prefix = ""): number[] {
  const variables = session.read()
  return PARAMETERS.flatMap((name) => [...variables.get(prefix + name)!.data])
}

function deviation(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length)
  const scale = Math.max(...expected.map(Math.abs))
  return Math.max(...expected.map((value, index) => Math.abs(actual[index]! - value))) / scale
}

describe("twenty steps are PyTorch's", () => {
  test.each(fixture.cases)("$settings", async ({ settings, rates, losses, norm, weights, averages }) => {
    const { trainer, session } = await open(settings)
    const steps = rates.map((_, step) => {
      const results = stepOn(session, trainer, step)
      score(session, step)
      return results
    })
    const told = (name: string): number[] => steps.map((results) => results[name]!)
    expect(deviation(told("learning_rate"), rates)).toBeLessThan(1e-7)
    expect(deviation(told("total"), losses)).toBeLessThan(TOLERANCE)
    expect(deviation([told("gradient_norm").at(-1)!], [norm])).toBeLessThan(2 * TOLERANCE)
    expect(deviation(values(session), weights)).toBeLessThan(TOLERANCE)
    expect(told("step").at(-1)).toBe(rates.length)
    if (averages) {
      expect(deviation(values(session, "average/"), averages)).toBeLessThan(TOLERANCE)
      expect(deviation(averages, weights), "an average is something of its own").toBeGreaterThan(1e-3)
    }
    session.close()
  })

  test("and the cases cover every two settings together", () => {
    const has = (word: string, more: string): boolean =>
      fixture.cases.some(({ settings }) => settings.includes(word) && settings.includes(more))
    const parts = [
      "norm(",
      "value(",
      "ema(",
      "accumulate",
      "learning_rates",
      "warmup",
      "plateau(",
      "nesterov",
      "adamw(",
    ]
    for (const a of parts) {
      for (const b of parts) {
        const exclusive = [a, b].every((part) => ["norm(", "value("].includes(part)) && a !== b
        const apart = [a, b].sort().join() === "adamw(,nesterov" || [a, b].sort().join() === "plateau(,warmup"
        if (!exclusive && !apart) expect(has(a, b), `${a} with ${b}`).toBe(true)
      }
    }
  })
})

describe("the learning rate", () => {
  test("by epochs is bit for bit what was fed in when it was computed outside the graph", async () => {
    const [rate, min, period] = [3e-4, 1e-4, 10]
    const { session } = await open(
      `optimizer = adam(lr = ${rate}) schedule = cosine_restarts(period = ${period}, min = ${min})`,
    )
    const formula = (epoch: number): number =>
      min + ((rate - min) * (1 + Math.cos((Math.PI * (epoch % period)) / period))) / 2
    for (let step = 0; step < 36; step++) {
      const epoch = Math.floor(step / fixture.stepsPerEpoch)
      expect(session.trainStep(feeds(step))["learning_rate"]).toBe(Math.fround(formula(epoch)))
    }
    session.close()
  })

  test("starts again exactly at the ends of growing cycles", async () => {
    const { model, session } = await open(
      'optimizer = sgd(lr = 0.01) schedule = cosine_restarts(period = 1, factor = 3, per = "step")',
    )
    expect(rateSpec(model.training).schedule).toMatchObject({ period: 1, factor: 3 })
    const rates = Array.from({ length: 41 }, (_, step) => session.trainStep(feeds(step))["learning_rate"]!)
    const tops = rates.flatMap((rate, step) => (rate === Math.fround(0.01) ? [step] : []))
    expect(tops).toEqual([0, 1, 4, 13, 40])
    session.close()
  })
})

describe("a run that is stopped and continued elsewhere", () => {
  test.each([
    "optimizer = adamw(lr = 0.02) average = ema(decay = 0.9) accumulate = 3 schedule = plateau(dice, patience = 0)",
    "optimizer = sgd(lr = 0.1, momentum = 0.9) clip = norm(0.5) warmup = 2 schedule = step(every = 2)",
  ])("is the same to the last bit: %s", async (settings) => {
    const { trainer, session, directory } = await open(settings)
    const run = (on: NativeSession, from: number, to: number): Record<string, number>[] =>
      Array.from({ length: to - from }, (_, index) => {
        const results = stepOn(on, trainer, from + index)
        score(on, from + index)
        return results
      })
    const whole = run(session, 0, 14)
    const end = session.read()
    start(session)
    const first = run(session, 0, 7)
    const saved = session.read()
    const other = await NativeSession.open(directory)
    other.write(saved)
    expect([...first, ...run(other, 7, 14)]).toEqual(whole)
    expect(other.read()).toEqual(end)
    expect(new Set(whole.map((results) => results["learning_rate"])).size).toBeGreaterThan(2)
    session.close()
    other.close()
  })
})

describe("summed gradients", () => {
  test("of two sessions, added up, are the step of the whole batch", async () => {
    const settings = "optimizer = adam(lr = 0.02) clip = norm(0.3)"
    const whole = await open(settings)
    const model = elaborated(compileText(modelText(settings)))
    const half = buildTrainer(model, { batch: fixture.rows / 2, gradients: true })
    const directory = writeSavedModel(half.savedModel)
    directories.push(directory)
    const workers = [await NativeSession.open(directory), await NativeSession.open(directory)]
    workers.forEach(start)
    for (let step = 0; step < 5; step++) {
      const expected = whole.session.trainStep(feeds(step))
      workers.forEach((worker, i) => worker.addGradients(feeds(step, 3 * i, 3 * i + 3)))
      const [a, b] = workers.map((worker) => worker.readGradients())
      expect([...a!.keys()].sort()).toEqual(["gradient_count", ...PARAMETERS.map((name) => `gradient/${name}`)].sort())
      const sums = new Map(
        [...a!].map(([name, tensor]) => [
          name,
          { ...tensor, data: tensor.data.map((v, i) => v + b!.get(name)!.data[i]!) },
        ]),
      )
      for (const worker of workers) {
        worker.writeGradients(sums)
        const applied = worker.applyGradients()
        expect(applied).toMatchObject({ accumulated: 2, step: step + 1 })
        expect(deviation([applied["gradient_norm"]!], [expected["gradient_norm"]!])).toBeLessThan(TOLERANCE)
      }
    }
    expect(deviation(values(workers[0]!), values(whole.session))).toBeLessThan(TOLERANCE)
    expect(values(workers[1]!)).toEqual(values(workers[0]!))
    for (const session of [whole.session, ...workers]) session.close()
  })

  test("are cleared by a step, by new first values and by a state that is written", async () => {
    const { session } = await open("optimizer = sgd(lr = 0.1)", { gradients: true })
    const waiting = (): number => session.readGradients().get("gradient_count")!.data[0]!
    const saved = session.read()
    expect([...saved.keys()].filter((name) => name.startsWith("gradient"))).toEqual([])
    const first = session.addGradients(feeds(0))
    expect(session.addGradients(feeds(1))["accumulated"]).toBe(2)
    session.write(saved)
    expect(waiting()).toBe(0)
    expect(() => session.applyGradients()).toThrow(/no gradients waiting/)
    session.addGradients(feeds(1))
    session.init(1)
    expect(waiting()).toBe(0)
    session.write(saved)
    expect(session.addGradients(feeds(0))).toEqual(first)
    session.applyGradients()
    expect(waiting()).toBe(0)
    expect([...session.readGradients().get("gradient/first.h.weight")!.data].every((value) => value === 0)).toBe(true)
    session.close()
  })

  test("of one batch are the step that train_step does", async () => {
    const { session } = await open("optimizer = adamw(lr = 0.1) average = ema()", { gradients: true })
    const saved = session.read()
    const stepped = [0, 1, 2].map((step) => session.trainStep(feeds(step)))
    const end = session.read()
    session.write(saved)
    const applied = [0, 1, 2].map((step) => {
      const { accumulated: _, ...losses } = session.addGradients(feeds(step))
      const { accumulated: one, ...rest } = session.applyGradients()
      expect(one).toBe(1)
      return { ...losses, ...rest }
    })
    expect(applied).toEqual(stepped)
    expect(session.read()).toEqual(end)
    session.close()
  })

  test("have random masks of their own in each batch; the first one's are those of train_step", async () => {
    const text = `model Net {
      input x: f32[N, 64]
      let w = linear(dropout(x, 0.5), 1)
      output out = w
      loss error = mean(w)
      train { optimizer = sgd(lr = 0.0) }
    }`
    const trainer = buildTrainer(elaborated(compileText(text)), { batch: 1, gradients: true })
    const directory = writeSavedModel(trainer.savedModel)
    directories.push(directory)
    const session = await NativeSession.open(directory)
    session.init(5)
    const batch: Feeds = { x: { dtype: "f32", shape: [1, 64], data: new Float32Array(64).fill(1) } }
    const summed = [0, 1, 2].map(() => session.addGradients(batch)["error"]!)
    expect(new Set(summed).size).toBe(3)
    session.applyGradients()
    const next = session.addGradients(batch)["error"]!
    session.init(5)
    expect(session.trainStep(batch)["error"]).toBe(summed[0])
    expect(session.trainStep(batch)["error"]).toBe(next)
    session.close()
  })
})

test("averages are what evaluate and predict use", async () => {
  const { session } = await open("optimizer = sgd(lr = 0.2) average = ema(decay = 0.5)")
  const before = session.predict({ x: { ...feeds(0)["x"]!, shape: [1, 3], data: Float32Array.of(1, 2, 3) } })
  // First values were written to the weights only; from the first step on an average follows them.
  for (let step = 0; step < 3; step++) session.trainStep(feeds(step))
  const variables = session.read()
  const plain = await open("optimizer = sgd(lr = 0.2)")
  const own = plain.session.read()
  for (const name of PARAMETERS) own.set(name, variables.get(`average/${name}`)!)
  plain.session.write(own)
  expect(session.evaluate(feeds(7))).toEqual(plain.session.evaluate(feeds(7)))
  for (const name of PARAMETERS) own.set(name, variables.get(name)!)
  plain.session.write(own)
  expect(session.evaluate(feeds(7))).not.toEqual(plain.session.evaluate(feeds(7)))
  expect(before).not.toEqual(
    session.predict({ x: { ...feeds(0)["x"]!, shape: [1, 3], data: Float32Array.of(1, 2, 3) } }),
  )
  session.close()
  plain.session.close()
})
