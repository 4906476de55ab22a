/**
 * The session variables of a program: everything that lives between calls.
 *
 * Takes names, shapes and storages; gives VarHandleOps and the nodes that read and assign them, and the bodies of the
 * `init`, `read` and `write` signatures. Outside the session a tensor is always in the language's layout (that of
 * PyTorch); transposes to and from the storage stand here, in the graph, so that no caller has to know about storage.
 */

import { loadedValues, type Initializer, type Parameter } from "../../ir/graph.js"
import { sizeOf } from "../../ops/ndarray.js"
import {
  identityPermutation,
  isIdentity,
  permuted,
  transposition,
  type Permutation,
} from "../../passes/permutations.js"
import { hash32 } from "../reference/random.js"
import { elementType, type ElementType, type GraphDefBuilder } from "./graphdef.js"
import type { Signature, SignatureTensor } from "./signatures.js"

/** Name of the variable that counts steps; int64. */
export const STEP = "step"
/** Name of the variable that holds the run's seed; int64. */
export const SEED = "seed"

type StoredType = "DT_FLOAT" | "DT_INT32" | "DT_BOOL" | "DT_INT64"

export interface Variable {
  readonly name: string
  readonly type: StoredType
  /** sizes in the layout of the language */
  readonly shape: readonly number[]
  readonly storage: Permutation
  /** name of the VarHandleOp */
  readonly handle: string
  readonly initializer: Initializer
  /** names the stream that a random first value is drawn from */
  readonly keyedBy: string
  /** whether it is empty between two steps: not part of `read` and `write`, cleared by `init` and `write` */
  readonly transient: boolean
}

/** Declares variables; each is one VarHandleOp, shared by all signatures. */
export class VariableTable {
  private readonly variables = new Map<string, Variable>()

  constructor(private readonly builder: GraphDefBuilder) {}

  /** Declares a variable. @throws Error when the name is taken */
  declare(
    name: string,
    type: StoredType,
    shape: readonly number[],
    initializer: Initializer,
    storage: Permutation = identityPermutation(shape.length),
    keyedBy = name,
  ): Variable {
    return this.add({ name, type, shape, storage, initializer, keyedBy, transient: false })
  }

  /** Declares a variable of zeros that is empty between two steps. @throws Error when the name is taken */
  declareTransient(
    name: string,
    type: StoredType,
    shape: readonly number[],
    storage: Permutation = identityPermutation(shape.length),
  ): Variable {
    const initializer = { kind: "constant", value: 0 } as const
    return this.add({ name, type, shape, storage, initializer, keyedBy: name, transient: true })
  }

  private add(declared: Omit<Variable, "handle">): Variable {
    const { name, type, shape, storage } = declared
    if (this.variables.has(name)) throw new Error(`two variables are named ${name}`)
    const handle = this.builder.named("VarHandleOp", `variables/${name}`, [], {
      dtype: { type },
      shape: { shape: permuted(shape, storage) },
      shared_name: { s: name },
      container: { s: "" },
    })
    const variable: Variable = { ...declared, handle }
    this.variables.set(name, variable)
    return variable
  }

  declareParameter(parameter: Parameter, storage: Permutation | undefined): Variable {
    const { name, dtype, shape, initializer } = parameter
    return this.declare(name, elementType(dtype), shape, initializer, storage)
  }

  /** @throws Error when there is no such variable */
  get(name: string): Variable {
    const variable = this.variables.get(name)
    if (!variable) throw new Error(`there is no variable named ${name}`)
    return variable
  }

  has(name: string): boolean {
    return this.variables.has(name)
  }

  all(): readonly Variable[] {
    return [...this.variables.values()]
  }

  /** Those that `read` and `write` are about. */
  lasting(): readonly Variable[] {
    return this.all().filter((variable) => !variable.transient)
  }

  /** The variable's value, in storage layout. */
  read(variable: Variable, program: string): string {
    return this.builder.named("ReadVariableOp", `${program}/read/${variable.name}`, [variable.handle], {
      dtype: { type: variable.type },
    })
  }

  /** Assigns `value`, in storage layout; gives the assigning node. */
  assign(variable: Variable, value: string, program: string, controls: readonly string[] = []): string {
    const inputs = [variable.handle, value]
    return this.builder.named(
      "AssignVariableOp",
      `${program}/assign/${variable.name}`,
      inputs,
      {
        dtype: { type: variable.type },
      },
      controls,
    )
  }
}

/** Multiplies a seed into the high half of an int64, as the reference's `seedPair` does. */
export function seedBase(builder: GraphDefBuilder, scope: string, seed: string): string {
  return builder.node("Mul", scope, [seed, builder.constant("DT_INT64", [], [2 ** 32])], { T: { type: "DT_INT64" } })
}

/** The int64 pair for a random op: [seed * 2^32 + hash of the key, step]. */
export function seedPairTensor(
  builder: GraphDefBuilder,
  scope: string,
  base: string,
  key: string,
  step: string,
): string {
  const hash = builder.constant("DT_INT64", [], [hash32(key)])
  const first = builder.node("AddV2", scope, [base, hash], { T: { type: "DT_INT64" } })
  return builder.node("Pack", scope, [first, step], { N: { i: 2 }, T: { type: "DT_INT64" }, axis: { i: 0 } })
}

/**
 * `init(seed, ...)`: every variable gets its first value, keyed by (seed, `init:NAME`, step 0). Values are drawn in the
 * language's layout and then stored, so that a parameter starts from the same numbers however it is stored.
 *
 * @param given integer variables that the caller sets, by the name of the input
 */
export function initSignature(
  builder: GraphDefBuilder,
  table: VariableTable,
  given: ReadonlyMap<string, Variable>,
): Signature {
  const program = "init"
  const inputs: Record<string, SignatureTensor> = {}
  const values = new Map<Variable, string>()
  for (const [name, variable] of given) {
    inputs[name] = placeholder(builder, program, name, "DT_INT32", [])
    values.set(variable, cast(builder, program, inputs[name].tensor, "DT_INT32", "DT_INT64"))
  }
  const base = seedBase(builder, program, values.get(table.get(SEED))!)
  const zero = builder.constant("DT_INT64", [], [0])
  const assigned = table.all().map((variable) => {
    const set = values.get(variable)
    if (set !== undefined) return table.assign(variable, set, program)
    const scope = `${program}/${variable.name}`
    const seeds = (): string => seedPairTensor(builder, scope, base, `init:${variable.keyedBy}`, zero)
    const value = firstValue(builder, scope, variable, seeds)
    return table.assign(variable, toStorage(builder, scope, variable, value), program)
  })
  const step = builder.constant("DT_INT32", [], [0])
  return {
    inputs,
    outputs: { step: output(builder, program, "step", step, "DT_INT32", [], assigned) },
  }
}

function firstValue(builder: GraphDefBuilder, scope: string, variable: Variable, seeds: () => string): string {
  const { initializer, shape, type } = variable
  const f32 = { type: "DT_FLOAT" } as const
  const affine = (drawn: string, factor: number, offset: number): string => {
    const scaled = builder.node("Mul", scope, [drawn, builder.constant("DT_FLOAT", [], [factor])], { T: f32 })
    return builder.node("AddV2", scope, [scaled, builder.constant("DT_FLOAT", [], [offset])], { T: f32 })
  }
  const draw = (op: string): string => {
    if (type !== "DT_FLOAT") throw new Error(`${variable.name} is drawn at random, so it must be f32`)
    const attributes = { dtype: f32, Tseed: { type: "DT_INT64" }, T: { type: "DT_INT32" } } as const
    return builder.node(op, scope, [builder.ints(shape), seeds()], attributes)
  }
  switch (initializer.kind) {
    case "uniform":
      return affine(draw("StatelessRandomUniform"), initializer.high - initializer.low, initializer.low)
    case "normal":
      return affine(draw("StatelessRandomNormal"), initializer.deviation, initializer.mean)
    case "loaded":
      return builder.constant(type, shape, Array.from(loadedValues(initializer)))
    case "values":
      if (initializer.values.length !== sizeOf(shape)) {
        throw new Error(`${variable.name} has ${initializer.values.length} initial values for [${shape.join(", ")}]`)
      }
      return builder.constant(type, shape, initializer.values)
    case "constant":
      return filled(builder, scope, type, shape, initializer.value)
  }
}

function filled(
  builder: GraphDefBuilder,
  scope: string,
  type: StoredType,
  shape: readonly number[],
  number: number,
  controls: readonly string[] = [],
): string {
  const value = builder.constant(type, [], [number])
  if (shape.length === 0) return value
  const attributes = { T: { type }, index_type: { type: "DT_INT32" } } as const
  return builder.node("Fill", scope, [builder.ints(shape), value], attributes, controls)
}

/** Sets the variables that are empty between two steps to zero, after `controls` have run. */
export function clearingNodes(
  builder: GraphDefBuilder,
  table: VariableTable,
  program: string,
  controls: readonly string[],
): readonly string[] {
  return table.all().flatMap((variable) => {
    if (!variable.transient) return []
    const { name, type, shape, storage } = variable
    const zeros = filled(builder, `${program}/clear/${name}`, type, permuted(shape, storage), 0, controls)
    return [table.assign(variable, zeros, program, controls)]
  })
}

/**
 * `read()`: every variable that lasts, or `variables`, in the language's layout. Counters come as int32, which is what
 * tfjs can hold.
 */
export function readSignature(
  builder: GraphDefBuilder,
  table: VariableTable,
  program = "read",
  variables = table.lasting(),
): Signature {
  const outputs: Record<string, SignatureTensor> = {}
  for (const variable of variables) {
    const stored = table.read(variable, program)
    const plain = fromStorage(builder, `${program}/${variable.name}`, variable, stored)
    const value = variable.type === "DT_INT64" ? cast(builder, program, plain, "DT_INT64", "DT_INT32") : plain
    outputs[variable.name] = output(builder, program, variable.name, value, publicType(variable), variable.shape)
  }
  return { inputs: {}, outputs }
}

/**
 * `write(every variable that lasts, or `variables`, in the language's layout)`. Each value is copied first: TensorFlow may
 * hold fed memory without a copy, and a variable that kept it would let an optimiser step write into the caller's array.
 * A state that was written has nothing half done in it, so what is empty between two steps is cleared.
 */
export function writeSignature(
  builder: GraphDefBuilder,
  table: VariableTable,
  program = "write",
  variables = table.lasting(),
): Signature {
  const inputs: Record<string, SignatureTensor> = {}
  const written = variables.map((variable) => {
    const input = placeholder(builder, program, variable.name, publicType(variable), variable.shape)
    inputs[variable.name] = input
    const scope = `${program}/${variable.name}`
    const own = ownCopy(builder, scope, input.tensor, publicType(variable))
    const wide = variable.type === "DT_INT64" ? cast(builder, scope, own, "DT_INT32", "DT_INT64") : own
    return table.assign(variable, toStorage(builder, scope, variable, wide), program)
  })
  const cleared = variables.some((variable) => variable.transient) ? [] : clearingNodes(builder, table, program, [])
  const assigned = [...written, ...cleared]
  const count = builder.constant("DT_INT32", [], [written.length])
  return { inputs, outputs: { written: output(builder, program, "written", count, "DT_INT32", [], assigned) } }
}

/** The type a variable has outside the session. */
function publicType(variable: Variable): "DT_FLOAT" | "DT_INT32" | "DT_BOOL" {
  return variable.type === "DT_INT64" ? "DT_INT32" : variable.type
}

function toStorage(builder: GraphDefBuilder, scope: string, variable: Variable, value: string): string {
  return transpose(builder, scope, variable, value, variable.storage)
}

function fromStorage(builder: GraphDefBuilder, scope: string, variable: Variable, value: string): string {
  const plain = identityPermutation(variable.shape.length)
  return transpose(builder, scope, variable, value, transposition(variable.storage, plain))
}

function transpose(
  builder: GraphDefBuilder,
  scope: string,
  variable: Variable,
  value: string,
  perm: Permutation,
): string {
  if (isIdentity(perm)) return value
  const attributes = { T: { type: variable.type }, Tperm: { type: "DT_INT32" } } as const
  return builder.node("Transpose", scope, [value, builder.ints(perm)], attributes)
}

/** The same values in memory of their own. */
export function ownCopy(builder: GraphDefBuilder, scope: string, value: string, type: ElementType): string {
  return builder.node("DeepCopy", scope, [value], { T: { type } })
}

/** A Cast node. */
export function cast(
  builder: GraphDefBuilder,
  scope: string,
  value: string,
  from: ElementType,
  to: ElementType,
): string {
  return builder.node("Cast", scope, [value], { SrcT: { type: from }, DstT: { type: to }, Truncate: { b: false } })
}

/** A tensor that a signature is fed. */
export function placeholder(
  builder: GraphDefBuilder,
  program: string,
  name: string,
  type: ElementType,
  shape: readonly number[],
): SignatureTensor {
  const tensor = builder.named("Placeholder", `${program}/inputs/${name}`, [], { dtype: { type }, shape: { shape } })
  return { tensor, type, shape }
}

/** A tensor that a signature gives, available only after `controls` have run. */
export function output(
  builder: GraphDefBuilder,
  program: string,
  name: string,
  value: string,
  type: ElementType,
  shape: readonly number[],
  controls: readonly string[] = [],
): SignatureTensor {
  const tensor = builder.named("Identity", `${program}/outputs/${name}`, [value], { T: { type } }, controls)
  return { tensor, type, shape }
}
