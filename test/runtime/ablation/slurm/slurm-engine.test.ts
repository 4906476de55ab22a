/**
 * The Slurm engine against a fake cluster: programs that act as a queue and really run the engine's script.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import type { TaskEnd } from "../../../../src/runtime/ablation/engine.js"
import { lockRun } from "../../../../src/runtime/runs/run-lock.js"
import { fakeCluster, listener } from "./fake-cluster.js"

const outcomes = (ends: readonly TaskEnd[]): string[] => ends.map(({ name, outcome }) => `${name} ${outcome}`)
const jobsIn = (sweep: string) =>
  (JSON.parse(readFileSync(join(sweep, "slurm", "jobs.json"), "utf8")) as { jobs: { job: number | null }[] }).jobs
const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "nothing was thrown",
    (thrown: unknown) => (thrown as Error).message,
  )

describe("a sweep on Slurm", () => {
  test("is one array job, whose tasks run the tool and write into their logs", async () => {
    const { engine, task, calls, log, sweep } = await fakeCluster({ programs: true })
    const watch = listener()
    const resources = { partition: "gpu", time: "1:00:00", cpus: 2, mem: "2G", gres: "gpu:1", more: ["--account=lab"] }
    const slurm = engine({ resources })
    expect(outcomes(await slurm.run([task("a"), task("b"), task("c")], watch))).toEqual(["a done", "b done", "c done"])
    expect(watch.heard).toContain("job 41 submitted with 3 members")
    expect(watch.heard).toEqual(expect.arrayContaining(["a started", "c done"]))
    expect(log("b")).toBe("threads 2 as fake:41_1\n")
    const [[...words], ...more] = calls("sbatch") as [string[]]
    expect(more).toEqual([])
    expect(words).toEqual(
      expect.arrayContaining(
        "--parsable --array=0-2 --requeue --partition=gpu --time=1:00:00 --cpus-per-task=2 --mem=2G --gres=gpu:1 --account=lab".split(
          " ",
        ),
      ),
    )
    expect(words.find((word) => word.startsWith("--output="))).toContain("100%% -")
    expect(slurm.left()).toEqual([])
    expect(jobsIn(sweep)).toMatchObject([{ job: 41, tasks: ["a", "b", "c"], cluster: "fake" }])
  })

  test("with --jobs keeps within it, also what is tried again", async () => {
    const { engine, task, calls } = await fakeCluster()
    const ends = await engine({ jobs: 1 }).run([task("a", "end", "TIMEOUT"), task("b"), task("c")], listener())
    expect(outcomes(ends)).toEqual(["a done", "b done", "c done"])
    const [first, again] = calls("sbatch")
    expect(first).toContain("--array=0-2%1")
    expect(again).toEqual(expect.arrayContaining(["--array=0-0%1", "--dependency=afterany:41"]))
  })

  test("tries again what broke, with the reason and the log; not what would fail the same way, and not for ever", async () => {
    const { engine, task, sweep } = await fakeCluster()
    const watch = listener()
    const states = ["NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY", "PREEMPTED", "CANCELLED", "BOOT_FAIL"]
    const ends = await engine().run(
      [
        ...states.map((state) => task(state, "end", state)),
        task("code-2", "fail", "2"),
        task("code-1", "fail", "1"),
        task("thrice", "end", "NODE_FAIL", "3"),
      ],
      watch,
    )
    expect(outcomes(ends)).toEqual([
      ...states.map((state) => `${state} done`),
      "code-2 failed",
      "code-1 failed",
      "thrice failed",
    ])
    for (const state of states)
      expect(watch.heard).toContainEqual(
        expect.stringMatching(
          new RegExp(
            `^${state}: ${state} \\(job 41_\\d on n1\\); it is submitted again \\(1 of 2\\); its log: .*${state}\\.log$`,
          ),
        ),
      )
    const said = (name: string) => watch.heard.filter((line) => line.startsWith(`${name}:`))
    expect(said("code-2")).toHaveLength(2)
    expect(said("code-1")).toHaveLength(0)
    expect(said("thrice")).toHaveLength(2)
    expect(ends.find(({ name }) => name === "code-1")).toMatchObject({
      code: 1,
      message: `error: a mistake\nSlurm: FAILED (exit code 1, job 41_7 on n1)\nlog: ${join(sweep, "logs", "code-1.log")}`,
    })
    expect(ends.find(({ name }) => name === "thrice")!.message).toMatch(
      /^error: it broke\nSlurm: NODE_FAIL \(job \d+_\d on n1\)/,
    )
  })

  test("tells when Slurm itself starts a task again", async () => {
    const { engine, task, calls } = await fakeCluster()
    const watch = listener()
    expect(outcomes(await engine().run([task("a", "end", "REQUEUE")], watch))).toEqual(["a done"])
    expect(watch.heard).toContain("a: Slurm took it off n1 and starts it again")
    expect(calls("sbatch")).toHaveLength(1)
  })

  test("with accounting learns from it what the controller has forgotten", async () => {
    const { engine, task, scene } = await fakeCluster()
    scene("accounting", "")
    scene("purged", "")
    const watch = listener()
    const ends = await engine().run([task("a"), task("b", "fail", "1"), task("c", "end", "CANCELLED")], watch)
    expect(outcomes(ends)).toEqual(["a done", "b failed", "c done"])
    expect(ends[1]!.message).toContain("Slurm: FAILED (exit code 1, job 41_1 on n1)")
    expect(watch.heard).toContainEqual(expect.stringContaining("c: CANCELLED (job 41_2 on n1); it is submitted again"))
  })

  test("without accounting believes the members' own records, and takes for lost what left none", async () => {
    const { engine, task, scene, log } = await fakeCluster()
    scene("purged", "")
    const watch = listener()
    const ends = await engine({ retries: 1 }).run([task("a"), task("b", "end", "NODE_FAIL")], watch)
    expect(outcomes(ends)).toEqual(["a done", "b done"])
    expect(log("a")).toContain("threads 3")
    expect(watch.heard).toContainEqual(
      expect.stringContaining("b: Slurm no longer knows of it (job 41_1); it is submitted again"),
    )
  })

  test("does without accounting that is there and does not answer, and says so once", async () => {
    const { engine, task, scene } = await fakeCluster()
    scene("accounting", "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection")
    scene("purged", "")
    const watch = listener()
    expect(outcomes(await engine().run([task("a"), task("b", "end", "NODE_FAIL")], watch))).toEqual([
      "a done",
      "b done",
    ])
    expect(watch.heard.filter((line) => line.includes("accounting does not answer"))).toHaveLength(1)
  })

  test("with nothing to do needs no Slurm", async () => {
    const { engine } = await fakeCluster({ programs: true })
    process.env["PATH"] = "/nowhere"
    expect(await engine().run([], listener())).toEqual([])
  })

  test("asks again when Slurm does not answer, and says so once", async () => {
    const { engine, task, scene, path } = await fakeCluster()
    const watch = listener()
    const running = engine().run([task("a", "wait", path("go"))], watch)
    await watch.until("a started")
    scene("down", "")
    await watch.until("Slurm does not answer")
    writeFileSync(path("go"), "")
    scene("down")
    expect(outcomes(await running)).toEqual(["a done"])
    expect(watch.heard.filter((line) => line.includes("Unable to contact slurm controller"))).toHaveLength(1)
    expect(watch.heard).toContain("Slurm answers again")
  })

  test("takes the lock of a node that is gone from its run", async () => {
    const { engine, task } = await fakeCluster()
    const watch = listener()
    const member = task("a", "end", "NODE_FAIL")
    mkdirSync(member.folder, { recursive: true })
    const lock = join(member.folder, "run.lock")
    writeFileSync(lock, JSON.stringify({ pid: 1, host: "n1", batchTask: "fake:41_0" }))
    await engine().run([member], watch)
    expect(existsSync(lock)).toBe(false)
    // That of another process stays.
    writeFileSync(lock, JSON.stringify({ pid: 1, host: "n1" }))
    await engine().run([task("a", "done")], watch)
    await expect(lockRun(member.folder)).rejects.toThrow("process 1 on n1")
  })
})

describe("a call that ends before its jobs", () => {
  test("leaves them alone when it is stopped, and the next one watches them", async () => {
    const { engine, task, calls, path } = await fakeCluster({ programs: true })
    const tasks = [task("a", "wait", path("go")), task("b", "wait", path("go"))]
    const controller = new AbortController()
    const watch = listener(controller.signal)
    const first = engine()
    const running = first.run(tasks, watch)
    await watch.until("b started")
    controller.abort()
    expect(await running).toEqual([])
    expect(first.left()).toMatchObject([{ job: 41, tasks: ["a", "b"] }])
    const again = listener()
    const second = engine().run(tasks, again)
    await again.until("b started")
    writeFileSync(path("go"), "")
    expect(outcomes(await second)).toEqual(["a done", "b done"])
    expect(again.heard[0]).toBe("job 41 is under way with 2 of the members: watching it")
    expect(calls("sbatch")).toHaveLength(1)
    expect(existsSync(path("a.scores.checkpoint"))).toBe(false)
  })

  test("with --no-wait ends after submitting; new members get a job of their own", async () => {
    const { engine, task, calls, path } = await fakeCluster()
    const first = engine({ wait: false })
    expect(await first.run([task("a", "wait", path("go"))], listener())).toEqual([])
    expect(first.left()).toMatchObject([{ job: 41, tasks: ["a"] }])
    const second = engine({ wait: false })
    await second.run([task("a", "wait", path("go")), task("b")], listener())
    expect(second.left()).toMatchObject([
      { job: 41, tasks: ["a"] },
      { job: 42, tasks: ["b"] },
    ])
    writeFileSync(path("go"), "")
    const ends = await engine().run([task("a"), task("b")], listener())
    expect(outcomes(ends)).toEqual(["a done", "b done"])
    expect(calls("sbatch")).toHaveLength(2)
  })

  test("tasks that somebody cancelled meanwhile are submitted anew, and left a checkpoint", async () => {
    const { engine, task, path, run } = await fakeCluster()
    const tasks = [task("a", "wait", path("go"))]
    const controller = new AbortController()
    const watch = listener(controller.signal)
    const running = engine().run(tasks, watch)
    await watch.until("a started")
    controller.abort()
    await running
    await run("scancel", ["41"])
    writeFileSync(path("go"), "")
    const again = listener()
    expect(outcomes(await engine().run(tasks, again))).toEqual(["a done"])
    expect(again.heard[0]).toBe("job 42 submitted with 1 member")
  })

  test("and is killed before it wrote down the number: the job is found by its name", async () => {
    const cluster = await fakeCluster()
    const { engine, task, calls, path, sweep } = cluster
    const tasks = [task("a", "wait", path("go"))]
    const killed = engine({
      wait: false,
      async run(program, words, signal) {
        const end = await cluster.run(program, words, signal)
        if (program === "sbatch") throw new Error("killed")
        return end
      },
    })
    expect(await messageOf(killed.run(tasks, listener()))).toBe("killed")
    expect(jobsIn(sweep)).toMatchObject([{ job: null, tasks: ["a"] }])
    writeFileSync(path("go"), "")
    const watch = listener()
    expect(outcomes(await engine().run(tasks, watch))).toEqual(["a done"])
    expect(watch.heard[0]).toMatch(/^job 41 \(mdl-[0-9a-f]{12}\) was submitted, and its number is known only now$/)
    expect(calls("sbatch")).toHaveLength(1)
  })

  test("and its sbatch comes through after it was given up: the job does nothing", async () => {
    const cluster = await fakeCluster()
    const { engine, task, path, sweep } = cluster
    const late: (readonly string[])[] = []
    const killed = engine({
      wait: false,
      run(program, words, signal) {
        if (program !== "sbatch") return cluster.run(program, words, signal)
        late.push(words)
        throw new Error("killed")
      },
    })
    await messageOf(killed.run([task("a")], listener()))
    // As if it was long ago: nobody waits for it.
    const file = join(sweep, "slurm", "jobs.json")
    writeFileSync(file, readFileSync(file, "utf8").replace(/"at": ".*"/, '"at": "2020-01-01T00:00:00.000Z"'))
    expect(outcomes(await engine().run([task("a")], listener()))).toEqual(["a done"])
    const { stdout } = await cluster.run("sbatch", late[0]!)
    expect(stdout).toBe("42\n")
    const output = late[0]!
      .find((word) => word.startsWith("--output="))!
      .slice(9)
      .replaceAll("%%", "%")
      .replace("%a", "0")
    await expect
      .poll(() => existsSync(output) && readFileSync(output, "utf8"), { timeout: 20_000 })
      .toBe("this job was withdrawn\n")
    expect(readFileSync(path("a.scores.tries"), "utf8")).toBe("x")
  })

  test("and the number is another job's by now: only cluster, number and name together are believed", async () => {
    const { engine, task, sweep, path, scene } = await fakeCluster()
    await engine({ wait: false }).run([task("a", "wait", path("go"))], listener())
    const file = join(sweep, "slurm", "jobs.json")
    const written = readFileSync(file, "utf8")
    writeFileSync(file, written.replace(/mdl-[0-9a-f]{12}/, "mdl-000000000000"))
    const watch = listener()
    expect(outcomes(await engine().run([task("a")], watch))).toEqual(["a done"])
    expect(watch.heard[0]).toBe("job 42 submitted with 1 member")
    scene("cluster", "other")
    expect(await messageOf(engine().run([task("a")], listener()))).toMatch(
      /job 42 of this sweep is on the cluster fake, and this one is other/,
    )
    writeFileSync(path("go"), "")
  })
})

describe("Slurm that cannot be used", () => {
  test("refuses in its own words, and leaves nothing behind", async () => {
    const { engine, task, scene, sweep } = await fakeCluster()
    scene(
      "refuse",
      "sbatch: error: invalid partition specified: gpu\nsbatch: error: Batch job submission failed: Invalid partition name specified",
    )
    const message = await messageOf(engine({ resources: { partition: "gpu" } }).run([task("a")], listener()))
    expect(message).toMatch(
      /^Slurm refused the job:\n {4}sbatch: error: invalid partition specified: gpu\n {4}sbatch: error: Batch/,
    )
    expect(message).toContain("it was asked with: sbatch '--parsable'")
    expect(jobsIn(sweep)).toEqual([])
  })
  test("is not there: the way out is said", async () => {
    const { engine, task } = await fakeCluster({ programs: true })
    process.env["PATH"] = "/nowhere"
    expect(await messageOf(engine().run([task("a")], listener()))).toMatch(
      /^scontrol is not found: .*\n.*login node.*--engine local/,
    )
  })
  test("and a list of jobs that is damaged is not guessed at", async () => {
    const { engine, task, sweep } = await fakeCluster()
    mkdirSync(join(sweep, "slurm"))
    writeFileSync(join(sweep, "slurm", "jobs.json"), "{")
    expect(await messageOf(engine().run([task("a")], listener()))).toMatch(/jobs\.json is damaged.*cancel those/)
  })
})
