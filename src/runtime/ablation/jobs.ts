/**
 * How many members can train side by side on this machine.
 *
 * Takes what training each member needs and what the machine has; gives a number. A process that runs out of memory takes its
 * neighbours with it, so memory is the bound, and then cores: a step keeps one core busy, and more cores shorten it by less
 * than a second process would.
 */
import { existsSync } from "node:fs"
import { availableParallelism } from "node:os"
import { availableMemory } from "../native/available-memory.js"

/** The part of the memory that is planned with; the rest is for kernels' workspace and estimates that are too low. */
const PLANNED = 0.7

export interface Machine {
  readonly cores: number
  /** bytes that are free for use */
  readonly memory: number
  readonly hasGpu: boolean
}

/** This machine, within the limits of its container. */
export function thisMachine(): Machine {
  return {
    cores: availableParallelism(),
    memory: availableMemory(),
    hasGpu: existsSync("/proc/driver/nvidia/gpus"),
  }
}

/**
 * Members that train at once, so that any of them fit side by side; 1 at least, and with a GPU, which TensorFlow takes whole
 * for one process.
 *
 * @param memories bytes that each member takes, as estimated
 */
export function jobsFor(memories: readonly number[], { cores, memory, hasGpu }: Machine): number {
  if (hasGpu) return 1
  let used = 0
  const largestFirst = [...memories].sort((a, b) => b - a)
  const over = largestFirst.findIndex((bytes) => (used += bytes) > PLANNED * memory)
  return Math.max(1, Math.min(cores, over < 0 ? largestFirst.length : over))
}
