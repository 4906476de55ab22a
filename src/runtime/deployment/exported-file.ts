/**
 * What an exported ONNX file says about itself.
 *
 * Takes: a decoded file that `mdl export` wrote. Gives: how its inputs are prepared, what its outputs are, and its
 * tokenizer: the way back from `exportMetadata`.
 *
 * Why so: an exported model is used without its run, so all that is needed is in the file. A preparation that this version
 * does not know is refused: a picture prepared in another way gives a mask that is wrong and looks right.
 */

import { constant, evaluate, type Sizes } from "../../compiler/ir/dims.js"
import type { DecodedModel, DecodedValue } from "../../compiler/targets/onnx/decode.js"
import { OPEN_SIZES_KEY, readOpenSizes } from "../../compiler/targets/onnx/open-sizes.js"
import { parseDim } from "../../compiler/targets/onnx/tensors.js"
import { CHANNEL_ORDERS, planesOf } from "../data/images.js"
import { messageOf } from "../data/data-error.js"
import { maskOutput, type ModelPorts } from "../prediction/predictor.js"
import type { TokenizerDescription } from "../tokenizers/tokenizer.js"
import { UserError } from "../user-error.js"
import type { Weights } from "./export-source.js"
import { IMAGE_PREPARATION } from "./metadata.js"

export interface ExportedFile {
  readonly ports: ModelPorts
  /** undefined for a model that reads no note; `createTokenizer` checks it */
  readonly tokenizer: TokenizerDescription | undefined
  readonly weights: Weights
}

/** `onnx.TensorProto.DataType` */
const FLOAT = 1

/**
 * Reads the metadata and the boundary of a model.
 *
 * @param name of the file, for messages
 * @throws UserError when it was not written by `mdl export`, or wants what this version does not know
 */
export function readExported(model: DecodedModel, name: string): ExportedFile {
  const metadata = new Map(model.metadata)
  const field = (key: string): unknown => {
    const text = metadata.get(key)
    if (text === undefined) {
      throw new UserError(
        `${name} does not say how its inputs are prepared (no ${key} in its metadata): use a file that mdl export wrote`,
      )
    }
    try {
      return JSON.parse(text)
    } catch (thrown) {
      throw new UserError(`${name} is damaged: its ${key} is no JSON (${messageOf(thrown)})`, { cause: thrown })
    }
  }
  const usual = usualSizes(metadata, name)
  const [preparations, notes, weights] = ["mdl.preprocessing", "mdl.notes", "mdl.weights"].map(field)
  const variant = metadata.get("mdl.variant") ?? model.graphName
  const image = imagePort(model, preparations, name, usual)
  const outputs = model.outputs.map((output) => ({ name: output.name, shape: sizesOf(output, name, usual) }))
  const described = Object.entries(notes as Record<string, { readonly tokenizer?: TokenizerDescription }>)[0]
  // A model that was exported without a part that reads the note has lost those inputs.
  const ids =
    described && model.inputs.find(({ name }) => [`${described[0]}_ids`, `${described[0]}_valid`].includes(name))
  const note = described && ids && { name: described[0], length: sizesOf(ids, name, usual)[0]! }
  if (note && described[1].tokenizer === undefined) throw new UserError(`${name} names no tokenizer for ${note.name}`)
  const ports = { variant, image, note, outputs, mask: maskOutput(variant, outputs, image.size) }
  const known = new Set([image.name, ...(note ? [`${note.name}_ids`, `${note.name}_valid`] : [])])
  const unknown = model.inputs.filter((input) => !known.has(input.name))
  if (unknown.length > 0) {
    throw new UserError(`${name} has inputs besides an image and a note: ${unknown.map((i) => i.name).join(", ")}`)
  }
  return { ports, tokenizer: note && described[1].tokenizer, weights: weights as Weights }
}

function imagePort(model: DecodedModel, preparations: unknown, name: string, usual: Sizes): ModelPorts["image"] {
  const entries = Object.entries(preparations as Record<string, Readonly<Record<string, unknown>>>)
  const [input, preparation] = entries[0] ?? []
  const found = model.inputs.find((candidate) => candidate.name === input)
  if (input === undefined || preparation === undefined || found === undefined || entries.length > 1) {
    throw new UserError(`${name} has no image input, or more than one: it cannot be run on an image`)
  }
  const { channels, ...rest } = preparation
  const order = CHANNEL_ORDERS.find((known) => known === channels)
  if (order === undefined || JSON.stringify(rest) !== JSON.stringify(IMAGE_PREPARATION)) {
    throw new UserError(
      `${name} wants its image prepared in a way that this version does not know: ${JSON.stringify(preparation)}`,
    )
  }
  const [planes, height, width] = sizesOf(found, name, usual)
  if (found.elementType !== FLOAT || planes !== planesOf(order) || height === undefined || width === undefined) {
    throw new UserError(`${name} has the image input ${input}, which is not f32[N, ${planesOf(order)}, H, W]`)
  }
  return { name: input, size: { height, width }, channels: order }
}

/**
 * The sizes that the file leaves open, as they are in its model's text: a picture is brought to these.
 *
 * @throws UserError when what the file says of them cannot be read
 */
export function usualSizes(metadata: ReadonlyMap<string, string>, file: string): Sizes {
  try {
    return new Map([...readOpenSizes(metadata.get(OPEN_SIZES_KEY))].map(([name, { usual }]) => [name, usual]))
  } catch (thrown) {
    throw new UserError(`${file} is damaged: its ${OPEN_SIZES_KEY} cannot be read (${messageOf(thrown)})`, {
      cause: thrown,
    })
  }
}

/** Sizes after the batch. @throws UserError when one is open and the file does not say what it usually is */
function sizesOf({ name, shape }: DecodedValue, file: string, usual: Sizes): number[] {
  return (shape ?? []).slice(1).map((size) => {
    const dim = typeof size === "number" ? constant(size) : parseDim(size)
    const value = dim && evaluate(dim, usual)
    if (value !== undefined && Number.isSafeInteger(value)) return value
    throw new UserError(`${file}: ${name} has a size that is open (${size}), and the file does not say what it may be`)
  })
}
