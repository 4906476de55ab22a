/**
 * What writing a run needs of the file system.
 *
 * Takes nothing; gives Node's own operations. Everything in a run folder is written through these, so that a test can hand
 * in a file system that fails, or a process that dies, at any of them.
 */
import { open, rename, rm, statfs } from "node:fs/promises"

export interface FileOperations {
  readonly open: typeof open
  readonly rename: typeof rename
  readonly rm: typeof rm
  /** asked for free space only */
  readonly statfs: (path: string) => Promise<{ readonly bavail: number; readonly bsize: number }>
}

export const NODE_FILES: FileOperations = { open, rename, rm, statfs: (path) => statfs(path) }
