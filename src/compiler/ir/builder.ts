/**
 * The one way to make a graph: append values in order.
 *
 * Takes op names, values and attributes; gives a `Graph` whose every value has a type. Defaults of attributes are filled
 * in and shapes inferred on the spot, so that a graph that exists is well typed; an op that does not fit throws
 * `OpTypeError`, which carries the structured problem for whoever knows the user's text.
 */

import { opDefinition } from "../ops/registry.js"
import type { InferContext, NodeAppender, ShapeProblem } from "../ops/definition.js"
import type { OpName } from "../ops/names.js"
import { sameSize } from "../ops/shapes.js"
import { constant, formatShape, type Sizes } from "./dims.js"
import type {
  Attributes,
  AttributeValue,
  Graph,
  GraphInput,
  GraphLoss,
  GraphNode,
  GraphOutput,
  Origin,
  Parameter,
  StateUpdate,
  TensorType,
  Value,
  ValueId,
} from "./graph.js"

/** An op was given something it cannot take. */
export class OpTypeError extends Error {
  constructor(
    readonly op: OpName,
    readonly problem: ShapeProblem,
    readonly inputs: readonly TensorType[],
  ) {
    super(`${op}(${inputs.map((t) => t.dtype + formatShape(t.shape)).join(", ")}): ${describeProblem(problem, inputs)}`)
    this.name = "OpTypeError"
  }
}

function describeProblem(problem: ShapeProblem, inputs: readonly TensorType[]): string {
  switch (problem.kind) {
    case "dims-differ":
      return `axis ${problem.left.axis} of operand ${problem.left.input + 1} and axis ${problem.right.axis} of operand ${problem.right.input + 1} differ: ${problem.what}`
    case "rank":
      return `operand ${problem.input + 1} has rank ${inputs[problem.input]?.shape.length}, expected ${problem.expected}`
    case "dtype":
      return `operand ${problem.input + 1} has type ${inputs[problem.input]?.dtype}, expected ${problem.expected.join(" or ")}`
    case "attribute":
      return `${problem.name}: ${problem.message}`
    case "not-divisible":
      return `axis ${problem.axis} of operand ${problem.input + 1} is not divisible by ${problem.by}: ${problem.what}`
    case "other":
      return problem.message
  }
}

/** Everything that made-up nodes (tests, passes) need not say. */
export const NOWHERE: Origin = { span: { file: "", start: 0, end: 0 }, section: "", scope: "", chain: [] }

/** What stands in a graph at a moment: how many there are of each kind. */
export interface Mark {
  readonly nodes: number
  readonly values: number
  readonly parameters: number
}

/** What was appended to a graph between two moments, to be appended to another graph as it is. */
export interface GraphPiece {
  readonly start: Mark
  readonly nodes: readonly GraphNode[]
  readonly values: readonly Value[]
  readonly parameters: readonly Parameter[]
  /** scalar constants that the piece made, and those it found there */
  readonly scalars: { readonly made: ReadonlyMap<number, ValueId>; readonly found: ReadonlyMap<number, ValueId> }
  /** what else of before the piece reads */
  readonly reads: ReadonlySet<ValueId>
}

export class GraphBuilder implements NodeAppender {
  private readonly nodes: GraphNode[] = []
  private readonly values: Value[] = []
  private readonly inputs: GraphInput[] = []
  private readonly parameters: Parameter[] = []
  private readonly outputs: GraphOutput[] = []
  private readonly losses: GraphLoss[] = []
  private readonly updates: StateUpdate[] = []
  private readonly scalars = new Map<number, ValueId>()
  private origin: Origin = NOWHERE

  constructor(readonly sizes: Sizes) {
    // Methods are handed out singly (`const { op } = context`), so they are bound once here.
    this.op = this.op.bind(this)
    this.all = this.all.bind(this)
    this.scalar = this.scalar.bind(this)
    this.typeOf = this.typeOf.bind(this)
    this.producerOf = this.producerOf.bind(this)
  }

  /** Where the nodes appended from now on come from. */
  setOrigin(origin: Origin): void {
    this.origin = origin
  }

  private value(node: number, output: number, type: TensorType): ValueId {
    const id = this.values.length
    this.values.push({ id, node, output, type })
    return id
  }

  input(name: string, type: TensorType, role: "input" | "target", doc?: string): ValueId {
    const value = this.value(-1, 0, type)
    this.inputs.push({ name, role, value, doc })
    return value
  }

  parameter(parameter: Omit<Parameter, "value" | "origin">): ValueId {
    const value = this.value(-1, 0, { dtype: parameter.dtype, shape: parameter.shape.map(constant) })
    this.parameters.push({ ...parameter, value, origin: this.origin })
    return value
  }

  /** Appends a node and gives its first output. */
  op(name: OpName, inputs: readonly ValueId[], attributes: Attributes = {}): ValueId {
    return this.all(name, inputs, attributes)[0]!
  }

  /** Appends a node and gives all outputs. Throws `OpTypeError`. */
  all(name: OpName, inputs: readonly ValueId[], attributes: Attributes = {}): readonly ValueId[] {
    const types = inputs.map((v) => this.typeOf(v))
    const complete = completeAttributes(name, attributes, types)
    return this.append(name, inputs, complete, inferTypes(name, types, complete, this.sizes))
  }

  /** Appends a node whose output types are already known, as passes that change layouts do. */
  append(name: OpName, inputs: readonly ValueId[], attributes: Attributes, types: readonly TensorType[]): ValueId[] {
    const id = this.nodes.length
    const outputs = types.map((type, output) => this.value(id, output, type))
    this.nodes.push({ id, op: name, inputs, attributes, outputs, origin: this.origin })
    return outputs
  }

  /** A parameter of another graph as it is, stored as it is there. */
  copyParameter(parameter: Parameter, from: Pick<Graph, "values">): ValueId {
    const value = this.value(-1, 0, from.values[parameter.value]!.type)
    this.parameters.push(value === parameter.value ? parameter : { ...parameter, value })
    return value
  }

  /** Appends a node of another graph as it is, on other inputs. */
  copy(node: GraphNode, inputs: readonly ValueId[], from: Pick<Graph, "values">): ValueId[] {
    const types = node.outputs.map((value) => from.values[value]!.type)
    return this.append(node.op, inputs, node.attributes, types)
  }

  /** A scalar f32 constant, one node for each distinct value. */
  scalar(value: number): ValueId {
    let id = this.scalars.get(value)
    if (id === undefined) {
      id = this.op("constant", [], { dtype: "f32", shape: [], values: [value] })
      this.scalars.set(value, id)
    }
    return id
  }

  get mark(): Mark {
    return { nodes: this.nodes.length, values: this.values.length, parameters: this.parameters.length }
  }

  /** What has been appended since `start`. */
  since(start: Mark): GraphPiece {
    const nodes = this.nodes.slice(start.nodes)
    const made = new Map([...this.scalars].filter(([, id]) => id >= start.values))
    const found = new Map<number, ValueId>()
    const reads = new Set<ValueId>()
    for (const id of nodes.flatMap(({ inputs }) => inputs)) {
      if (id >= start.values || reads.has(id)) continue
      const number = this.scalarNumber(id)
      if (number === undefined) reads.add(id)
      else found.set(number, id)
    }
    const [values, parameters] = [this.values.slice(start.values), this.parameters.slice(start.parameters)]
    return { start, nodes, values, parameters, scalars: { made, found }, reads }
  }

  /** The number, where `value` is what `scalar` gives for it. */
  scalarNumber(value: ValueId): number | undefined {
    const node = this.producerOf(value)
    if (node?.op !== "constant") return undefined
    const [number] = node.attributes["values"] as readonly number[]
    return number !== undefined && this.scalars.get(number) === value ? number : undefined
  }

  /** Whether building the piece here would find and make the same scalar constants as where it was built. */
  hasScalarsOf({ scalars: { made, found } }: GraphPiece): boolean {
    return [...found.keys()].every((n) => this.scalars.has(n)) && [...made.keys()].every((n) => !this.scalars.has(n))
  }

  /**
   * Appends a piece of another graph, as if its nodes were built here.
   *
   * @param given what stands here for each of its `reads`
   * @param originOf where its nodes come from here
   * @returns where a value of the piece is here
   */
  insert(
    piece: GraphPiece,
    given: ReadonlyMap<ValueId, ValueId>,
    originOf: (origin: Origin) => Origin,
  ): (id: ValueId) => ValueId {
    const { start, scalars } = piece
    const here = this.mark
    const [valueShift, nodeShift] = [here.values - start.values, here.nodes - start.nodes]
    const outside = new Map(given)
    for (const [number, id] of scalars.found) outside.set(id, this.scalars.get(number)!)
    const moved = (id: ValueId): ValueId => (id >= start.values ? id + valueShift : outside.get(id)!)
    const isInPlace = valueShift === 0 && nodeShift === 0
    for (const value of piece.values) {
      const { id, node } = value
      this.values.push(isInPlace ? value : { ...value, id: moved(id), node: node < 0 ? node : node + nodeShift })
    }
    for (const parameter of piece.parameters) {
      const { value, origin } = parameter
      this.parameters.push({ ...parameter, value: moved(value), origin: originOf(origin) })
    }
    for (const { id, op, inputs, attributes, outputs, origin } of piece.nodes) {
      this.nodes.push({
        id: id + nodeShift,
        op,
        inputs: inputs.map(moved),
        attributes,
        outputs: isInPlace ? outputs : outputs.map(moved),
        origin: originOf(origin),
      })
    }
    for (const [number, id] of scalars.made) this.scalars.set(number, moved(id))
    return moved
  }

  typeOf(value: ValueId): TensorType {
    const found = this.values[value]
    if (!found) throw new Error(`value ${value} is not in the graph`)
    return found.type
  }

  /** The node that makes `value`; undefined for inputs and parameters. */
  producerOf(value: ValueId): GraphNode | undefined {
    return this.nodes[this.values[value]!.node]
  }

  /** The nodes so far; the array grows as more are appended. */
  get nodesSoFar(): readonly GraphNode[] {
    return this.nodes
  }

  /** The parameters so far; the array grows as more are made. */
  get parametersSoFar(): readonly Parameter[] {
    return this.parameters
  }

  output(name: string, value: ValueId, doc?: string): void {
    this.outputs.push({ name, value, doc })
  }

  loss(name: string, value: ValueId, section: string): void {
    this.losses.push({ name, value, section })
  }

  update(state: ValueId, value: ValueId): void {
    this.updates.push({ state, value })
  }

  finish(): Graph {
    const { nodes, values, inputs, parameters, outputs, losses, updates, sizes } = this
    return { nodes, values, inputs, parameters, outputs, losses, updates, sizes }
  }
}

/** Attributes with the record's defaults filled in. Unknown and missing ones throw: callers above have checked names. */
export function completeAttributes(name: OpName, given: Attributes, inputs: readonly TensorType[]): Attributes {
  const specs = opDefinition(name).attributes
  const complete: Record<string, AttributeValue> = {}
  for (const attribute of Object.keys(given)) {
    if (!(attribute in specs)) {
      throw new OpTypeError(name, { kind: "attribute", name: attribute, message: "there is no such attribute" }, inputs)
    }
  }
  for (const [attribute, spec] of Object.entries(specs)) {
    const value = given[attribute] ?? spec.default
    if (value === undefined) {
      throw new OpTypeError(name, { kind: "attribute", name: attribute, message: "a value is required" }, inputs)
    }
    complete[attribute] = value
  }
  return complete
}

/** The types of a node's outputs. Throws `OpTypeError`. */
export function inferTypes(
  name: OpName,
  inputs: readonly TensorType[],
  attributes: Attributes,
  sizes: Sizes,
): readonly TensorType[] {
  const definition = opDefinition(name)
  const fail = (problem: ShapeProblem): never => {
    throw new OpTypeError(name, problem, inputs)
  }
  const specs = definition.inputs
  const variadic = specs[0]?.variadic === true
  if (variadic ? inputs.length === 0 : inputs.length !== specs.length) {
    fail({
      kind: "other",
      message: `takes ${variadic ? "at least one tensor" : `${specs.length} tensors`}, was given ${inputs.length}`,
    })
  }
  inputs.forEach((type, index) => {
    const spec = variadic ? specs[0]! : specs[index]!
    if (!spec.dtypes.includes(type.dtype)) fail({ kind: "dtype", input: index, expected: spec.dtypes })
  })
  const context: InferContext = { inputs, attributes, sizes, fail, same: (a, b) => sameSize(a, b, sizes) }
  return definition.infer(context)
}
