/**
 * The engine of this machine: a process for each task, some side by side.
 *
 * Takes tasks and how many may run at once; gives how each ended. A process of its own for each member gives its memory
 * back when it ends, and one that crashes takes no other with it. Each is in a process group of its own, so that Ctrl-C
 * reaches it once and through us; when we are killed, it notices by the closed channel, and stops with a checkpoint.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, open } from "node:fs/promises"
import { availableParallelism } from "node:os"
import { dirname } from "node:path"
import type { Engine, EngineWatch, Task, TaskEnd } from "./engine.js"
import { lastError, TOOL } from "./task-process.js"

/** 128 + SIGINT: stopped, with a checkpoint */
export const STOPPED = 130

export interface LocalEngineOptions {
  /** processes at once */
  readonly jobs: number
  /** what Node runs for `mdl`; the tool itself when absent */
  readonly tool?: string
}

/** Runs tasks as processes of this machine. */
export function localEngine({ jobs, tool = TOOL }: LocalEngineOptions): Engine {
  return {
    name: "local",
    async run(tasks, watch) {
      const ends = new Map<string, TaskEnd>()
      const waiting = [...tasks]
      let broken: { readonly thrown: unknown } | undefined
      const worker = async (): Promise<void> => {
        for (;;) {
          if (watch.signal?.aborted || broken) return
          const task = waiting.shift()
          if (!task) return
          try {
            await watch.beforeTask?.()
          } catch (thrown) {
            broken ??= { thrown }
            return
          }
          if (watch.signal?.aborted) return
          watch.started?.(task.name)
          const end = await runProcess(task, tool, jobs, watch)
          ends.set(task.name, end)
          watch.ended?.(end)
        }
      }
      await Promise.all(Array.from({ length: Math.max(1, Math.min(jobs, tasks.length)) }, worker))
      if (broken) throw broken.thrown
      return tasks.flatMap(({ name }) => ends.get(name) ?? [])
    },
  }
}

async function runProcess(task: Task, tool: string, jobs: number, watch: EngineWatch): Promise<TaskEnd> {
  const { name, command, log } = task
  await mkdir(dirname(log), { recursive: true })
  // The process writes the log itself: through us it would break off when we are gone.
  const written = await open(log, "a")
  const child = spawn(process.execPath, [tool, ...command], {
    stdio: ["ignore", written.fd, written.fd, "ipc"],
    detached: true,
    env: { ...process.env, NO_COLOR: "1", MDL_THREADS: process.env["MDL_THREADS"] ?? threadsFor(jobs) },
  })
  child.on("message", (message) => {
    if (typeof message === "string") watch.progress?.(name, message)
  })
  const stop = (): void => void child.kill("SIGINT")
  watch.signal?.addEventListener("abort", stop, { once: true })
  if (watch.signal?.aborted) stop()
  let code: number | null
  let signal: NodeJS.Signals | null
  try {
    ;[code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null]
  } finally {
    watch.signal?.removeEventListener("abort", stop)
    await written.close()
  }
  if (code === 0) return { name, outcome: "done", code, message: undefined }
  if (watch.signal?.aborted && (code === STOPPED || signal === "SIGINT"))
    return { name, outcome: "stopped", code, message: undefined }
  const message =
    signal === null
      ? await lastError(log)
      : `it was ended by ${signal}${signal === "SIGKILL" ? ", as the system does when memory runs out: try fewer --jobs" : ""}`
  return { name, outcome: "failed", code, message }
}

/** All cores for one process, its share for several. */
function threadsFor(jobs: number): string {
  return String(Math.max(1, Math.floor(availableParallelism() / jobs)))
}
