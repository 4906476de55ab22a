/**
 * The engine of a Slurm cluster: the members of a sweep as tasks of an array job.
 *
 * Takes tasks and what each needs; gives how each ended. Slurm runs them whether or not this process is there: it submits,
 * watches, and submits again what broke. Ended or killed, it leaves the jobs alone, and the next call with the same folder
 * finds them again. A member can be started again at any moment (it goes on from its checkpoint), so whatever became of a
 * task, submitting it once more is right; that two never train in one folder is what the run's lock is for.
 */
import { mkdir } from "node:fs/promises"
import { dirname } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { UserError } from "../../user-error.js"
import type { Engine, EngineWatch, Task, TaskEnd } from "../engine.js"
import { lastError, lastLine } from "../task-process.js"
import { slurmClient, SlurmSilent } from "./client.js"
import type { RunProgram } from "./run-program.js"
import { submitTasks, type SlurmResources } from "./submit.js"
import { Submissions, type Submitted } from "./submissions.js"
import { isUsual, phaseOf, type Sighting, sightingText, taskKey } from "./task-states.js"

export interface SlurmEngineOptions {
  /** folder of the sweep */
  readonly sweep: string
  readonly resources?: SlurmResources
  /** tasks that run at once; as many as the cluster gives when absent */
  readonly jobs?: number | undefined
  /** how often a task that broke is submitted again */
  readonly retries: number
  /** false: submit and return */
  readonly wait?: boolean
  /** what Node runs for `mdl`; the tool itself when absent */
  readonly tool?: string
  readonly polling?: Polling
  readonly run?: RunProgram
}

/** How often Slurm is asked, in milliseconds. */
export interface Polling {
  /** after something has changed */
  readonly shortest: number
  /** when nothing has for long: each time half as long again, up to this */
  readonly longest: number
  /** how long a task may be unknown to Slurm, or its scores be on their way through a network's file system */
  readonly patience: number
}

const POLLING: Polling = { shortest: 1000, longest: 30_000, patience: 30_000 }
const SLOWER = 1.5

/** A job that goes on without this process. */
export interface LeftJob {
  readonly job: number
  readonly name: string
  /** members that it has still to bring to their end */
  readonly tasks: readonly string[]
}

export interface SlurmEngine extends Engine {
  /** after `run`: the jobs that go on */
  left(): readonly LeftJob[]
}

/** A task that Slurm has. */
interface Watched {
  readonly task: Task
  readonly submission: Submitted
  readonly index: number
  /** how often it was submitted again by this process */
  readonly retried: number
  seen: Sighting | undefined
  /** since when there has been no sign of it */
  missing: number | undefined
  /** the last line of its log; one that an earlier attempt has left is no progress */
  line: string | undefined
}

const UNSEEN = { seen: undefined, missing: undefined, line: undefined }

/** Why a task is over without being done. */
interface Break {
  readonly reason: string
  readonly code: number | null
}

/** Runs tasks on a Slurm cluster. */
export function slurmEngine(options: SlurmEngineOptions): SlurmEngine {
  const running = new Map<string, Watched>()
  return {
    name: "slurm",
    async run(tasks, watch) {
      running.clear()
      return new Watch(options, running, watch).run(tasks)
    },
    left() {
      const jobs = new Map<number, LeftJob>()
      for (const { task, submission } of running.values()) {
        const { job, name } = submission
        jobs.set(job, { job, name, tasks: [...(jobs.get(job)?.tasks ?? []), task.name] })
      }
      return [...jobs.values()]
    },
  }
}

class Watch {
  private readonly client
  private readonly polling: Polling
  private readonly ends = new Map<string, TaskEnd>()
  /** tasks to submit, with how often that was done before */
  private waiting: { readonly task: Task; readonly retried: number }[] = []
  private pause: number
  private silent = false
  /** whether it was said that accounting does not answer */
  private forgetful = false

  constructor(
    private readonly options: SlurmEngineOptions,
    private readonly running: Map<string, Watched>,
    private readonly watch: EngineWatch,
  ) {
    this.client = slurmClient(options.run)
    this.polling = options.polling ?? POLLING
    this.pause = this.polling.shortest
  }

  async run(tasks: readonly Task[]): Promise<readonly TaskEnd[]> {
    if (tasks.length === 0) return []
    const { wait = true, sweep } = this.options
    const cluster = await this.client.cluster()
    const submissions = await Submissions.open(sweep)
    await this.settle(submissions)
    await this.attach(tasks, submissions, cluster)
    if (!wait) await this.submit(submissions, cluster)
    while (wait && !this.stopped && this.waiting.length + this.running.size > 0) {
      const changed = await this.untilItAnswers(async () => {
        const submitted = await this.submit(submissions, cluster)
        return (await this.look(submissions)) || submitted
      })
      this.pause = changed ? this.polling.shortest : Math.min(this.pause * SLOWER, this.polling.longest)
      if (this.waiting.length + this.running.size > 0) await this.sleep(this.pause)
    }
    return tasks.flatMap(({ name }) => this.ends.get(name) ?? [])
  }

  private get stopped(): boolean {
    return this.watch.signal?.aborted ?? false
  }

  private say(text: string): void {
    this.watch.said?.(text)
  }

  private async sleep(milliseconds: number): Promise<void> {
    const { signal } = this.watch
    await delay(milliseconds, undefined, signal ? { signal } : {}).catch((thrown: unknown) => {
      if (!this.stopped) throw thrown
    })
  }

  /** Whether something has changed; false, and a word about it, when Slurm does not answer. */
  private async untilItAnswers(attempt: () => Promise<boolean>): Promise<boolean> {
    try {
      const changed = await attempt()
      if (this.silent) this.say("Slurm answers again")
      this.silent = false
      return changed
    } catch (thrown) {
      if (!(thrown instanceof SlurmSilent)) throw thrown
      if (!this.silent && !this.stopped) this.say(`Slurm does not answer, and is asked again: ${thrown.message}`)
      this.silent = true
      return false
    }
  }

  /** Finds jobs of which it is not known whether Slurm has them. */
  private async settle(submissions: Submissions): Promise<readonly Submitted[]> {
    const found = await submissions.settle(this.client, (milliseconds) => this.sleep(milliseconds))
    for (const { job, name } of found) this.say(`job ${job} (${name}) was submitted, and its number is known only now`)
    return found
  }

  /** Finds the tasks that jobs of earlier calls have; the others are to be submitted. */
  private async attach(tasks: readonly Task[], submissions: Submissions, cluster: string): Promise<void> {
    const earlier = tasks.map((task) => {
      const submission = submissions.submitted.find((one) => one.tasks.includes(task.name))
      return { task, submission, index: submission?.tasks.indexOf(task.name) ?? -1 }
    })
    const elsewhere = earlier.find(({ submission }) => submission !== undefined && submission.cluster !== cluster)
    if (elsewhere?.submission) {
      const { job, cluster: other } = elsewhere.submission
      throw new UserError(
        `job ${job} of this sweep is on the cluster ${other}, and this one is ${cluster}: run it there, or remove ` +
          `${submissions.path("jobs.json")} when that cluster is no more`,
      )
    }
    const known = earlier.flatMap(({ submission }) => submission ?? [])
    const seen = known.length === 0 ? new Map<string, Sighting>() : await this.sightings(known)
    for (const { task, submission, index } of earlier) {
      const sighting = submission && seen.get(taskKey({ job: submission.job, index }))
      const phase = sighting && phaseOf(sighting.state)
      if (submission && (phase === "waiting" || phase === "running"))
        this.running.set(task.name, { task, submission, index, retried: 0, ...UNSEEN })
      // It may have come to its end since the tasks were put together.
      else if (await task.finished()) this.end({ name: task.name, outcome: "done", code: 0, message: undefined })
      else this.waiting.push({ task, retried: 0 })
    }
    for (const job of new Set([...this.running.values()].map(({ submission }) => submission.job))) {
      const count = [...this.running.values()].filter(({ submission }) => submission.job === job).length
      this.say(`job ${job} is under way with ${count} of the members: watching it`)
    }
  }

  /** Submits what waits; whether there was anything. */
  private async submit(submissions: Submissions, cluster: string): Promise<boolean> {
    for (const submission of this.waiting.length > 0 ? await this.settle(submissions) : []) this.adopt(submission)
    if (this.waiting.length === 0) return false
    await this.watch.beforeTask?.()
    if (this.stopped) return false
    const batch = this.waiting
    for (const { task } of batch) await mkdir(dirname(task.log), { recursive: true })
    const { client, options } = this
    const { resources, jobs, tool } = options
    const after = jobs === undefined ? [] : [...this.running.values()].map(({ submission }) => submission.job)
    const members = batch.map(({ task }) => task)
    const submission = await submitTasks(members, { client, submissions, cluster, resources, jobs, after, tool })
    this.adopt(submission)
    this.say(`job ${submission.job} submitted with ${batch.length} ${batch.length === 1 ? "member" : "members"}`)
    return true
  }

  /** What waits and a job has is watched. */
  private adopt(submission: Submitted): void {
    const has = ({ task }: { readonly task: Task }): boolean => submission.tasks.includes(task.name)
    for (const { task, retried } of this.waiting.filter(has)) {
      const index = submission.tasks.indexOf(task.name)
      this.running.set(task.name, { task, submission, index, retried, ...UNSEEN })
    }
    this.waiting = this.waiting.filter((one) => !has(one))
  }

  /** Looks at all tasks that Slurm has; whether any has changed. */
  private async look(submissions: Submissions): Promise<boolean> {
    const watched = [...this.running.values()]
    if (watched.length === 0) return false
    const seen = await this.sightings(watched.map(({ submission }) => submission))
    let changed = false
    for (const one of watched) {
      if (this.stopped) break
      const { task, submission, index } = one
      const sighting = seen.get(taskKey({ job: submission.job, index }))
      const before = one.seen
      const phase = sighting ? phaseOf(sighting.state) : "gone"
      if (sighting && (phase === "waiting" || phase === "running")) {
        one.missing = undefined
        one.seen = sighting
        changed = this.tellChange(task.name, before, sighting) || changed
        if (phase === "running") await this.tellProgress(one)
        continue
      }
      const broken = await this.breakOf(one, sighting)
      if (broken === "unclear") continue
      changed = true
      this.running.delete(task.name)
      if (before === undefined || phaseOf(before.state) !== "running") this.watch.started?.(task.name)
      if (broken === undefined) this.end({ name: task.name, outcome: "done", code: 0, message: undefined })
      else await this.again(one, broken, submissions)
    }
    return changed
  }

  /** Tells what is new; whether anything is. */
  private tellChange(name: string, before: Sighting | undefined, now: Sighting): boolean {
    const was = before && phaseOf(before.state)
    const is = phaseOf(now.state)
    if (is === "waiting" && was === "running")
      this.say(`${name}: Slurm took it off ${before!.node} and starts it again`)
    if (is === "waiting" && !isUsual(now.reason) && now.reason !== before?.reason)
      this.say(`${name}: waits in the queue (${now.reason})`)
    if (is === "running" && was !== "running") this.watch.started?.(name)
    return is !== was
  }

  private async tellProgress(watched: Watched): Promise<void> {
    const { name, log } = watched.task
    const line = await lastLine(log)
    if (line !== undefined && watched.line !== undefined && line !== watched.line) this.watch.progress?.(name, line)
    watched.line = line ?? ""
  }

  /** Why a task that is over is not done; undefined when it is done, `unclear` as long as that may still come out. */
  private async breakOf(watched: Watched, sighting: Sighting | undefined): Promise<Break | undefined | "unclear"> {
    const { task, submission, index } = watched
    if (await task.finished()) return undefined
    const phase = sighting ? phaseOf(sighting.state) : "gone"
    if (sighting && phase === "broken") {
      const key = taskKey(sighting)
      const code = sighting.code ?? (sighting.state === "FAILED" ? await this.client.exitCode(key) : null)
      return { reason: sightingText({ ...sighting, code }), code }
    }
    watched.missing ??= performance.now()
    if (performance.now() - watched.missing < this.polling.patience) return "unclear"
    const key = taskKey({ job: submission.job, index })
    const reason =
      phase === "done" ? `COMPLETED without leaving scores (job ${key})` : `Slurm no longer knows of it (job ${key})`
    return { reason, code: null }
  }

  /** A task that broke: submitted again, or failed. */
  private async again(
    { task, submission, index, retried }: Watched,
    { reason, code }: Break,
    submissions: Submissions,
  ) {
    const { retries } = this.options
    const output = submissions.path(`${submission.name}-${index}.out`)
    // Exit code 1 is the tool's word for a mistake in what it was given: it would say the same again.
    if (code !== 1 && retried < retries) {
      this.say(`${task.name}: ${reason}; it is submitted again (${retried + 1} of ${retries}); its log: ${task.log}`)
      this.waiting.push({ task, retried: retried + 1 })
      return
    }
    const said = [await lastError(task.log), await lastError(output)].filter((text) => text !== "")
    const message = [...said, `Slurm: ${reason}`, `log: ${task.log}`].join("\n")
    this.end({ name: task.name, outcome: "failed", code, message })
  }

  private end(end: TaskEnd): void {
    this.ends.set(end.name, end)
    this.watch.ended?.(end)
  }

  /** What Slurm knows of the tasks of these jobs, by `12_3`. @throws SlurmSilent */
  private async sightings(of: readonly Submitted[]): Promise<ReadonlyMap<string, Sighting>> {
    const { signal } = this.watch
    const byName = new Map<string, Submitted>(of.map((one) => [one.name, one]))
    const isOurs = ({ name, job }: Sighting): boolean => byName.get(name)?.job === job
    const now = await this.client.queue([...byName.keys()], signal)
    const seen = new Map(now.filter(isOurs).map((one) => [taskKey(one), one]))
    const forgotten = [...byName.values()].filter(({ job, tasks }) =>
      tasks.some((_, index) => !seen.has(taskKey({ job, index }))),
    )
    if (forgotten.length === 0) return seen
    for (const one of await this.remembered(forgotten)) {
      // The controller does not have it, so it is not running, even if accounting has missed its end.
      const isOver = ["done", "broken"].includes(phaseOf(one.state))
      if (isOver && isOurs(one) && !seen.has(taskKey(one))) seen.set(taskKey(one), one)
    }
    return seen
  }

  /** What accounting knows of jobs; nothing where it is off. Without its answer, members' own records must do. */
  private async remembered(jobs: readonly Submitted[]): Promise<readonly Sighting[]> {
    try {
      return (await this.client.accounting({ jobs: jobs.map(({ job }) => job) }, this.watch.signal)) ?? []
    } catch (thrown) {
      if (!(thrown instanceof SlurmSilent)) throw thrown
      if (!this.forgetful && !this.stopped)
        this.say(`accounting does not answer, and is done without: ${thrown.message}`)
      this.forgetful = true
      return []
    }
  }
}
