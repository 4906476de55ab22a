// How long training steps wait for their data.
//
// Takes: the setting of the run, models with all published augmentations.
// Gives: for one and two data workers, the share of the time of steps that was spent waiting for batches: in the first epoch,
//        whose pictures are read from PNG files, and in the later ones, for which they are in memory. Later epochs beside
//        their target.
// Why so: these are runs of `mdl train`, with its own clocks. Steps have the cores that the workers leave, at least one: what
//        is claimed is that a step does not wait when a core is free. Pictures are in colour, because those cost most.
import { mkdtempSync, readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import sharp from "sharp"
import { Competitors } from "../competitors.mjs"
import { milliseconds, printTable, progress } from "../print.mjs"

const STEPS_PER_EPOCH = 6
const EPOCHS = 3
const WORKERS = [1, 2]
/** Of the time of steps, in later epochs with one worker. */
const TARGET = 0.02
/** Of the pictures in the files; they are made smaller when they are read, if need be. */
const PICTURE = 224

/** @returns {Promise<object>} */
export async function loaderPart(setting, { title: of, model, size, batch }) {
  const title = `${of}, batch ${batch}: waiting for data, all published augmentations`
  progress(title)
  const data = await pictures(join(setting.scratch, `pictures-${STEPS_PER_EPOCH * batch}`), STEPS_PER_EPOCH * batch)
  const rows = []
  for (const workers of WORKERS) {
    const threads = Math.max(1, Math.min(setting.threads, availableParallelism() - workers))
    const competitors = new Competitors({ ...setting, threads })
    const run = join(mkdtempSync(join(setting.scratch, "training-")), "run")
    try {
      const { peer } = competitors.trainer()
      const request = { model, data, run, batch, epochs: EPOCHS, size, workers }
      const { epochs } = await peer.ask("train", request)
      rows.push({ workers, threads, epochs, first: waiting(epochs.slice(0, 1)), later: waiting(epochs.slice(1)) })
    } finally {
      await competitors.close()
    }
  }
  progress("")
  const cells = rows.map(({ workers, threads, epochs, first, later }) => [
    `${workers} worker${workers === 1 ? "" : "s"}`,
    milliseconds(bestStep(epochs)),
    share(first),
    share(later),
    `${threads} thread${threads === 1 ? "" : "s"} for steps`,
  ])
  printTable(title, ["", "step", "waits, first epoch", "waits, later", "left"], cells)
  const target = { what: title, of: "waiting / step, later epochs, 1 worker", ratio: rows[0].later, target: TARGET }
  return { name: "loader", title, rows, targets: [target] }
}

const share = (ratio) => `${(100 * ratio).toFixed(2)}%`

/** Of steps with what they waited for. */
function waiting(epochs) {
  const sum = (of) => epochs.reduce((total, epoch) => total + of(epoch), 0)
  return sum(({ data }) => data) / sum(({ data, steps }) => data + steps)
}

/** Seconds of a step in the fastest epoch. */
function bestStep(epochs) {
  return Math.min(...epochs.map(({ steps, count }) => steps / count))
}

/** A data set of phantoms in colour, as PNG files. */
async function pictures(root, train) {
  const { synthesise } = await import("../../dist/src/runtime/data/phantom.js")
  await synthesise({ root, counts: { train, valid: 2, test: 2 }, size: PICTURE, seed: 1 })
  for (const split of ["train", "valid"]) {
    const folder = join(root, split, "images")
    for (const name of readdirSync(folder)) {
      const file = join(folder, name)
      const tinted = await sharp(file).toColourspace("srgb").tint({ r: 230, g: 120, b: 180 }).png().toBuffer()
      await sharp(tinted).toFile(file)
    }
  }
  return root
}
