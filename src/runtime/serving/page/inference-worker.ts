/**
 * The network, in a thread of its own, so that typing stays quick while it runs.
 *
 * Takes: messages that name a model's address, then feeds. Gives: messages with the outputs, or with what went wrong.
 */

import type * as Ort from "onnxruntime-web"

/** A tensor by the ONNX names of types. */
export interface FedTensor {
  readonly type: "float32" | "int32"
  readonly shape: readonly number[]
  readonly data: Float32Array | Int32Array
}

export type Request =
  | { readonly kind: "load"; readonly address: string }
  | { readonly kind: "run"; readonly feeds: Readonly<Record<string, FedTensor>> }

export type Answer =
  | { readonly kind: "loaded"; readonly threads: number }
  | {
      readonly kind: "outputs"
      readonly outputs: Readonly<Record<string, { readonly data: Float32Array }>>
      readonly seconds: number
    }
  | { readonly kind: "failed"; readonly problem: string }

const ORT_ADDRESS = "/ort/ort.wasm.min.mjs"
const MOST_THREADS = 8

interface WorkerScope {
  readonly crossOriginIsolated: boolean
  onmessage: ((event: MessageEvent<Request>) => void) | null
  postMessage(answer: Answer): void
}
const scope = self as unknown as WorkerScope

let ort: typeof Ort | undefined
let session: Ort.InferenceSession | undefined

async function load(address: string): Promise<Answer> {
  ort = (await import(ORT_ADDRESS)) as typeof Ort
  // Threads share memory, which browsers give to isolated pages only.
  const threads = scope.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1
  ort.env.wasm.numThreads = threads
  ort.env.wasm.wasmPaths = "/ort/"
  ort.env.logLevel = "error"
  const response = await fetch(address)
  if (!response.ok) throw new Error(`the model could not be fetched (${response.status})`)
  session = await ort.InferenceSession.create(await response.arrayBuffer(), { executionProviders: ["wasm"] })
  return { kind: "loaded", threads }
}

async function run(feeds: Readonly<Record<string, FedTensor>>): Promise<Answer> {
  if (ort === undefined || session === undefined) throw new Error("the model was not loaded")
  const { Tensor } = ort
  const started = performance.now()
  const tensors = session.inputNames.map((name) => {
    const fed = feeds[name]
    if (fed === undefined) throw new Error(`the model wants ${name}`)
    return [name, new Tensor(fed.type, fed.data, fed.shape)] as const
  })
  const results = await session.run(Object.fromEntries(tensors))
  const outputs = Object.entries(results).flatMap(([name, { data }]) =>
    // What the page shows is f32; integers and booleans are not.
    data instanceof Float32Array ? [[name, { data: data.slice() }] as const] : [],
  )
  return { kind: "outputs", outputs: Object.fromEntries(outputs), seconds: (performance.now() - started) / 1000 }
}

scope.onmessage = ({ data }) => {
  const work = data.kind === "load" ? load(data.address) : run(data.feeds)
  work.then(
    (answer) => scope.postMessage(answer),
    (thrown: unknown) =>
      scope.postMessage({ kind: "failed", problem: thrown instanceof Error ? thrown.message : String(thrown) }),
  )
}
