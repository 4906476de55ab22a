/**
 * Slurm's commands: sbatch, squeue, sacct, scontrol, scancel.
 *
 * Takes what is to be asked; gives numbers and records. Why commands and not the REST interface: they are what every
 * cluster has on its login nodes, with the user's own rights. `squeue` is asked first, because the controller knows what
 * is going on now and for some minutes after; `sacct`, where accounting is on, knows what the controller has forgotten.
 */
import { codeOf } from "../../data/data-error.js"
import { UserError } from "../../user-error.js"
import { type ProgramEnd, type RunProgram, runProgram } from "./run-program.js"
import { shellWords } from "../../shell-words.js"
import type { Sighting } from "./task-states.js"

/** Slurm does not answer now: its controller or the network is away, and may come back. */
export class SlurmSilent extends Error {
  override readonly name = "SlurmSilent"
  /** the machine's fault, not the user's */
  readonly exitCode = 2
}

/** What Slurm's commands say when they have not reached the controller, or not heard its answer. */
const UNREACHED =
  /unable to contact slurm controller|socket timed out|connection refused|connect failure|slurm_receive_msg|communication connection failure/i

export interface SlurmClient {
  /** name of the cluster */
  cluster(): Promise<string>
  /**
   * Submits a job; gives its number.
   *
   * @throws UserError with Slurm's words when it refuses; SlurmSilent when it is not known whether it has the job
   */
  submit(words: readonly string[]): Promise<number>
  /** the tasks of jobs that the controller knows, also those that have ended a while ago. @throws SlurmSilent */
  queue(names: readonly string[], signal?: AbortSignal): Promise<readonly Sighting[]>
  /** the same from accounting; undefined when it is off. @throws SlurmSilent */
  accounting(query: AccountingQuery, signal?: AbortSignal): Promise<readonly Sighting[] | undefined>
  /** exit code of a task; null when the controller has forgotten it */
  exitCode(key: string): Promise<number | null>
  cancel(job: number): Promise<void>
}

/** Jobs by number, or by name since a time. */
export type AccountingQuery =
  { readonly jobs: readonly number[] } | { readonly name: string; /** `2026-01-31T12:00:00` */ readonly since: string }

/** Slurm through its commands. */
export function slurmClient(run: RunProgram = runProgram): SlurmClient {
  const command = async (program: string, words: readonly string[], signal?: AbortSignal): Promise<ProgramEnd> => {
    try {
      return await run(program, words, signal)
    } catch (thrown) {
      if (codeOf(thrown) !== "ENOENT") throw thrown
      throw new UserError(
        `${program} is not found: --engine slurm needs Slurm's commands\n` +
          "  run this where they are (a login node of the cluster; on some, after `module load slurm`), or use --engine local",
        { cause: thrown },
      )
    }
  }
  /** @throws SlurmSilent unless it went well */
  const ask = async (program: string, words: readonly string[], signal?: AbortSignal): Promise<string> => {
    const end = await command(program, words, signal)
    if (end.code === 0) return end.stdout
    throw new SlurmSilent(`${program} failed: ${wordsOf(end)}`)
  }
  return {
    async cluster() {
      const config = await ask("scontrol", ["show", "config"])
      const [, name] = /^ClusterName\s*=\s*(\S+)/m.exec(config) ?? []
      if (name === undefined) throw new SlurmSilent("scontrol show config names no cluster")
      return name
    },
    async submit(words) {
      const end = await command("sbatch", words)
      // `--parsable`: NUMBER, or NUMBER;CLUSTER. Sites let sbatch say more before it.
      const [, job] = /^(\d+)(?:;\S*)?$/m.exec(end.stdout) ?? []
      if (end.code === 0 && job !== undefined) return Number(job)
      const said = wordsOf(end)
      if (end.code === 0 || end.code === null || UNREACHED.test(said)) throw new SlurmSilent(`sbatch failed: ${said}`)
      throw new UserError(
        `Slurm refused the job:\n${said.replace(/^/gm, "    ")}\n  it was asked with: sbatch ${shellWords(words)}`,
      )
    },
    async queue(names, signal) {
      const format = "%F|%K|%j|%T|%N|%r"
      const words = ["--noheader", "--array", "--states=all", `--name=${names.join(",")}`, `--format=${format}`]
      return rows(await ask("squeue", words, signal)).flatMap(([job, index, name, state, node, reason]) =>
        sightings({ job, index, name, state, node, reason }),
      )
    },
    async accounting(query, signal) {
      const words = ["--noheader", "--parsable2", "--allocations", "--format=JobID,JobName,State,ExitCode,NodeList"]
      const which =
        "jobs" in query ? [`--jobs=${query.jobs.join(",")}`] : [`--name=${query.name}`, `--starttime=${query.since}`]
      const end = await run("sacct", [...words, ...which], signal).catch((thrown: unknown) => {
        // A cluster without accounting need not have the program.
        if (codeOf(thrown) === "ENOENT") return undefined
        throw thrown
      })
      if (end === undefined || /accounting storage is disabled/i.test(end.stderr)) return undefined
      if (end.code !== 0) throw new SlurmSilent(`sacct failed: ${wordsOf(end)}`)
      return rows(end.stdout).flatMap(([id = "", name, state = "", code, node]) => {
        const [job, index] = id.split("_")
        // `CANCELLED by 1000`
        return sightings({ job, index, name, state: state.split(" ")[0], code, node, reason: "" })
      })
    },
    async exitCode(key) {
      const end = await command("scontrol", ["--oneliner", "show", "job", key])
      const [, code] = / ExitCode=(\d+:\d+)/.exec(end.stdout) ?? []
      return exitCodeOf(code)
    },
    async cancel(job) {
      await ask("scancel", [String(job)])
    },
  }
}

const wordsOf = ({ stderr, stdout, code }: ProgramEnd): string =>
  stderr.trim() || stdout.trim() || (code === null ? "it was ended by a signal" : `exit code ${code}`)

const rows = (text: string): readonly string[][] =>
  text
    .split("\n")
    .filter((line) => line.includes("|"))
    .map((line) => line.split("|"))

/** `3:0` is exit code 3 and no signal; after a signal there is no code. */
function exitCodeOf(text: string | undefined): number | null {
  const [, code, signal] = /^(\d+):(\d+)$/.exec(text ?? "") ?? []
  return code === undefined || signal !== "0" ? null : Number(code)
}

type Row = Partial<Record<"job" | "index" | "name" | "state" | "code" | "node" | "reason", string | undefined>>

/** The tasks of a row: one, or several that have waited as a whole; none for a job that is no array. */
function sightings({ job, index, name = "", state = "", code, node = "", reason = "" }: Row): readonly Sighting[] {
  return indicesIn(index ?? "").map((one) => ({
    job: Number(job),
    index: one,
    name,
    state,
    code: state === "FAILED" ? exitCodeOf(code) : null,
    reason,
    node: node === "None assigned" ? "" : node,
  }))
}

/** `3`, or `[0-2,5,7-11:2%4]`: ranges with steps, and how many may run at once. */
function indicesIn(text: string): readonly number[] {
  const ranges = text.replace(/^\[|(?:%\d+)?\]$/g, "").split(",")
  return ranges.flatMap((range) => {
    const [, from, to = from, step = "1"] = /^(\d+)(?:-(\d+)(?::(\d+))?)?$/.exec(range) ?? []
    if (from === undefined) return []
    const count = Math.floor((Number(to) - Number(from)) / Number(step)) + 1
    return Array.from({ length: count }, (_, at) => Number(from) + at * Number(step))
  })
}
