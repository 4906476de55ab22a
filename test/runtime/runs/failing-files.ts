/**
 * A file system that fails where a test wants it to.
 *
 * Takes which call fails, and with what code. Gives file operations that are Node's otherwise.
 */
import { type FileOperations, NODE_FILES } from "../../../src/runtime/runs/atomic-file.js"

export type Call = "open" | "write" | "sync" | "rename"

function failure(call: string, code: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${call}`), { code })
}

/** Fails at `call` for paths that contain `part`, when `active()` says so; it is asked once for each such file. */
export function failingFiles(call: Call, code: string, part = "", active: () => boolean = () => true): FileOperations {
  return {
    ...NODE_FILES,
    open: (async (path: string, ...rest: [string]) => {
      const chosen = path.includes(part) && active()
      if (chosen && call === "open") throw failure(call, code)
      const handle = await NODE_FILES.open(path, ...rest)
      if (!chosen) return handle
      const write = handle.write.bind(handle) as (...given: unknown[]) => Promise<unknown>
      let written = 0
      return new Proxy(handle, {
        get(target, key) {
          // Half of the bytes reach the disk before it is full.
          if (key === "write" && call === "write") {
            return async (bytes: Uint8Array, at: number, length: number) => {
              if (written > 0) throw failure(call, code)
              written = Math.ceil(length / 2)
              return write(bytes, at, written)
            }
          }
          if (key === "sync" && call === "sync") return () => Promise.reject(failure(call, code))
          const value = Reflect.get(target, key, target) as unknown
          return typeof value === "function" ? (value as (...given: unknown[]) => unknown).bind(target) : value
        },
      })
    }) as FileOperations["open"],
    rename: async (from, to) => {
      if (call === "rename" && String(to).includes(part) && active()) throw failure(call, code)
      return NODE_FILES.rename(from, to)
    },
  }
}
