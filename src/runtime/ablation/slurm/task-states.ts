/**
 * What Slurm says of a task, and what follows from it.
 *
 * Takes the words of `squeue` and `sacct`; gives whether a task is waiting, running, done, or over without being done.
 * Source: Slurm's manual, "JOB STATE CODES" of squeue(1) and sacct(1).
 */

/** One task of an array, as Slurm sees it. */
export interface Sighting {
  readonly job: number
  readonly index: number
  /** of the job */
  readonly name: string
  /** `RUNNING` */
  readonly state: string
  /** exit code of its script; null when Slurm has not said or a signal ended it */
  readonly code: number | null
  /** why it waits or ended, in Slurm's words; empty when it has none */
  readonly reason: string
  /** where it runs or ran; empty when it has been nowhere */
  readonly node: string
}

/** How one names a task: `12_3`. */
export const taskKey = ({ job, index }: Pick<Sighting, "job" | "index">): string => `${job}_${index}`

/** States in which a task is over and has not been brought to its end. */
const BROKEN = new Set([
  "BOOT_FAIL",
  "CANCELLED",
  "DEADLINE",
  "FAILED",
  "NODE_FAIL",
  "OUT_OF_MEMORY",
  "PREEMPTED",
  "REVOKED",
  "TIMEOUT",
])

const RUNNING = new Set(["RUNNING", "COMPLETING", "SUSPENDED", "STAGE_OUT", "SIGNALING", "STOPPED"])

/** A state that is not known here is one in which a task waits: it is asked again, and nothing is submitted twice. */
export type Phase = "waiting" | "running" | "done" | "broken"

export function phaseOf(state: string): Phase {
  if (state === "COMPLETED") return "done"
  if (BROKEN.has(state)) return "broken"
  return RUNNING.has(state) ? "running" : "waiting"
}

/** Reasons to wait that need no word: the queue is as it should be. */
const USUAL = new Set(["", "None", "Priority", "Resources", "JobArrayTaskLimit", "Dependency", "BeginTime"])

export const isUsual = (reason: string): boolean => USUAL.has(reason)

/** `NODE_FAIL (NodeDown, job 12_3 on n7)`: what a person looks up. */
export function sightingText(sighting: Sighting): string {
  const { state, code, reason, node } = sighting
  const details = [
    ...(code === null ? [] : [`exit code ${code}`]),
    ...(reason === "" || reason === "None" || reason === "NonZeroExitCode" ? [] : [reason]),
    `job ${taskKey(sighting)}${node === "" ? "" : ` on ${node}`}`,
  ]
  return `${state} (${details.join(", ")})`
}
