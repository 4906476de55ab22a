/**
 * The command line, called in this process: what it wrote and the exit code it gave.
 *
 * Takes the words after `mdl`. Gives stdout, stderr and the code. In this process, because starting Node for each case
 * takes a second, and loading TensorFlow in each ten.
 */
import { main } from "../../src/cli/main.js"

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `mdl ...words`. Colours, if any, are taken out of what was written. */
export async function mdl(...words: string[]): Promise<Outcome> {
  const written = { stdout: "", stderr: "" }
  const restore = (["stdout", "stderr"] as const).map((name) => {
    const stream = process[name]
    const original = stream.write
    // The callback is part of the contract: whoever waits for it must not wait for ever.
    stream.write = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
      written[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8")
      const callback = [encoding, done].find((value) => typeof value === "function") as (() => void) | undefined
      callback?.()
      return true
    }
    return () => void (stream.write = original)
  })
  const exitCode = process.exitCode
  try {
    const code = await main(words)
    return { code, stdout: plain(written.stdout), stderr: plain(written.stderr) }
  } finally {
    for (const undo of restore) undo()
    // Vitest's own process must not end with the code of a command under test.
    process.exitCode = exitCode
  }
}

// eslint-disable-next-line no-control-regex -- colours are control characters
const plain = (text: string): string => text.replace(/\x1b\[[0-9;]*m/g, "")
