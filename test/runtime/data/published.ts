/** The augmentations of the published recipes, with their published values. */
import type { Augmentation } from "../../../src/runtime/data/augment.js"
import type { Photometric } from "../../../src/runtime/data/augmentations/photometric.js"
import type { FlipRotate } from "../../../src/runtime/data/augmentations/turns.js"

export const ROW_BLUR: Augmentation = { name: "row_blur", sigma: [0.5, 1], p: 0.5, rows: 0.5 }
export const BLUR: Augmentation = { name: "blur", sigma: [0.5, 1], p: 0.5 }
export const PHOTOMETRIC: Photometric = {
  name: "photometric",
  brightness: 32,
  contrast: 0.5,
  saturation: 0.5,
  hue: 18,
  p: 0.5,
}
export const FLIP_ROTATE: FlipRotate = { name: "flip_rotate", p: 0.5, degrees: 20, noteAware: false }
export const NOTE_AWARE: FlipRotate = { ...FLIP_ROTATE, noteAware: true }

/** RecLMIS's, in its order. */
export const PUBLISHED: readonly Augmentation[] = [ROW_BLUR, PHOTOMETRIC, FLIP_ROTATE]
