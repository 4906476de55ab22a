/**
 * What the server of `mdl serve` and its page tell each other, as JSON.
 *
 * Types only, so that both sides can have them: the server runs in Node, the page in a browser.
 */

import type { NotePiece, OutputShape } from "../prediction/interest.js"
import type { Extent } from "../prediction/resize.js"

/** GET /api/model */
export interface ServedModel {
  readonly variant: string
  /** which weights, in words */
  readonly weights: string
  readonly image: { readonly name: string; readonly size: Extent }
  /** null for a model that reads no note */
  readonly note: { readonly name: string; readonly length: number } | null
  readonly outputs: readonly OutputShape[]
  /** the output that is the mask's probability */
  readonly mask: string
  /** of /model.onnx */
  readonly bytes: number
  readonly examples: readonly ServedExample[]
}

export interface ServedExample {
  readonly id: string
  readonly note: string
}

/** POST /api/image?name=...&part=..., POST /api/examples/N */
export interface ServedImage {
  readonly name: string
  /** of the file */
  readonly size: Extent
  readonly shown: Extent
  /** PNG of `shown`, base64 */
  readonly picture: string
  /** the network's input [3, H, W], f32 in little endian, base64 */
  readonly input: string
  /** the true mask [H, W] of an example, one byte each, base64; null where it is not known */
  readonly truth: string | null
}

/** POST /api/note */
export interface ServedNote {
  /** [T], padded with 0 */
  readonly ids: readonly number[]
  /** how many of them are tokens */
  readonly valid: number
  /** how many tokens the whole note has */
  readonly total: number
  /** null when tokens and words cannot be matched */
  readonly pieces: readonly NotePiece[] | null
}

/** Any answer that is not 200. */
export interface ServedProblem {
  readonly problem: string
}
