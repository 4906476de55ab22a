/**
 * The cases that a report shows, with their pictures.
 *
 * Takes: a predictor and the scores of a split. Gives: the best, the median and the worst cases by Dice, each run through
 * the model once more, with image, maps and what the model looked at.
 *
 * Why so: the best cases alone advertise and the worst alone mislead; the median says what to expect. Cases are chosen by
 * rank and then by name, so the same scores show the same cases. A report is one file that is sent around, so what a case
 * adds to it has a limit: pictures are at most 320 pixels, in the smaller of two formats, heat maps are six at most, and
 * outlines give way to a picture where there are too many of them (of an untrained model, say).
 */

import sharp from "sharp"
import { type Pixels, readImage, readMask, readPixels, type Size, writePlanes } from "../data/images.js"
import { heatmapPng, overlayPng, pngOf } from "../data/pictures.js"
import type { Sample } from "../data/sample.js"
import { drawable } from "../prediction/interest.js"
import { predictCase } from "../prediction/predict-case.js"
import type { Predictor } from "../prediction/predictor.js"
import { fitted } from "../prediction/resize.js"
import type { Evaluation } from "../training/evaluate.js"
import { contourPath } from "./contours.js"
import { percent } from "./gallery.js"
import type { Gallery, GalleryCase, Overlay, Picture } from "./report-data.js"

const MOST_PICTURE = 320
const MOST_HEATMAPS = 6
/** Characters of all outlines of a case. */
const MOST_OUTLINES = 100_000
/** Fine for the eye, and on chest X-rays (QaTa, 320 pixels) a sixth of the bytes of a PNG. */
const JPEG_QUALITY = 88

/**
 * Draws the gallery of an evaluation.
 *
 * @param samples those of the evaluated split
 * @param each how many best, median and worst cases to show, when there are enough
 * @throws DataError for a file that cannot be read any more
 */
export async function galleryOf(
  predictor: Predictor,
  evaluation: Pick<Evaluation, "split" | "cases" | "threshold">,
  samples: readonly Sample[],
  each: number,
): Promise<Gallery> {
  const byId = new Map(samples.map((sample) => [sample.id, sample]))
  const cases: GalleryCase[] = []
  for (const { rank, scored } of chooseCases(evaluation.cases, each)) {
    const sample = byId.get(scored.id)
    if (!sample) throw new Error(`the evaluation has a case ${scored.id} that the split has not`)
    cases.push(await drawCase(predictor, sample, { rank, scored, threshold: evaluation.threshold }))
  }
  return { split: evaluation.split, readsNotes: predictor.ports.note !== undefined, cases }
}

type Scored = Evaluation["cases"][number]

/** The best, median and worst cases of those that are scored; none twice, so few cases give fewer. */
export function chooseCases(
  cases: readonly Scored[],
  each: number,
): { readonly rank: "best" | "median" | "worst"; readonly scored: Scored }[] {
  const sorted = cases
    .filter(({ leftOut }) => leftOut !== true)
    .sort((a, b) => b.dice - a.dice || (a.id < b.id ? -1 : 1))
  const count = Math.min(each, Math.max(1, Math.floor(sorted.length / 3)))
  const middle = Math.floor((sorted.length - count) / 2)
  const taken = new Set<Scored>()
  return (
    [
      ["best", sorted.slice(0, count)],
      ["worst", sorted.slice(-count)],
      ["median", sorted.slice(middle, middle + count)],
    ] as const
  )
    .flatMap(([rank, chosen]) =>
      chosen.flatMap((scored) => {
        if (taken.has(scored)) return []
        taken.add(scored)
        return [{ rank, scored }]
      }),
    )
    .sort((a, b) => sorted.indexOf(a.scored) - sorted.indexOf(b.scored))
}

async function drawCase(
  predictor: Predictor,
  sample: Sample,
  { rank, scored, threshold }: { readonly rank: string; readonly scored: Scored; readonly threshold: number },
): Promise<GalleryCase> {
  const { note } = scored
  const prediction = await predictCase(predictor, sample.imagePath, note)
  const { size, probability, interests, words, tokens } = prediction
  if (sample.maskPath === undefined) throw new Error(`the scored case ${sample.id} has no mask`)
  const truth = await readMask(sample.maskPath, size, sample.maskRule)
  const picture = await displayed(sample.imagePath)
  const shown = { height: picture.height, width: picture.width }
  const planes = new Float32Array(3 * shown.height * shown.width)
  writePlanes(picture, "rgb", planes, 0)
  const maps = interests.filter((interest) => interest.kind === "patches")
  const heatmaps: GalleryCase["heatmaps"][number][] = []
  for (const interest of maps.slice(0, MOST_HEATMAPS)) {
    const { name, grid } = interest
    const { values, isFlat } = drawable(interest)
    const png = await heatmapPng({ values, grid, over: planes, size: shown, channels: "rgb" })
    const [least, most] = [Math.min(...interest.values), Math.max(...interest.values)]
    const shares = isFlat ? `all alike, ${percent(most)} each` : `${percent(least)} to ${percent(most)}`
    const caption = `${grid.height}x${grid.width} patches, ${shares}`
    heatmaps.push({ name, caption, picture: await smallest(png) })
  }
  const { dice, iou, precision, recall, hausdorff95 } = scored
  return {
    rank,
    id: sample.id,
    note,
    noteTruncated: tokens !== undefined && tokens.total > tokens.used,
    ...{ dice, iou, precision, recall, hausdorff95 },
    image: { ...(await smallest(await pngOf(picture))), size: shown },
    overlay: await overlayOf(sample.imagePath, { size, truth, probability, threshold }),
    heatmaps,
    heatmapsLeftOut: maps.length - heatmaps.length,
    attention: words,
  }
}

/** Truth and prediction, traced; painted where that would be too much text. */
async function overlayOf(
  imagePath: string,
  maps: {
    readonly size: Size
    readonly truth: Float32Array
    readonly probability: Float32Array
    readonly threshold: number
  },
): Promise<Overlay> {
  const { size, truth, probability, threshold } = maps
  const { height, width } = size
  const outlines = {
    truth: contourPath(truth, height, width, 0.5),
    prediction: contourPath(probability, height, width, threshold),
  }
  if (outlines.truth.length + outlines.prediction.length <= MOST_OUTLINES)
    return { kind: "outlines", size, ...outlines }
  const image = await readImage(imagePath, size, "rgb")
  const png = await overlayPng({ image, size, channels: "rgb", prediction: probability, truth, threshold })
  return { kind: "picture", picture: await smallest(png) }
}

/** The same picture as a JPEG where that takes less; small and flat ones are smaller as they are. */
async function smallest(png: Uint8Array): Promise<Picture> {
  const jpeg = await sharp(png).jpeg({ quality: JPEG_QUALITY, chromaSubsampling: "4:4:4" }).toBuffer()
  return jpeg.length < png.length ? { type: "image/jpeg", bytes: jpeg } : { type: "image/png", bytes: png }
}

async function displayed(path: string): Promise<Pixels> {
  const own = await readPixels(path)
  const size = fitted(own, MOST_PICTURE)
  return size.height === own.height && size.width === own.width ? own : readPixels(path, size)
}
