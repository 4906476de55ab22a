/**
 * How far a command has come with its cases, on stderr: a bar on a terminal, a line at most every half minute elsewhere.
 */

import { SingleBar } from "cli-progress"

const LINE_EVERY_MS = 30_000

export interface CaseProgress {
  /** `done` of `total` cases */
  readonly update: (done: number, total: number) => void
  /** Ends the bar; nothing is shown afterwards. */
  readonly stop: () => void
}

/** Progress on stderr; `label` says what is done to the cases. */
export function caseProgress(label: string): CaseProgress {
  if (process.stderr.isTTY) {
    const bar = new SingleBar({
      format: `${label} [{bar}] {value}/{total}  {eta_formatted}`,
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    })
    let started = false
    return {
      update(done, total) {
        if (!started) bar.start(total, done)
        else bar.update(done)
        started = true
      },
      stop: () => bar.stop(),
    }
  }
  let last = performance.now()
  return {
    update(done, total) {
      if (performance.now() - last < LINE_EVERY_MS) return
      last = performance.now()
      process.stderr.write(`${label}: ${done} of ${total}\n`)
    },
    stop: () => undefined,
  }
}
