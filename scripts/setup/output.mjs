// What the set-up says while it works.
//
// Takes:  the flags that bear on output, and a stream (stderr, so that stdout stays clean for the command after it).
// Gives:  one line per step, a line that keeps moving for the long ones, and the layout of a failure.
// Why so: a step may take minutes; a person must see that it lives, a CI log must not fill up with carriage returns.

/** What is still possible without the native backend; part of every message that reports it missing. */
export const REFERENCE_TARGET =
  "Without the native backend `mdl check`, `summary`, `diff` and `export` of untrained models still work, on the\n" +
  "slower pure-JavaScript reference target; training, evaluation and prediction need the native backend."

/** A failure with a cause a person can act on: what is wrong, and the commands that put it right. */
export class SetupProblem extends Error {
  /**
   * @param {string} what one sentence or more: the thing that is missing or broke
   * @param {{fix?: string[], log?: string, native?: boolean}} [details] `native` adds what works without the backend
   */
  constructor(what, { fix = [], log, native = false } = {}) {
    super(what)
    this.name = "SetupProblem"
    this.fix = [...fix]
    this.log = log
    this.native = native
  }

  /** The whole message, as printed. */
  report() {
    const lines = [`mdl set-up failed: ${this.message}`]
    for (const fix of this.fix) lines.push(`  fix: ${fix}`)
    if (this.log !== undefined) lines.push(`  full output: ${this.log}`)
    if (this.native) lines.push(...REFERENCE_TARGET.split("\n").map((line) => `  ${line}`))
    return lines.join("\n") + "\n"
  }
}

const SECONDS_BETWEEN_LINES = 15

/**
 * Makes the printer. With `quiet` only failures are printed (by the caller).
 * @param {{quiet?: boolean, stream?: NodeJS.WriteStream}} [options]
 */
export function createOutput({ quiet = false, stream = process.stderr } = {}) {
  const write = (text) => {
    if (!quiet) stream.write(text)
  }
  return {
    /** One finished line. */
    say(text) {
      write(`mdl set-up: ${text}\n`)
    },

    /**
     * A line for something long. `describe` gives the moving part (megabytes, say); elapsed time is added. On a
     * terminal the line is rewritten every second, elsewhere repeated now and then. Returns the function that ends it.
     */
    during(text, describe = () => "") {
      const started = Date.now()
      const line = () => {
        const moving = describe()
        const seconds = Math.round((Date.now() - started) / 1000)
        return `mdl set-up: ${text}${moving === "" ? "" : `, ${moving}`} (${seconds} s)`
      }
      const live = stream.isTTY === true
      if (!live) write(`mdl set-up: ${text}...\n`)
      const timer = setInterval(
        () => write(live ? `\r\u001b[2K${line()}` : `${line()}\n`),
        live ? 1000 : SECONDS_BETWEEN_LINES * 1000,
      )
      timer.unref() // a failure that skips the end of the line must not keep the process alive
      return (outcome = "done") => {
        clearInterval(timer)
        write(live ? `\r\u001b[2K${line()}: ${outcome}\n` : `${line()}: ${outcome}\n`)
      }
    },
  }
}
