/**
 * How much memory this process may still take.
 *
 * Takes what the system says: free memory, and in a container the group's limit and use (cgroup v2, else v1). Gives bytes.
 * A container's limit is what kills a training on a machine with plenty of free memory, so the smaller one counts. Pages
 * of files that nobody uses count as free: the kernel gives them up first.
 */
import { readFileSync } from "node:fs"
import { freemem, totalmem } from "node:os"
import { codeOf } from "../data/data-error.js"

export interface MemoryProbes {
  /** what the system could give, in bytes */
  readonly free: number
  /** what the machine has */
  readonly total: number
  /** the limit of the process group; none, 0 or more than the machine has when there is no limit */
  readonly limit: number | undefined
  /** the text of a file; undefined when it is not there */
  readonly read: (path: string) => string | undefined
}

/** Files of both versions of control groups: bytes in use, and the statistics with the name of idle file pages. */
const GROUPS = [
  { used: "/sys/fs/cgroup/memory.current", statistics: "/sys/fs/cgroup/memory.stat", idle: "inactive_file" },
  {
    used: "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    statistics: "/sys/fs/cgroup/memory/memory.stat",
    idle: "total_inactive_file",
  },
] as const

/** Bytes that can still be taken. */
export function availableMemory({ free, total, limit, read }: MemoryProbes = systemProbes()): number {
  if (limit === undefined || limit <= 0 || limit >= total) return free
  for (const { used, statistics, idle } of GROUPS) {
    const bytes = Number(read(used))
    if (!Number.isFinite(bytes)) continue
    const idleBytes = Number(new RegExp(`^${idle} (\\d+)$`, "m").exec(read(statistics) ?? "")?.[1] ?? 0)
    return Math.min(free, Math.max(0, limit - (bytes - idleBytes)))
  }
  return Math.min(free, limit)
}

function systemProbes(): MemoryProbes {
  return {
    free: freemem(),
    total: totalmem(),
    limit: process.constrainedMemory(),
    read: (path) => {
      try {
        return readFileSync(path, "utf8")
      } catch (thrown) {
        if (codeOf(thrown) === "ENOENT" || codeOf(thrown) === "EACCES") return undefined
        throw thrown
      }
    },
  }
}
