/**
 * Whether two compilations of a model gave one and the same ONNX graph.
 *
 * Takes two drafts with the same symbols open, made at different sizes; gives the first node that differs and in what. It
 * is how a size is found that a text has taken as a number: shapes are polynomials and agree, the number does not.
 */

import { formatShape } from "../../ir/dims.js"
import type { Draft, DraftNode } from "./draft.js"
import { numbersOf, sameTensor, type OnnxTensor } from "./tensors.js"

/** A node of the first draft that the second has not, or has otherwise. */
export interface DraftDifference {
  readonly op: string
  /** where it stands in the text, as the doc string of ONNX nodes */
  readonly doc: string
  /** a clause */
  readonly reason: string
}

/** The first node that differs in operator, operands, attributes, constants or shapes; undefined when none does. */
export function firstDifference(a: Draft, b: Draft): DraftDifference | undefined {
  const count = Math.max(a.nodes.length, b.nodes.length)
  for (let at = 0; at < count; at++) {
    const [left, right] = [a.nodes[at], b.nodes[at]]
    const reason = left && right ? differenceOf(a, left, b, right) : "it is there at one size only"
    if (reason === undefined) continue
    const { op, doc } = left ?? right!
    return { op, doc, reason: `${reason}, so the file would be right at one size only` }
  }
  return undefined
}

function differenceOf(a: Draft, left: DraftNode, b: Draft, right: DraftNode): string | undefined {
  if (left.op !== right.op) return `it is written with ${left.op} at one size and ${right.op} at another`
  if (JSON.stringify(left.attributes) !== JSON.stringify(right.attributes)) {
    return `the attributes of ${left.op} depend on the size`
  }
  for (const [index, name] of left.inputs.entries()) {
    const other = right.inputs[index] ?? ""
    const [one, two] = [a.tensors.get(name), b.tensors.get(other)]
    if (one && two ? !sameTensor(one, two) : name !== other) {
      return one && two
        ? `it computes with ${textOf(one)} at one size and ${textOf(two)} at another`
        : "its operands differ"
    }
  }
  const shapes = (draft: Draft, node: DraftNode): string =>
    node.outputs.map((output) => formatShape(draft.typeOf(output).shape)).join()
  const [one, two] = [shapes(a, left), shapes(b, right)]
  return one === two ? undefined : `its shape is ${one} at one size and ${two} at another`
}

/** A constant in a message: its values when they are few, else its shape. */
function textOf(tensor: OnnxTensor): string {
  const numbers = tensor.bytes.length <= 32 ? numbersOf(tensor) : []
  return numbers.length > 0 ? numbers.join(", ") : `a constant of shape [${tensor.shape.join(", ")}]`
}
