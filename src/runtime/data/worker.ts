/**
 * A data worker: the thread that decodes and augments while the main thread is inside a training step.
 *
 * Takes: a plan (workerData), then jobs. Gives: filled arrays, moved and not copied; or what went wrong, in plain form.
 *
 * Why so: the native training step is synchronous and blocks the main thread's event loop, so even asynchronous decoding
 * would not progress there. A worker ends by itself when told to close, because ending it from outside in the middle of a
 * native decode can take the process with it.
 */
import { parentPort, workerData } from "node:worker_threads"
import sharp from "sharp"
import { type BatchArrays, BatchBuilder, type BuildPlan } from "./batch-builder.js"
import { DataError, type DataErrorFields, messageOf } from "./data-error.js"

export type WorkerRequest =
  | {
      readonly type: "build"
      readonly job: number
      readonly indices: Int32Array
      readonly epoch: number
      readonly arrays: BatchArrays
    }
  | { readonly type: "close" }

export type WorkerReply =
  | { readonly job: number; readonly arrays: BatchArrays }
  | { readonly job: number; readonly dataError: DataErrorFields }
  | { readonly job: number; readonly failure: string }

if (parentPort === null) throw new Error("the data worker is started by the loader, not by hand")
const port = parentPort

// The pictures are small and there are several workers: more threads inside one decode would only contend.
sharp.concurrency(1)
sharp.cache(false)

const builder = new BatchBuilder(workerData as BuildPlan)
let queue: Promise<void> = Promise.resolve()
let closing = false

port.on("message", (request: WorkerRequest) => {
  if (request.type === "close") closing = true
  // Nobody waits for batches that are begun and not done when the loader is closed.
  queue = queue.then(() => (request.type === "close" ? port.close() : closing ? undefined : build(request)))
})

async function build({ job, indices, epoch, arrays }: Extract<WorkerRequest, { type: "build" }>): Promise<void> {
  try {
    await builder.fill(indices, epoch, arrays)
  } catch (thrown) {
    const reply: WorkerReply =
      thrown instanceof DataError
        ? { job, dataError: thrown.toFields() }
        : { job, failure: (thrown instanceof Error && thrown.stack) || messageOf(thrown) }
    port.postMessage(reply)
    return
  }
  const reply: WorkerReply = { job, arrays }
  port.postMessage(reply, [arrays.image.buffer, arrays.mask.buffer])
}
