/**
 * Tasks as processes of this machine: how each ends, what it said, how many run at once, how they stop.
 *
 * The tool is a small program here, so that everything a process can do is done in milliseconds.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import type { Task } from "../../../src/runtime/ablation/engine.js"
import { jobsFor } from "../../../src/runtime/ablation/jobs.js"
import { localEngine } from "../../../src/runtime/ablation/local-engine.js"
import { temporaryFolder } from "../data/temporary.js"

/** Does as its first word says; `meet` waits until as many are there as the second word says. */
const PROGRAM = `
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { setTimeout as wait } from "node:timers/promises"
const [what, value, folder, name] = process.argv.slice(2)
process.channel?.unref()
if (what === "say") { console.log("out of", name); process.send(value) }
if (what === "threads") console.log("threads", process.env.MDL_THREADS)
if (what === "fail") { console.error("working\\nerror: " + value + "\\n  and so on"); process.exit(2) }
if (what === "kill") process.kill(process.pid, "SIGKILL")
if (what === "meet") {
  writeFileSync(folder + "/" + name, "")
  for (let i = 0; readdirSync(folder).length < Number(value); i++) {
    if (i > 2000) process.exit(3)
    await wait(10)
  }
}
if (what === "train") {
  process.once("SIGINT", () => { writeFileSync(folder + "/checkpoint", ""); process.exit(130) })
  process.send("begun")
  await wait(60_000)
}
`

async function workshop() {
  const folder = await temporaryFolder()
  const tool = join(folder, "tool.mjs")
  writeFileSync(tool, PROGRAM)
  const task = (name: string, ...command: string[]): Task => ({
    name,
    command,
    log: join(folder, "logs", `${name}.log`),
    memory: 1,
    folder,
    finished: async () => false,
  })
  return { folder, tool, task, log: (name: string) => readFileSync(join(folder, "logs", `${name}.log`), "utf8") }
}

describe("the local engine", () => {
  test("runs every task and tells how it ended; one that fails stops no other", async () => {
    const { tool, task, log } = await workshop()
    const heard: string[] = []
    const ends = await localEngine({ jobs: 1, tool }).run(
      [task("a", "say", "hello", ".", "a"), task("b", "fail", "it broke"), task("c", "kill"), task("d", "threads")],
      {
        started: (name) => heard.push(`${name} started`),
        progress: (name, text) => heard.push(`${name}: ${text}`),
        ended: ({ name, outcome }) => heard.push(`${name} ${outcome}`),
      },
    )
    expect(ends).toEqual([
      { name: "a", outcome: "done", code: 0, message: undefined },
      { name: "b", outcome: "failed", code: 2, message: "error: it broke\n  and so on" },
      { name: "c", outcome: "failed", code: null, message: expect.stringContaining("SIGKILL") as string },
      { name: "d", outcome: "done", code: 0, message: undefined },
    ])
    expect(heard).toEqual([
      "a started",
      "a: hello",
      "a done",
      "b started",
      "b failed",
      "c started",
      "c failed",
      "d started",
      "d done",
    ])
    expect(log("a")).toBe("out of a\n")
    expect(log("d")).toMatch(/^threads [1-9]\d*\n$/)
  })
  test("runs as many at once as it may", async () => {
    const { folder, tool, task } = await workshop()
    const place = join(folder, "meeting")
    mkdirSync(place)
    const names = ["a", "b", "c"]
    const ends = await localEngine({ jobs: 3, tool }).run(
      names.map((name) => task(name, "meet", "3", place, name)),
      {},
    )
    expect(ends.map(({ outcome }) => outcome)).toEqual(["done", "done", "done"])
    expect(readdirSync(place)).toHaveLength(3)
  })
  test("asks what runs to stop, and starts nothing more", async () => {
    const { folder, tool, task } = await workshop()
    const controller = new AbortController()
    const ends = await localEngine({ jobs: 1, tool }).run([task("a", "train", "", folder), task("b", "say", "x")], {
      signal: controller.signal,
      progress: () => controller.abort(),
    })
    expect(ends).toEqual([{ name: "a", outcome: "stopped", code: 130, message: undefined }])
    expect(existsSync(join(folder, "checkpoint"))).toBe(true)
  })
  test("ends when a task must not be started, after those that run", async () => {
    const { tool, task } = await workshop()
    let asked = 0
    const ended: string[] = []
    const running = localEngine({ jobs: 1, tool }).run([task("a", "say", "x"), task("b", "say", "x")], {
      ended: ({ name }) => ended.push(name),
      async beforeTask() {
        if (++asked === 2) throw new Error("the data has changed")
      },
    })
    await expect(running).rejects.toThrow("the data has changed")
    expect(ended).toEqual(["a"])
  })
})

describe("how many members train at once", () => {
  const machine = { cores: 8, memory: 10e9, hasGpu: false }
  test.each<[string, readonly number[], Partial<typeof machine>, number]>([
    ["as many as there are cores", Array<number>(20).fill(1e8), {}, 8],
    ["as many as there are", [1e9, 1e9], {}, 2],
    ["as many as the memory holds of the largest", [1e9, 3e9, 3e9, 3e9, 1e9], {}, 2],
    ["one where even that is too much", [40e9, 40e9], {}, 1],
    ["one on a GPU", Array<number>(20).fill(1e8), { hasGpu: true }, 1],
    ["one when nothing is left", [], {}, 1],
  ])("%s", (_, memories, differing, jobs) => {
    expect(jobsFor(memories, { ...machine, ...differing })).toBe(jobs)
  })
})
