/**
 * Real processes: `mdl train` killed at any moment, or asked to stop by signals, goes on as if nothing had happened.
 *
 * Runs the compiled tool in child processes, each of which loads TensorFlow by itself.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"
import { RandomStream } from "../../src/runtime/data/random.js"
import { readCheckpoint } from "../../src/runtime/runs/checkpoint.js"
import { runContents } from "../runtime/training/run-contents.js"
import { openWorkshop, type Workshop } from "../runtime/training/tiny.js"

const MDL = fileURLToPath(new URL("../../bin/mdl.mjs", import.meta.url))
const EPOCHS = 60

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.remove())

interface Child {
  readonly process: ChildProcess
  /** what it wrote to stderr so far */
  text(): string
  /** exit code, or the signal that ended it */
  readonly ended: Promise<number | string>
}

/** `mdl train ...words` in a process of its own, without a report at the end. */
function start(...words: string[]): Child {
  const child = spawn(process.execPath, [MDL, "train", ...words, "--no-report", "--workers", "1"], {
    stdio: ["ignore", "ignore", "pipe"],
  })
  let text = ""
  child.stderr.on("data", (chunk: Buffer) => void (text += chunk.toString()))
  const ended = once(child, "close").then(([code, signal]: (number | string | null)[]) => code ?? signal ?? "?")
  return { process: child, text: () => text, ended }
}

const newRun = (run: string, epochs = EPOCHS): string[] => [
  ...[shop.model(), "--data", shop.data, "--run", shop.run(run)],
  ...["--epochs", String(epochs), "--checkpoint-every", "1"],
]

/** The log has grown beyond `bytes`, or the process has ended. @returns whether it has grown */
async function grown(run: string, bytes: number, child: Child): Promise<boolean> {
  const log = join(shop.run(run), "log.jsonl")
  for (;;) {
    if (existsSync(log) && statSync(log).size > bytes) return true
    if (child.process.exitCode !== null || child.process.signalCode !== null) return false
    await setTimeout(10)
  }
}

test("killed at random moments, it goes on bit for bit, and says that it had been killed", async () => {
  const whole = start(...newRun("whole"))
  expect(await whole.ended, whole.text()).toBe(0)
  const random = new RandomStream("moments")
  const run = shop.run("killed")
  let kills = 0
  for (let attempt = 0; attempt < 4; attempt++) {
    const log = join(run, "log.jsonl")
    const child = start(...(existsSync(run) ? ["--resume", run] : newRun("killed")))
    // Its first line in the log, and a moment of some steps, checkpoints and evaluations.
    if (!(await grown("killed", existsSync(log) ? statSync(log).size : 0, child))) break
    await setTimeout(400 * random.uniform())
    child.process.kill("SIGKILL")
    if ((await child.ended) !== "SIGKILL") break
    kills++
  }
  // The first two at least come in the middle of the run, however fast the machine is.
  expect(kills).toBeGreaterThanOrEqual(2)
  const last = start("--resume", run)
  expect(await last.ended, last.text()).toBe(0)
  expect(last.text()).toMatch(/process \d+, which trained here before, ended without a word: it was killed/)
  expect(last.text()).toMatch(/from step \d+ \(checkpoint (last|previous)\)/)
  expect(await runContents(run)).toEqual(await runContents(shop.run("whole")))
})

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s finishes the step, writes a checkpoint and exits with %i", async (signal, code) => {
  const child = start(...newRun(signal, 10_000))
  expect(await grown(signal, 0, child), child.text()).toBe(true)
  child.process.kill(signal)
  expect(await child.ended, child.text()).toBe(code)
  const { state } = await readCheckpoint(shop.run(signal), "last")
  expect(child.text()).toContain(`${signal}: finishing the step`)
  expect(child.text()).toContain(`stopped at step ${state.step}; go on with: mdl train --resume ${shop.run(signal)}`)
  const scores = JSON.parse(readFileSync(join(shop.run(signal), "scores.json"), "utf8")) as unknown
  expect(scores).toMatchObject({ ended: "interrupted", step: state.step })
})
