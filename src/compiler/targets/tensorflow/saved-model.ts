/**
 * A trainer as one SavedModel: all programs of a model over the same session variables.
 *
 * Takes the training, evaluation and prediction graphs in the language's layout (gradients included), and how to
 * optimise; gives the bytes of `saved_model.pb` with the signatures `init`, `train_step`, `evaluate`, `predict`, `read`
 * and `write`. Storage is decided here, once for all programs, because they share variables. A training step is one
 * call: everything is read before anything is updated, and what the call returns is released only after all updates
 * have run, so that a step is done when the call comes back. The same specification gives the same bytes.
 */

import { evaluate, formatShape } from "../../ir/dims.js"
import type { Graph, GraphInput, Parameter, ValueId } from "../../ir/graph.js"
import { typeOf } from "../../ir/graph.js"
import { assignLayouts, parameterStorage, type LayoutRequest, type LayoutResult } from "../../passes/layout.js"
import type { Permutation } from "../../passes/permutations.js"
import { elementType, GraphDefBuilder } from "./graphdef.js"
import { concreteType, lowerGraph } from "./lower.js"
import { applyOptimizer, declareSlots, gradientNorm, type OptimizerSpec, type ParameterUpdate } from "./optimizer.js"
import { savedModelBytes, type Signature, type SignatureTensor } from "./signatures.js"
import {
  cast,
  initSignature,
  output,
  ownCopy,
  placeholder,
  readSignature,
  SEED,
  seedBase,
  seedPairTensor,
  STEP,
  VariableTable,
  writeSignature,
} from "./variables.js"

/** A value that a signature gives under a name. */
export interface NamedValue {
  readonly name: string
  readonly value: ValueId
}

export interface ProgramSpec {
  /** in the language's layout; parameters are matched between programs by name */
  readonly graph: Graph
  /** size of the batch symbol `N` */
  readonly batch: number
  readonly outputs: readonly NamedValue[]
}

export interface EvaluateSpec extends ProgramSpec {
  readonly losses: readonly NamedValue[]
}

export interface TrainSpec extends ProgramSpec {
  /** weighted scalars */
  readonly losses: readonly NamedValue[]
  /** what the gradients are of: the sum of the losses */
  readonly total: ValueId
  /** of the trainable parameters that the total depends on */
  readonly gradients: readonly { readonly parameter: string; readonly value: ValueId }[]
  /** new values of state, e.g. normalisation statistics */
  readonly updates: readonly { readonly parameter: string; readonly value: ValueId }[]
}

export interface SavedModelSpec {
  readonly parameters: readonly Parameter[]
  readonly train?: TrainSpec
  readonly evaluate?: EvaluateSpec
  readonly predict?: ProgramSpec
  readonly optimizer: OptimizerSpec
}

/** A specification contradicts itself: a name that is missing, doubled or reserved, or shapes that differ. */
export class SavedModelSpecError extends Error {
  override readonly name = "SavedModelSpecError"
}

/** What the layout pass did to each program. */
export interface SavedModelReport {
  readonly bytes: Uint8Array
  readonly nodes: number
  readonly transposes: Readonly<Partial<Record<"train" | "evaluate" | "predict", LayoutResult["transposes"]>>>
}

/** Prefix of loss names among the outputs of `evaluate`, where losses and outputs stand together. */
export const LOSS_PREFIX = "loss/"

/**
 * The bytes of `saved_model.pb`.
 *
 * @throws SavedModelSpecError, LoweringError
 */
export function buildSavedModel(spec: SavedModelSpec): Uint8Array {
  return compileSavedModel(spec).bytes
}

/** As `buildSavedModel`, with counts for the summary. */
export function compileSavedModel(spec: SavedModelSpec): SavedModelReport {
  const builder = new GraphDefBuilder()
  const table = new VariableTable(builder)
  const programs = [spec.train, spec.evaluate, spec.predict].filter((program) => program !== undefined)
  const storage = new Map(programs.flatMap((program) => [...parameterStorage(program.graph)]))

  checkParameters(spec, programs)
  for (const parameter of spec.parameters) table.declareParameter(parameter, storage.get(parameter.name))
  for (const { parameter } of spec.train?.gradients ?? []) declareSlots(table, spec.optimizer, table.get(parameter))
  table.declare(STEP, "DT_INT64", [], { kind: "constant", value: 0 })
  table.declare(SEED, "DT_INT64", [], { kind: "constant", value: 0 })

  const signatures = new Map<string, Signature>([["init", initSignature(builder, table)]])
  const transposes: Partial<Record<"train" | "evaluate" | "predict", LayoutResult["transposes"]>> = {}
  const writer = new ProgramWriter(builder, table, storage)
  if (spec.train) {
    const { signature, layout } = writer.train(spec.train, spec.optimizer)
    signatures.set("train_step", signature)
    transposes.train = layout.transposes
  }
  if (spec.evaluate) {
    const losses = spec.evaluate.losses.map((loss) => ({ ...loss, name: LOSS_PREFIX + loss.name }))
    const results = [...spec.evaluate.outputs, ...losses]
    const { signature, layout } = writer.infer("evaluate", spec.evaluate, spec.evaluate.graph.inputs, results)
    signatures.set("evaluate", signature)
    transposes.evaluate = layout.transposes
  }
  if (spec.predict) {
    const inputs = spec.predict.graph.inputs.filter((input) => input.role === "input")
    const { signature, layout } = writer.infer("predict", spec.predict, inputs, spec.predict.outputs)
    signatures.set("predict", signature)
    transposes.predict = layout.transposes
  }
  signatures.set("read", readSignature(builder, table))
  signatures.set("write", writeSignature(builder, table))
  return { bytes: savedModelBytes(builder, signatures), nodes: builder.nodeCount, transposes }
}

interface Written {
  readonly signature: Signature
  readonly layout: LayoutResult
}

/** Writes the signatures that run graphs. */
class ProgramWriter {
  constructor(
    private readonly builder: GraphDefBuilder,
    private readonly table: VariableTable,
    private readonly storage: ReadonlyMap<string, Permutation>,
  ) {}

  /** `evaluate` and `predict`: nothing changes, and random ops see step 0, so that the answer is repeatable. */
  infer(program: string, spec: ProgramSpec, inputs: readonly GraphInput[], results: readonly NamedValue[]): Written {
    const { builder, table } = this
    const requests = results.map(({ value }) => ({ value, storage: undefined }))
    const step = builder.constant("DT_INT64", [], [0])
    const seed = (): string => table.read(table.get(SEED), program)
    const { fed, tensors, layout } = this.lower(program, spec, inputs, requests, seed, step)
    const outputs: Record<string, SignatureTensor> = {}
    results.forEach(({ name, value }, index) => {
      const { dtype, shape } = this.concrete(spec, value)
      claim(outputs, name, program)
      outputs[name] = output(builder, program, name, tensors[index]!, elementType(dtype), shape)
    })
    return { signature: { inputs: fed, outputs }, layout }
  }

  train(spec: TrainSpec, optimizer: OptimizerSpec): Written {
    const { builder, table } = this
    const program = "train"
    const scalars = [...spec.losses, ...spec.outputs, { name: "total", value: spec.total }]
    for (const { name, value } of scalars) this.checkScalar(spec, name, value)
    const requests: LayoutRequest[] = [
      ...scalars.map(({ value }) => ({ value, storage: undefined })),
      ...spec.gradients.map(({ parameter, value }) => this.inStorage(spec, parameter, value)),
      ...spec.updates.map(({ parameter, value }) => this.inStorage(spec, parameter, value)),
    ]
    const counter = table.get(STEP)
    const one = builder.constant("DT_INT64", [], [1])
    const int64 = { T: { type: "DT_INT64" } } as const
    const step = builder.named("AddV2", `${program}/step`, [table.read(counter, program), one], int64)
    const seed = (): string => table.read(table.get(SEED), program)
    const { fed, tensors, reads, layout } = this.lower(program, spec, spec.graph.inputs, requests, seed, step)
    claim(fed, "learning_rate", program)
    const rate = placeholder(builder, program, "learning_rate", "DT_FLOAT", [])

    const after = (parameter: string): string[] => [reads.get(parameter)].filter((node) => node !== undefined)
    const gradients: ParameterUpdate[] = spec.gradients.map(({ parameter }, index) => ({
      parameter: table.get(parameter),
      gradient: tensors[scalars.length + index]!,
      after: after(parameter),
    }))
    const done = [
      ...applyOptimizer(builder, table, optimizer, gradients, rate.tensor, step),
      ...spec.updates.map(({ parameter }, index) => {
        const value = tensors[scalars.length + gradients.length + index]!
        const variable = table.get(parameter)
        const own = ownCopy(builder, `${program}/${parameter}`, value, variable.type)
        return table.assign(variable, own, program, after(parameter))
      }),
      table.assign(counter, step, program),
    ]
    const outputs: Record<string, SignatureTensor> = {}
    const give = (name: string, tensor: string, type: "DT_FLOAT" | "DT_INT32"): void => {
      claim(outputs, name, program)
      outputs[name] = output(builder, program, name, tensor, type, [], done)
    }
    scalars.forEach(({ name }, index) => give(name, tensors[index]!, "DT_FLOAT"))
    give("step", cast(builder, program, step, "DT_INT64", "DT_INT32"), "DT_INT32")
    give("gradient_norm", gradientNorm(builder, gradients), "DT_FLOAT")
    return { signature: { inputs: { ...fed, learning_rate: rate }, outputs }, layout }
  }

  /** Lays a graph out and appends it: placeholders, reads of variables, nodes. */
  private lower(
    program: string,
    spec: ProgramSpec,
    inputs: readonly GraphInput[],
    requests: readonly LayoutRequest[],
    seed: () => string,
    step: string,
  ) {
    const { builder, table } = this
    // Only what this program asks for: its own results, not all that the graph could give.
    const asked: Graph = { ...spec.graph, outputs: [], losses: [], updates: [] }
    const layout = assignLayouts(asked, { wanted: requests, storage: this.storage })
    const sizes = new Map([...layout.graph.sizes, ["N", spec.batch]])
    const feeds = new Map<ValueId, string>()
    const fed: Record<string, SignatureTensor> = {}
    const names = new Set(inputs.map((input) => input.name))
    for (const input of layout.graph.inputs) {
      if (!names.has(input.name)) continue
      const { dtype, shape } = concreteType(typeOf(layout.graph, input.value), sizes)
      claim(fed, input.name, program)
      const tensor = placeholder(builder, program, input.name, elementType(dtype), shape)
      fed[input.name] = tensor
      feeds.set(input.value, tensor.tensor)
    }
    const used = new Set([...layout.wanted, ...layout.graph.nodes.flatMap((node) => node.inputs)])
    const reads = new Map<string, string>()
    for (const parameter of layout.graph.parameters) {
      if (!used.has(parameter.value)) continue
      const read = table.read(table.get(parameter.name), program)
      reads.set(parameter.name, read)
      feeds.set(parameter.value, read)
    }
    const pairs = new Map<string, string>()
    let base: string | undefined
    const seedPair = (key: string): string => {
      base ??= seedBase(builder, `${program}/seed`, seed())
      const pair = pairs.get(key) ?? seedPairTensor(builder, `${program}/seed`, base, key, step)
      pairs.set(key, pair)
      return pair
    }
    const made = lowerGraph(builder, {
      graph: layout.graph,
      sizes,
      feeds,
      wanted: layout.wanted,
      program,
      seed: seedPair,
    })
    return { fed, reads, layout, tensors: layout.wanted.map((value) => made.get(value)!) }
  }

  private concrete(spec: ProgramSpec, value: ValueId) {
    return concreteType(typeOf(spec.graph, value), new Map([...spec.graph.sizes, ["N", spec.batch]]))
  }

  private checkScalar(spec: ProgramSpec, name: string, value: ValueId): void {
    const { dtype, shape } = typeOf(spec.graph, value)
    if (dtype === "f32" && shape.length === 0) return
    throw new SavedModelSpecError(`train_step gives scalars, but ${name} is ${dtype}${formatShape(shape)}`)
  }

  /** A new value of a parameter (or its gradient), to be had as the parameter is stored. */
  private inStorage(spec: ProgramSpec, parameter: string, value: ValueId): LayoutRequest {
    if (!this.table.has(parameter)) throw new SavedModelSpecError(`there is no parameter named ${parameter}`)
    const { shape } = this.concrete(spec, value)
    const expected = this.table.get(parameter).shape
    if (shape.join() !== expected.join()) {
      throw new SavedModelSpecError(
        `${parameter} is [${expected.join(", ")}], its new value or gradient [${shape.join(", ")}]`,
      )
    }
    return { value, storage: this.storage.get(parameter) }
  }
}

function claim(taken: Readonly<Record<string, unknown>>, name: string, program: string): void {
  if (Object.hasOwn(taken, name)) throw new SavedModelSpecError(`${program} has two tensors named ${name}`)
}

/** Every graph's parameters must be among the declared ones, with the same shapes. */
function checkParameters(spec: SavedModelSpec, programs: readonly ProgramSpec[]): void {
  const declared = new Map(spec.parameters.map((parameter) => [parameter.name, parameter]))
  for (const parameter of spec.parameters) {
    if (parameter.name === STEP || parameter.name === SEED) {
      throw new SavedModelSpecError(`a parameter cannot be named ${parameter.name}: the trainer keeps its own`)
    }
  }
  for (const { graph } of programs) {
    for (const parameter of graph.parameters) {
      const known = declared.get(parameter.name)
      if (!known) throw new SavedModelSpecError(`parameter ${parameter.name} of a program is not declared`)
      const shape = typeOf(graph, parameter.value).shape.map((dim) => evaluate(dim, graph.sizes))
      if (known.dtype !== parameter.dtype || known.shape.join() !== shape.join()) {
        throw new SavedModelSpecError(
          `parameter ${parameter.name} is ${known.dtype}[${known.shape.join(", ")}] where it is declared ` +
            `and ${parameter.dtype}[${shape.join(", ")}] in a program`,
        )
      }
    }
  }
}
