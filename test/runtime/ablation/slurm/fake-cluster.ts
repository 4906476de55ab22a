/**
 * A cluster for tests of the Slurm engine: the fake Slurm's programs in front of PATH, and tasks that do as they are told.
 *
 * Takes nothing. Gives a sweep's folder, tasks, the engine, and what Slurm was asked. The folder's name has what shells trip
 * over, so that every test is one of quoting too.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import { setTimeout as delay } from "node:timers/promises"
import { onTestFinished } from "vitest"
import type { EngineWatch, Task } from "../../../../src/runtime/ablation/engine.js"
import { type RunProgram, runProgram } from "../../../../src/runtime/ablation/slurm/run-program.js"
import { shellWord } from "../../../../src/runtime/shell-words.js"
import { slurmEngine, type SlurmEngineOptions } from "../../../../src/runtime/ablation/slurm/slurm-engine.js"

const FAKE = fileURLToPath(new URL("fake-slurm.mjs", import.meta.url))
const PROGRAMS = ["sbatch", "squeue", "sacct", "scontrol", "scancel"]

/** What tasks run in place of `mdl`: `done` leaves its scores, `end` ends in a state so many times before it does. */
const TOOL = `
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
const [what, scores, value, times = "1"] = process.argv.slice(2)
const tries = scores + ".tries"
appendFileSync(tries, "x")
console.log("threads", process.env.MDL_THREADS, "as", process.env.MDL_BATCH_TASK)
if (what === "end" && readFileSync(tries, "utf8").length <= Number(times)) {
  writeFileSync(process.env.FAKE_END, value)
  console.error("error: it broke")
  process.exit(0)
}
if (what === "fail") {
  console.error("error: a mistake")
  process.exit(Number(value))
}
if (what === "wait") {
  process.once("SIGTERM", () => {
    writeFileSync(scores + ".checkpoint", "")
    process.exit(143)
  })
  // Without a folder the test is over.
  while (!existsSync(value) && existsSync(dirname(value))) await new Promise((resolve) => setTimeout(resolve, 20))
}
writeFileSync(scores, "")
`

export interface Cluster {
  readonly sweep: string
  /** sets the scene, see fake-slurm.mjs; undefined takes it away */
  scene(name: string, text?: string): void
  /** a task that does what the words say: `done`, `end NODE_FAIL 2`, `fail 1`, `wait FILE` */
  task(name: string, what?: string, ...words: readonly string[]): Task
  run: RunProgram
  engine(more?: Partial<SlurmEngineOptions>): ReturnType<typeof slurmEngine>
  log(name: string): string
  /** how often a program was called, with which words */
  calls(program: string): readonly (readonly string[])[]
  /** a path in the cluster's folder */
  path(name: string): string
}

export interface ClusterOptions {
  /** whether Slurm's commands are programs in PATH, each a process; answered in this process otherwise, which is quick */
  readonly programs?: boolean
}

/** A cluster for one test. */
export async function fakeCluster({ programs = false }: ClusterOptions = {}): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), `mdl "fake" $it's 100% -`))
  const slurm = join(folder, "slurm")
  const sweep = join(folder, "sweep")
  const bin = join(folder, "bin")
  for (const one of [slurm, sweep, bin]) mkdirSync(one)
  const { callInProcess } = (await import(FAKE)) as {
    callInProcess(folder: string, ...call: Parameters<RunProgram>): ReturnType<RunProgram>
  }
  const run: RunProgram = programs ? runProgram : (...call) => callInProcess(slurm, ...call)
  for (const name of PROGRAMS) {
    const path = join(bin, name)
    writeFileSync(path, `#!/bin/sh\nexec ${shellWord(process.execPath)} ${shellWord(FAKE)} ${name} "$@"\n`)
    chmodSync(path, 0o755)
  }
  const tool = join(folder, "tool.mjs")
  writeFileSync(tool, TOOL)
  const before = { PATH: process.env["PATH"], FAKE_SLURM: process.env["FAKE_SLURM"] }
  Object.assign(process.env, { PATH: `${bin}${delimiter}${before.PATH}`, FAKE_SLURM: slurm })
  onTestFinished(async () => {
    process.env["PATH"] = before.PATH
    delete process.env["FAKE_SLURM"]
    // The fake's own process may be writing its last file.
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  })
  const logOf = (name: string): string => join(sweep, "logs", `${name}.log`)
  return {
    sweep,
    run,
    path: (name) => join(folder, name),
    scene(name, text) {
      if (text === undefined) rmSync(join(slurm, name))
      else writeFileSync(join(slurm, name), text)
    },
    task(name, what = "done", ...words) {
      const scores = join(folder, `${name}.scores`)
      return {
        name,
        command: [what, scores, ...words],
        log: logOf(name),
        memory: 1,
        folder: join(sweep, "runs", name),
        finished: async () => existsSync(scores),
      }
    },
    engine: (more) => {
      const polling = { shortest: 30, longest: 100, patience: 150 }
      return slurmEngine({ sweep, tool, retries: 2, polling, run, ...more })
    },
    log: (name) => readFileSync(logOf(name), "utf8"),
    calls: (program) =>
      readFileSync(join(slurm, "calls"), "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as string[])
        .filter(([name]) => name === program)
        .map(([, ...words]) => words),
  }
}

/** Keeps what an engine tells; `until` waits for a line. */
export function listener(
  signal?: AbortSignal,
): EngineWatch & { readonly heard: string[]; until(part: string): Promise<void> } {
  const heard: string[] = []
  return {
    heard,
    signal,
    started: (name) => void heard.push(`${name} started`),
    ended: ({ name, outcome }) => void heard.push(`${name} ${outcome}`),
    said: (text) => void heard.push(text),
    async until(part) {
      while (!heard.some((line) => line.includes(part))) await delay(10)
    },
  }
}
