/**
 * A running trainer: one TensorFlow session over a SavedModel written by the compiler.
 *
 * Takes a directory with `saved_model.pb`, and typed arrays in the language's layout; gives plain numbers and arrays.
 * All state lives inside the session and is shared by all calls. Each call is one native call: it blocks until it is
 * done. Tensors are made and disposed here, also when a call fails. What TensorFlow complains about is told with the
 * place in the model it happened in, read from the node's name.
 */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { LanguageType } from "../compiler/ir/graph.js"
import { scopeOfNode } from "../compiler/targets/tensorflow/graphdef.js"
import { GRADIENT_COUNT } from "../compiler/targets/tensorflow/accumulation.js"
import { LOSS_PREFIX } from "../compiler/targets/tensorflow/saved-model.js"
import {
  readSignatures,
  type SignatureEntries,
  type SignatureEntry,
} from "../compiler/targets/tensorflow/signatures.js"
import { loadBackend, type TensorFlow } from "./native/backend.js"

/** A tensor outside the session, row-major; `bool` is one byte for each element. */
export interface HostTensor {
  readonly dtype: LanguageType
  readonly shape: readonly number[]
  readonly data: Float32Array | Int32Array | Uint8Array
}

/** A result of a program; integers and booleans come as floats. */
export interface OutputTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

export type Feeds = Readonly<Record<string, HostTensor>>

/** A call on a session failed. `scopes` are the places in the model that TensorFlow named, innermost cause first. */
export class SessionError extends Error {
  override readonly name = "SessionError"

  constructor(
    message: string,
    readonly scopes: readonly string[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The part of tfjs-node's backend that runs SavedModels. It is public there, though only its own classes use it. */
interface SavedModelBackend {
  loadSavedModelMetaGraph(path: string, tags: string): number
  deleteSavedModel(id: number): void
  runSavedModel(
    id: number,
    inputs: readonly NativeTensor[],
    inputInfos: readonly { readonly name: string }[],
    outputNames: readonly string[],
  ): NativeTensor[]
}

type NativeTensor = ReturnType<TensorFlow["tensor"]>

/** Steps of an epoch are an int32. */
const MOST_STEPS = 2 ** 31 - 1

const NATIVE_TYPES = { f32: "float32", i32: "int32", bool: "bool" } as const

export class NativeSession {
  private ready = false
  /** batches whose gradients wait to be applied */
  private summed = 0
  private closed = false

  private constructor(
    private readonly tf: TensorFlow,
    private readonly backend: SavedModelBackend,
    private readonly id: number,
    /** entry points by name, with the types and shapes they take and give */
    readonly signatures: ReadonlyMap<string, SignatureEntries>,
  ) {}

  /**
   * Loads a SavedModel into a session of its own: two sessions on one directory share nothing. (`tf.node.loadSavedModel`
   * would share, and would parse the file again for each signature.)
   *
   * @param directory holds `saved_model.pb`
   * @throws SessionError when TensorFlow refuses the graph; BackendUnavailable when there is no TensorFlow
   */
  static async open(directory: string): Promise<NativeSession> {
    const signatures = readSignatures(new Uint8Array(await readFile(join(directory, "saved_model.pb"))))
    const { tf } = await loadBackend()
    const backend = tf.backend() as unknown as SavedModelBackend
    let id: number
    try {
      id = backend.loadSavedModelMetaGraph(directory, "serve")
    } catch (error) {
      throw nativeProblem("open", error)
    }
    return new NativeSession(tf, backend, id, signatures)
  }

  /**
   * Gives every variable its first value; the step becomes 0.
   *
   * @param seed an int32
   * @param stepsPerEpoch for schedules that count epochs; a program without training has no use for it
   */
  init(seed: number, stepsPerEpoch = 1): void {
    if (!Number.isInteger(seed) || seed !== (seed | 0))
      throw new SessionError(`a seed is a 32-bit integer, not ${seed}`)
    if (!Number.isInteger(stepsPerEpoch) || stepsPerEpoch < 1 || stepsPerEpoch > MOST_STEPS)
      throw new SessionError(`an epoch has a whole number of steps above 0, not ${stepsPerEpoch}`)
    const all: Feeds = { seed: scalar(seed), steps_per_epoch: scalar(stepsPerEpoch) }
    const wanted = this.signatures.get("init")?.inputs ?? []
    this.call("init", Object.fromEntries(wanted.map(({ name }) => [name, all[name]!])))
    this.ready = true
    this.summed = 0
  }

  /**
   * One optimiser step.
   *
   * @param feeds a tensor for every graph input, targets included
   * @returns losses by name, `total`, `step` (1 after the first), `learning_rate` that was used, `gradient_norm` before
   *   clipping
   */
  trainStep(feeds: Feeds): Record<string, number> {
    this.mustBeReady("train_step")
    return scalars(this.call("train_step", feeds))
  }

  /**
   * Adds the gradients of a batch to those that wait for `applyGradients`. Normalisation statistics move; nothing else does.
   *
   * @param feeds as for `trainStep`
   * @returns losses by name, `total`, and `accumulated`: the batches that wait, this one included
   */
  addGradients(feeds: Feeds): Record<string, number> {
    this.mustBeReady("gradients")
    const results = scalars(this.call("gradients", feeds))
    this.summed = results["accumulated"]!
    return results
  }

  /**
   * One optimiser step with the mean of the gradients that were added; none wait afterwards.
   *
   * @returns `step`, `learning_rate`, `gradient_norm` as of `trainStep`, and `accumulated`: how many batches there were
   * @throws SessionError when no gradients wait
   */
  applyGradients(): Record<string, number> {
    this.mustBeReady("apply")
    if (this.summed === 0) throw new SessionError("apply was called with no gradients waiting: call gradients first")
    const results = scalars(this.call("apply", {}))
    this.summed = 0
    return results
  }

  /** The sums of the gradients that wait and `gradient_count`, in the language's layout: what data parallelism adds up. */
  readGradients(): Map<string, HostTensor> {
    this.mustBeReady("read_gradients")
    return this.call("read_gradients", {})
  }

  /** Sets what `readGradients` gives. @throws SessionError as `write` */
  writeGradients(sums: ReadonlyMap<string, HostTensor>): void {
    this.mustBeReady("write_gradients")
    this.call("write_gradients", Object.fromEntries(sums))
    this.summed = sums.get(GRADIENT_COUNT)!.data[0]!
  }

  /** Tells a plateau schedule the model's score; gives how often the rate has been reduced. */
  reportScore(score: number): number {
    this.mustBeReady("score")
    const tensor: HostTensor = { dtype: "f32", shape: [], data: Float32Array.of(score) }
    return scalars(this.call("score", { score: tensor }))["reductions"]!
  }

  /** The inference form of the model, with its losses; changes nothing. */
  evaluate(feeds: Feeds): {
    readonly losses: Record<string, number>
    readonly outputs: Record<string, OutputTensor>
  } {
    this.mustBeReady("evaluate")
    const losses: Record<string, number> = {}
    const outputs: Record<string, OutputTensor> = {}
    for (const [name, tensor] of this.call("evaluate", feeds)) {
      if (name.startsWith(LOSS_PREFIX)) losses[name.slice(LOSS_PREFIX.length)] = tensor.data[0]!
      else outputs[name] = asOutput(tensor)
    }
    return { losses, outputs }
  }

  /** The outputs of the model, from its inputs alone. */
  predict(feeds: Feeds): Record<string, OutputTensor> {
    this.mustBeReady("predict")
    return Object.fromEntries([...this.call("predict", feeds)].map(([name, tensor]) => [name, asOutput(tensor)]))
  }

  /**
   * Every variable that lasts, by name, in the language's layout: parameters, state, optimiser slots, averages, what the
   * schedule keeps, `step` and `seed`. Gradients that wait are not among them.
   *
   * @param only the names of those that are wanted; all by default
   */
  read(only?: ReadonlySet<string>): Map<string, HostTensor> {
    this.mustBeReady("read")
    return this.call("read", {}, only)
  }

  /**
   * Sets every variable, as `read` gave them. The session holds copies. No gradients wait afterwards.
   *
   * @throws SessionError that lists every missing, unknown or mis-shaped tensor; then nothing was changed
   */
  write(variables: ReadonlyMap<string, HostTensor>): void {
    this.call("write", Object.fromEntries(variables))
    this.ready = true
    this.summed = 0
  }

  /** Frees the session and its variables. A second call does nothing. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.backend.deleteSavedModel(this.id)
  }

  private mustBeReady(signature: string): void {
    if (this.ready) return
    throw new SessionError(`${signature} was called before the variables had values: call init or write first`)
  }

  /**
   * Runs one signature: the one native call that everything above is made of.
   *
   * @param only names of the outputs that are wanted; all by default
   * @returns the outputs of the signature by name
   * @throws SessionError when the feeds do not fit or TensorFlow fails; tensors are freed either way
   */
  call(signature: string, feeds: Feeds, only?: ReadonlySet<string>): Map<string, HostTensor> {
    if (this.closed) throw new SessionError(`${signature} was called on a closed session`)
    const entries = this.signatures.get(signature)
    if (!entries) {
      const known = [...this.signatures.keys()].join(", ")
      throw new SessionError(`this program has no ${signature}; it has ${known}`)
    }
    checkFeeds(signature, entries.inputs, feeds)
    const inputs = entries.inputs.map(({ name, dtype, shape }) =>
      this.tf.tensor(feeds[name]!.data, [...shape], NATIVE_TYPES[dtype]),
    )
    const outputs = only ? entries.outputs.filter(({ name }) => only.has(name)) : entries.outputs
    let results: NativeTensor[] = []
    try {
      const infos = entries.inputs.map((entry) => ({ name: entry.tensor }))
      results = this.backend.runSavedModel(
        this.id,
        inputs,
        infos,
        outputs.map((entry) => entry.tensor),
      )
      return new Map(outputs.map((entry, index) => [entry.name, hostTensor(entry, results[index]!)]))
    } catch (error) {
      throw nativeProblem(signature, error)
    } finally {
      this.tf.dispose([...inputs, ...results])
    }
  }
}

function hostTensor(entry: SignatureEntry, tensor: NativeTensor): HostTensor {
  // tfjs-node copies results out of TensorFlow's memory, so the array is the caller's.
  return { dtype: entry.dtype, shape: tensor.shape, data: tensor.dataSync<"float32" | "int32">() }
}

function scalar(value: number): HostTensor {
  return { dtype: "i32", shape: [], data: Int32Array.of(value) }
}

/** The one number of each result. */
function scalars(results: ReadonlyMap<string, HostTensor>): Record<string, number> {
  return Object.fromEntries([...results].map(([name, tensor]) => [name, tensor.data[0]!]))
}

function asOutput({ shape, data }: HostTensor): OutputTensor {
  return { shape, data: data instanceof Float32Array ? data : Float32Array.from(data) }
}

/** Throws one error that names everything wrong with the feeds. */
function checkFeeds(signature: string, expected: readonly SignatureEntry[], feeds: Feeds): void {
  const problems: string[] = []
  const names = new Set(expected.map((entry) => entry.name))
  for (const { name, dtype, shape } of expected) {
    const feed = Object.hasOwn(feeds, name) ? feeds[name] : undefined
    const wanted = `${dtype}[${shape.join(", ")}]`
    if (!feed) problems.push(`${name} is missing: ${wanted}`)
    else {
      const size = feed.shape.reduce((product, dim) => product * dim, 1)
      const right =
        feed.dtype === dtype && feed.shape.length === shape.length && feed.shape.every((d, i) => d === shape[i])
      if (!right) problems.push(`${name} must be ${wanted}, not ${feed.dtype}[${feed.shape.join(", ")}]`)
      else if (feed.data.length !== size) problems.push(`${name} has ${feed.data.length} values for ${wanted}`)
      else if (!fits(feed)) problems.push(`${name} is ${dtype} but its data is a ${feed.data.constructor.name}`)
    }
  }
  for (const name of Object.keys(feeds)) if (!names.has(name)) problems.push(`${name} is not known`)
  if (problems.length > 0) throw new SessionError(`${signature} cannot take these tensors:\n  ${problems.join("\n  ")}`)
}

function fits({ dtype, data }: HostTensor): boolean {
  if (dtype === "f32") return data instanceof Float32Array
  return dtype === "i32" ? data instanceof Int32Array : data instanceof Uint8Array
}

/** TensorFlow's message with the places in the model that its node names stand for. */
function nativeProblem(call: string, error: unknown): SessionError {
  if (error instanceof SessionError) return error
  const message = error instanceof Error ? error.message : String(error)
  const nodes = [...message.matchAll(/\{\{node ([^}\s]+)\}\}/g)].map((match) => match[1]!)
  const scopes = [...new Set(nodes.map(scopeOfNode))].filter((scope) => scope !== "")
  const where = scopes.length > 0 ? ` in ${scopes.join(", ")}` : ""
  return new SessionError(`${call} failed${where}: ${message}`, scopes, { cause: error })
}
