/**
 * Who fills batches: the main thread itself, or a pool of data workers.
 *
 * Takes: jobs (samples, epoch, empty arrays). Gives: a promise of the filled arrays, rejected with a DataError when a file
 * is wrong.
 *
 * Why so: a pool keeps the process alive while a batch is awaited and not otherwise, so that a forgotten `close()` does
 * not hang a command. The workers run from the compiled dist/, also under a test runner that runs the sources.
 */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { type BatchArrays, BatchBuilder, type BuildPlan } from "./batch-builder.js"
import { DataError } from "./data-error.js"
import type { WorkerReply, WorkerRequest } from "./worker.js"

export interface BatchFiller {
  fill(indices: Int32Array, epoch: number, arrays: BatchArrays): Promise<BatchArrays>
  close(): Promise<void>
}

/** Fills batches in the calling thread. */
export function inProcess(plan: BuildPlan): BatchFiller {
  const builder = new BatchBuilder(plan)
  return {
    async fill(indices, epoch, arrays) {
      await builder.fill(indices, epoch, arrays)
      return arrays
    },
    close: () => Promise.resolve(),
  }
}

/** The compiled worker. @throws Error (not the user's data: the checkout is not set up) when it has not been built. */
export function workerFile(here: string = import.meta.url): URL {
  const file = here.endsWith(".ts")
    ? new URL("../../../dist/src/runtime/data/worker.js", here)
    : new URL("./worker.js", here)
  if (!existsSync(file)) {
    throw new Error(`the data worker ${fileURLToPath(file)} has not been built: run \`npm run setup\` once`)
  }
  return file
}

interface Job {
  readonly resolve: (arrays: BatchArrays) => void
  readonly reject: (error: Error) => void
}

interface Member {
  readonly worker: Worker
  readonly jobs: Map<number, Job>
  readonly exited: Promise<void>
}

/** A pool of data workers. */
export class WorkerPool implements BatchFiller {
  private readonly members: Member[]
  private nextJob = 0
  private closing = false
  private broken: Error | undefined

  constructor(plan: BuildPlan, count: number) {
    const file = workerFile()
    this.members = Array.from({ length: count }, () => this.start(file, plan))
  }

  fill(indices: Int32Array, epoch: number, arrays: BatchArrays): Promise<BatchArrays> {
    if (this.broken) return Promise.reject(this.broken)
    if (this.closing) return Promise.reject(new Error("the loader is closed"))
    const member = this.members.reduce((least, other) => (other.jobs.size < least.jobs.size ? other : least))
    const job = this.nextJob++
    return new Promise((resolve, reject) => {
      if (member.jobs.size === 0) member.worker.ref()
      member.jobs.set(job, { resolve, reject })
      const request: WorkerRequest = { type: "build", job, indices, epoch, arrays }
      member.worker.postMessage(request, [arrays.image.buffer, arrays.mask.buffer])
    })
  }

  async close(): Promise<void> {
    if (!this.closing) {
      this.closing = true
      const request: WorkerRequest = { type: "close" }
      for (const { worker } of this.members) {
        worker.ref()
        worker.postMessage(request)
      }
    }
    await Promise.all(this.members.map((member) => member.exited))
  }

  private start(file: URL, plan: BuildPlan): Member {
    const worker = new Worker(file, { workerData: plan, name: "mdl-data" })
    const jobs = new Map<number, Job>()
    worker.unref()
    worker.on("message", (reply: WorkerReply) => {
      const job = jobs.get(reply.job)
      jobs.delete(reply.job)
      if (jobs.size === 0 && !this.closing) worker.unref()
      if (job === undefined) return
      if ("arrays" in reply) job.resolve(reply.arrays)
      else if ("dataError" in reply) job.reject(new DataError(reply.dataError))
      else job.reject(new Error(`a data worker failed: ${reply.failure}`))
    })
    const fail = (error: Error) => {
      this.broken ??= error
      for (const job of jobs.values()) job.reject(error)
      jobs.clear()
    }
    worker.on("error", fail)
    const exited = new Promise<void>((resolve) => {
      worker.on("exit", (code) => {
        if (!this.closing || jobs.size > 0)
          fail(new Error(`a data worker stopped with code ${code} before its work was done`))
        resolve()
      })
    })
    return { worker, jobs, exited }
  }
}
