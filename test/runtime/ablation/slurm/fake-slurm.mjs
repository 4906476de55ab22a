/**
 * A Slurm that is one program: sbatch, squeue, sacct, scontrol and scancel by its first word.
 *
 * Takes what the engine says to Slurm; acts as a queue, in the folder FAKE_SLURM, and runs the tasks with bash. A task
 * says how it is to end by writing a state into the file $FAKE_END (REQUEUE: started again under the same number). Files
 * in the folder set the scene: `held` (no task starts), `refuse` (what sbatch says), `down` (the controller does not answer), `purged` (it has
 * forgotten what has ended), `accounting` (sacct has an answer; with a text, that is its complaint), `cluster` (its name).
 */
import { spawn } from "node:child_process"
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { once } from "node:events"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Runs this file as one of the programs. */
const THIS = fileURLToPath(import.meta.url)

class Refusal extends Error {}

const fail = (text) => {
  throw new Refusal(text)
}

const isActive = ({ state }) => ["PENDING", "RUNNING"].includes(state)

/** The queue in a folder. */
class FakeSlurm {
  constructor(folder) {
    this.folder = folder
  }

  place(...parts) {
    return join(this.folder, ...parts.map(String))
  }

  scene(name) {
    return existsSync(this.place(name)) ? readFileSync(this.place(name), "utf8").trim() : undefined
  }

  description(job) {
    return JSON.parse(readFileSync(this.place("jobs", job, "job.json"), "utf8"))
  }

  task(job, index) {
    return JSON.parse(readFileSync(this.place("jobs", job, `${index}.json`), "utf8"))
  }

  /** In one piece: others read it at the same time. */
  setTask(job, index, more) {
    const path = this.place("jobs", job, `${index}.json`)
    writeFileSync(`${path}.new`, JSON.stringify({ ...this.task(job, index), ...more }))
    renameSync(`${path}.new`, path)
  }

  tasks() {
    const jobs = existsSync(this.place("jobs")) ? readdirSync(this.place("jobs")) : []
    return jobs.flatMap((job) => {
      const { name, count } = this.description(job)
      return Array.from({ length: count }, (_, index) => ({ job, index, name, ...this.task(job, index) }))
    })
  }

  /** What a program of Slurm's writes. @throws Refusal with what it says to stderr */
  call(program, words) {
    appendFileSync(this.place("calls"), `${JSON.stringify([program, ...words])}\n`)
    const option = (name) => words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3)
    return this[program](option, words)
  }

  sbatch(option, words) {
    if (this.scene("down") !== undefined) fail("sbatch: error: Unable to contact slurm controller (connect failure)")
    if (this.scene("refuse") !== undefined) fail(this.scene("refuse"))
    const [, last, throttle] = /^0-(\d+)(?:%(\d+))?$/.exec(option("array"))
    const count = Number(last) + 1
    let job = 41
    for (mkdirSync(this.place("jobs"), { recursive: true }); existsSync(this.place("jobs", job));) job++
    mkdirSync(this.place("jobs", job))
    const pending = JSON.stringify({ state: "PENDING", reason: "Priority", code: 0 })
    for (let index = 0; index < count; index++) writeFileSync(this.place("jobs", job, `${index}.json`), pending)
    const description = { name: option("job-name"), count, words, throttle: Number(throttle ?? count) }
    writeFileSync(this.place("jobs", job, "job.json"), JSON.stringify(description))
    if (this.scene("held") !== undefined) return `${job}\n`
    // The cluster is a process of its own, and what goes wrong in it must be found.
    const log = openSync(this.place("cluster.log"), "a")
    spawn(process.execPath, [THIS, "cluster", String(job)], {
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...process.env, FAKE_SLURM: this.folder },
    }).unref()
    closeSync(log)
    return `${job}\n`
  }

  squeue(option) {
    if (this.scene("down") !== undefined)
      fail("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    const names = option("name").split(",")
    return this.tasks()
      .filter((one) => names.includes(one.name) && (this.scene("purged") === undefined || isActive(one)))
      .map(({ job, index, name, state, node = "", reason }) => `${job}|${index}|${name}|${state}|${node}|${reason}\n`)
      .join("")
  }

  sacct(option) {
    if (this.scene("accounting") === undefined) fail("Slurm accounting storage is disabled")
    if (this.scene("accounting") !== "") fail(this.scene("accounting"))
    const jobs = option("jobs")?.split(",")
    return this.tasks()
      .filter(({ job, name }) => jobs?.includes(job) ?? name === option("name"))
      .map(({ job, index, name, state, code, node = "None assigned" }) => {
        const said = state === "CANCELLED" ? "CANCELLED by 1000" : state
        return `${job}_${index}|${name}|${said}|${code}:0|${node}\n`
      })
      .join("")
  }

  scontrol(_, words) {
    if (words.includes("config")) return `ClusterName             = ${this.scene("cluster") ?? "fake"}\n`
    const [job, index] = words.at(-1).split("_")
    return `JobId=${job} JobState=FAILED ExitCode=${this.task(job, index).code}:0 RunTime=00:00:01\n`
  }

  scancel(_, [id]) {
    for (const one of this.tasks().filter((other) => other.job === id && isActive(other))) {
      this.setTask(one.job, one.index, { state: "CANCELLED" })
      if (one.pid) process.kill(-one.pid, "SIGTERM")
    }
    return ""
  }

  /** What the nodes do. */
  async cluster(job) {
    const { count, throttle } = this.description(job)
    const waiting = Array.from({ length: count }, (_, index) => index)
    const slot = async () => {
      for (let index = waiting.shift(); index !== undefined; index = waiting.shift())
        while (this.task(job, index).state === "PENDING") await this.runTask(job, index)
    }
    await Promise.all(Array.from({ length: throttle }, slot))
  }

  /** One start of a task, and what becomes of it. */
  async runTask(job, index) {
    const { words: submitted } = this.description(job)
    const asked = (name) => submitted.find((word) => word.startsWith(`--${name}=`)).slice(name.length + 3)
    const output = openSync(asked("output").replaceAll("%%", "\0").replace("%a", index).replaceAll("\0", "%"), "a")
    const end = this.place("jobs", job, `${index}.end`)
    const slurm = { SLURM_ARRAY_JOB_ID: String(job), SLURM_ARRAY_TASK_ID: String(index), SLURM_CPUS_ON_NODE: "3" }
    const child = spawn("bash", [submitted.at(-1)], {
      cwd: asked("chdir"),
      detached: true,
      stdio: ["ignore", output, output],
      env: { ...process.env, ...slurm, FAKE_END: end },
    })
    this.setTask(job, index, { state: "RUNNING", reason: "None", node: "n1", pid: child.pid })
    const [code] = await once(child, "close")
    if (this.task(job, index).state === "CANCELLED") return
    const forced = existsSync(end) ? readFileSync(end, "utf8") : undefined
    rmSync(end, { force: true })
    if (forced === "REQUEUE") {
      // So long that a poll sees it waiting.
      this.setTask(job, index, { state: "PENDING", reason: "BeginTime", pid: 0 })
      await new Promise((resolve) => setTimeout(resolve, 400))
    } else if (forced !== undefined) this.setTask(job, index, { state: forced, reason: "None", code: 0 })
    else
      this.setTask(job, index, {
        state: code === 0 ? "COMPLETED" : "FAILED",
        reason: "NonZeroExitCode",
        code: code ?? 0,
      })
  }
}

/** A program of Slurm's without its process: the same answers in a hundredth of the time. */
export async function callInProcess(folder, program, words) {
  try {
    return { code: 0, stdout: new FakeSlurm(folder).call(program, words), stderr: "" }
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown
    return { code: 1, stdout: "", stderr: `${thrown.message}\n` }
  }
}

if (process.argv[1] === THIS) {
  const [program, ...words] = process.argv.slice(2)
  if (program === "cluster") await new FakeSlurm(process.env.FAKE_SLURM).cluster(words[0])
  else {
    const { code, stdout, stderr } = await callInProcess(process.env.FAKE_SLURM, program, words)
    process.stdout.write(stdout)
    process.stderr.write(stderr)
    process.exitCode = code
  }
}
