/**
 * The score of the best mask that looks at neither image nor note.
 *
 * Takes: a data set, the network's image size, a split. Gives: the mean training mask, cut at its best level, scored on
 * the split like a model. What does not beat it has learned where lesions usually are and nothing else.
 */

import { readMask, type Size } from "../data/images.js"
import { type Dataset, samplesOf } from "../data/dataset.js"
import type { Sample, Split } from "../data/sample.js"
import { CONVENTION } from "../metrics/conventions.js"
import { bestImageIndependentMask, caseScores, summarise } from "../metrics/segmentation.js"
import { THRESHOLD } from "../training/scoring.js"
import type { Score } from "./report-data.js"

/** @throws DataError when a mask cannot be read, or a split is empty */
export async function fixedMaskScore(dataset: Dataset, size: Size, split: Split): Promise<Score> {
  const read = async (samples: readonly Sample[]): Promise<Float32Array[]> => {
    const masks: Float32Array[] = []
    for (const { maskPath, maskRule } of samples) {
      if (maskPath !== undefined) masks.push(await readMask(maskPath, size, maskRule))
    }
    return masks
  }
  const { mask, level } = bestImageIndependentMask(await read(samplesOf(dataset, "train")), { convention: CONVENTION })
  const cases = await read(samplesOf(dataset, split))
  const { dice, iou } = summarise(
    cases.map((truth) => caseScores(mask, truth, { threshold: THRESHOLD, convention: CONVENTION })),
    CONVENTION,
  )
  return {
    name: "best fixed mask",
    detail: `looks at neither image nor note: the mean training mask above ${level}`,
    cases: cases.length,
    dice: dice.mean,
    diceDeviation: dice.std,
    iou: iou.mean,
    convention: CONVENTION,
    threshold: THRESHOLD,
  }
}
