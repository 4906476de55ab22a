/**
 * The network as the page sees it: feeds in, outputs out, one call at a time.
 *
 * Takes: the address of a model. Gives: a function that runs it. Calls that arrive while the network is at work wait, and
 * of those that wait only the last is run: what a person typed in between is not worth a prediction any more.
 */

import type { CaseOutputs } from "../../prediction/interest.js"
import type { Answer, FedTensor, Request } from "./inference-worker.js"

export type Feeds = Readonly<Record<string, FedTensor>>

export interface Inference {
  readonly threads: number
  /** Gives undefined for a call that a later one has replaced. */
  run(feeds: Feeds): Promise<{ readonly outputs: CaseOutputs; readonly seconds: number } | undefined>
}

/** Loads a model. @throws Error with the words of the worker or of ONNX Runtime */
export async function loadInference(address: string): Promise<Inference> {
  const worker = new Worker(new URL("./inference-worker.js", import.meta.url), { type: "module" })
  const loaded = await asked(worker, { kind: "load", address })
  if (loaded.kind !== "loaded") throw new Error("the worker did not load the model")
  let running: Promise<unknown> = Promise.resolve()
  let latest = 0
  return {
    threads: loaded.threads,
    async run(feeds) {
      const mine = ++latest
      const before = running
      const call = (async () => {
        // A failure is told to whoever made that call.
        await before.catch(() => undefined)
        if (mine !== latest) return undefined
        const answer = await asked(worker, { kind: "run", feeds })
        return answer.kind === "outputs" ? answer : undefined
      })()
      running = call
      return call
    },
  }
}

/** One message and its answer. */
function asked(worker: Worker, request: Request): Promise<Exclude<Answer, { kind: "failed" }>> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.kind === "failed") reject(new Error(data.problem))
      else resolve(data)
    }
    worker.onerror = (event) => reject(new Error(event.message || "the worker could not be started"))
    worker.postMessage(request)
  })
}
