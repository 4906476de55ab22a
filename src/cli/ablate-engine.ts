/**
 * What runs the members of `mdl ablate`: this machine, or a Slurm cluster.
 *
 * Takes the flags of the command line. Gives an engine, and words for the jobs that a cluster goes on with when the command
 * has ended. Options of a cluster without `--engine slurm` are an error, not ignored.
 */
import { type Command, InvalidArgumentError, Option } from "commander"
import type { Engine } from "../runtime/ablation/engine.js"
import { jobsFor, thisMachine } from "../runtime/ablation/jobs.js"
import { localEngine } from "../runtime/ablation/local-engine.js"
import { splitShellWords } from "../runtime/shell-words.js"
import { type LeftJob, type SlurmEngine, slurmEngine } from "../runtime/ablation/slurm/slurm-engine.js"
import { requireFreeWords } from "../runtime/ablation/slurm/submit.js"
import type { PreparedSweep } from "../runtime/ablation/sweep.js"
import { UserError } from "../runtime/user-error.js"
import { positive, wholeNumber } from "./whole-number.js"

export interface EngineFlags {
  readonly engine: "local" | "slurm"
  readonly jobs?: number
  readonly partition?: string
  readonly time?: string
  readonly cpus?: number
  readonly mem?: string
  readonly gres?: string
  readonly sbatchArgs?: string
  readonly retries?: number
  readonly wait: boolean
}

/** How often a task that broke is submitted again, unless `--retries` says otherwise. */
const RETRIES = 2

/** Adds the options of engines to `mdl ablate`. */
export function addEngineOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--engine <name>", "what runs the members: this machine, or a Slurm cluster through sbatch")
        .choices(["local", "slurm"])
        .default("local"),
    )
    .option("--jobs <n>", "members that train at once (default: what memory and cores allow, or the cluster)", positive)
    .option("--partition <name>", "Slurm: partition to submit to")
    .option("--time <limit>", "Slurm: time of each member, as sbatch takes it: 2:00:00")
    .option("--cpus <n>", "Slurm: cores of each member", positive)
    .option("--mem <size>", "Slurm: memory of each member: 16G")
    .option("--gres <list>", "Slurm: devices of each member: gpu:1")
    .option("--sbatch-args <words>", "Slurm: further words for sbatch: '--account=lab --qos=long'", sbatchWords)
    .option(
      "--retries <n>",
      `Slurm: how often a member that broke is submitted again (default: ${RETRIES})`,
      wholeNumber,
    )
    .option("--no-wait", "Slurm: submit and return; the same command without it watches and concludes")
}

/** The text stays, so that what is shown is what was given; only its quotes are checked here. */
function sbatchWords(text: string): string {
  try {
    requireFreeWords(splitShellWords(text))
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    throw new InvalidArgumentError(thrown.message)
  }
  return text
}

/** @throws UserError for an option of a cluster that the engine of this machine does not have */
export function requireEngineFlags(flags: EngineFlags): void {
  if (flags.engine === "slurm") return
  const { partition, time, cpus, mem, gres, sbatchArgs, retries } = flags
  const slurm = {
    partition,
    time,
    cpus,
    mem,
    gres,
    "sbatch-args": sbatchArgs,
    retries,
    "no-wait": flags.wait ? undefined : true,
  }
  const given = Object.entries(slurm).find(([, value]) => value !== undefined)
  if (given) throw new UserError(`--${given[0]} is an option of Slurm: add --engine slurm, or leave it out`)
}

/** What `--no-wait --json` prints as long as a cluster has something to do. */
export interface SubmittedSweep {
  readonly jobs: readonly LeftJob[]
}

export interface ChosenEngine {
  readonly engine: Engine
  /** the engine again when it is Slurm's */
  readonly slurm: SlurmEngine | undefined
  /** how many run at once, for the first line; null when that is the cluster's business */
  readonly atOnce: number | null
}

/** The engine that the flags ask for. */
export function engineFor({ sweep, tasks }: PreparedSweep, flags: EngineFlags): ChosenEngine {
  if (flags.engine === "local") {
    const memories = tasks.map(({ memory }) => memory)
    const jobs = flags.jobs ?? jobsFor(memories, thisMachine())
    return { engine: localEngine({ jobs }), slurm: undefined, atOnce: jobs }
  }
  const { partition, time, cpus, mem, gres, sbatchArgs = "", jobs, retries = RETRIES, wait } = flags
  const resources = { partition, time, cpus, mem, gres, more: splitShellWords(sbatchArgs) }
  const slurm = slurmEngine({ sweep, resources, jobs, retries, wait })
  return { engine: slurm, slurm, atOnce: jobs ?? null }
}

/** What goes on in the cluster, how to come back to it, and how to end it; undefined when nothing does. */
export function leftText(left: readonly LeftJob[]): string | undefined {
  if (left.length === 0) return undefined
  const jobs = left.map(
    ({ job, tasks }) => `  job ${job}: ${tasks.length} ${tasks.length === 1 ? "member" : "members"} to do`,
  )
  return [
    "Slurm goes on with the sweep:",
    ...jobs,
    "to come back, give the same command: it watches these jobs, submits none twice, and concludes (--no-wait left out)",
    `to end them: scancel ${left.map(({ job }) => job).join(" ")}`,
  ].join("\n")
}
