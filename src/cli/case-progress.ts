/**
 * How far a command has come with its cases, on stderr: a line that is drawn anew on a terminal, a line at most every half
 * minute elsewhere.
 */

import { type ProgressStream, durationText } from "../runtime/training/progress.js"
import { barText } from "../runtime/training/terminal-view.js"

const MS_BETWEEN = { drawings: 100, lines: 30_000 }
const ERASE = "\r\x1b[2K"

export interface CaseProgress {
  /** `done` of `total` cases */
  readonly update: (done: number, total: number) => void
  /** Takes the line away; nothing is shown afterwards. */
  readonly stop: () => void
}

/**
 * Progress on stderr.
 *
 * @param label says what is done to the cases: `predicting`
 * @param stream and `now` (milliseconds), for tests
 */
export function caseProgress(
  label: string,
  stream: ProgressStream = process.stderr,
  now: () => number = () => performance.now(),
): CaseProgress {
  const started = now()
  const every = stream.isTTY ? MS_BETWEEN.drawings : MS_BETWEEN.lines
  // A terminal shows the first line at once; a log file needs none for what is done in no time.
  let shown = stream.isTTY ? -Infinity : started
  let onTerminal = false
  let stopped = false
  return {
    update(done, total) {
      if (stopped || now() - shown < every) return
      shown = now()
      const count = `${label} ${done}/${total}`
      if (!stream.isTTY) {
        stream.write(`${count}\n`)
        return
      }
      const left = done > 0 ? `ETA ${durationText(((shown - started) / 1000 / done) * (total - done))}` : ""
      const line = `${label}  ${barText(total > 0 ? done / total : 1)}  ${done}/${total}  ${left}`.trimEnd()
      // A line that wraps cannot be drawn over.
      stream.write(ERASE + (line.length < (stream.columns ?? 80) ? line : count))
      onTerminal = true
    },
    stop() {
      if (onTerminal) stream.write(ERASE)
      onTerminal = false
      stopped = true
    },
  }
}
