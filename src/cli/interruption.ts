/**
 * Signals that ask a training to stop: Ctrl-C (SIGINT), SIGTERM as schedulers send it, SIGHUP when the terminal is gone.
 *
 * Takes nothing; gives a signal that aborts at the first of them. The step that is going on is finished and a checkpoint
 * written; a second signal, of any of these kinds, ends the process at once.
 */
import { constants } from "node:os"

/** Training stopped where it was and can go on. */
export class Interrupted extends Error {
  override readonly name = "Interrupted"
  /** 128 + the signal's number, as shells have it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP */
  readonly exitCode: number

  constructor(message: string, signal: StopSignal) {
    super(message)
    this.exitCode = 128 + constants.signals[signal]
  }
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const
export type StopSignal = (typeof STOP_SIGNALS)[number]

export interface Interruption {
  readonly signal: AbortSignal
  /** what came; SIGINT before anything has */
  readonly received: StopSignal
  /** Listens no longer. */
  stop(): void
}

/** A second signal so soon is the same keystroke: `npm` and `npx` pass on what the terminal has sent already. */
const ECHO_MILLISECONDS = 500

export interface SignalSource {
  on(name: StopSignal, listener: (name: StopSignal) => void): unknown
  removeListener(name: StopSignal, listener: (name: StopSignal) => void): unknown
}

export interface InterruptionParts {
  readonly source: SignalSource
  readonly now: () => number
  /** ends this process as the signal would without a listener */
  readonly end: (name: StopSignal) => void
  readonly say: (text: string) => void
  /** what happens at the first signal */
  readonly stopping: string
}

const OF_THIS_PROCESS: InterruptionParts = {
  source: process,
  now: () => performance.now(),
  end: (name) => process.kill(process.pid, name),
  say: (text) => process.stderr.write(text),
  stopping: "finishing the step and writing a checkpoint",
}

/** Listens until `stop`. The second signal comes through here too, because a step blocks the process and both may wait. */
export function listenForInterruption(parts: Partial<InterruptionParts> = {}): Interruption {
  const { source, now, end, say, stopping } = { ...OF_THIS_PROCESS, ...parts }
  const controller = new AbortController()
  let first: { readonly name: StopSignal; readonly at: number } | undefined
  const stop = (): void => {
    for (const name of STOP_SIGNALS) source.removeListener(name, interrupt)
  }
  const interrupt = (name: StopSignal): void => {
    if (first !== undefined) {
      if (now() - first.at < ECHO_MILLISECONDS) return
      stop()
      end(name)
      return
    }
    first = { name, at: now() }
    // The terminal is gone: what is written to it fails, and that must not end the process before its checkpoint is there.
    if (name === "SIGHUP") for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined)
    const again = name === "SIGINT" ? "Ctrl-C again ends" : "a second signal ends"
    say(`\n${name}: ${stopping} (${again} at once)\n`)
    controller.abort()
  }
  for (const name of STOP_SIGNALS) source.on(name, interrupt)
  return {
    signal: controller.signal,
    get received() {
      return first?.name ?? "SIGINT"
    },
    stop,
  }
}
