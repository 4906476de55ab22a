/**
 * A program of the machine, run to its end: exit code and all that it wrote.
 *
 * Takes a name and arguments, which no shell reads. In a session of its own, so that Ctrl-C in the terminal does not reach
 * it: a `sbatch` that is interrupted may have submitted its job or not.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"

export interface ProgramEnd {
  /** null when a signal ended it */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program. @throws the system's error when it cannot be started, ENOENT when there is none of that name */
export type RunProgram = (program: string, words: readonly string[], signal?: AbortSignal) => Promise<ProgramEnd>

/** Runs a program; when `signal` aborts, it is ended. */
export const runProgram: RunProgram = async (program, words, signal) => {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"], detached: true })
  const end = (): void => void child.kill()
  signal?.addEventListener("abort", end, { once: true })
  try {
    const [[code], stdout, stderr] = await Promise.all([
      once(child, "close") as Promise<[number | null]>,
      text(child.stdout),
      text(child.stderr),
    ])
    return { code, stdout, stderr }
  } finally {
    signal?.removeEventListener("abort", end)
  }
}
