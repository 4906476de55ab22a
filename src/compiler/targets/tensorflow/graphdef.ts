/**
 * Writing a TensorFlow GraphDef.
 *
 * Takes op names, inputs and attributes; gives NodeDefs with unique, readable names. A name is the program, the user's
 * scope and the op (`train/vision/down1/conv/Conv2D`), because TensorFlow's own run-time errors name the node: the
 * session reads the user's place back out of it with `scopeOfNode`. Equal constants are stored once. The same calls
 * give the same bytes.
 */

import messages, {
  type GraphDef,
  type NodeDef,
  type Tensor,
  type TensorShape,
} from "@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js"
import type { TensorFlowAttribute, TensorFlowType } from "../../ops/definition.js"
import { sizeOf } from "../../ops/ndarray.js"
import type { DataType, LanguageType } from "../../ir/graph.js"

/** Element types the target itself uses, beyond those of op records: bias corrections are computed in float64. */
export type ElementType = TensorFlowType | "DT_DOUBLE"

/** `types.proto`. Written out because the shipped enum stops before DT_RESOURCE. */
const ELEMENT_TYPE_NUMBERS: Readonly<Record<ElementType, number>> = {
  DT_FLOAT: 1,
  DT_DOUBLE: 2,
  DT_INT32: 3,
  DT_STRING: 7,
  DT_INT64: 9,
  DT_BOOL: 10,
  DT_BFLOAT16: 14,
  DT_RESOURCE: 20,
}

const ELEMENT_TYPES = {
  f32: "DT_FLOAT",
  i32: "DT_INT32",
  bool: "DT_BOOL",
  bf16: "DT_BFLOAT16",
} as const satisfies Readonly<Record<DataType, ElementType>>

/** TensorFlow 2.21. Ops are interpreted as of this version of their definitions. */
const PRODUCER_VERSION = 2286

/** What a node's attribute can be; record attributes plus the wider element types. */
export type NodeAttribute = TensorFlowAttribute | { readonly type: ElementType }

/** The TensorFlow element type of one of ours. */
export function elementType<T extends DataType>(dtype: T): (typeof ELEMENT_TYPES)[T] {
  return ELEMENT_TYPES[dtype]
}

/** The enum number of an element type, as it stands in protobuf messages. */
export function elementTypeNumber(type: ElementType): number {
  return ELEMENT_TYPE_NUMBERS[type]
}

/** Our data type for an enum number; undefined for types that no signature of ours has. */
export function dataTypeOf(number: number): LanguageType | undefined {
  return (["f32", "i32", "bool"] as const).find((d) => ELEMENT_TYPE_NUMBERS[ELEMENT_TYPES[d]] === number)
}

/** The protobuf message of a shape. */
export function shapeMessage(shape: readonly number[]): TensorShape {
  const message = new messages.TensorShape()
  message.setDimList(
    shape.map((size) => {
      const dim = new messages.TensorShape.Dim()
      dim.setSize(size)
      return dim
    }),
  )
  return message
}

/** Characters that TensorFlow refuses in node names become `_`; dots become slashes, its own way of nesting. */
export function nodeNamePart(text: string): string {
  return text.replace(/\./g, "/").replace(/[^A-Za-z0-9_/-]/g, "_")
}

/**
 * The user's dotted scope in a node name made by this builder: `vision.down1.conv` for
 * `train/vision/down1/conv/Conv2D_1`. Empty when the node stands outside any scope.
 */
export function scopeOfNode(name: string): string {
  return name.split("/").slice(1, -1).join(".")
}

/** The name of the node that gives a tensor: `a/b` for `a/b:2`. */
export function nodeOfTensor(tensor: string): string {
  const colon = tensor.lastIndexOf(":")
  return colon < 0 ? tensor : tensor.slice(0, colon)
}

/** Collects nodes; `finish` gives the GraphDef. */
export class GraphDefBuilder {
  private readonly nodes: NodeDef[] = []
  private readonly taken = new Map<string, number>()
  /** constants by type, shape and a hash of their bytes; equal hashes are told apart by the bytes */
  private readonly constants = new Map<string, { readonly bytes: Uint8Array; readonly name: string }[]>()
  private constantCount = 0

  /**
   * Appends a node.
   *
   * @param scope program and dotted user scope, e.g. `train/vision.down1.conv`
   * @param inputs tensor names (`node` or `node:output`)
   * @param controls names of nodes that must have run before
   * @returns the node's name
   */
  node(
    op: string,
    scope: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, NodeAttribute>> = {},
    controls: readonly string[] = [],
  ): string {
    return this.append(op, this.unique(`${nodeNamePart(scope)}/${op}`), inputs, attributes, controls)
  }

  /** Appends a node whose name is exactly `name` once cleaned (and made unique). */
  named(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, NodeAttribute>> = {},
    controls: readonly string[] = [],
  ): string {
    return this.append(op, this.unique(nodeNamePart(name)), inputs, attributes, controls)
  }

  /**
   * A constant tensor; equal ones are one node. A single value fills the whole shape without being written out.
   *
   * @throws RangeError when the number of values is neither 1 nor that of the elements
   */
  constant(
    type: Exclude<ElementType, "DT_RESOURCE" | "DT_STRING">,
    shape: readonly number[],
    values: readonly number[],
  ): string {
    const count = sizeOf(shape)
    if (values.length !== count && values.length !== 1) {
      throw new RangeError(`${values.length} values for a constant of shape [${shape.join(", ")}]`)
    }
    const bytes = littleEndianBytes(type, values)
    const key = `${type} [${shape.join(",")}] ${bytes.length} ${fingerprint(bytes)}`
    const same = this.constants.get(key)?.find((candidate) => equalBytes(candidate.bytes, bytes))
    if (same) return same.name

    const tensor = new messages.Tensor()
    tensor.setDtype(elementTypeNumber(type))
    tensor.setTensorShape(shapeMessage(shape))
    if (values.length === count) tensor.setTensorContent(bytes)
    else if (type === "DT_BFLOAT16") tensor.setTensorContent(filledContent(bytes, count))
    else setFill(tensor, type, values[0]!)
    const attribute = new messages.AttrValue()
    attribute.setTensor(tensor)
    const name = this.unique(`constants/${type.slice(3).toLowerCase()}_${this.constantCount++}`)
    this.append("Const", name, [], { dtype: { type } }, [])
    this.nodes.at(-1)!.getAttrMap().set("value", attribute)
    this.constants.set(key, [...(this.constants.get(key) ?? []), { bytes, name }])
    return name
  }

  /** An int32 vector, for shapes, axes and permutations. */
  ints(values: readonly number[]): string {
    return this.constant("DT_INT32", [values.length], values)
  }

  get nodeCount(): number {
    return this.nodes.length
  }

  finish(): GraphDef {
    const graph = new messages.GraphDef()
    graph.setNodeList(this.nodes)
    const versions = new messages.VersionDef()
    versions.setProducer(PRODUCER_VERSION)
    graph.setVersions(versions)
    return graph
  }

  /** Every node comes by here. */
  protected append(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, NodeAttribute>>,
    controls: readonly string[],
  ): string {
    const node = new messages.NodeDef()
    node.setName(name)
    node.setOp(op)
    node.setInputList([...inputs, ...[...new Set(controls)].map((control) => `^${control}`)])
    for (const [key, value] of Object.entries(attributes)) node.getAttrMap().set(key, attributeMessage(value))
    this.nodes.push(node)
    return name
  }

  /** A name is used once: `Conv2D`, `Conv2D_1`, `Conv2D_2`, ... */
  protected unique(name: string): string {
    const clean = name.replace(/^[^A-Za-z0-9]+/, "").replace(/\/+/g, "/")
    let candidate = clean
    for (let n = this.taken.get(clean) ?? 0; this.taken.has(candidate); n++) {
      candidate = `${clean}_${n + 1}`
      this.taken.set(clean, n + 1)
    }
    if (!this.taken.has(candidate)) this.taken.set(candidate, 0)
    return candidate
  }
}

function attributeMessage(value: NodeAttribute): InstanceType<typeof messages.AttrValue> {
  const message = new messages.AttrValue()
  if ("type" in value) message.setType(elementTypeNumber(value.type))
  else if ("i" in value) message.setI(value.i)
  else if ("f" in value) message.setF(value.f)
  else if ("b" in value) message.setB(value.b)
  else if ("s" in value) message.setS(new TextEncoder().encode(value.s))
  else if ("shape" in value) message.setShape(shapeMessage(value.shape))
  else {
    const list = new messages.AttrValue.ListValue()
    list.setIList(value.ints)
    message.setList(list)
  }
  return message
}

/** `tensor_content` is little-endian on every platform. */
function littleEndianBytes(type: ElementType, values: readonly number[]): Uint8Array {
  const width = type === "DT_BOOL" ? 1 : type === "DT_BFLOAT16" ? 2 : type === "DT_FLOAT" || type === "DT_INT32" ? 4 : 8
  const bytes = new Uint8Array(values.length * width)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (type === "DT_FLOAT") view.setFloat32(i * 4, value, true)
    else if (type === "DT_INT32") view.setInt32(i * 4, value, true)
    else if (type === "DT_BOOL") view.setUint8(i, value ? 1 : 0)
    else if (type === "DT_INT64") view.setBigInt64(i * 8, BigInt(value), true)
    else if (type === "DT_DOUBLE") view.setFloat64(i * 8, value, true)
    else if (type === "DT_BFLOAT16") view.setUint16(i * 2, bfloat16Bits(value), true)
    else throw new TypeError(`constants of type ${type} are not supported`)
  }
  return bytes
}

/** The upper half of the f32, rounded to nearest, ties to even. Infinities stay, NaN stays NaN. */
function bfloat16Bits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!
  if (Number.isNaN(value)) return 0x7fc0
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** The bytes of one element, `count` times: the shipped classes have no field for one value of a half-width type. */
function filledContent(element: Uint8Array, count: number): Uint8Array {
  const content = new Uint8Array(element.length * count)
  for (let i = 0; i < count; i++) content.set(element, i * element.length)
  return content
}

/** A tensor message with one typed value and no content means that value everywhere. */
function setFill(tensor: Tensor, type: ElementType, value: number): void {
  if (type === "DT_FLOAT") tensor.setFloatValList([value])
  else if (type === "DT_DOUBLE") tensor.setDoubleValList([value])
  else if (type === "DT_INT32") tensor.setIntValList([value])
  else if (type === "DT_BOOL") tensor.setBoolValList([value !== 0])
  else throw new TypeError(`filled constants of type ${type} are not supported`)
}

/** FNV-1a over the bytes: only narrows the search for an equal constant. */
function fingerprint(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
