/**
 * Weights stored in 16 bits.
 *
 * Takes a finished draft; changes it in place: large f32 constants become f16, each with a Cast to f32 before its first
 * reader.
 *
 * Why so: the file is half as large and the arithmetic stays f32, so the only loss is the rounding of the weights, and
 * every runtime can do it. ONNX Runtime casts once, when the model is loaded. Arithmetic in f16 is no gain on processors.
 */

import { MOST_HALF } from "../../data-files/half.js"
import type { Draft, DraftNode } from "./draft.js"
import { DATA_TYPE_NUMBER, numbersOf, tensorOf } from "./tensors.js"

/** Smaller constants stay f32: biases and normalisations take no room, and a node each would. */
const LEAST_ELEMENTS = 1024

/** Stores the weights in 16 bits; gives the names of those that are too large for it (above 65504) and stay f32. */
export function storeHalfWeights(draft: Draft): readonly string[] {
  const tooLarge: string[] = []
  const casts = new Map<string, DraftNode>()
  for (const [name, tensor] of [...draft.tensors]) {
    if (tensor.dtype !== "f32" || tensor.bytes.length < LEAST_ELEMENTS * 4) continue
    const values = numbersOf(tensor)
    if (values.some((value) => Math.abs(value) > MOST_HALF)) {
      tooLarge.push(name)
      continue
    }
    draft.reserved(name, tensorOf("f16", tensor.shape, values))
    const output = draft.unique(`${name}/f32`)
    const attributes = { to: { int: DATA_TYPE_NUMBER.f32 } }
    casts.set(name, { name: output, op: "Cast", inputs: [name], outputs: [output], attributes, doc: "" })
  }
  const nodes = draft.nodes
  draft.nodes = []
  const placed = new Set<string>()
  for (const node of nodes) {
    for (const name of node.inputs) {
      const cast = casts.get(name)
      if (cast && !placed.has(name)) draft.append(cast)
      placed.add(name)
    }
    draft.append({ ...node, inputs: node.inputs.map((name) => casts.get(name)?.outputs[0] ?? name) })
  }
  return tooLarge
}
