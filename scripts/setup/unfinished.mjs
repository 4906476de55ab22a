// Folders that mean nothing until they are finished.
//
// Takes:  folders under construction.
// Gives:  their removal when a signal ends the set-up.
// Why so: process.exit runs no `finally`. What a kill leaves all the same is found and removed by the next set-up.
import { rmSync } from "node:fs"

const folders = new Set()

/** Runs `work` on a folder under construction, which `removeUnfinished` removes if it comes in between. */
export async function whileUnfinished(folder, work) {
  folders.add(folder)
  try {
    return await work()
  } finally {
    folders.delete(folder)
  }
}

/** Removes every folder under construction; for signal handlers. */
export function removeUnfinished() {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}
