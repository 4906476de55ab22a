/**
 * Runs ONNX files with ONNX Runtime.
 *
 * Takes a file (bytes or a path) and tensors by input name; gives tensors by output name. ONNX Runtime is loaded at the
 * first use, because commands that neither export nor predict should start without it, and its absence is an error
 * that says how to get it.
 */

import type { InferenceSession, Tensor } from "onnxruntime-node"

export type RuntimeData = Float32Array | Int32Array | BigInt64Array | Uint8Array

/** A tensor on its way in or out; booleans are bytes 0 and 1. */
export interface RuntimeTensor {
  readonly dtype: "f32" | "i32" | "i64" | "bool"
  readonly shape: readonly number[]
  readonly data: RuntimeData
}

export type Feeds = Readonly<Record<string, RuntimeTensor>>
export type Outputs = Readonly<Record<string, RuntimeTensor>>

/** ONNX Runtime cannot be loaded on this machine. */
export class OnnxRuntimeMissing extends Error {
  /** The machine, not the user's input. */
  readonly exitCode = 2
  readonly fix =
    "install it with `npm install onnxruntime-node --ignore-scripts`; its CPU library is inside the package, " +
    "and the script that is skipped only fetches CUDA libraries"

  constructor(options: ErrorOptions) {
    const cause = options.cause instanceof Error ? `: ${options.cause.message}` : ""
    super(`the package onnxruntime-node cannot be loaded${cause}`, options)
    this.message += `\n  fix: ${this.fix}`
    this.name = "OnnxRuntimeMissing"
  }
}

/** The file is not a model that ONNX Runtime accepts, or the feeds do not fit it. */
export class OnnxRunError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = "OnnxRunError"
  }
}

type Runtime = Pick<typeof import("onnxruntime-node"), "InferenceSession" | "Tensor">

/** `native`: ONNX Runtime's own library. `wasm`: its WebAssembly, which browsers run, here in Node. */
export type OnnxEngine = "native" | "wasm"

let loaded: Promise<Runtime> | undefined

/** Loads ONNX Runtime's WebAssembly. One thread: more would be workers that keep the program from ending. */
async function loadWasm(): Promise<Runtime> {
  const runtime = await import("onnxruntime-web/wasm")
  runtime.env.wasm.numThreads = 1
  return runtime
}

/**
 * Loads ONNX Runtime, once.
 *
 * @param load how to load it, for tests
 * @throws OnnxRuntimeMissing
 */
export async function loadOnnxRuntime(load?: () => Promise<Runtime>): Promise<Runtime> {
  if (load === undefined && loaded) return loaded
  const attempt = (load ?? (() => import("onnxruntime-node")))().catch((error: unknown) => {
    throw new OnnxRuntimeMissing({ cause: error })
  })
  if (load === undefined) {
    loaded = attempt
    // a failed attempt is not remembered: the package may be installed meanwhile by a long-running tool
    attempt.catch(() => (loaded = undefined))
  }
  return attempt
}

/** A model ready to run. Close it when done: its memory is outside the JavaScript heap. */
export interface OnnxModel {
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /**
   * Runs the model once, all outputs.
   *
   * @throws OnnxRunError when feeds are missing, unknown, or of the wrong type or shape
   */
  run(feeds: Feeds): Promise<Outputs>
  close(): Promise<void>
}

export interface OpenOptions {
  /** threads within one operator; ONNX Runtime's choice (all cores) when absent */
  readonly threads?: number
  /** `native` when absent; `wasm` takes bytes, not a path, and has one thread */
  readonly engine?: OnnxEngine
}

/**
 * Opens a model.
 *
 * @param model the bytes of an ONNX file, or its path
 * @throws OnnxRuntimeMissing when there is no ONNX Runtime
 * @throws OnnxRunError when ONNX Runtime refuses the file
 */
export async function openOnnx(model: Uint8Array | string, options: OpenOptions = {}): Promise<OnnxModel> {
  const wasm = options.engine === "wasm"
  if (wasm && typeof model === "string")
    throw new OnnxRunError(`WebAssembly reads no files: give the bytes of ${model}`)
  const runtime = wasm ? await loadWasm() : await loadOnnxRuntime()
  const settings: InferenceSession.SessionOptions = {
    executionProviders: [wasm ? "wasm" : "cpu"],
    logSeverityLevel: 3,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
  }
  let session: InferenceSession
  try {
    session =
      typeof model === "string"
        ? await runtime.InferenceSession.create(model, settings)
        : await runtime.InferenceSession.create(model, settings)
  } catch (error) {
    const what = typeof model === "string" ? model : "the model"
    throw new OnnxRunError(`ONNX Runtime does not accept ${what}: ${messageOf(error)}`, { cause: error })
  }
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    run: (feeds) => runSession(runtime, session, feeds),
    close: () => session.release(),
  }
}

/** Opens `model`, runs it once and closes it; throws what `openOnnx` and `run` throw. */
export async function runOnnx(model: Uint8Array | string, feeds: Feeds): Promise<Outputs> {
  const opened = await openOnnx(model)
  try {
    return await opened.run(feeds)
  } finally {
    await opened.close()
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

async function runSession(runtime: Runtime, session: InferenceSession, feeds: Feeds): Promise<Outputs> {
  const missing = session.inputNames.filter((name) => !(name in feeds))
  const unknown = Object.keys(feeds).filter((name) => !session.inputNames.includes(name))
  if (missing.length > 0 || unknown.length > 0) {
    const complaints = [
      ...(missing.length > 0 ? [`no tensor was given for ${missing.join(", ")}`] : []),
      ...(unknown.length > 0 ? [`the model has no input ${unknown.join(", ")}`] : []),
    ]
    throw new OnnxRunError(`${complaints.join("; ")} (its inputs are ${session.inputNames.join(", ")})`)
  }
  let results: InferenceSession.OnnxValueMapType
  try {
    const tensors = Object.entries(feeds).map(([name, tensor]) => [name, toOrt(runtime, tensor)] as const)
    results = await session.run(Object.fromEntries(tensors))
  } catch (error) {
    throw new OnnxRunError(`ONNX Runtime could not run the model: ${messageOf(error)}`, { cause: error })
  }
  return Object.fromEntries(session.outputNames.map((name) => [name, fromOrt(name, results[name] as Tensor)]))
}

function toOrt(runtime: Runtime, { dtype, shape, data }: RuntimeTensor): Tensor {
  switch (dtype) {
    case "f32":
      return new runtime.Tensor("float32", data as Float32Array, shape)
    case "i32":
      return new runtime.Tensor("int32", data as Int32Array, shape)
    case "i64":
      return new runtime.Tensor("int64", data as BigInt64Array, shape)
    case "bool":
      return new runtime.Tensor("bool", data as Uint8Array, shape)
  }
}

const TYPES = { float32: "f32", int32: "i32", int64: "i64", bool: "bool" } as const

function fromOrt(name: string, tensor: Tensor): RuntimeTensor {
  const dtype = (TYPES as Readonly<Record<string, RuntimeTensor["dtype"]>>)[tensor.type]
  if (dtype === undefined)
    throw new OnnxRunError(`output ${name} has element type ${tensor.type}, which is not supported`)
  return { dtype, shape: tensor.dims, data: tensor.data as RuntimeData }
}
