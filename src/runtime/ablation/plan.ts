/**
 * The plan of a sweep: what is to be trained, on what, how long. Types, and the file it is kept in.
 *
 *   plan.json                     this
 *   cases.json                    hashes of the data set's cases
 *   runs/VARIANT/seed-N           an ordinary run folder each, with evaluation.json beside its own files
 *   logs/VARIANT.seed-N.log       what each task wrote
 *   ablation.{json,md,html}       what came of it; plots/*.svg
 *
 * Why so: planning, executing and concluding are three things. A plan is data that any engine can execute, task by task, in
 * any order, on any machine that sees the folder; the conclusion reads run folders and does not ask who filled them.
 */
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import type { Precision } from "../../compiler/passes/precision.js"
import { openDataset } from "../data/dataset.js"
import type { Split } from "../data/sample.js"
import { writeAtomically } from "../runs/atomic-file.js"
import { readOptional } from "../runs/optional-file.js"
import type { RunData } from "../runs/run-folder.js"
import { UserError } from "../user-error.js"
import { type CaseHashes, requireSameCases, requireUnchanged } from "./case-hashes.js"

export const PLAN_FORMAT = 2

/** What every member is given. */
export interface Budget {
  readonly epochs: number
  readonly steps: number | null
  /** cases in a step, also of a model that has another number of its own; a variant can say otherwise, see `batch` there */
  readonly batch: number
  readonly size: number | null
  readonly precision: Precision
  readonly evalEvery: number | null
  /** whether a member may stop before the others, when its own `stop` says so */
  readonly earlyStop: boolean
}

export interface PlannedVariant {
  /** what it is called in tables: `base` is the base's own name, the others have theirs */
  readonly label: string
  /** `value`: one of the values of a `vary`; `other`: a model that was added with --with */
  readonly kind: "base" | "ablation" | "value" | "other"
  /** as `mdl train` takes it */
  readonly reference: string
  /** below runs/ */
  readonly folder: string
  /** what it changes in the base, in the words of the text */
  readonly changes: readonly string[]
  readonly batch: number
  readonly readsNotes: boolean
  readonly parameters: { readonly trainable: number; readonly frozen: number }
  /** multiply-accumulates of one image in use */
  readonly macs: number
  /** SHA-256 of its programs and training settings */
  readonly identity: string
  /** bytes that training it takes, as estimated */
  readonly memory: number
  /** the label of an earlier variant that is the same model, and stands for this one too; else null */
  readonly sameAs: string | null
}

export interface Plan {
  readonly format: typeof PLAN_FORMAT
  /** the base as it was given */
  readonly model: string
  /** the data set, as it was given */
  readonly data: string
  /** which of a case's prompts is its note, in data that has several */
  readonly prompt: string | null
  readonly dataset: RunData & { readonly sha256: string }
  readonly budget: Budget
  readonly seeds: readonly number[]
  /** the split that members are scored on */
  readonly split: Split
  /** the base first */
  readonly variants: readonly PlannedVariant[]
  readonly tool: string
}

/** One member of a sweep: a variant with a seed. */
export interface Member {
  /** `no_cvr/seed-1`: its run folder below runs/, and its name */
  readonly name: string
  readonly variant: PlannedVariant
  readonly seed: number
}

/** All members, seed by seed, so that a sweep that is stopped early has all variants of its first seeds. */
export function membersOf({ seeds, variants }: Plan): readonly Member[] {
  const own = variants.filter(({ sameAs }) => sameAs === null)
  return seeds.flatMap((seed) => own.map((variant) => ({ name: `${variant.folder}/seed-${seed}`, variant, seed })))
}

export const memberFolder = (sweep: string, { name }: Pick<Member, "name">): string =>
  join(sweep, "runs", ...name.split("/"))

/** The words after `mdl` that train a member by hand. */
export function trainCommand(
  { data, prompt, budget }: Plan,
  { variant, seed }: Member,
  run: string,
): readonly string[] {
  const { epochs, steps, size, precision, evalEvery, earlyStop } = budget
  const options = {
    data,
    prompt,
    run,
    epochs,
    steps,
    batch: variant.batch,
    size,
    seed,
    precision: precision === "f32" ? null : precision,
    "eval-every": evalEvery,
  }
  return [
    "train",
    variant.reference,
    ...Object.entries(options).flatMap(([name, value]) => (value === null ? [] : [`--${name}`, String(value)])),
    ...(earlyStop ? [] : ["--no-early-stop"]),
  ]
}

const PLAN = "plan.json"
const CASES = "cases.json"

/** Writes a plan into the folder of its sweep. */
export async function writePlan(sweep: string, plan: Plan, cases: CaseHashes): Promise<void> {
  await mkdir(sweep, { recursive: true })
  await writeAtomically(join(sweep, CASES), `${JSON.stringify(cases)}\n`)
  await writeAtomically(join(sweep, PLAN), `${JSON.stringify(plan, undefined, 2)}\n`)
}

/** The plan in a folder; undefined when there is none. @throws UserError for one that cannot be used */
export async function readPlan(sweep: string): Promise<Plan | undefined> {
  const plan = (await readJson(join(sweep, PLAN))) as Partial<Plan> | undefined
  if (plan === undefined) return undefined
  if (plan.format === PLAN_FORMAT) return plan as Plan
  throw new UserError(
    `${join(sweep, PLAN)} was written by another version of this tool (format ${plan.format ?? "none"}, this one has ${PLAN_FORMAT}): name a new folder with --run`,
  )
}

/**
 * Refuses a data set that is not the one of the plan any more. Every member asks for itself, because it may be trained on
 * another machine, long after the plan was made.
 *
 * @throws UserError that names the cases
 */
export async function requirePlannedData(sweep: string, { data, prompt }: Plan): Promise<void> {
  const dataset = await openDataset(data, { prompt: prompt ?? undefined })
  await requireUnchanged(dataset, data, await readCases(sweep))
}

async function readCases(sweep: string): Promise<CaseHashes> {
  const known = (await readJson(join(sweep, CASES))) as CaseHashes | undefined
  if (known === undefined) throw new UserError(`${sweep} has no ${CASES}: name a new folder with --run`)
  return known
}

async function readJson(path: string): Promise<unknown> {
  const text = await readOptional(path)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown
    throw new UserError(`${path} is damaged: it is not valid JSON; name a new folder with --run`, { cause: thrown })
  }
}

/**
 * Refuses to go on with a sweep as a different one. More variants, fewer, and more seeds are the same sweep; another data
 * set, budget or text is not, because its members could not be compared.
 *
 * @throws UserError that names what differs
 */
export async function requireSameSweep(sweep: string, before: Plan, now: Plan, cases: CaseHashes): Promise<void> {
  requireSameCases(now.data, await readCases(sweep), cases)
  const options = { ...before.budget, split: before.split }
  for (const [name, value] of Object.entries({ ...now.budget, split: now.split })) {
    const old = options[name as keyof typeof options]
    if (old === value) continue
    throw new UserError(
      `the sweep in ${sweep} has ${name} ${old ?? "not set"}, and ${value ?? "nothing"} is asked for: members are compared at ` +
        "equal budgets, so give the same, or begin in a new --run folder",
    )
  }
  for (const variant of now.variants) {
    const old = before.variants.find(({ label }) => label === variant.label)
    if (old === undefined || old.identity === variant.identity) continue
    throw new UserError(
      `${variant.label} is not the model that the sweep in ${sweep} began with: its text or the tool has changed ` +
        `(SHA-256 ${variant.identity.slice(0, 12)}, it was ${old.identity.slice(0, 12)})\n` +
        `  undo the change, or begin in a new --run folder`,
    )
  }
}
