/**
 * The submission of an array job: what `sbatch` is told, in an order that a crash cannot spoil.
 *
 * Takes tasks and resources; gives the submission with its number. Written down first, then submitted, then the number
 * written down; see submissions.ts for what a call finds that comes after a crash.
 */
import { writeAtomically } from "../../runs/atomic-file.js"
import { releaseBatchLock } from "../../runs/run-lock.js"
import { UserError } from "../../user-error.js"
import type { Task } from "../engine.js"
import { TOOL } from "../task-process.js"
import type { SlurmClient } from "./client.js"
import { jobScript } from "./job-script.js"
import type { Submissions, Submitted } from "./submissions.js"
import { taskKey } from "./task-states.js"

/** What each member is given, as `sbatch` takes it; the cluster's own defaults for what is absent. */
export interface SlurmResources {
  readonly partition?: string | undefined
  readonly time?: string | undefined
  readonly cpus?: number | undefined
  readonly mem?: string | undefined
  readonly gres?: string | undefined
  /** further words for `sbatch` */
  readonly more?: readonly string[] | undefined
}

export interface SubmitOptions {
  readonly client: SlurmClient
  readonly submissions: Submissions
  readonly cluster: string
  readonly resources?: SlurmResources | undefined
  /** tasks that run at once */
  readonly jobs?: number | undefined
  /** jobs that must end before: with `jobs`, which counts for each job alone */
  readonly after: readonly number[]
  readonly tool?: string | undefined
}

/** @throws what `SlurmClient.submit` throws; after SlurmSilent the submission is there, and unsettled */
export async function submitTasks(tasks: readonly Task[], options: SubmitOptions): Promise<Submitted> {
  const { client, submissions, cluster, resources, tool = TOOL } = options
  for (const { name, folder } of tasks) await releaseBatchLock(folder, pastTasks(submissions, name))
  const names = tasks.map(({ name }) => name)
  const submission = await submissions.intend(cluster, names)
  const script = submissions.path(`${submission.name}.sh`)
  const claim = submissions.claim(submission)
  await writeAtomically(script, jobScript({ tasks, cluster, claim, tool, cpus: resources?.cpus }))
  try {
    const words = sbatchWords(submission.name, script, tasks.length, options)
    return await submissions.confirm(submission, await client.submit(words))
  } catch (thrown) {
    if (thrown instanceof UserError) await submissions.withdraw(submission)
    throw thrown
  }
}

/** The batch tasks that a member has been, all of them over, as its lock names them. */
function pastTasks({ submitted }: Submissions, name: string): ReadonlySet<string> {
  const past = submitted.filter(({ tasks }) => tasks.includes(name))
  return new Set(past.map(({ cluster, job, tasks }) => `${cluster}:${taskKey({ job, index: tasks.indexOf(name) })}`))
}

function sbatchWords(name: string, script: string, count: number, options: SubmitOptions): readonly string[] {
  const { submissions, resources = {}, jobs, after } = options
  const { partition, time, cpus, mem, gres, more = [] } = resources
  const asked = { partition, time, "cpus-per-task": cpus, mem, gres }
  return [
    "--parsable",
    `--job-name=${name}`,
    `--array=0-${count - 1}${jobs === undefined ? "" : `%${jobs}`}`,
    // A node that fails, or a job of more weight: Slurm starts the task again, also when nobody watches.
    "--requeue",
    "--open-mode=append",
    // In a file name, % begins a pattern.
    `--output=${submissions.path(name).replaceAll("%", "%%")}-%a.out`,
    `--chdir=${process.cwd()}`,
    ...Object.entries(asked).flatMap(([option, value]) => (value === undefined ? [] : [`--${option}=${value}`])),
    ...(after.length > 0 ? [`--dependency=afterany:${[...new Set(after)].join(":")}`] : []),
    ...more,
    script,
  ]
}

/** Options of `sbatch` that this engine sets or relies on, with their short forms. */
const OWN = new Set(
  (
    "array a job-name J output o error e chdir D parsable wrap test-only wait W clusters M open-mode dependency d " +
    "hold H input i quiet Q version V help h usage"
  ).split(" "),
)

/** Words that a user adds to `sbatch`. @throws UserError for one that would break what the engine relies on */
export function requireFreeWords(words: readonly string[]): readonly string[] {
  for (const word of words) {
    const [, long, short] = /^(?:--([^=]+)|-(.))/.exec(word) ?? []
    if (!OWN.has(long ?? short ?? "")) continue
    throw new UserError(
      `--sbatch-args: ${word} is not to be given, because mdl ablate sets it or relies on it not being set`,
    )
  }
  return words
}
