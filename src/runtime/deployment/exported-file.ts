/**
 * What an exported ONNX file says about itself.
 *
 * Takes: a decoded file that `mdl export` wrote. Gives: how its inputs are prepared, what its outputs are, and its
 * tokenizer: the way back from `exportMetadata`.
 *
 * Why so: an exported model is used without its run, so all that is needed is in the file. A preparation that this version
 * does not know is refused: a picture prepared in another way gives a mask that is wrong and looks right.
 */

import type { DecodedModel, DecodedValue } from "../../compiler/targets/onnx/decode.js"
import { CHANNEL_ORDERS } from "../data/images.js"
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
  const [preparations, notes, weights] = ["mdl.preprocessing", "mdl.notes", "mdl.weights"].map(field)
  const variant = metadata.get("mdl.variant") ?? model.graphName
  const image = imagePort(model, preparations, name)
  const outputs = model.outputs.map((output) => ({ name: output.name, shape: sizesOf(output, name) }))
  const described = Object.entries(notes as Record<string, { readonly tokenizer?: TokenizerDescription }>)[0]
  // A model that was exported without a part that reads the note has lost those inputs.
  const ids =
    described && model.inputs.find(({ name }) => [`${described[0]}_ids`, `${described[0]}_valid`].includes(name))
  const note = described && ids && { name: described[0], length: sizesOf(ids, name)[0]! }
  if (note && described[1].tokenizer === undefined) throw new UserError(`${name} names no tokenizer for ${note.name}`)
  const ports = { variant, image, note, outputs, mask: maskOutput(variant, outputs, image.size) }
  const known = new Set([image.name, ...(note ? [`${note.name}_ids`, `${note.name}_valid`] : [])])
  const unknown = model.inputs.filter((input) => !known.has(input.name))
  if (unknown.length > 0) {
    throw new UserError(`${name} has inputs besides an image and a note: ${unknown.map((i) => i.name).join(", ")}`)
  }
  return { ports, tokenizer: note && described[1].tokenizer, weights: weights as Weights }
}

function imagePort(model: DecodedModel, preparations: unknown, name: string): ModelPorts["image"] {
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
  const [planes, height, width] = sizesOf(found, name)
  if (found.elementType !== FLOAT || planes !== 3 || height === undefined || width === undefined) {
    throw new UserError(`${name} has the image input ${input}, which is not f32[N, 3, H, W]`)
  }
  return { name: input, size: { height, width }, channels: order }
}

/** Sizes after the batch. @throws UserError when one is symbolic */
function sizesOf({ name, shape }: DecodedValue, file: string): number[] {
  return (shape ?? []).slice(1).map((size) => {
    if (typeof size === "number") return size
    throw new UserError(`${file}: ${name} has a size that is open (${size}); only the batch may be`)
  })
}
