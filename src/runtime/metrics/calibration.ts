/**
 * Whether a probability of 0.8 is right in 8 of 10 pixels.
 *
 * Takes probabilities and masks, case after case; gives the expected calibration error, the Brier score, and the bins of a
 * reliability diagram, over all pixels together.
 *
 * Why so: a person who looks at a probability map reads it as a probability. Pixels are pooled, because a bin of one case
 * is nearly empty. The expected calibration error is that of `torchmetrics.functional.classification
 * .binary_calibration_error` (L1 norm, equal bins of the foreground's probability; Guo et al., 2017, for the idea), except
 * that a probability of 1 is in the last bin and not in one of its own. Background is most of an image and easy, so both
 * numbers are small for every model: compare them between models on the same cases, and look at the bins.
 */

export const BINS = 15

export interface CalibrationBin {
  /** probabilities in [from, to); the last bin has 1 too */
  readonly from: number
  readonly to: number
  readonly pixels: number
  /** mean probability, and the share of pixels that are foreground; null in an empty bin */
  readonly probability: number | null
  readonly foreground: number | null
}

export interface Calibration {
  readonly pixels: number
  /** sum over the bins of |foreground - probability|, weighted by their share of the pixels */
  readonly expectedError: number
  /** mean squared difference between probability and truth */
  readonly brier: number
  readonly bins: readonly CalibrationBin[]
}

/** Adds up what calibration is made of. */
export class CalibrationTally {
  private readonly pixels = new Float64Array(BINS)
  private readonly probability = new Float64Array(BINS)
  private readonly foreground = new Float64Array(BINS)
  private squares = 0
  private outside = false

  /**
   * Adds a case.
   * @param probability flat, of any shape
   * @param mask of the same shape; foreground where > 0.5
   */
  add(probability: ArrayLike<number>, mask: ArrayLike<number>): void {
    for (let i = 0; i < probability.length; i++) {
      const p = probability[i] as number
      if (!(p >= 0 && p <= 1)) {
        this.outside = true
        return
      }
      const truth = (mask[i] as number) > 0.5 ? 1 : 0
      const bin = Math.min(BINS - 1, Math.floor(p * BINS))
      this.pixels[bin] = (this.pixels[bin] as number) + 1
      this.probability[bin] = (this.probability[bin] as number) + p
      this.foreground[bin] = (this.foreground[bin] as number) + truth
      this.squares += (p - truth) ** 2
    }
  }

  /** What was added; undefined without a pixel, or when a value was not in [0, 1]: then the output is no probability. */
  result(): Calibration | undefined {
    const total = this.pixels.reduce((sum, pixels) => sum + pixels, 0)
    if (total === 0 || this.outside) return undefined
    const bins = Array.from(this.pixels, (pixels, bin): CalibrationBin => ({
      from: bin / BINS,
      to: (bin + 1) / BINS,
      pixels,
      probability: pixels === 0 ? null : (this.probability[bin] as number) / pixels,
      foreground: pixels === 0 ? null : (this.foreground[bin] as number) / pixels,
    }))
    const gaps = this.foreground.map((foreground, bin) => Math.abs(foreground - (this.probability[bin] as number)))
    return {
      pixels: total,
      expectedError: gaps.reduce((sum, gap) => sum + gap, 0) / total,
      brier: this.squares / total,
      bins,
    }
  }
}
