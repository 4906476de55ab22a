/**
 * Training on TensorFlow: a small model on phantoms, and everything that can stop it.
 */
import { copyFile, readdir, readFile, rename, rm, truncate } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { epochOrder } from "../../../src/runtime/data/loader.js"
import { synthesise } from "../../../src/runtime/data/phantom.js"
import { checkpointPath, readCheckpoint } from "../../../src/runtime/runs/checkpoint.js"
import { RunFolder } from "../../../src/runtime/runs/run-folder.js"
import { lockRun } from "../../../src/runtime/runs/run-lock.js"
import type { EvaluationEntry } from "../../../src/runtime/runs/run-log.js"
import { TrainingDiverged } from "../../../src/runtime/training/diverged.js"
import { resumeTraining, train, type TrainOptions } from "../../../src/runtime/training/trainer.js"
import { UserError } from "../../../src/runtime/user-error.js"
import { failingFiles } from "../runs/failing-files.js"
import { runContents } from "./run-contents.js"
import { breakPicture, COUNTS, failureOf, openWorkshop, recorder, runOptions, type Workshop } from "./tiny.js"

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.remove())

const options = (run: string, more: Partial<TrainOptions> = {}): TrainOptions => runOptions(shop, run, more)

const logOf = async (run: string) => (await RunFolder.open(shop.run(run))).readLog()

describe("a run", () => {
  test("lowers the loss, and leaves checkpoints, a log and scores that agree", async () => {
    const observer = recorder()
    const result = await train(options("whole", { epochs: 6, observer, workers: 1 }))
    expect(result).toMatchObject({ ended: "epochs", step: 18, epochs: 6, warnings: [] })
    const totals = observer.steps.map((step) => step.total)
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length
    expect(mean(totals.slice(-3))).toBeLessThan(0.9 * mean(totals.slice(0, 3)))
    expect(observer.calls[0]).toBe("started")
    expect(observer.calls.at(-1)).toBe("finished")
    expect(observer.steps.slice(0, 9).map((step) => Number(step.learningRate.toFixed(12)))).toEqual([
      ...Array<number>(3).fill(0.02),
      ...Array<number>(3).fill(0.0105),
      ...Array<number>(3).fill(0.02),
    ])

    const folder = await RunFolder.open(shop.run("whole"))
    const { data, options: stored, model, tokenizers } = folder.record
    expect(data).toMatchObject({ root: shop.data, splits: COUNTS, layout: "qata" })
    expect(stored).toMatchObject({ seed: 1, batch: 4, epochs: 6 })
    expect(Object.keys(model.sources)).toContain(shop.model())
    expect(tokenizers["note"]).toMatchObject({ kind: "words" })

    const log = await folder.readLog()
    const epochs = log.filter((entry) => entry.kind === "epoch")
    expect(epochs.map(({ step, steps }) => [step, steps])).toEqual([3, 6, 9, 12, 15, 18].map((step) => [step, 3]))
    expect(epochs[0]!.total).toBeCloseTo(mean(totals.slice(0, 3)), 6)
    const evaluations = log.filter((entry): entry is EvaluationEntry => entry.kind === "evaluation")
    expect(evaluations.map((entry) => entry.scores?.cases)).toEqual(Array<number>(6).fill(COUNTS.valid))
    const best = evaluations.reduce((a, b) => (b.scores!.dice.mean > a.scores!.dice.mean ? b : a))
    expect(result.best).toEqual({ metric: "dice", score: best.scores!.dice.mean, step: best.step, epoch: best.epoch })
    expect((await readCheckpoint(folder.path, "best")).state.step).toBe(best.step)
    const last = await readCheckpoint(folder.path, "last")
    expect(last.state).toMatchObject({ step: 18, position: { epoch: 6, batch: 0 }, best: result.best })
    expect([...last.variables.keys()].filter((name) => name.startsWith("adam_m/")).length).toBeGreaterThan(5)
    expect(await folder.readScores()).toMatchObject({ format: 1, ended: "epochs", step: 18, best: result.best })
    expect((await readdir(folder.path)).sort()).toEqual([
      "checkpoints",
      "events",
      "log.jsonl",
      "model",
      "run.json",
      "scores.json",
    ])
  })

  test("depends on its seed and on nothing else: workers change nothing", async () => {
    const [a, b, c] = [recorder(), recorder(), recorder()]
    await train(options("seed-a", { steps: 3, seed: 9, observer: a }))
    await train(options("seed-b", { steps: 3, seed: 9, observer: b, workers: 2 }))
    await train(options("seed-c", { steps: 3, seed: 10, observer: c }))
    expect(b.steps).toEqual(a.steps)
    expect(c.steps.map((step) => step.total)).not.toEqual(a.steps.map((step) => step.total))
  })

  test("of a model that ignores the note works", async () => {
    const result = await train(options("no-note", { model: shop.model("no_note"), steps: 2 }))
    expect(result.valid?.scores?.cases).toBe(COUNTS.valid)
  })

  test("takes batch, size and how often to score from the options", async () => {
    const observer = recorder()
    await train(options("sized", { batch: 2, size: 16, steps: 5, evalEvery: 2, observer }))
    const { record } = await RunFolder.open(shop.run("sized"))
    expect(record.description.batch).toEqual({ train: 2, evaluate: 2, predict: 1 })
    expect(record.description.sizes).toMatchObject({ H: 16, W: 16 })
    const evaluations = (await logOf("sized")).filter((entry) => entry.kind === "evaluation")
    expect(evaluations.map((entry) => entry.step)).toEqual([2, 4, 5])
  })

  test("is refused where a run is, and the first one is untouched", async () => {
    await train(options("taken", { steps: 1 }))
    const before = await readFile(join(shop.run("taken"), "run.json"))
    expect((await failureOf(train(options("taken", { steps: 1 })))).message).toMatch(/already holds a run/)
    expect(await readFile(join(shop.run("taken"), "run.json"))).toEqual(before)
  })
})

describe("going on", () => {
  test.each([
    ["in the middle of an epoch", 2, 6],
    ["between two epochs", 3, 6],
  ])("%s gives bit for bit what an unbroken run gives", async (where, first, all) => {
    const [whole, one, two] = [recorder(), recorder(), recorder()]
    const name = where.replaceAll(" ", "-")
    await train(options(`${name}-whole`, { steps: all, observer: whole }))
    await train(options(`${name}-parts`, { steps: first, observer: one }))
    const result = await resumeTraining({ run: shop.run(`${name}-parts`), steps: all, workers: 0, observer: two })
    expect(result.step).toBe(all)
    expect([...one.steps, ...two.steps]).toEqual(whole.steps)
    const [a, b] = await Promise.all(
      [`${name}-whole`, `${name}-parts`].map((run) => readCheckpoint(shop.run(run), "last")),
    )
    expect(b!.sha256).toBe(a!.sha256)
    const epochsOf = async (run: string) =>
      (await logOf(run)).flatMap((entry) => (entry.kind === "epoch" ? [{ ...entry, seconds: 0 }] : []))
    expect(await epochsOf(`${name}-parts`)).toEqual(await epochsOf(`${name}-whole`))
  })

  test("after an interruption at any step gives what an unbroken run gives, epoch ends and best included", async () => {
    const whole = await train(options("unbroken", { epochs: 2 }))
    for (const at of [1, 3, 5, 6]) {
      const run = `interrupted-${at}`
      const controller = new AbortController()
      const observer = recorder((step) => step === at && controller.abort())
      const stopped = await train(options(run, { epochs: 2, observer, signal: controller.signal }))
      expect(stopped).toMatchObject({ ended: "interrupted", step: at })
      const resumed = await resumeTraining({ run: shop.run(run), workers: 0 })
      expect(resumed, `at step ${at}`).toMatchObject({ ended: "epochs", step: 6, epochs: 2, best: whole.best })
      const { checkpoints, ...rest } = await runContents(shop.run(run))
      const { checkpoints: expected, ...others } = await runContents(whole.run)
      expect(rest, `at step ${at}`).toEqual(others)
      // What was last when it was interrupted may have become the one before.
      for (const name of ["best.safetensors", "last.safetensors"]) expect(checkpoints[name]).toBe(expected[name])
    }
  })

  test("forgets what the log says after the checkpoint", async () => {
    await train(options("rewound", { epochs: 2 }))
    await copyFile(checkpointPath(shop.run("rewound"), "last"), join(shop.folder, "at-6"))
    await resumeTraining({ run: shop.run("rewound"), epochs: 3, workers: 0 })
    const before = await runContents(shop.run("rewound"))
    // As if the process had died before the last checkpoint was written.
    await rename(join(shop.folder, "at-6"), checkpointPath(shop.run("rewound"), "last"))
    await resumeTraining({ run: shop.run("rewound"), workers: 0 })
    expect(await runContents(shop.run("rewound"))).toEqual(before)
  })

  test("is refused while the run is being trained, and changes nothing", async () => {
    await train(options("busy", { steps: 1 }))
    const lock = await lockRun(shop.run("busy"))
    const failed = await failureOf(resumeTraining({ run: shop.run("busy"), steps: 2, workers: 0 }))
    expect(failed.message).toMatch(/busy is being trained by process/)
    expect((await RunFolder.open(shop.run("busy"))).record.options.steps).toBe(1)
    await lock.release()
    expect(await resumeTraining({ run: shop.run("busy"), steps: 2, workers: 0 })).toMatchObject({ step: 2 })
  })

  test("at the limit is refused, and says what to give", async () => {
    await train(options("limit", { steps: 2 }))
    const failed = await failureOf(resumeTraining({ run: shop.run("limit"), workers: 0 }))
    expect(failed).toBeInstanceOf(UserError)
    expect(failed.message).toMatch(/has done its 2 steps: to go on, give a greater --epochs or --steps/)
  })

  test("on other data is refused", async () => {
    await train(options("other-data", { steps: 1 }))
    const data = shop.run("more-data")
    await synthesise({ root: data, counts: { ...COUNTS, train: 13 }, size: 32, seed: 5 })
    const failed = await failureOf(resumeTraining({ run: shop.run("other-data"), data, steps: 2, workers: 0 }))
    expect(failed.message).toMatch(/it has 13 train, 5 valid, 3 test cases, the run had 12 train/)
  })

  test("from a cut-off checkpoint is refused by name; the other one works", async () => {
    await train(options("cut", { epochs: 1 }))
    const path = checkpointPath(shop.run("cut"), "last")
    await truncate(path, 1000)
    const failed = await failureOf(resumeTraining({ run: shop.run("cut"), epochs: 2, workers: 0 }))
    expect(failed.message).toMatch(
      /last\.safetensors is cut off[^]*best\.safetensors is whole \(step 3\).*--checkpoint best/,
    )
    expect((failed as { exitCode?: number }).exitCode).toBe(1)
    const result = await resumeTraining({ run: shop.run("cut"), epochs: 2, checkpoint: "best", workers: 0 })
    expect(result.step).toBe(6)
  })

  test("with a checkpoint of another model is refused", async () => {
    await train(options("mine", { steps: 1 }))
    await train(options("theirs", { steps: 1, model: shop.model("no_note") }))
    await copyFile(checkpointPath(shop.run("theirs"), "last"), checkpointPath(shop.run("mine"), "last"))
    const failed = await failureOf(resumeTraining({ run: shop.run("mine"), steps: 2, workers: 0 }))
    expect(failed.message).toMatch(/does not fit the model of this run[^]*language.*is missing/)
  })

  test("a run that died before its first checkpoint starts from its first step", async () => {
    const [whole, again] = [recorder(), recorder()]
    await train(options("dead", { steps: 2, observer: whole }))
    for (const name of ["last", "best"] as const) await rm(checkpointPath(shop.run("dead"), name))
    await resumeTraining({ run: shop.run("dead"), workers: 0, observer: again })
    expect(again.steps).toEqual(whole.steps)
    expect(again.warnings).toEqual(["no checkpoint had been written, so training starts from its first step"])
  })
})

describe("with averages, summed gradients, warm-up, clipping and a plateau schedule", () => {
  // 12 cases in batches of 2: 6 batches an epoch, so a step of 4 and one of the 2 that are left.
  const everything = (run: string, more: Partial<TrainOptions> = {}) =>
    options(run, { model: shop.model("everything"), epochs: 4, ...more })

  test("a run takes the batches that are left into the last step of an epoch, and tells each rate it used", async () => {
    const observer = recorder()
    const result = await train(everything("everything", { observer }))
    expect(result).toMatchObject({ ended: "epochs", step: 8, epochs: 4 })
    expect(observer.steps.map((step) => step.epoch)).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
    const log = await logOf("everything")
    const evaluations = log.filter((entry) => entry.kind === "evaluation")
    let [rate, best] = [0.02, Infinity]
    const expected = evaluations.flatMap(({ total }) => {
      const rates = [rate, rate]
      if (!(total < best * (1 - 1e-4))) rate /= 2
      best = Math.min(best, total)
      return rates
    })
    expected[0] = 0.01
    expect(observer.steps.map((step) => step.learningRate)).toEqual(expected)
    const epochs = log.flatMap((entry) => (entry.kind === "epoch" ? [entry.learning_rate] : []))
    expect(epochs).toEqual([1, 3, 5, 7].map((step) => expected[step]))
    const { variables } = await readCheckpoint(result.run, "last")
    expect([...variables.keys()].filter((name) => name.startsWith("gradient"))).toEqual([])
    const weight = "decoder.output_probability.weight"
    const names = [...variables.keys()].filter((name) => variables.has(`average/${name}`))
    expect(names.length, weight).toBeGreaterThan(5)
    for (const name of names) expect(variables.get(`average/${name}`)).not.toEqual(variables.get(name))
  })

  test("it can be stopped at any step and goes on bit for bit", async () => {
    const whole = recorder()
    await train(everything("all", { observer: whole }))
    for (const at of [1, 2, 5]) {
      const [one, two] = [recorder(), recorder()]
      await train(everything(`part-${at}`, { steps: at, observer: one }))
      await resumeTraining({ run: shop.run(`part-${at}`), steps: 8, workers: 0, observer: two })
      expect([...one.steps, ...two.steps], `at step ${at}`).toEqual(whole.steps)
      const [a, b] = await Promise.all(["all", `part-${at}`].map((run) => readCheckpoint(shop.run(run), "last")))
      expect(b!.sha256).toBe(a!.sha256)
    }
  })

  test("--accumulate replaces what the model says", async () => {
    const [observer, other] = [recorder(), recorder()]
    await train(everything("accumulated", { accumulate: 3, epochs: 1, observer }))
    expect(observer.steps).toHaveLength(2)
    expect((await RunFolder.open(shop.run("accumulated"))).record.description.accumulate).toBe(3)
    await train(everything("one-by-one", { accumulate: 1, epochs: 1, observer: other }))
    expect(other.steps).toHaveLength(6)
  })
})

describe("training stops", () => {
  test("when a loss is no number: step, terms and the last good checkpoint are named", async () => {
    const observer = recorder()
    const failed = await failureOf(
      train(options("diverged", { model: shop.model("exploding"), evalEvery: 1, observer })),
    )
    expect(failed).toBeInstanceOf(TrainingDiverged)
    expect(failed).toMatchObject({ exitCode: 1, epoch: 0 })
    expect(failed.message).toMatch(/training diverged at step \d+ \(epoch 1\): .*(NaN|Infinity|not finite)/)
    expect(observer.calls.at(-1)).toBe("finished")
  })

  test("with the checkpoint from before it went wrong", async () => {
    // A rate that no parameter survives, from the second epoch on.
    await train(options("sound", { model: shop.model("bursting"), steps: 3 }))
    const before = await readFile(checkpointPath(shop.run("sound"), "last"))
    const failed = await failureOf(resumeTraining({ run: shop.run("sound"), steps: 9, workers: 0 }))
    expect(failed).toBeInstanceOf(TrainingDiverged)
    expect(failed.message).toMatch(/the last good checkpoint is .*last\.safetensors \(step 3, epoch 1\)/)
    expect(failed.message).toMatch(/learning rate \(it was 2e\+36\)/)
    expect(await readFile(checkpointPath(shop.run("sound"), "last"))).toEqual(before)
  })

  test("when no better score came for as many epochs as the model waits", async () => {
    const result = await train(options("patient", { model: shop.model("standing") }))
    expect(result).toMatchObject({ ended: "early-stop" })
    expect(result.epochs).toBe(result.best!.epoch + 3)
    const patient = await train(options("to-the-end", { model: shop.model("standing"), earlyStop: false }))
    expect(patient).toMatchObject({ ended: "epochs", epochs: 9 })
    expect(patient.best!.score).toBeGreaterThan(result.best!.score)
  })

  describe("at a broken picture", () => {
    /** Cuts the picture that batch `batch` of the first epoch begins with. */
    const breakBatch = (batch: number) => breakPicture(shop, "train", epochOrder(COUNTS.train, 1, 0)[4 * batch]!)

    test("with what was done saved; with the picture mended it goes on", async () => {
      const [whole, observer, rest] = [recorder(), recorder(), recorder()]
      await train(options("intact", { epochs: 2, observer: whole }))
      const { name, mend } = await breakBatch(2)
      const failed = await failureOf(train(options("broken", { epochs: 2, observer }))).finally(mend)
      expect(failed.message).toContain(name)
      expect(failed).toMatchObject({ exitCode: 1 })
      expect(observer.steps).toHaveLength(2)
      expect(observer.warnings.join()).toMatch(/step 2 was saved: mend the data, then go on with mdl train --resume/)
      await resumeTraining({ run: shop.run("broken"), workers: 0, observer: rest })
      expect([...observer.steps, ...rest.steps]).toEqual(whole.steps)
    })

    test("before the first step nothing is left in the way of the next try", async () => {
      const { name, mend } = await breakBatch(0)
      const failed = await failureOf(train(options("broken-at-once", { epochs: 2 }))).finally(mend)
      expect(failed.message).toContain(name)
      expect(await readdir(shop.folder)).not.toContain("broken-at-once")
    })
  })

  test("at a full disk, and the checkpoints that were there stay whole", async () => {
    let saved = 0
    const files = failingFiles("write", "ENOSPC", "last.safetensors", () => ++saved > 1)
    const failed = await failureOf(train(options("full", { epochs: 3, files })))
    expect(failed.message).toMatch(/last\.safetensors cannot be written: ENOSPC/)
    expect((await readCheckpoint(shop.run("full"), "last")).state.step).toBe(3)
    expect((await readdir(join(shop.run("full"), "checkpoints"))).sort()).toEqual([
      "best.safetensors",
      "last.safetensors",
    ])
  })

  test("before its first step, and then leaves no folder in the way", async () => {
    const failed = await failureOf(train(options("too-wide", { batch: 13 })))
    expect(failed.message).toMatch(/batch of 13 cannot be filled from 12 samples/)
    expect(await readdir(shop.folder)).not.toContain("too-wide")
  })
})

describe("warnings", () => {
  test("count the notes that were cut, once", async () => {
    const observer = recorder()
    const result = await train(options("cut-notes", { model: shop.model("short"), steps: 1, observer }))
    expect(observer.warnings).toEqual(["17 of 17 notes are longer than 5 tokens and were cut"])
    expect(result.warnings).toEqual(observer.warnings)
    expect(await logOf("cut-notes")).toContainEqual({ kind: "warning", step: 0, text: observer.warnings[0] })
  })

  test("tell a loss that teaches nothing", async () => {
    const result = await train(options("still", { model: shop.model("still"), epochs: 2 }))
    expect(result.warnings).toEqual([
      "the loss overlap was exactly 0 in all 3 steps of epoch 1: it teaches nothing",
      "the loss overlap did not change within an epoch, in 2 epochs",
    ])
    expect((await (await RunFolder.open(result.run)).readScores())?.warnings).toEqual(result.warnings)
  })
})
