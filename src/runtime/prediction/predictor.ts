/**
 * A model that segments, whatever runs it: a trained run in TensorFlow, or an exported file in ONNX Runtime.
 *
 * Takes: prepared images and encoded notes. Gives: all outputs of the model, case by case.
 *
 * Why so: what comes before (reading images, tokenising) and after (masks, heat maps, files) is the same for both, so that
 * an exported file predicts as the run it came from. Engines differ only in `run`.
 */

import { type ChannelOrder, planesOf, type Size } from "../data/images.js"
import type { RuntimeTensor } from "../onnx/run.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import type { Encoding, Tokenizer } from "../tokenizers/tokenizer.js"
import { UserError } from "../user-error.js"
import type { CaseOutputs, OutputShape } from "./interest.js"

/** Where the weights come from. */
export type Origin =
  | {
      readonly kind: "run"
      /** absolute path of the run folder */
      readonly run: string
      readonly checkpoint: { readonly name: CheckpointName; readonly step: number; readonly sha256: string }
    }
  | { readonly kind: "onnx"; readonly file: string; readonly sha256: string }

/** One case, ready for the network. */
export interface EncodedCase {
  /** [C, H, W] in [0, 1], planes as `channels` says */
  readonly image: Float32Array
  /** undefined for a model that reads no note */
  readonly note: Encoding | undefined
}

/** What a model wants to be fed and what it gives. */
export interface ModelPorts {
  /** name of the model or ablation */
  readonly variant: string
  readonly image: { readonly name: string; readonly size: Size; readonly channels: ChannelOrder }
  /** undefined for a model that reads no note; `length` is T */
  readonly note: { readonly name: string; readonly length: number } | undefined
  readonly outputs: readonly OutputShape[]
  /** the output that is the mask's probability */
  readonly mask: string
}

export interface Predictor {
  readonly ports: ModelPorts
  readonly origin: Origin
  /** undefined for a model that reads no note */
  readonly tokenizer: Tokenizer | undefined
  /** the most cases of one call of `run` */
  readonly batch: number
  /**
   * Runs the model on up to `batch` cases; gives the outputs of each.
   *
   * @throws SessionError, OnnxRunError when the engine fails
   */
  run(cases: readonly EncodedCase[]): Promise<readonly CaseOutputs[]>
  /** Frees the engine. */
  close(): Promise<void>
}

/** The weights in words, for messages. */
export function originText(origin: Origin): string {
  return origin.kind === "run" ? `${origin.run}, checkpoint ${origin.checkpoint.name}` : origin.file
}

/** The hash that tells these weights from others: of the checkpoint's data or of the ONNX file. */
export function weightsHash(origin: Origin): string {
  return origin.kind === "run" ? origin.checkpoint.sha256 : origin.sha256
}

/**
 * The output that is the mask: the first with one value for each pixel of the image.
 *
 * @throws UserError when there is none
 */
export function maskOutput(variant: string, outputs: readonly OutputShape[], { height, width }: Size): string {
  const shape = [1, height, width]
  const found = outputs.find((output) => output.shape.join() === shape.join())
  if (found) return found.name
  throw new UserError(
    `${variant} gives no mask: none of its outputs has the shape [${shape.join(", ")}]; ` +
      `its outputs are ${outputs.map(({ name, shape }) => `${name}: [${shape.join(", ")}]`).join(", ")}`,
  )
}

/**
 * Cases as the tensors of a program's inputs, one row each.
 *
 * @param rows N; rows beyond the cases are zero, with one valid token, because attention over none is undefined
 */
export function stackCases(
  { image, note }: Pick<ModelPorts, "image" | "note">,
  cases: readonly EncodedCase[],
  rows = cases.length,
): Record<string, RuntimeTensor> {
  const { height, width } = image.size
  const planes = planesOf(image.channels)
  const area = planes * height * width
  const pixels = new Float32Array(rows * area)
  for (const [row, one] of cases.entries()) pixels.set(one.image, row * area)
  const stacked: Record<string, RuntimeTensor> = {
    [image.name]: { dtype: "f32", shape: [rows, planes, height, width], data: pixels },
  }
  if (!note) return stacked
  const ids = new Int32Array(rows * note.length)
  const valid = new Float32Array(rows * note.length)
  for (let row = 0; row < rows; row++) {
    const encoded = cases[row]?.note
    if (encoded) ids.set(encoded.ids, row * note.length)
    valid.fill(1, row * note.length, row * note.length + (encoded?.valid ?? 1))
  }
  const shape = [rows, note.length]
  stacked[`${note.name}_ids`] = { dtype: "i32", shape, data: ids }
  stacked[`${note.name}_valid`] = { dtype: "f32", shape, data: valid }
  return stacked
}

/** The rows of batched outputs, the first `count` of them; integers and booleans as floats. */
export function caseRows(
  outputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: RuntimeTensor["data"] }>>,
  count: number,
): CaseOutputs[] {
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(
      Object.entries(outputs).map(([name, { shape, data }]) => {
        const size = data.length / (shape[0] ?? 1)
        const values = data.slice(row * size, (row + 1) * size)
        return [name, { data: values instanceof Float32Array ? values : Float32Array.from(values, Number) }]
      }),
    ),
  )
}
