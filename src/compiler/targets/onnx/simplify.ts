/**
 * Rewrites an ONNX draft into what a person would have written by hand.
 *
 * Takes a draft; changes it in place. Constants that are only moved (transposed, reshaped) are stored moved; reshapes of
 * reshapes and transposes of transposes become one or none; nodes that change nothing vanish; a convolution takes a
 * per-channel constant that is added to it as its bias, also when it is transposed before; operands are not expanded for
 * operators that broadcast; scales and masks of attention move to where they cost nothing (`simplify-attention.ts`); what
 * nothing reads is dropped. Every rewrite keeps the numbers bit for bit, except that a bias is added inside the convolution
 * and a scale is part of the weights (which may round differently in the last place).
 */

import { asConstant, equal } from "../../ir/dims.js"
import type { Draft, DraftNode } from "./draft.js"
import { settleReshapes } from "./reshape-targets.js"
import { absorbScales, countUses, joinMasks } from "./simplify-attention.js"
import { reshapeTensor, sameTensor, transposeTensor, type OnnxTensor, type OnnxType } from "./tensors.js"

export function simplify(draft: Draft): void {
  rewriteMoves(draft)
  absorbBiases(draft)
  // transposes that stood around a bias now meet
  rewriteMoves(draft)
  dropUnused(draft)
  absorbScales(draft)
  joinMasks(draft)
  settleReshapes(draft)
  dropUnused(draft)
  nameOutputs(draft)
  dropUnused(draft)
}

// ----------------------------------------------------------------------------------------------- moving and copying

/** One sweep forwards; what a node reads has already been rewritten. */
function rewriteMoves(draft: Draft): void {
  const instead = new Map<string, string>()
  const made = new Map<string, DraftNode>()
  const moved = new Map<string, string>()
  const kept: DraftNode[] = []
  for (const old of draft.nodes) {
    const current = { ...old, inputs: old.inputs.map((value) => instead.get(value) ?? value) }
    const merged = withoutExpands(mergeWithProducer(current, draft, made), draft, made)
    const same = sameAsInput(merged, draft) ?? movedConstant(merged, draft, moved)
    if (same !== undefined) {
      instead.set(merged.outputs[0]!, same)
      continue
    }
    kept.push(merged)
    for (const output of merged.outputs) made.set(output, merged)
  }
  draft.nodes = kept
  draft.outputs = draft.outputs.map((output) => ({ ...output, value: instead.get(output.value) ?? output.value }))
}

const sameType = (a: OnnxType, b: OnnxType): boolean =>
  a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((dim, axis) => equal(dim, b.shape[axis]!))

/** A reshape of a reshape reads what the first one read; likewise a transpose of a transpose. */
function mergeWithProducer(node: DraftNode, draft: Draft, made: ReadonlyMap<string, DraftNode>): DraftNode {
  const first = made.get(node.inputs[0] ?? "")
  if (!first || first.op !== node.op) return node
  if (node.op === "Reshape") {
    // A size 0 copies an axis of the tensor that is read, which would then be another one.
    const copies = draft.knownOf(node.inputs[1]!).elements?.some((dim) => asConstant(dim) === 0) ?? true
    return copies ? node : { ...node, inputs: [first.inputs[0]!, node.inputs[1]!] }
  }
  const [inner, outer] = [permOf(first), permOf(node)]
  if (node.op !== "Transpose" || !inner || !outer) return node
  return { ...node, inputs: first.inputs, attributes: { perm: { ints: outer.map((axis) => inner[axis]!) } } }
}

function permOf(node: DraftNode): readonly number[] | undefined {
  const perm = node.attributes["perm"]
  return perm && "ints" in perm ? perm.ints : undefined
}

/** Operators that broadcast their operands themselves. */
// prettier-ignore
const BROADCASTING: ReadonlySet<string> = new Set([
  "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mul", "Or", "Pow",
  "Sub", "Where",
])

/** An operand is not expanded to the size to which its operator would broadcast it anyway. */
function withoutExpands(node: DraftNode, draft: Draft, made: ReadonlyMap<string, DraftNode>): DraftNode {
  if (!BROADCASTING.has(node.op)) return node
  const wanted = draft.typeOf(node.outputs[0]!)
  let result = node
  node.inputs.forEach((value, index) => {
    const expand = made.get(value)
    if (expand?.op !== "Expand") return
    const attempt = { ...result, inputs: result.inputs.map((v, i) => (i === index ? expand.inputs[0]! : v)) }
    if (sameType(draft.infer(attempt)[0]!.type, wanted)) result = attempt
  })
  return result
}

/** The input of a node that gives its input unchanged. */
function sameAsInput(node: DraftNode, draft: Draft): string | undefined {
  const input = node.inputs[0]
  if (input === undefined || input === "") return undefined
  const unchanged = sameType(draft.typeOf(input), draft.typeOf(node.outputs[0]!))
  switch (node.op) {
    case "Identity":
      return input
    case "Reshape":
    case "Expand":
    case "Cast":
    case "Squeeze":
    case "Unsqueeze":
      return unchanged ? input : undefined
    case "Transpose":
      return permOf(node)?.every((from, to) => from === to) ? input : undefined
    default:
      return undefined
  }
}

/** The constant that a node makes from a constant by moving elements; each is stored once. */
function movedConstant(node: DraftNode, draft: Draft, moved: Map<string, string>): string | undefined {
  const source = node.inputs[0] ?? ""
  const tensor = draft.tensors.get(source)
  if (!tensor) return undefined
  const shape = draft.typeOf(node.outputs[0]!).shape.map(asConstant)
  let suffix: string
  let result: OnnxTensor
  if (node.op === "Transpose") {
    const perm = permOf(node)!
    suffix = perm.length === 2 ? "transposed" : `perm_${perm.join("_")}`
    result = transposeTensor(tensor, perm)
  } else if (["Reshape", "Squeeze", "Unsqueeze"].includes(node.op) && shape.every((size) => size !== undefined)) {
    suffix = `shape_${shape.join("x")}`
    result = reshapeTensor(tensor, shape)
  } else {
    return undefined
  }
  const key = `${source}.${suffix}`
  const old = moved.get(key)
  if (old !== undefined) return old
  const name = draft.tensor(key, result)
  draft.madeFrom.set(name, source)
  moved.set(key, name)
  return name
}

// ------------------------------------------------------------------------------------------------------------ biases

/** Conv followed by the addition of one constant per channel becomes Conv with a bias. */
function absorbBiases(draft: Draft): void {
  const uses = countUses(draft)
  const made = draft.producers()
  const fused = new Map<string, DraftNode>()
  const instead = new Map<string, string>()
  for (const node of draft.nodes) {
    if (node.op !== "Add") continue
    for (const [value, other] of [node.inputs, [...node.inputs].reverse()] as [string, string][]) {
      const bias = draft.tensors.get(other)
      const found = bias && uses.get(value) === 1 ? convolutionBefore(value, made, uses) : undefined
      if (!bias || !found) continue
      const vector = perChannel(bias, draft.typeOf(value), found.axis)
      if (!vector || !sameType(draft.typeOf(value), draft.typeOf(node.outputs[0]!))) continue
      const { conv } = found
      fused.set(conv.name, { ...conv, inputs: [...conv.inputs, biasName(draft, other, vector)] })
      instead.set(node.outputs[0]!, value)
      break
    }
  }
  const replace = (value: string): string => instead.get(value) ?? value
  draft.nodes = draft.nodes
    .filter((node) => !instead.has(node.outputs[0]!))
    .map((node) => fused.get(node.name) ?? node)
    .map((node) => ({ ...node, inputs: node.inputs.map(replace) }))
  draft.outputs = draft.outputs.map((output) => ({ ...output, value: replace(output.value) }))
}

/** The convolution without a bias that makes `value`, transposed perhaps, and the axis of `value` that its channels are. */
function convolutionBefore(
  value: string,
  made: ReadonlyMap<string, DraftNode>,
  uses: ReadonlyMap<string, number>,
): { readonly conv: DraftNode; readonly axis: number } | undefined {
  const last = made.get(value)
  const perm = last?.op === "Transpose" ? permOf(last) : undefined
  const source = perm ? last!.inputs[0]! : value
  const conv = made.get(source)
  if (conv?.op !== "Conv" || conv.inputs.length !== 2 || uses.get(source) !== 1) return undefined
  return { conv, axis: perm ? perm.indexOf(1) : 1 }
}

/** `tensor` as a vector over the channels, axis `channel` of `type`, when broadcasting adds one number to each of them. */
function perChannel(tensor: OnnxTensor, type: OnnxType, channel: number): OnnxTensor | undefined {
  const channels = asConstant(type.shape[channel]!)
  const missing = type.shape.length - tensor.shape.length
  if (channels === undefined || missing < 0 || missing > channel) return undefined
  const fits = tensor.shape.every((size, axis) => size === (axis + missing === channel ? channels : 1))
  return fits ? reshapeTensor(tensor, [channels]) : undefined
}

/** The parameter itself when the constant was only a view of it, so that the file shows its name. */
function biasName(draft: Draft, source: string, vector: OnnxTensor): string {
  for (let name: string | undefined = source; name !== undefined; name = draft.madeFrom.get(name)) {
    if (sameTensor(draft.tensors.get(name)!, vector)) return name
  }
  const name = draft.tensor(`${source}.bias`, vector)
  draft.madeFrom.set(name, source)
  return name
}

// ------------------------------------------------------------------------------------------------- names and leftovers

/** Drops nodes and constants that no output needs. */
function dropUnused(draft: Draft): void {
  const needed = new Set(draft.outputs.map((output) => output.value))
  const kept: DraftNode[] = []
  for (const node of [...draft.nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue
    kept.unshift(node)
    for (const value of node.inputs) needed.add(value)
  }
  draft.nodes = kept
  for (const name of [...draft.tensors.keys()]) if (!needed.has(name)) draft.tensors.delete(name)
}

/** Makes each output's value bear the output's name; what cannot be renamed is passed through an Identity. */
function nameOutputs(draft: Draft): void {
  const made = draft.producers()
  const bound = new Set<string>()
  for (const output of [...draft.outputs]) {
    const { value } = draft.outputs.find((o) => o.name === output.name)!
    if (made.has(value) && !bound.has(value)) {
      bound.add(output.name)
      draft.rename(value, output.name)
    } else {
      draft.append({
        name: output.name,
        op: "Identity",
        inputs: [value],
        outputs: [output.name],
        attributes: {},
        doc: "",
      })
      draft.outputs = draft.outputs.map((o) => (o.name === output.name ? { ...o, value: output.name } : o))
    }
  }
}
