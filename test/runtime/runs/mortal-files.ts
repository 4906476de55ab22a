/**
 * The file system of a process that dies.
 *
 * Takes the number of the operation at which it dies. Gives file operations: that one is not done (of a write, half is),
 * and none after it, as with a process that was killed there. `operations` names those that were begun.
 */
import { basename } from "node:path"
import { type FileOperations, NODE_FILES } from "../../../src/runtime/runs/file-operations.js"

export class Died extends Error {
  override readonly name = "Died"
}

export interface MortalFiles extends FileOperations {
  /** `write last.safetensors`, in order */
  readonly operations: readonly string[]
}

type Method = (...given: unknown[]) => Promise<unknown>

/** @param dies index of the operation that is not done; Infinity for a process that lives */
export function mortalFiles(dies = Infinity): MortalFiles {
  const operations: string[] = []
  const dead = (): boolean => operations.length > dies
  const begin = (what: string, path: string): void => {
    if (!dead()) operations.push(`${what} ${basename(path).replace(/^\.(.*)\.partial$/, "$1")}`)
    if (dead()) throw new Died(operations.at(-1))
  }
  return {
    operations,
    statfs: NODE_FILES.statfs,
    open: (async (path: string, flags: string) => {
      begin(`open ${flags}`, path)
      const handle = await NODE_FILES.open(path, flags)
      return new Proxy(handle, {
        get(target, key) {
          const value = Reflect.get(target, key, target) as Method
          if (typeof value !== "function") return value
          const method = value.bind(target)
          if (key === "sync" || key === "truncate") {
            return (...given: unknown[]) => {
              begin(key, path)
              return method(...given)
            }
          }
          if (key !== "write") return method
          return async (bytes: Uint8Array, from: number, length: number) => {
            try {
              begin("write", path)
            } catch (thrown) {
              if (operations.length === dies + 1) await method(bytes, from, Math.floor(length / 2))
              throw thrown
            }
            return method(bytes, from, length)
          }
        },
      })
    }) as FileOperations["open"],
    rename: async (from, to) => {
      begin("rename", String(to))
      return NODE_FILES.rename(from, to)
    },
    rm: async (path, options) => {
      begin("rm", String(path))
      return NODE_FILES.rm(path, options)
    },
  }
}
