/**
 * The jobs of a sweep: which were submitted, with which members, under which number. And the file they are kept in.
 *
 *   slurm/jobs.json        this, in the order of submission
 *   slurm/NAME.sh          the script of a job
 *   slurm/NAME.claim       a link to the number of the job that has begun; to 0 when it was withdrawn before
 *   slurm/NAME-3.out       what Slurm itself and the script wrote for a task; members write into logs/
 *
 * Why so: a sweep outlives the process that began it, so the next one must find its jobs, and only its own. A job is written
 * down before it is submitted, under a name that no other job has, and its number after: whoever dies in between leaves a
 * name to look for. A number is never believed alone, because clusters use them again.
 */
import { randomBytes } from "node:crypto"
import { mkdir, readlink, symlink } from "node:fs/promises"
import { join } from "node:path"
import { codeOf } from "../../data/data-error.js"
import { writeAtomically } from "../../runs/atomic-file.js"
import { readOptional } from "../../runs/optional-file.js"
import { UserError } from "../../user-error.js"
import type { SlurmClient } from "./client.js"

export interface Submission {
  /** of the job: `mdl-0f3a9c52b7e1` */
  readonly name: string
  readonly cluster: string
  /** null while it is not known whether Slurm has it */
  readonly job: number | null
  /** names of members, in the order of the array */
  readonly tasks: readonly string[]
  /** when, as ISO 8601 */
  readonly at: string
}

/** A submission that Slurm has. */
export type Submitted = Submission & { readonly job: number }

const FORMAT = 1

/** A `sbatch` whose caller is gone may be under way for so long. */
const UNDER_WAY_MILLISECONDS = 5_000

const WITHDRAWN = "0"

/** The file of a sweep's jobs. */
export class Submissions {
  private constructor(
    readonly folder: string,
    private list: readonly Submission[],
  ) {}

  /** Reads what is there. @throws UserError for a file that cannot be used */
  static async open(sweep: string): Promise<Submissions> {
    const folder = join(sweep, "slurm")
    await mkdir(folder, { recursive: true })
    const path = join(folder, "jobs.json")
    const text = await readOptional(path)
    return new Submissions(folder, text === undefined ? [] : submissionsIn(path, text))
  }

  /** Those that Slurm has, the last one first. */
  get submitted(): readonly Submitted[] {
    return this.list.filter((one): one is Submitted => one.job !== null).reverse()
  }

  path(file: string): string {
    return join(this.folder, file)
  }

  /** A new one, written down and not submitted. */
  async intend(cluster: string, tasks: readonly string[]): Promise<Submission> {
    const name = `mdl-${randomBytes(6).toString("hex")}`
    const submission = { name, cluster, job: null, tasks, at: new Date().toISOString() }
    await this.write([...this.list, submission])
    return submission
  }

  /** Slurm has it. */
  async confirm({ name }: Submission, job: number): Promise<Submitted> {
    const list = this.list.map((one) => (one.name === name ? { ...one, job } : one))
    await this.write(list)
    return list.find((one): one is Submitted => one.name === name && one.job !== null)!
  }

  /** The link by which the first task of a job takes it, see job-script.ts. */
  claim({ name }: Submission): string {
    return this.path(`${name}.claim`)
  }

  /**
   * Forgets one that Slurm does not have. Should its `sbatch` still be under way, the job finds itself withdrawn and does
   * nothing; the number of the job when it has begun already, and is not withdrawn.
   */
  async withdraw(submission: Submission): Promise<number | undefined> {
    try {
      await symlink(WITHDRAWN, this.claim(submission))
    } catch (thrown) {
      if (codeOf(thrown) !== "EEXIST") throw thrown
      const owner = await readlink(this.claim(submission))
      if (owner !== WITHDRAWN) return Number(owner)
    }
    await this.write(this.list.filter(({ name }) => name !== submission.name))
    return undefined
  }

  /**
   * Finds out about those of which it is not known whether Slurm has them; those that it has.
   *
   * @param wait called before an early answer is believed
   * @throws SlurmSilent when Slurm cannot be asked
   */
  async settle(client: SlurmClient, wait: (milliseconds: number) => Promise<void>): Promise<readonly Submitted[]> {
    const found: Submitted[] = []
    for (const submission of this.list.filter(({ job }) => job === null)) {
      let job = await locate(client, submission)
      const left = Math.min(Date.parse(submission.at) + UNDER_WAY_MILLISECONDS - Date.now(), UNDER_WAY_MILLISECONDS)
      if (job === undefined && left > 0) {
        await wait(left)
        job = await locate(client, submission)
      }
      job ??= await this.withdraw(submission)
      if (job !== undefined) found.push(await this.confirm(submission, job))
    }
    return found
  }

  private async write(list: readonly Submission[]): Promise<void> {
    const text = JSON.stringify({ format: FORMAT, jobs: list }, undefined, 2)
    await writeAtomically(this.path("jobs.json"), `${text}\n`)
    this.list = list
  }
}

/** The number of a job, by its name. */
async function locate(client: SlurmClient, { name, at }: Submission): Promise<number | undefined> {
  const [known] = await client.queue([name])
  if (known) return known.job
  // Accounting has times without a zone, those of the cluster: a day earlier is before it in every zone.
  const since = new Date(Date.parse(at) - 86_400_000).toISOString().slice(0, 19)
  return (await client.accounting({ name, since }))?.[0]?.job
}

function submissionsIn(path: string, text: string): readonly Submission[] {
  try {
    const { format, jobs } = JSON.parse(text) as { readonly format?: unknown; readonly jobs: readonly Submission[] }
    if (format === FORMAT) return jobs
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown
  }
  throw new UserError(
    `${path} is damaged, or of another version of this tool, so the jobs of the sweep are not known: cancel those whose ` +
      "names squeue shows beginning with mdl-, and remove the file",
  )
}
