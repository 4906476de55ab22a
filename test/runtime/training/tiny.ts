/**
 * A model that trains in seconds, and phantoms for it.
 *
 * Takes nothing. Gives a folder with `tiny.mdl` and a phantom set, removed at the end of the test file; and what tests of
 * runs share.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { readdir, readFile, truncate, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { synthesise } from "../../../src/runtime/data/phantom.js"
import type { StepReport, TrainingObserver } from "../../../src/runtime/training/observer.js"
import type { TrainOptions } from "../../../src/runtime/training/trainer.js"

export const TINY = `
model Tiny(rate: float = 0.02, note_counts: bool = true, weight: float = 1.0) {
  input image: f32[N, 3, H = 32, W = 32]
  input note: tokens[N, T = 24] using words(64)
  target mask: f32[N, 1, H, W]

  encoder vision {
    let v = conv2d(image, 6, kernel = 3) |> batch_norm() |> relu()
  }
  encoder language {
    let words = Embedding(note.vocabulary, 6)(note.ids) * reshape(note.valid, [N, T, 1])
    let t = sum(words, axes = [1]) |> linear(6)
  }
  decoder {
    let joined = if note_counts then v + reshape(t, [N, 6, 1, 1]) else v
    output probability = dropout(joined, 0.1) |> conv2d(1, kernel = 3) |> sigmoid()
  }
  loss cross_entropy = bce(probability, mask)
  loss overlap = weight * dice_loss(probability, mask)

  train {
    optimizer = adam(lr = rate)
    schedule = cosine_restarts(period = 2, min = 1e-3)
    batch = 4
    epochs = 2
    augment = [photometric()]
  }
}

ablation no_note of Tiny { without language  set note_counts = false }
ablation exploding of Tiny { set rate = 1e38 }
ablation still of Tiny { set weight = 0.0 }
ablation standing of Tiny { set rate = 0.0  set train.schedule = constant_rate()  set train.stop = patience(dice, 2)  set train.epochs = 9 }
ablation bursting of Tiny { set train.schedule = step(every = 1, gamma = 1e38) }
ablation everything of Tiny {
  set train.optimizer = adamw(lr = 0.02, decay = "weights")
  set train.schedule = plateau(loss, patience = 0, factor = 0.5)
  set train.warmup = linear(2, per = "step")
  set train.learning_rates = { vision: 0.5 }
  set train.clip = norm(1.0)
  set train.average = ema(decay = 0.7)
  set train.batch = 2
  set train.accumulate = 4
}
ablation short of Tiny { set T = 5 }
ablation square of Tiny { set H = 16 }
`

/** 12 cases to train on: 3 steps of 4 an epoch. 5 to validate on: a batch of 4 and one that is padded. */
export const COUNTS = { train: 12, valid: 5, test: 3 } as const

export interface Workshop {
  readonly folder: string
  readonly data: string
  /** `tiny.mdl`, or one of its ablations */
  model(selector?: string): string
  /** a path in the folder, for a run */
  run(name: string): string
  remove(): void
}

export async function openWorkshop(): Promise<Workshop> {
  const folder = mkdtempSync(join(tmpdir(), "mdl-training-"))
  const file = join(folder, "tiny.mdl")
  writeFileSync(file, TINY)
  const data = join(folder, "data")
  await synthesise({ root: data, counts: COUNTS, size: 32, seed: 5 })
  return {
    folder,
    data,
    model: (selector) => (selector === undefined ? file : `${file}#${selector}`),
    run: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Options of a run of `tiny.mdl`, made in the calling thread. */
export function runOptions(shop: Workshop, run: string, more: Partial<TrainOptions> = {}): TrainOptions {
  return { model: shop.model(), data: shop.data, run: shop.run(run), workers: 0, ...more }
}

/** What a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error("nothing failed"),
    (thrown: unknown) => thrown as Error,
  )
}

/** Cuts off a picture of a split, `index` in the order of their names, until it is mended. */
export async function breakPicture(
  shop: Workshop,
  split: "train" | "valid",
  index: number,
): Promise<{ readonly name: string; mend(): Promise<void> }> {
  const folder = join(shop.data, split, "images")
  const name = (await readdir(folder)).sort()[index]!
  const path = join(folder, name)
  const bytes = await readFile(path)
  await truncate(path, bytes.length - 200)
  return { name, mend: () => writeFile(path, bytes) }
}

/** An observer that keeps what it is told. */
export function recorder(onStep?: (step: number) => void): TrainingObserver & {
  readonly steps: StepReport[]
  readonly warnings: string[]
  readonly calls: string[]
} {
  const steps: StepReport[] = []
  const warnings: string[] = []
  const calls: string[] = []
  return {
    steps,
    warnings,
    calls,
    started: () => void calls.push("started"),
    step(report) {
      calls.push("step")
      steps.push(report)
      onStep?.(report.step)
    },
    evaluated: () => void calls.push("evaluated"),
    epoch: () => void calls.push("epoch"),
    warning: (text) => void warnings.push(text),
    finished: () => void calls.push("finished"),
  }
}
