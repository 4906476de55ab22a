/**
 * An ONNX graph in the making: nodes, constants and the type of every value, before it becomes bytes.
 *
 * Takes nodes one by one and checks each against the operator table, so that every value has a type from the start;
 * gives the material that `simplify` rewrites and `encode` writes. Names are handed out here: they come from the user's
 * own statement names, and the same graph gives the same names.
 */

import type { Sizes } from "../../ir/dims.js"
import type { OnnxAttribute } from "../../ops/definition.js"
import { inferOnnx, knownOfTensor } from "./schema.js"
import type { Known } from "./schema-types.js"
import { floatText, hashBytes, numbersOf, sameTensor, type OnnxTensor, type OnnxType } from "./tensors.js"

export interface DraftNode {
  readonly name: string
  readonly op: string
  /** "" for an optional input that is left out */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
  /** where in the user's text it comes from, `file@start-end`; "" when from nowhere */
  readonly doc: string
}

export interface DraftInput {
  readonly name: string
  readonly type: OnnxType
  readonly doc: string | undefined
}

/** A graph output: the name it shall have, and the value that it is until names are settled. */
export interface DraftOutput {
  readonly name: string
  readonly value: string
  readonly doc: string | undefined
}

/** Constants of at most this many elements are named by their values, longer ones by a hash. */
const NAMED_BY_VALUES = 6

export class Draft {
  nodes: DraftNode[] = []
  outputs: DraftOutput[] = []
  readonly inputs: DraftInput[] = []
  readonly tensors = new Map<string, OnnxTensor>()
  /** the tensor that a tensor is another view of (transposed, reshaped), by name */
  readonly madeFrom = new Map<string, string>()
  private readonly known = new Map<string, Known>()
  private readonly taken = new Set<string>()

  /** @param sizes those that symbols which stay open in the file had when the model was compiled; none for the batch */
  constructor(
    readonly opset: number,
    readonly sizes: Sizes = new Map(),
  ) {}

  /** `wanted`, or `wanted_2`, `wanted_3` ... when that is taken. The name is taken from now on. */
  unique(wanted: string): string {
    let name = wanted
    for (let n = 2; this.taken.has(name); n++) name = `${wanted}_${n}`
    this.taken.add(name)
    return name
  }

  /** Gives back a name that was taken and not used. */
  release(name: string): void {
    this.taken.delete(name)
  }

  knownOf(value: string): Known {
    const known = this.known.get(value)
    if (!known) throw new Error(`there is no ONNX value named ${value}`)
    return known
  }

  typeOf(value: string): OnnxType {
    return this.knownOf(value).type
  }

  input(name: string, type: OnnxType, doc: string | undefined): void {
    this.inputs.push({ name, type, doc })
    this.known.set(name, { type })
  }

  /** Adds a constant under `wanted` or the next free name; gives the name. */
  tensor(wanted: string, tensor: OnnxTensor): string {
    const name = this.unique(wanted)
    this.reserved(name, tensor)
    return name
  }

  /** A constant that is named after its content, so that equal ones are one and inserting a node renames none. */
  literal(tensor: OnnxTensor): string {
    const shape = tensor.shape.length === 0 ? "" : `[${tensor.shape.join(",")}]`
    const short = tensor.shape.reduce((product, size) => product * size, 1) <= NAMED_BY_VALUES
    const content = short
      ? `:${numbersOf(tensor)
          .map((n) => (tensor.dtype === "f32" ? floatText(n) : `${n}`))
          .join("_")}`
      : `#${hashBytes(tensor.bytes)}`
    const wanted = `const/${tensor.dtype}${shape}${content}`
    const same = this.tensors.get(wanted)
    return same && sameTensor(same, tensor) ? wanted : this.tensor(wanted, tensor)
  }

  /**
   * Appends a node; its outputs are named by `outputs`, which must be free names.
   *
   * @throws SchemaError when the node does not fit its operator
   */
  append(node: DraftNode): void {
    const results = this.infer(node)
    node.outputs.forEach((output, index) => this.known.set(output, results[index]!))
    this.nodes.push(node)
  }

  /** Adds a constant under a name that has been taken for it. */
  reserved(name: string, tensor: OnnxTensor): void {
    this.tensors.set(name, tensor)
    this.known.set(name, knownOfTensor(tensor))
  }

  /** What is known of the node's outputs. Throws SchemaError when the node does not fit its operator. */
  infer(node: DraftNode): readonly Known[] {
    const inputs = node.inputs.map((value) => (value === "" ? undefined : this.knownOf(value)))
    return inferOnnx(node.op, inputs, node.attributes, node.outputs.length, this.opset, this.sizes)
  }

  /** Gives `value`, made by a node, the name `name`, which has been taken for it. Its node gets that name too. */
  rename(value: string, name: string, firstNode = 0): void {
    const replace = (v: string): string => (v === value ? name : v)
    const known = this.knownOf(value)
    this.known.delete(value)
    this.known.set(name, known)
    for (let at = firstNode; at < this.nodes.length; at++) {
      const node = this.nodes[at]!
      if (!node.inputs.includes(value) && !node.outputs.includes(value)) continue
      const nodeName = node.outputs[0] === value ? name : node.name
      this.nodes[at] = { ...node, name: nodeName, inputs: node.inputs.map(replace), outputs: node.outputs.map(replace) }
    }
    this.outputs = this.outputs.map((output) => ({ ...output, value: replace(output.value) }))
  }

  /** The node that makes `value`, if one does. */
  producers(): ReadonlyMap<string, DraftNode> {
    return new Map(this.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  }
}
