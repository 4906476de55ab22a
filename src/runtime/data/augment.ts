/**
 * Augmentations of the published training recipes, on 8-bit pixels.
 *
 * Takes: pixels, a binary mask, settings and a random stream. Gives: new pixels and mask of the same size; and whether the
 * note has to follow.
 *
 * Why so: each is a pure function of a stream of its own, which the loader keys by (seed, epoch, sample, name): the same
 * sample is augmented alike by whichever worker meets it, and adding one augmentation does not change the draws of another.
 * The thread that hands out notes draws from the same stream again, so that it knows what a worker has done without being
 * told.
 */
import { blur, type Blur, rowBlur, type RowBlur } from "./augmentations/blur.js"
import type { Pair } from "./augmentations/pair.js"
import { photometric, type Photometric } from "./augmentations/photometric.js"
import { flipRotate, type FlipRotate, mirrors } from "./augmentations/turns.js"
import { RandomStream } from "./random.js"

/** An augmentation with its settings. Plain data: it is posted to the workers. */
export type Augmentation = RowBlur | Blur | Photometric | FlipRotate
export type AugmentationName = Augmentation["name"]

/** The stream of a sample's augmentations. */
export function augmentationStream(seed: number, epoch: number, id: string): RandomStream {
  return new RandomStream(`augment/${seed}/${epoch}/${id}`)
}

/** Applies augmentations in the given order; each draws from a stream of its own under `stream`. */
export function augmentPair(pair: Pair, augmentations: readonly Augmentation[], stream: RandomStream): Pair {
  return withStreams(augmentations, stream).reduce((current, [each, own]) => augmented(current, each, own), pair)
}

function augmented(pair: Pair, augmentation: Augmentation, stream: RandomStream): Pair {
  switch (augmentation.name) {
    case "row_blur":
      return { ...pair, image: rowBlur(pair.image, augmentation, stream) }
    case "blur":
      return { ...pair, image: blur(pair.image, augmentation, stream) }
    case "photometric":
      return { ...pair, image: photometric(pair.image, augmentation, stream) }
    case "flip_rotate":
      return flipRotate(pair, augmentation, stream)
  }
}

/** Whether some of the augmentations exchange left and right in the note. */
export function areNoteAware(augmentations: readonly Augmentation[]): boolean {
  return augmentations.some((augmentation) => augmentation.name === "flip_rotate" && augmentation.noteAware)
}

/** Whether `augmentPair` with these arguments mirrors the picture so that left and right are exchanged in the note. */
export function mirrorsNote(augmentations: readonly Augmentation[], stream: RandomStream): boolean {
  const times = withStreams(augmentations, stream).filter(
    ([augmentation, own]) => augmentation.name === "flip_rotate" && mirrors(augmentation, own),
  ).length
  return times % 2 === 1
}

/** Each augmentation with its stream. One that is there twice draws anew: its second stream has a name of its own. */
function withStreams(augmentations: readonly Augmentation[], stream: RandomStream) {
  const seen = new Map<AugmentationName, number>()
  return augmentations.map((augmentation) => {
    const { name } = augmentation
    const times = (seen.get(name) ?? 0) + 1
    seen.set(name, times)
    return [augmentation, stream.fork(times === 1 ? name : `${name}#${times}`)] as const
  })
}
