/**
 * Weights of 8 bits, and the arithmetic of convolutions and products in whole numbers (static quantisation).
 *
 * Takes a finished draft and the range of each value that is rounded; changes the draft in place. What is rounded passes
 * through QuantizeLinear and DequantizeLinear (the QDQ form), which every runtime understands and which ONNX Runtime fuses
 * into integer kernels: a convolution when what it reads and what it gives is rounded, a product when what it reads is.
 *
 * Weights are int8, symmetric, with one scale per output channel; values uint8 with one scale and a zero point, from the
 * least and greatest value seen, 0 included; biases int32 with the product of both scales. Values are uint8 because ONNX
 * Runtime has kernels for those on every processor, and for int8 ones not on x86. Products of two values (attention) stay
 * f32: they round badly and hold no weight.
 * Reference: Jacob et al. 2018, arXiv:1712.05877; Nagel et al. 2021, arXiv:2106.08295.
 */

import type { Draft, DraftNode } from "./draft.js"
import { numbersOf, tensorOf, type OnnxTensor } from "./tensors.js"

/** The least and the greatest value seen. */
export interface Range {
  readonly low: number
  readonly high: number
}

export type Ranges = ReadonlyMap<string, Range>

/** What is rounded, and for which layers. */
interface RoundingPlan {
  /** layers by the name of their node, with the axis of the weight that has a scale per index */
  readonly layers: ReadonlyMap<string, number>
  /** values to round: for these layers only, or (results of convolutions) for all readers */
  readonly values: ReadonlyMap<string, "layers" | "all">
  /** results of layers that stay f32, with the reason */
  readonly left: readonly string[]
}

/** The values whose ranges `quantise` needs, in the order of the graph. Empty when no layer can be rounded. */
export function rangedValues(draft: Draft): readonly string[] {
  return [...planRounding(draft).values.keys()]
}

function planRounding(draft: Draft): RoundingPlan {
  const layers = new Map<string, number>()
  const values = new Map<string, "layers" | "all">()
  const left: string[] = []
  const outputs = new Set(draft.outputs.map(({ value }) => value))
  const readers = readersOf(draft)
  for (const node of draft.nodes) {
    const [input, weight, bias] = node.inputs as [string, string, string | undefined]
    const tensor = draft.tensors.get(weight)
    if (!["Conv", "MatMul", "ConvTranspose"].includes(node.op) || tensor?.dtype !== "f32") continue
    if (node.op === "ConvTranspose") left.push(`${node.name} (transposed convolutions have no integer kernel)`)
    else if (draft.tensors.has(input) || tensor.shape.length < 2) left.push(`${node.name} (it reads no values)`)
    else if (node.op === "MatMul") {
      layers.set(node.name, tensor.shape.length - 1)
      if (!values.has(input)) values.set(input, "layers")
    } else {
      const result = activated(node, readers, outputs)
      if (outputs.has(result)) left.push(`${node.name} (it makes an output)`)
      else if (bias !== undefined && !draft.tensors.has(bias)) left.push(`${node.name} (its bias is computed)`)
      else {
        layers.set(node.name, 0)
        if (!values.has(input)) values.set(input, "layers")
        values.set(result, "all")
      }
    }
  }
  return { layers, values, left }
}

function readersOf(draft: Draft): ReadonlyMap<string, readonly DraftNode[]> {
  const readers = new Map<string, DraftNode[]>()
  for (const node of draft.nodes) {
    for (const input of node.inputs) {
      const known = readers.get(input)
      if (known) known.push(node)
      else readers.set(input, [node])
    }
  }
  return readers
}

/** What is rounded of a convolution: its result, or that of the ReLU that alone reads it (which the rounding then does). */
function activated(
  node: DraftNode,
  readers: ReadonlyMap<string, readonly DraftNode[]>,
  outputs: ReadonlySet<string>,
): string {
  const result = node.outputs[0]!
  const [reader, ...others] = readers.get(result) ?? []
  return reader?.op === "Relu" && others.length === 0 && !outputs.has(result) ? reader.outputs[0]! : result
}

/**
 * Rounds; gives what stays f32 and why, one sentence each.
 *
 * @param ranges of at least `rangedValues`, all finite
 */
export function quantise(draft: Draft, ranges: Ranges): readonly string[] {
  const { layers, values, left } = planRounding(draft)
  const rounding = new Rounding(draft, ranges)
  const nodes = draft.nodes
  draft.nodes = []
  const roundAll = (names: readonly string[]): void => {
    for (const name of names) if (values.has(name)) rounding.value(name)
  }
  roundAll(draft.inputs.map(({ name }) => name))
  for (const node of nodes) {
    const axis = layers.get(node.name)
    const inputs =
      axis === undefined
        ? node.inputs.map((value) => (values.get(value) === "all" ? rounding.read(value) : value))
        : rounding.layer(node, axis)
    draft.append({ ...node, inputs })
    roundAll(node.outputs)
  }
  const read = new Set(draft.nodes.flatMap((node) => node.inputs))
  for (const name of [...draft.tensors.keys()]) if (!read.has(name)) draft.tensors.delete(name)
  return left.length === 0 ? [] : [`layers that stay f32: ${left.join(", ")}`]
}

/** The greatest of uint8; of the symmetric range of int8; and of int32. */
const [MOST_UINT8, SYMMETRIC, MOST_INT32] = [255, 127, 2 ** 31 - 1]

interface StoredWeight {
  readonly name: string
  readonly scales: readonly number[]
}

/** A value in whole numbers, and what they stand for. */
interface RoundedValue {
  /** name of the whole numbers */
  readonly whole: string
  readonly scale: number
  /** names of scale and zero point */
  readonly factors: readonly string[]
}

class Rounding {
  private readonly values = new Map<string, RoundedValue>()
  /** what readers get, by value */
  private readonly reads = new Map<string, string>()

  constructor(
    private readonly draft: Draft,
    private readonly ranges: Ranges,
  ) {}

  /** Rounds a value. */
  value(value: string): void {
    const range = this.ranges.get(value)
    if (!range) throw new Error(`no range was observed for ${value}`)
    const [low, high] = [Math.min(range.low, 0), Math.max(range.high, 0)]
    const scale = Math.fround((high - low) / MOST_UINT8) || 1
    const zero = Math.min(Math.round(-low / scale), MOST_UINT8)
    const factors = [this.draft.literal(tensorOf("f32", [], [scale])), this.draft.literal(tensorOf("u8", [], [zero]))]
    const whole = this.append("QuantizeLinear", `${value}/uint8`, [value, ...factors])
    this.values.set(value, { whole, scale, factors })
  }

  /** What readers get of a rounded value. */
  read(value: string): string {
    const known = this.reads.get(value)
    if (known !== undefined) return known
    const { whole, factors } = this.values.get(value)!
    const name = this.append("DequantizeLinear", `${value}/rounded`, [whole, ...factors])
    this.reads.set(value, name)
    return name
  }

  /** The inputs of a layer with weights of 8 bits. */
  layer(node: DraftNode, axis: number): readonly string[] {
    const [value, weight, bias] = node.inputs as [string, string, string | undefined]
    const input = this.read(value)
    const { scale } = this.values.get(value)!
    const biases = bias === undefined ? undefined : numbersOf(this.draft.tensors.get(bias)!)
    const stored = this.weight(weight, axis, (channel) => Math.abs(biases?.[channel] ?? 0) / scale / MOST_INT32)
    if (!biases) return [input, stored.name]
    const products = stored.scales.map((one) => Math.fround(one * scale))
    const whole = biases.map((number, channel) => Math.round(number / products[channel]!))
    const factor = this.vector("f32", `${bias}/scale`, products)
    const inputs = [this.vector("i32", `${bias}/int32`, whole), factor]
    return [input, stored.name, this.append("DequantizeLinear", `${bias}/rounded`, inputs, 0)]
  }

  /** Stores a weight in 8 bits. `least` is the smallest scale of a channel with which its bias fits into 32 bits. */
  private weight(name: string, axis: number, least: (channel: number) => number): StoredWeight {
    const tensor = this.draft.tensors.get(name)!
    const values = numbersOf(tensor)
    const channelOf = channels(tensor, axis)
    const largest = new Array<number>(tensor.shape[axis]!).fill(0)
    values.forEach((value, index) => {
      const channel = channelOf(index)
      largest[channel] = Math.max(largest[channel]!, Math.abs(value))
    })
    // A channel of zeros has any scale.
    const scales = largest.map((most, c) => Math.fround(Math.max(most / SYMMETRIC, least(c))) || 1)
    const whole = values.map((value, index) => {
      const rounded = Math.round(value / scales[channelOf(index)]!)
      return Math.min(Math.max(rounded, -SYMMETRIC), SYMMETRIC)
    })
    const inputs = [
      this.draft.tensor(`${name}/int8`, tensorOf("i8", tensor.shape, whole)),
      this.vector("f32", `${name}/scale`, scales),
      this.draft.literal(
        tensorOf(
          "i8",
          [scales.length],
          scales.map(() => 0),
        ),
      ),
    ]
    return { name: this.append("DequantizeLinear", `${name}/rounded`, inputs, axis), scales }
  }

  private vector(dtype: "f32" | "i32", name: string, values: readonly number[]): string {
    return this.draft.tensor(name, tensorOf(dtype, [values.length], values))
  }

  private append(op: string, wanted: string, inputs: readonly string[], axis?: number): string {
    const name = this.draft.unique(wanted)
    const attributes = axis === undefined ? {} : { axis: { int: axis } }
    this.draft.append({ name, op, inputs, outputs: [name], attributes, doc: "" })
    return name
  }
}

/** The index along `axis` of the element at a place in row-major order. */
function channels({ shape }: OnnxTensor, axis: number): (index: number) => number {
  const stride = shape.slice(axis + 1).reduce((product, size) => product * size, 1)
  return (index) => Math.floor(index / stride) % shape[axis]!
}
