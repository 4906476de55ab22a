/**
 * Precision: from a training program in f32 to one whose large products are done in bf16.
 *
 * Takes a graph, gradients included; gives the same graph with casts, in which convolutions and
 * matrix products take and give bf16, what only moves or selects elements follows its operands, and everything else
 * (reductions, losses, exponentials) is in f32. Parameters stay in f32 and are rounded where they are used, gradients of
 * parameters are f32 again before the optimiser sees them: f32 master weights, as in Micikevicius et al. 2018 and in
 * torch.autocast. What each op may be given is in its record (`PrecisionRule`).
 *
 * Each value exists in f32, in bf16 or in both; a cast is made when the form that is wanted is not there, and once.
 */

import { evaluate, type Sizes } from "../ir/dims.js"
import { NOWHERE } from "../ir/builder.js"
import type { Graph, GraphNode, Origin, ValueId } from "../ir/graph.js"
import { typeOf } from "../ir/graph.js"
import { sizeOf } from "../ops/ndarray.js"
import { opDefinition } from "../ops/registry.js"
import { GraphAssembler } from "./graph-assembler.js"
import type { Pass } from "./pass.js"

/** `--precision` of a training program. */
export const PRECISIONS = ["f32", "bf16"] as const

export type Precision = (typeof PRECISIONS)[number]

export interface PrecisionResult {
  readonly graph: Graph
  /** the new ids of what was wanted, all in f32 */
  readonly wanted: readonly ValueId[]
  readonly report: {
    /** nodes that give bf16 */
    readonly narrowed: number
    /** casts between the two */
    readonly casts: number
  }
}

export interface PrecisionOptions {
  /** of all symbols, the batch included: whether a product is worth its casts depends on them */
  readonly sizes: Sizes
  /** multiply-accumulates for each element read or written, below which a product is not worth two casts */
  readonly leastWork?: number
  /** rounds what the graph is fed, so that every op that can follows it; for testing kernels */
  readonly roundInputs?: boolean
}

const LEAST_WORK = 16

/** How a value of the old graph stands in the new one. */
interface Forms {
  wide?: ValueId
  narrow?: ValueId
  /** it was made in bf16, so that more bf16 loses nothing; a copy that was rounded for a product is no such thing */
  readonly isNarrow: boolean
  /** rounding it costs next to nothing, or it holds only what bf16 holds exactly */
  readonly soft: boolean
}

/** Rewrites `graph` for bf16. Its outputs, losses and updates and `wanted` come out in f32. */
export function lowerPrecision(graph: Graph, wanted: readonly ValueId[], options: PrecisionOptions): PrecisionResult {
  return new PrecisionRewriter(graph, options).run(wanted)
}

export const assignPrecision: Pass = {
  name: "precision",
  doc: "In a program of mixed precision, large products take and give bf16, and what moves or selects elements follows.",
  requires: ["typed"],
  ensures: ["precision assigned"],
  // Constants are cast where they are used.
  destroys: ["constants folded", "simplified", "only gradients wait"],
  run: (program, { precision }) => {
    if (!precision) return { program: { graph: program.graph, results: program.results } }
    const { graph, wanted, report } = lowerPrecision(program.graph, program.results, precision)
    return { program: { graph, results: wanted }, counts: report }
  },
}

/** Every place where an op is given or gives bf16 against its record, or a result of the program is not f32. */
export function misplacedNarrow(graph: Graph, results: readonly ValueId[]): readonly string[] {
  const isNarrow = (value: ValueId): boolean => typeOf(graph, value).dtype === "bf16"
  const places = (values: readonly ValueId[], may: (index: number) => boolean): readonly number[] =>
    values.flatMap((value, index) => (isNarrow(value) && !may(index) ? [index] : []))
  const named = [...graph.inputs, ...graph.parameters, ...graph.outputs, ...graph.losses, ...graph.updates]
  const told = [...named.map(({ value }) => value), ...results].filter(isNarrow)
  return [
    ...told.map((value) => `value ${value} is bf16 outside of the program`),
    ...graph.nodes.flatMap(({ id, op, inputs, outputs }) => {
      const { precision } = opDefinition(op)
      if (op === "cast" || precision.kind === "products" || precision.kind === "follows") return []
      const mixed = precision.kind === "mixed" ? precision : undefined
      const wrong = [
        ...places(inputs, (index) => mixed?.inputs.includes(index) === true).map((index) => `takes operand ${index}`),
        ...places(outputs, (index) => mixed?.outputs.includes(index) === true).map((index) => `gives result ${index}`),
      ]
      return wrong.map((what) => `node ${id} (${op}) ${what} in bf16`)
    }),
  ]
}

class PrecisionRewriter {
  private readonly out: GraphAssembler
  private readonly forms = new Map<ValueId, Forms>()
  private narrowed = 0
  private casts = 0

  constructor(
    private readonly graph: Graph,
    private readonly options: PrecisionOptions,
  ) {
    this.out = new GraphAssembler(graph.sizes)
  }

  run(wanted: readonly ValueId[]): PrecisionResult {
    const { graph, out } = this
    const feed = <T extends { readonly value: ValueId }>(fed: T, soft: boolean): T => {
      const wide = out.feed(typeOf(graph, fed.value))
      this.forms.set(fed.value, { wide, soft, isNarrow: this.options.roundInputs === true && !soft })
      return { ...fed, value: wide }
    }
    const inputs = graph.inputs.map((input) => feed(input, false))
    const parameters = graph.parameters.map((parameter) => feed(parameter, true))
    for (const node of graph.nodes) this.rewrite(node)
    const wide = (value: ValueId): ValueId => this.wide(value, this.originOf(value))
    const named = <T extends { readonly value: ValueId }>(items: readonly T[]): T[] =>
      items.map((item) => ({ ...item, value: wide(item.value) }))
    const interfaces = {
      inputs,
      parameters,
      outputs: named(graph.outputs),
      losses: named(graph.losses),
      updates: graph.updates.map(({ state, value }) => ({ state: wide(state), value: wide(value) })),
    }
    const finished = out.finish(interfaces, wanted.map(wide))
    return { ...finished, report: { narrowed: this.narrowed, casts: this.casts } }
  }

  private rewrite(node: GraphNode): void {
    const { precision } = opDefinition(node.op)
    const isFloat = node.inputs.map((value) => this.dtype(value) === "f32")
    switch (precision.kind) {
      case "full":
        return this.emit(
          node,
          () => false,
          () => false,
        )
      case "products": {
        const narrow = this.isWorthwhile(node)
        return this.emit(
          node,
          (index) => narrow && isFloat[index]!,
          () => narrow,
        )
      }
      case "mixed": {
        const narrow = precision.inputs.some((index) => this.isNarrow(node.inputs[index]!))
        return this.emit(
          node,
          (index) => narrow && precision.inputs.includes(index),
          (index) => narrow && precision.outputs.includes(index),
        )
      }
      case "follows": {
        const narrow = this.follows(node)
        return this.emit(
          node,
          (index) => narrow && isFloat[index]!,
          () => narrow,
        )
      }
    }
  }

  /**
   * Whether a `follows` node is done in bf16: when some operand is there in bf16, and none of the full-size operands would
   * have to be rounded for it. So a sum with an f32 stream stays f32, and a bias or a mask does not widen anything.
   */
  private follows(node: GraphNode): boolean {
    const floats = node.inputs.filter((value) => this.dtype(value) === "f32")
    const size = Math.max(0, ...node.outputs.map((value) => this.elementsOf(value)))
    const firm = floats.filter((value) => !this.forms.get(value)!.soft && this.elementsOf(value) >= size)
    return floats.some((value) => this.isNarrow(value)) && firm.every((value) => this.isNarrow(value))
  }

  private isWorthwhile(node: GraphNode): boolean {
    const concrete = (value: ValueId) => ({ dtype: this.dtype(value), shape: this.shapeOf(value) })
    const { macs } = opDefinition(node.op).cost(node.inputs.map(concrete), node.outputs.map(concrete), node.attributes)
    const moved = [...node.inputs, ...node.outputs].reduce((sum, value) => sum + this.elementsOf(value), 0)
    return macs >= (this.options.leastWork ?? LEAST_WORK) * moved
  }

  private emit(node: GraphNode, isNarrowInput: (index: number) => boolean, isNarrowOutput: (index: number) => boolean) {
    const inputs = node.inputs.map((value, index) =>
      isNarrowInput(index) ? this.narrow(value, node.origin) : this.wide(value, node.origin),
    )
    const types = node.outputs.map((value, index) => {
      const type = typeOf(this.graph, value)
      return type.dtype === "f32" && isNarrowOutput(index) ? { ...type, dtype: "bf16" as const } : type
    })
    if (types.some((type) => type.dtype === "bf16")) this.narrowed++
    const values = this.out.append(node.op, inputs, node.attributes, types, node.origin)
    const soft = this.isSoft(node)
    node.outputs.forEach((old, index) => {
      const value = values[index]!
      const isNarrow = types[index]!.dtype === "bf16"
      this.forms.set(old, { ...(isNarrow ? { narrow: value } : { wide: value }), soft, isNarrow })
    })
  }

  /** Constants, masks of 0 and 1, and what is made of nothing else. */
  private isSoft(node: GraphNode): boolean {
    if (node.op === "constant") return true
    if (node.op === "cast") return this.dtype(node.inputs[0]!) === "bool"
    const { kind } = opDefinition(node.op).precision
    if (kind !== "follows") return false
    return node.inputs.every((value) => this.dtype(value) !== "f32" || this.forms.get(value)!.soft)
  }

  private wide(value: ValueId, origin: Origin): ValueId {
    return (this.forms.get(value)!.wide ??= this.cast(value, "f32", origin))
  }

  private narrow(value: ValueId, origin: Origin): ValueId {
    return (this.forms.get(value)!.narrow ??= this.cast(value, "bf16", origin))
  }

  private cast(value: ValueId, to: "f32" | "bf16", origin: Origin): ValueId {
    const { wide, narrow } = this.forms.get(value)!
    this.casts++
    const from = (to === "f32" ? narrow : wide)!
    const { shape } = typeOf(this.graph, value)
    return this.out.append("cast", [from], { to }, [{ dtype: to, shape }], origin)[0]!
  }

  private isNarrow(value: ValueId): boolean {
    return this.forms.get(value)!.isNarrow
  }

  private dtype(value: ValueId) {
    return typeOf(this.graph, value).dtype
  }

  private originOf(value: ValueId): Origin {
    const { graph } = this
    const producer = graph.nodes[graph.values[value]!.node]
    if (producer) return producer.origin
    return graph.parameters.find((parameter) => parameter.value === value)?.origin ?? NOWHERE
  }

  private shapeOf(value: ValueId): readonly number[] {
    return typeOf(this.graph, value).shape.map((dim) => {
      const size = evaluate(dim, this.options.sizes)
      if (size === undefined) throw new Error("the precision pass was not given the size of every symbol")
      return size
    })
  }

  private elementsOf(value: ValueId): number {
    return sizeOf(this.shapeOf(value))
  }
}
