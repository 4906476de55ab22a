/**
 * Many predictions into one folder.
 *
 * Takes: a predictor and cases. Gives: `masks/ID.png`, `overlays/ID.png`, `heatmaps/OUTPUT/ID.png` and `predictions.jsonl`.
 *
 * Why so: a folder of a thousand images has a broken one, and that must cost neither the others nor the knowledge of it.
 * Errors are collected and given back, each with its case. What was done before an interruption is kept; with `resume`, a
 * case is left out when its image, note, threshold and weights are those of its entry and its files are there.
 */

import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { DataError } from "../data/data-error.js"
import { splitFragment } from "../data/formats/names.js"
import { readMask } from "../data/images.js"
import { makeFolderFor } from "../deployment/target-folder.js"
import { CONVENTION } from "../metrics/conventions.js"
import { caseScores } from "../metrics/segmentation.js"
import { writeAtomically } from "../runs/atomic-file.js"
import { UserError } from "../user-error.js"
import { drawPrediction } from "./case-pictures.js"
import type { PredictionCase } from "./case-list.js"
import type { CaseOutputs } from "./interest.js"
import { describeCase, prepareCase } from "./predict-case.js"
import { appendIndex, type IndexEntry, INDEX_NAME, readIndex, writeIndex } from "./prediction-index.js"
import { type EncodedCase, type Predictor, weightsHash } from "./predictor.js"
import { checkThreshold, noteWarnings, wordsOf } from "./write-prediction.js"

export interface ManyRequest {
  readonly cases: readonly PredictionCase[]
  /** folder of the results */
  readonly out: string
  readonly threshold: number
  /** whether to go on with what is in the folder */
  readonly resume: boolean
  /** called after each batch; `done` includes what was left out and what failed */
  readonly progress?: (done: number, total: number) => void
}

export interface FailedCase {
  readonly id: string
  readonly image: string
  readonly problem: string
}

export interface ManyPredictions {
  /** absolute path of the folder */
  readonly out: string
  /** absolute path of predictions.jsonl */
  readonly index: string
  readonly cases: number
  readonly predicted: number
  /** done before, and left as they are */
  readonly kept: number
  readonly failed: readonly FailedCase[]
  /** mean over the cases whose truth is known; null when there is none */
  readonly scores: MeanScores | null
}

export interface MeanScores {
  readonly cases: number
  readonly dice: number
  readonly iou: number
  /** see docs/metrics.md */
  readonly convention: string
}

/**
 * Predicts and writes all cases.
 *
 * @throws UserError when the folder holds predictions and `resume` is not asked for, or cannot be written; SessionError,
 *   OnnxRunError when the engine fails. What a single image or note is to blame for is in `failed`.
 */
export async function predictMany(predictor: Predictor, request: ManyRequest): Promise<ManyPredictions> {
  const { cases, threshold } = request
  checkThreshold(threshold)
  const out = resolve(request.out)
  const before = await readIndex(out)
  if (before !== undefined && !request.resume) {
    throw new UserError(`${out} already holds predictions: go on with --resume, or name another folder`)
  }
  await makeFolderFor(join(out, INDEX_NAME))
  const entries = new Map<string, IndexEntry>()
  const known = new Map((before ?? []).map((entry) => [entry.id, entry]))
  const rest: PredictionCase[] = []
  for (const one of cases) {
    const entry = known.get(one.id)
    if (entry && (await isDone(entry, one, out, predictor, threshold))) entries.set(one.id, entry)
    else rest.push(one)
  }
  const kept = entries.size
  // What the folder holds of other images stays in it, and in the index.
  const asked = new Set(cases.map(({ id }) => id))
  const others = (before ?? []).filter(({ id }) => !asked.has(id))
  await writeIndex(out, [...entries.values(), ...others])
  const failed: FailedCase[] = []
  for (let at = 0; at < rest.length; at += predictor.batch) {
    const results = await predictBatch(predictor, rest.slice(at, at + predictor.batch), out, threshold)
    const written = results.flatMap((result) => ("entry" in result ? [result.entry] : []))
    await appendIndex(out, written)
    for (const entry of written) entries.set(entry.id, entry)
    failed.push(...results.flatMap((result) => ("failed" in result ? [result.failed] : [])))
    request.progress?.(kept + Math.min(at + predictor.batch, rest.length), cases.length)
  }
  const inOrder = cases.flatMap(({ id }) => entries.get(id) ?? [])
  await writeIndex(out, [...inOrder, ...others])
  return {
    out,
    index: join(out, INDEX_NAME),
    cases: cases.length,
    predicted: entries.size - kept,
    kept,
    failed,
    scores: meanScores(inOrder),
  }
}

function meanScores(entries: readonly IndexEntry[]): MeanScores | null {
  const scores = entries.flatMap((entry) => entry.scores ?? [])
  if (scores.length === 0) return null
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    cases: scores.length,
    dice: mean(scores.map(({ dice }) => dice)),
    iou: mean(scores.map(({ iou }) => iou)),
    convention: CONVENTION,
  }
}

async function isDone(
  entry: IndexEntry,
  one: PredictionCase,
  out: string,
  predictor: Predictor,
  threshold: number,
): Promise<boolean> {
  const same =
    entry.note === one.note && entry.threshold === threshold && entry.weights === weightsHash(predictor.origin)
  const files = [entry.mask, entry.overlay, ...entry.heatmaps.map(({ file }) => file)]
  if (!same || !files.every((file) => existsSync(join(out, file)))) return false
  const { file } = splitFragment(one.image)
  return entry.image === one.image && existsSync(file) && entry.imageSha256 === (await sha256Of(one.image))
}

type Result = { readonly entry: IndexEntry } | { readonly failed: FailedCase }

/** Reads, predicts and writes up to a batch of cases; a case that fails does not stop the others. */
async function predictBatch(
  predictor: Predictor,
  cases: readonly PredictionCase[],
  out: string,
  threshold: number,
): Promise<Result[]> {
  const prepared = await Promise.all(
    cases.map((one) => attempt(one, () => prepareCase(predictor, one.image, one.note))),
  )
  const whole = prepared.flatMap((result) => ("value" in result ? [result.value] : []))
  const outputs = whole.length > 0 ? await predictor.run(whole) : []
  const outputsOf = new Map(whole.map((encoded, row) => [encoded, outputs[row]!]))
  return Promise.all(
    cases.map(async (one, index): Promise<Result> => {
      const ready = prepared[index]!
      if ("failed" in ready) return ready
      const encoded = ready.value
      const written = await attempt(one, () =>
        writeCase(predictor, one, { encoded, outputs: outputsOf.get(encoded)! }, { out, threshold }),
      )
      return "failed" in written ? written : { entry: written.value }
    }),
  )
}

/** What the user can mend of one case becomes its failure; anything else stops the whole. */
async function attempt<T>(
  one: PredictionCase,
  work: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly failed: FailedCase }> {
  try {
    return { value: await work() }
  } catch (thrown) {
    if (!(thrown instanceof DataError || thrown instanceof CaseError)) throw thrown
    const problem = thrown instanceof DataError ? thrown.what : thrown.message
    return { failed: { id: one.id, image: one.image, problem } }
  }
}

/** A mistake in one case that is not of its files. */
class CaseError extends UserError {}

async function writeCase(
  predictor: Predictor,
  one: PredictionCase,
  { encoded, outputs }: { readonly encoded: EncodedCase; readonly outputs: CaseOutputs },
  { out, threshold }: { readonly out: string; readonly threshold: number },
): Promise<IndexEntry> {
  const prediction = await describeCase(predictor, outputs, { image: one.image, note: one.note, encoded })
  const pictures = await drawPrediction(one.image, prediction, threshold)
  const { truth } = one
  const mask = truth && (await readMask(truth.path, prediction.size, truth.rule))
  const scores = mask && caseScores(prediction.probability, mask, { threshold, convention: CONVENTION })
  const files = {
    mask: `masks/${one.id}.png`,
    overlay: `overlays/${one.id}.png`,
    heatmaps: pictures.heatmaps.map(({ output }) => ({ output, file: `heatmaps/${output}/${one.id}.png` })),
  }
  const write = async (file: string, png: Buffer): Promise<void> => {
    const path = join(out, file)
    if (path === splitFragment(one.image).file)
      throw new CaseError(`${path} is the input image, which is not overwritten`)
    await mkdir(join(path, ".."), { recursive: true })
    await writeAtomically(path, png)
  }
  await write(files.mask, pictures.mask)
  await write(files.overlay, pictures.overlay)
  for (const [index, { png }] of pictures.heatmaps.entries()) await write(files.heatmaps[index]!.file, png)
  return {
    id: one.id,
    image: one.image,
    imageSha256: await sha256Of(one.image),
    note: one.note,
    ...files,
    size: pictures.size,
    threshold,
    foreground: pictures.foreground,
    words: wordsOf(prediction),
    ...(scores && { scores: { dice: scores.dice, iou: scores.iou, convention: CONVENTION } }),
    warnings: noteWarnings(prediction),
    weights: weightsHash(predictor.origin),
  }
}

async function sha256Of(image: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(splitFragment(image).file))
    .digest("hex")
}
