/**
 * Rewrites around the products of attention: less work on scores, which are as many as tokens times tokens times heads.
 *
 * Takes a draft; changes it in place. A number by which scores are scaled goes into the weights that made one of the two
 * factors, where it costs nothing (rounding each weight once, so that results may differ in the last place). Two masks, one
 * after the other, become one: the causal mask and that of padding are joined once for all layers, heads and scores (exact).
 * Why so: deployed text encoders are short of work and long of nodes; every node is a pass over the scores.
 */

import type { Draft, DraftNode } from "./draft.js"
import { numbersOf, tensorOf, type OnnxTensor } from "./tensors.js"

/** How often each value is read, by nodes and as output of the model. */
export function countUses(draft: Draft): ReadonlyMap<string, number> {
  const uses = new Map<string, number>()
  const read = (value: string): void => void uses.set(value, (uses.get(value) ?? 0) + 1)
  for (const node of draft.nodes) node.inputs.forEach(read)
  for (const output of draft.outputs) read(output.value)
  return uses
}

// ------------------------------------------------------------------------------------------------------------ scales

/** The constants of a linear layer, all of which are scaled to scale what it gives. */
interface LinearLayer {
  readonly product: DraftNode
  readonly sum: DraftNode | undefined
}

/** Scales the weights that scores are made from instead of the scores. */
export function absorbScales(draft: Draft): void {
  const uses = countUses(draft)
  const made = draft.producers()
  const instead = new Map<string, string>()
  const scaled = new Map<DraftNode, DraftNode>()
  for (const node of draft.nodes) {
    const found = scaledProduct(draft, node, made)
    if (!found || uses.get(found.product.outputs[0]!) !== 1) continue
    const layer = linearLayer(draft, found.product.inputs[0]!, made, uses)
    if (!layer || scaled.has(layer.product)) continue
    const { product, sum } = layer
    scaled.set(product, withScaledConstants(draft, product, found.factor))
    if (sum) scaled.set(sum, withScaledConstants(draft, sum, found.factor))
    instead.set(node.outputs[0]!, found.product.outputs[0]!)
  }
  const replace = (value: string): string => instead.get(value) ?? value
  draft.nodes = draft.nodes
    .filter((node) => !instead.has(node.outputs[0]!))
    .map((node) => scaled.get(node) ?? node)
    .map((node) => ({ ...node, inputs: node.inputs.map(replace) }))
  draft.outputs = draft.outputs.map((output) => ({ ...output, value: replace(output.value) }))
}

/** The product of two values that `node` multiplies by one number, and that number. */
function scaledProduct(
  draft: Draft,
  node: DraftNode,
  made: ReadonlyMap<string, DraftNode>,
): { readonly product: DraftNode; readonly factor: number } | undefined {
  if (node.op !== "Mul" && node.op !== "Div") return undefined
  const [a, b] = node.inputs as [string, string]
  const [value, scalar] = node.op === "Mul" && draft.tensors.has(a) ? [b, a] : [a, b]
  const product = made.get(value)
  const tensor = draft.tensors.get(scalar)
  if (product?.op !== "MatMul" || tensor?.dtype !== "f32" || tensor.shape.length > 0) return undefined
  const number = numbersOf(tensor)[0]!
  const factor = node.op === "Mul" ? number : 1 / number
  return Number.isFinite(factor) && factor !== 0 ? { product, factor } : undefined
}

/** Nodes that move elements and change none. */
const MOVES: ReadonlySet<string> = new Set(["Reshape", "Transpose"])

/** The linear layer that makes `value`, moved perhaps, when nothing else reads it or its weights. */
function linearLayer(
  draft: Draft,
  value: string,
  made: ReadonlyMap<string, DraftNode>,
  uses: ReadonlyMap<string, number>,
): LinearLayer | undefined {
  const own = (name: string): DraftNode | undefined => (uses.get(name) === 1 ? made.get(name) : undefined)
  let node = own(value)
  while (node && MOVES.has(node.op)) node = own(node.inputs[0]!)
  const sum = node?.op === "Add" ? node : undefined
  const constants = (of: DraftNode): string[] => of.inputs.filter((name) => draft.tensors.has(name))
  const isOwn = (of: DraftNode): boolean => {
    const [only, ...others] = constants(of)
    return only !== undefined && others.length === 0 && uses.get(only) === 1 && draft.tensors.get(only)!.dtype === "f32"
  }
  const product = sum ? own(sum.inputs.find((name) => !draft.tensors.has(name)) ?? "") : node
  if (product?.op !== "MatMul" || !isOwn(product) || (sum && !isOwn(sum))) return undefined
  return { product, sum }
}

function withScaledConstants(draft: Draft, node: DraftNode, factor: number): DraftNode {
  return {
    ...node,
    inputs: node.inputs.map((name) => {
      const tensor = draft.tensors.get(name)
      if (!tensor) return name
      const result = draft.tensor(`${name}.scaled`, scaledTensor(tensor, factor))
      draft.madeFrom.set(result, name)
      return result
    }),
  }
}

function scaledTensor(tensor: OnnxTensor, factor: number): OnnxTensor {
  return tensorOf(
    tensor.dtype,
    tensor.shape,
    numbersOf(tensor).map((number) => number * factor),
  )
}

// ------------------------------------------------------------------------------------------------------------- masks

/** Where a value is replaced by one number, and where it is kept: `keeps` says what the condition means. */
interface Mask {
  readonly condition: string
  readonly keeps: boolean
  readonly value: string
  readonly hidden: string
}

/** A mask of what another one has masked with the same number is one mask. */
export function joinMasks(draft: Draft): void {
  const uses = countUses(draft)
  const made = draft.producers()
  const joined = new Map<string, string>()
  const nodes = draft.nodes
  draft.nodes = []
  for (const node of nodes) {
    const outer = maskOf(draft, node)
    const before = outer && uses.get(outer.value) === 1 ? made.get(outer.value) : undefined
    const inner = before && maskOf(draft, before)
    const pair = outer && inner?.hidden === outer.hidden ? sameMeaning(draft, outer, inner) : undefined
    if (!inner || !pair) {
      draft.append(node)
      continue
    }
    const [first, second, keeps] = pair
    const key = `${first} ${second} ${keeps}`
    let condition = joined.get(key)
    if (condition === undefined) {
      condition = draft.unique(`${node.name}.${keeps ? "And" : "Or"}`)
      const op = keeps ? "And" : "Or"
      draft.append({ ...node, name: condition, op, inputs: [first, second], outputs: [condition], attributes: {} })
      joined.set(key, condition)
    }
    const { value, hidden } = inner
    draft.append({ ...node, inputs: keeps ? [condition, value, hidden] : [condition, hidden, value] })
  }
}

/** What a node masks with a number, if it does. */
function maskOf(draft: Draft, node: DraftNode): Mask | undefined {
  if (node.op !== "Where") return undefined
  const [condition, chosen, other] = node.inputs as [string, string, string]
  const isNumber = (name: string): boolean => draft.tensors.get(name)?.shape.length === 0
  if (isNumber(other) && !isNumber(chosen)) return { condition, keeps: true, value: chosen, hidden: other }
  if (isNumber(chosen) && !isNumber(other)) return { condition, keeps: false, value: other, hidden: chosen }
  return undefined
}

/** Both conditions in one meaning; a constant one is negated now. Undefined when that would take a node more. */
function sameMeaning(draft: Draft, a: Mask, b: Mask): readonly [string, string, boolean] | undefined {
  if (a.keeps === b.keeps) return [a.condition, b.condition, a.keeps]
  const negated = (name: string): string | undefined => {
    const tensor = draft.tensors.get(name)
    return (
      tensor &&
      draft.literal(
        tensorOf(
          "bool",
          tensor.shape,
          numbersOf(tensor).map((value) => 1 - value),
        ),
      )
    )
  }
  const inner = negated(b.condition)
  if (inner !== undefined) return [a.condition, inner, a.keeps]
  const outer = negated(a.condition)
  return outer === undefined ? undefined : [outer, b.condition, b.keeps]
}
