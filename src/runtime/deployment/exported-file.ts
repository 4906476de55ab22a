/**
 * What an exported ONNX file says about itself.
 *
 * Takes: a decoded file that `mdl export` wrote. Gives: how its inputs are prepared, what its outputs are, and its
 * tokenizer: the way back from `exportMetadata`.
 *
 * Why so: an exported model is used without its run, so all that is needed is in the file. A preparation that this version
 * does not know is refused: a picture prepared in another way gives a mask that is wrong and looks right.
 */

import { evaluate, type Sizes } from "../../compiler/ir/dims.js"
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

/** Larger inputs than these are nobody's, and would be a memory that a file can ask for by a number. */
const MOST_PIXELS = 2 ** 26
const MOST_TOKENS = 2 ** 16

/**
 * Reads the metadata and the boundary of a model.
 *
 * @param name of the file, for messages
 * @throws UserError when it was not written by `mdl export`, or wants what this version does not know
 */
export function readExported(model: DecodedModel, name: string): ExportedFile {
  const metadata = new Map(model.metadata)
  const field = (key: string): Readonly<Record<string, unknown>> => {
    const text = metadata.get(key)
    if (text === undefined) {
      throw new UserError(
        `${name} does not say how its inputs are prepared (no ${key} in its metadata): use a file that mdl export wrote`,
      )
    }
    try {
      return objectIn(JSON.parse(text), key, name)
    } catch (thrown) {
      if (thrown instanceof UserError) throw thrown
      throw new UserError(`${name} is damaged: its ${key} is no JSON (${messageOf(thrown)})`, { cause: thrown })
    }
  }
  const usual = usualSizes(metadata, name)
  const [preparations, notes, weights] = ["mdl.preprocessing", "mdl.notes", "mdl.weights"].map(field) as [
    Fields,
    Fields,
    Fields,
  ]
  const variant = metadata.get("mdl.variant") ?? model.graphName
  const image = imagePort(model, preparations, name, usual)
  const outputs = model.outputs.map((output) => ({ name: output.name, shape: sizesOf(output, name, usual) }))
  const described = Object.entries(notes).map(([note, what]): [string, Fields] => [
    note,
    objectIn(what, "mdl.notes", name),
  ])[0]
  // A model that was exported without a part that reads the note has lost those inputs.
  const ids =
    described && model.inputs.find(({ name }) => [`${described[0]}_ids`, `${described[0]}_valid`].includes(name))
  const note = described && ids && { name: described[0], length: sizesOf(ids, name, usual)[0]! }
  const tokenizer = note && described[1]["tokenizer"]
  if (note && tokenizer === undefined) throw new UserError(`${name} names no tokenizer for ${note.name}`)
  if (note && note.length > MOST_TOKENS) {
    throw new UserError(`${name} wants notes of ${note.length} tokens; at most ${MOST_TOKENS} are made`)
  }
  const ports = { variant, image, note, outputs, mask: maskOutput(variant, outputs, image.size) }
  const known = new Set([image.name, ...(note ? [`${note.name}_ids`, `${note.name}_valid`] : [])])
  const unknown = model.inputs.filter((input) => !known.has(input.name))
  if (unknown.length > 0) {
    throw new UserError(`${name} has inputs besides an image and a note: ${unknown.map((i) => i.name).join(", ")}`)
  }
  return { ports, tokenizer: tokenizer as TokenizerDescription | undefined, weights: weights as unknown as Weights }
}

type Fields = Readonly<Record<string, unknown>>

/** @throws UserError for a value of the metadata that is no object */
function objectIn(value: unknown, key: string, name: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields
  throw new UserError(`${name} is damaged: its ${key} is not what mdl export writes`)
}

function imagePort(model: DecodedModel, preparations: Fields, name: string, usual: Sizes): ModelPorts["image"] {
  const entries = Object.entries(preparations)
  const [input, preparation] = entries[0] ?? []
  const found = model.inputs.find((candidate) => candidate.name === input)
  if (input === undefined || preparation === undefined || found === undefined || entries.length > 1) {
    throw new UserError(`${name} has no image input, or more than one: it cannot be run on an image`)
  }
  const { channels, ...rest } = objectIn(preparation, "mdl.preprocessing", name)
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
  if (height * width > MOST_PIXELS) {
    throw new UserError(`${name} wants images of ${height} x ${width} pixels; at most ${MOST_PIXELS} pixels are made`)
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
    const dim = typeof size === "number" ? undefined : parseDim(size)
    const value = typeof size === "number" ? size : dim && evaluate(dim, usual)
    if (value !== undefined && Number.isSafeInteger(value) && value > 0) return value
    const what = typeof size === "number" ? "that is none" : "that is open, and the file does not say what it may be"
    throw new UserError(`${file}: ${name} has the size ${size === "" ? "?" : size}, ${what}`)
  })
}
