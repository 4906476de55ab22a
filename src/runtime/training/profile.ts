/**
 * `mdl train --profile`: how long each node of a training step takes.
 *
 * Takes what `mdl train` takes; gives the times of a few steps on real batches, by line of the model's text. Nothing is
 * kept: the run is made in a folder that is removed.
 *
 * Why so: the step is measured twice. As it is trained, for its real time; and with its nodes one after another (see
 * `targets/tensorflow/profile.ts`), for the time of each. The sum of the second differs from the first, because nothing
 * overlaps and nothing is fused, so both are told, and the losses of both are compared: it must be the same step.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Precision } from "../../compiler/passes/precision.js"
import type { StepTiming } from "../../compiler/targets/tensorflow/profile.js"
import { buildTrainer } from "../../compiler/trainer.js"
import { samplesOf } from "../data/dataset.js"
import type { Batch } from "../data/loader.js"
import { NativeSession } from "../session.js"
import { planInputs } from "./feeds.js"
import { type NewRunOptions, type PreparedRun, prepareRun } from "./prepare.js"
import { profileReport, type ProfileReport } from "./profile-report.js"
import { openSplit } from "./split-loader.js"
import { StepRunner, stepsPerEpoch } from "./step-runner.js"

export type ProfileOptions = Omit<NewRunOptions, "run" | "steps" | "epochs" | "evalEvery" | "files" | "accumulate">

export interface TrainingProfile extends ProfileReport {
  readonly model: string
  readonly batch: number
  readonly sizes: Readonly<Record<string, number>>
  readonly precision: Precision
  /** steps that were measured; each number is the mean of the middle half of them */
  readonly steps: number
  readonly seconds: {
    /** a step as it is trained */
    readonly step: number
    /** the sum of its nodes when they run one after another; what shares are of */
    readonly nodes: number
    /** one reading of the clock; taken off each node */
    readonly reading: number
  }
  /** relative difference between the two programs' losses in the second step, which all gradients of the first are in */
  readonly difference: number
}

/** Steps that are not measured: TensorFlow chooses kernels and takes memory in the first ones. */
const WARM_UP = 3
const STEPS = 12

/**
 * Profiles the training step of a model.
 *
 * @throws UserError, ModelError, DataError, BackendUnavailable as `train`
 */
export async function profileTraining(options: ProfileOptions): Promise<TrainingProfile> {
  const folder = await mkdtemp(join(tmpdir(), "mdl-profile-"))
  try {
    const run = await prepareRun({ ...options, run: join(folder, "run") })
    const { model, building } = run
    const whole = { ...building, accumulate: 1, gradients: false }
    const plain = await measure(run, buildTrainer(model, whole).savedModel, join(folder, "plain"))
    const timed = buildTrainer(model, { ...whole, timed: true })
    const timing = timed.report.timing!
    const chained = await measure(run, timed.savedModel, join(folder, "timed"), timing)
    const { seconds, reading } = nodeSeconds(timing, chained.readings)
    const { description, model: source } = run.folder.record
    const report = profileReport(timing.nodes, seconds, new Map(Object.entries(source.sources)))
    return {
      model: options.model,
      batch: description.batch.train,
      sizes: description.sizes,
      precision: building.precision ?? "f32",
      steps: STEPS,
      seconds: { step: middleMean(plain.seconds), nodes: report.phases.seconds, reading },
      difference: Math.abs(chained.second / plain.second - 1),
      ...report,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Measured {
  /** of each measured step, as seen from outside */
  readonly seconds: readonly number[]
  /** the total loss of the second step; later ones differ more, as rounding does in training */
  readonly second: number
  /** of each measured step, what the clock said; none for a program that is not timed */
  readonly readings: readonly Float32Array[]
}

/** Runs the first steps of a training, from the first values on. */
async function measure(
  { folder: { record }, dataset }: PreparedRun,
  program: Uint8Array,
  folder: string,
  timing?: StepTiming,
): Promise<Measured> {
  await mkdir(folder)
  await writeFile(join(folder, "saved_model.pb"), program)
  const plan = planInputs(record.description)
  const loader = await openSplit(record, plan, samplesOf(dataset, "train"), { training: true, workers: 0 })
  try {
    const session = await NativeSession.open(folder)
    try {
      session.init(record.options.seed, stepsPerEpoch(loader.batchesPerEpoch, 1))
      const runner = new StepRunner({ session, plan, losses: record.description.losses, accumulate: 1, statistics: [] })
      const measured = { seconds: [] as number[], second: NaN, readings: [] as Float32Array[] }
      const batches = endless((epoch) => loader.epoch(epoch))
      for (let step = 0; step < WARM_UP + STEPS; step++) {
        const { value: batch } = (await batches.next()) as { value: Batch }
        const feeds = runner.feeds(batch, "train_step")
        const begun = performance.now()
        const results = session.call("train_step", feeds)
        const seconds = (performance.now() - begun) / 1000
        loader.release(batch)
        if (step === 1) measured.second = results.get("total")!.data[0]!
        if (step < WARM_UP) continue
        measured.seconds.push(seconds)
        if (timing) measured.readings.push(results.get(timing.output)!.data as Float32Array)
      }
      await batches.return()
      return measured
    } finally {
      session.close()
    }
  } finally {
    await loader.close()
  }
}

/** Epoch after epoch. */
async function* endless(epoch: (number: number) => AsyncIterable<Batch>): AsyncGenerator<Batch, void, undefined> {
  for (let number = 0; ; number++) yield* epoch(number)
}

/**
 * The time of each node over the steps, without what reading the clock costs.
 *
 * @param readings of each step: seconds from one reading of the clock to the next, `links` of them with nothing in between
 */
export function nodeSeconds({ nodes, links }: Pick<StepTiming, "nodes" | "links">, readings: readonly Float32Array[]) {
  const steps = readings.map(withoutEarlyReadings)
  const over = (index: number): number => middleMean(steps.map((step) => step[index]!))
  const empty = Array.from({ length: links }, (_, link) => over(nodes.length + link))
  const reading = empty.reduce((sum, value) => sum + value, 0) / links
  return { seconds: nodes.map((_, index) => Math.max(0, over(index) - reading)), reading }
}

/**
 * TensorFlow skips the first of two reshapes that follow each other, and then the second waits for nothing but its input:
 * the clock between them is read too early, and the second seems to have taken all the time since. So time is counted from
 * the latest reading there has been, which gives both together to the second.
 */
function withoutEarlyReadings(differences: Float32Array): Float64Array {
  let time = 0
  let latest = 0
  return Float64Array.from(differences, (difference) => {
    time += difference
    const spent = Math.max(0, time - latest)
    latest = Math.max(latest, time)
    return spent
  })
}

/**
 * The mean of the middle half. As the median it does not mind steps that something got in the way of; unlike the median it
 * tells apart what takes less than the clock's microsecond.
 */
export function middleMean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const cut = Math.floor(sorted.length / 4)
  const middle = sorted.slice(cut, sorted.length - cut)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}
