/**
 * Fills the image and mask arrays of one batch.
 *
 * Takes: which samples, and the epoch. Gives: [N, C, H, W] and [N, 1, H, W] floats: decoded (or from the cache), resized,
 * augmented.
 *
 * Why so: the same code runs in the workers and, with `workers: 0`, in the main thread, so that both give the same bytes.
 */
import { type Augmentation, augmentationStream, augmentPair } from "./augment.js"
import type { Pair } from "./augmentations/pair.js"
import { DataError } from "./data-error.js"
import {
  type ChannelOrder,
  type MaskRule,
  planesOf,
  readMaskPixels,
  readPixels,
  type Size,
  writePlanes,
} from "./images.js"
import { type CacheMemory, SampleCache } from "./sample-cache.js"

/** Everything about the data that does not change while a loader is open. Plain data: it is posted to the workers. */
export interface BuildPlan {
  readonly samples: readonly {
    readonly id: string
    readonly imagePath: string
    readonly maskPath: string | undefined
    /** of this sample's mask; undefined: the plan's */
    readonly maskRule: MaskRule | undefined
  }[]
  readonly size: Size
  readonly channels: ChannelOrder
  readonly maskRule: MaskRule
  readonly augment: readonly Augmentation[]
  readonly seed: number
  readonly cache: CacheMemory | undefined
}

/** The arrays of a batch that files fill. */
export interface BatchArrays {
  readonly image: Float32Array<ArrayBuffer>
  readonly mask: Float32Array<ArrayBuffer>
}

/** How many files are read at once: the size of Node's own thread pool, which does the reading and decoding. */
const AT_ONCE = 4

export class BatchBuilder {
  private readonly cache: SampleCache | undefined

  constructor(private readonly plan: BuildPlan) {
    this.cache = plan.cache && new SampleCache(plan.cache, plan.size)
  }

  /**
   * Fills the first `indices.length` rows of the arrays, and repeats the first row in the rest.
   * @throws DataError for a file that cannot be read, or a sample without a mask.
   */
  async fill(indices: Int32Array, epoch: number, arrays: BatchArrays): Promise<void> {
    const area = this.plan.size.height * this.plan.size.width
    const planes = planesOf(this.plan.channels) * area
    let next = 0
    const work = async () => {
      while (next < indices.length) {
        const row = next++
        const pair = await this.pair(indices[row] as number, epoch)
        writePlanes(pair.image, this.plan.channels, arrays.image, row * planes)
        arrays.mask.set(pair.mask, row * area)
      }
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, indices.length) }, work))
    for (let row = indices.length; row < arrays.mask.length / area; row++) {
      arrays.image.copyWithin(row * planes, 0, planes)
      arrays.mask.copyWithin(row * area, 0, area)
    }
  }

  private async pair(index: number, epoch: number): Promise<Pair> {
    const { samples, augment, seed } = this.plan
    const sample = samples[index]
    if (sample === undefined) throw new RangeError(`there is no sample ${index}`)
    let pair = this.cache?.get(index)
    if (pair === undefined) {
      pair = await this.read(sample)
      this.cache?.put(index, pair)
    }
    return augmentPair(pair, augment, augmentationStream(seed, epoch, sample.id))
  }

  private async read(sample: BuildPlan["samples"][number]): Promise<Pair> {
    const { size, maskRule } = this.plan
    if (sample.maskPath === undefined) {
      throw new DataError({
        what: `the sample ${sample.id} has no mask`,
        fix: "train and evaluate on samples with masks; `mdl predict` wants none",
      })
    }
    const image = await readPixels(sample.imagePath, size)
    const mask = await readMaskPixels(sample.maskPath, size, sample.maskRule ?? maskRule)
    return { image, mask: mask.data }
  }
}
