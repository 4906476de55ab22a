/**
 * A trainer as one SavedModel: all programs of a model over the same session variables.
 *
 * Takes the training, evaluation and prediction graphs in the language's layout (gradients included), and how to
 * optimise; gives the bytes of `saved_model.pb` with the signatures `init`, `train_step`, `evaluate`, `predict`, `read`
 * and `write`, and those that the way of training asks for (update.ts). Storage is decided here, once for all programs, because they share variables. A training step is one
 * call: everything is read before anything is updated, and what the call returns is released only after all updates
 * have run, so that a step is done when the call comes back. The same specification gives the same bytes.
 */

import { evaluate, formatShape } from "../../ir/dims.js"
import type { Graph, GraphInput, Parameter, ValueId } from "../../ir/graph.js"
import { typeOf } from "../../ir/graph.js"
import { parameterStorage, type LayoutRequest } from "../../passes/layout.js"
import type { PassOptions } from "../../passes/pass.js"
import type { MemoryReport } from "../../passes/rematerialise.js"
import type { Permutation } from "../../passes/permutations.js"
import { storeForTensorFlow, type StoredProgram } from "../../passes/pipelines.js"
import type { Precision } from "../../passes/precision.js"
import { elementType, GraphDefBuilder } from "./graphdef.js"
import { concreteType, lowerGraph } from "./lower.js"
import { type StepTiming, TimingBuilder } from "./profile.js"
import { savedModelBytes, type Signature, type SignatureTensor } from "./signatures.js"
import {
  type Gradient,
  RESERVED_NAMES,
  type ResultType,
  scalarOutputs,
  type UpdateSpec,
  UpdateWriter,
} from "./update.js"
import {
  initSignature,
  output,
  ownCopy,
  placeholder,
  readSignature,
  SEED,
  seedBase,
  seedPairTensor,
  STEP,
  type Variable,
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
  /** of its arithmetic; parameters and results are f32 */
  readonly precision?: Precision
  /** bytes that values may take at once, as estimated; what does not fit is recomputed */
  readonly memory?: number
  /** weighted scalars */
  readonly losses: readonly NamedValue[]
  /** what the gradients are of: the sum of the losses */
  readonly total: ValueId
  /** of the trainable parameters that the total depends on */
  readonly gradients: readonly { readonly parameter: string; readonly value: ValueId }[]
  /** new values of state, e.g. normalisation statistics */
  readonly updates: readonly { readonly parameter: string; readonly value: ValueId }[]
  /** what is done with the gradients */
  readonly update: UpdateSpec
}

export interface SavedModelSpec {
  readonly parameters: readonly Parameter[]
  readonly train?: TrainSpec
  readonly evaluate?: EvaluateSpec
  readonly predict?: ProgramSpec
  /** what `train` is fed besides the batch: see `passes/hoist.ts` */
  readonly encode?: ProgramSpec
  /** whether `train_step` also tells how long each of its nodes took: slower, and the same numbers */
  readonly timed?: boolean
}

/** A specification contradicts itself: a name that is missing, doubled or reserved, or shapes that differ. */
export class SavedModelSpecError extends Error {
  override readonly name = "SavedModelSpecError"
}

/** What the layout pass did to each program. */
export interface SavedModelReport {
  readonly bytes: Uint8Array
  readonly nodes: number
  readonly transposes: Readonly<Partial<Record<"train" | "evaluate" | "predict", StoredProgram["transposes"]>>>
  /** what a memory limit did to the training step */
  readonly memory?: MemoryReport
  /** how to read the times of a step that is timed */
  readonly timing?: StepTiming
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
  const timer = spec.timed ? new TimingBuilder() : undefined
  const builder = timer ?? new GraphDefBuilder()
  const table = new VariableTable(builder)
  const programs = [spec.train, spec.evaluate, spec.predict, spec.encode].filter((program) => program !== undefined)
  const storage = new Map(programs.flatMap((program) => [...parameterStorage(program.graph)]))

  checkParameters(spec, programs)
  for (const parameter of spec.parameters) table.declareParameter(parameter, storage.get(parameter.name))
  const update = spec.train && updateWriter(builder, table, spec.train)
  update?.declare()
  table.declare(STEP, "DT_INT64", [], { kind: "constant", value: 0 })
  const seed = table.declare(SEED, "DT_INT64", [], { kind: "constant", value: 0 })

  const given = new Map([["seed", seed], ...(update?.givenVariables() ?? [])])
  const signatures = new Map<string, Signature>([["init", initSignature(builder, table, given)]])
  const transposes: Partial<Record<"train" | "evaluate" | "predict", StoredProgram["transposes"]>> = {}
  let memory: MemoryReport | undefined
  const writer = new ProgramWriter(builder, table, storage, update, timer)
  if (spec.train && update) {
    const { signature, gradients, layout } = writer.train(spec.train, update)
    signatures.set("train_step", signature)
    if (gradients) signatures.set("gradients", gradients)
    for (const [name, more] of update.signatures()) signatures.set(name, more)
    transposes.train = layout.transposes
    memory = layout.memory
  }
  if (spec.evaluate) {
    const losses = spec.evaluate.losses.map((loss) => ({ ...loss, name: LOSS_PREFIX + loss.name }))
    const results = [...spec.evaluate.outputs, ...losses]
    const { signature, layout } = writer.infer("evaluate", spec.evaluate, spec.evaluate.graph.inputs, results)
    signatures.set("evaluate", signature)
    transposes.evaluate = layout.transposes
  }
  if (spec.encode) {
    const used = new Set(spec.encode.graph.nodes.flatMap((node) => node.inputs))
    const inputs = spec.encode.graph.inputs.filter(({ value }) => used.has(value))
    signatures.set("encode", writer.infer("encode", spec.encode, inputs, spec.encode.outputs).signature)
  }
  if (spec.predict) {
    const inputs = spec.predict.graph.inputs.filter((input) => input.role === "input")
    const { signature, layout } = writer.infer("predict", spec.predict, inputs, spec.predict.outputs)
    signatures.set("predict", signature)
    transposes.predict = layout.transposes
  }
  signatures.set("read", readSignature(builder, table))
  signatures.set("write", writeSignature(builder, table))
  const timing = timer && { timing: timer.timing(spec.parameters) }
  return {
    bytes: savedModelBytes(builder, signatures),
    nodes: builder.nodeCount,
    transposes,
    ...(memory && { memory }),
    ...timing,
  }
}

interface Written {
  readonly signature: Signature
  readonly layout: StoredProgram
}

/** Writes the signatures that run graphs. */
class ProgramWriter {
  constructor(
    private readonly builder: GraphDefBuilder,
    private readonly table: VariableTable,
    private readonly storage: ReadonlyMap<string, Permutation>,
    private readonly update: UpdateWriter | undefined,
    private readonly timer: TimingBuilder | undefined,
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

  /** `train_step`, and `gradients` where they are to be summed: two ends of the same nodes. */
  train(spec: TrainSpec, update: UpdateWriter): Written & { readonly gradients: Signature | undefined } {
    const { builder, table } = this
    const program = "train"
    const scalars = [...spec.losses, ...spec.outputs, { name: "total", value: spec.total }]
    for (const { name, value } of scalars) this.checkScalar(spec, name, value)
    const requests: LayoutRequest[] = [
      ...scalars.map(({ value }) => ({ value, storage: undefined })),
      ...spec.gradients.map(({ parameter, value }) => this.inStorage(spec, parameter, value)),
      ...spec.updates.map(({ parameter, value }) => this.inStorage(spec, parameter, value)),
    ]
    this.timer?.start()
    const step = update.nextStep(program)
    const seed = (): string => table.read(table.get(SEED), program)
    const { fed, tensors, reads, layout } = this.lower(
      program,
      spec,
      spec.graph.inputs,
      requests,
      seed,
      update.randomStep(step, program),
      {
        precision: spec.precision ?? "f32",
        ...(spec.memory !== undefined && {
          memory: {
            batch: spec.batch,
            limit: spec.memory,
            gradients: new Set(spec.gradients.map((_, index) => scalars.length + index)),
          },
        }),
      },
    )
    this.timer?.lowered(layout.graph, layout.wanted, scalars.length, spec.gradients.length)
    const gradients = spec.gradients.map(({ parameter }, index): Gradient => ({
      parameter: table.get(parameter),
      gradient: tensors[scalars.length + index]!,
      read: reads.get(parameter),
    }))
    const statistics = spec.updates.map(({ parameter }, index) => {
      const value = tensors[scalars.length + gradients.length + index]!
      const variable = table.get(parameter)
      const own = ownCopy(builder, `${program}/${parameter}`, value, variable.type)
      const read = reads.get(parameter)
      return table.assign(variable, own, program, read === undefined ? [] : [read])
    })
    const told: Record<string, readonly [string, ResultType]> = {}
    scalars.forEach(({ name }, index) => {
      claim(told, name, program)
      told[name] = [tensors[index]!, "DT_FLOAT"]
    })
    /** A signature with the batch's results and `own`, done when `done` is. */
    const signature = (name: string, own: typeof told, done: readonly string[]): Signature => {
      for (const key of Object.keys(own)) claim(told, key, name)
      return { inputs: fed, outputs: scalarOutputs(builder, name, { ...told, ...own }, [...done, ...statistics]) }
    }
    const stepped = update.step(gradients, step, program)
    const summed = spec.update.accumulates ? update.accumulate(gradients) : undefined
    const whole = signature(program, stepped.outputs, stepped.done)
    return {
      signature: this.timer ? this.timer.stop(program, whole) : whole,
      gradients: summed && signature("gradients", summed.outputs, summed.done),
      layout,
    }
  }

  /** Lays a graph out and appends it: placeholders, reads of variables, nodes. */
  private lower(
    program: string,
    spec: ProgramSpec,
    inputs: readonly GraphInput[],
    requests: readonly LayoutRequest[],
    seed: () => string,
    step: string,
    { precision = "f32", memory }: { readonly precision?: Precision; readonly memory?: PassOptions["memory"] } = {},
  ) {
    const { builder, table } = this
    const sizes = new Map([...spec.graph.sizes, ["N", spec.batch]])
    // Only what this program asks for: its own results, not all that the graph could give.
    const layout = storeForTensorFlow(spec.graph, requests, this.storage, {
      ...(precision === "bf16" && { precision: { sizes } }),
      ...(memory && { memory }),
    })
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
      this.timer?.at({ origin: parameter.origin })
      const read = table.read(this.variableOf(program, parameter.name), program)
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
      onNode: (node) => this.timer?.at(node),
    })
    return { fed, reads, layout, tensors: layout.wanted.map((value) => made.get(value)!) }
  }

  /** The variable that a program reads for a parameter: in use, its average where there is one. */
  private variableOf(program: string, name: string): Variable {
    return program === "train" || !this.update ? this.table.get(name) : this.update.forInference(name)
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
    requireVariable(this.table, parameter)
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

function updateWriter(builder: GraphDefBuilder, table: VariableTable, { update, gradients }: TrainSpec): UpdateWriter {
  for (const { parameter } of gradients) requireVariable(table, parameter)
  return new UpdateWriter(
    builder,
    table,
    update,
    gradients.map(({ parameter }) => parameter),
  )
}

function requireVariable(table: VariableTable, parameter: string): void {
  if (!table.has(parameter)) throw new SavedModelSpecError(`there is no parameter named ${parameter}`)
}

/** Every graph's parameters must be among the declared ones, with the same shapes. */
function checkParameters(spec: SavedModelSpec, programs: readonly ProgramSpec[]): void {
  const declared = new Map(spec.parameters.map((parameter) => [parameter.name, parameter]))
  for (const parameter of spec.parameters) {
    if (RESERVED_NAMES.has(parameter.name)) {
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
