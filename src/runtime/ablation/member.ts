/**
 * One member of a sweep: trains what is left to train, scores it, writes down what came of it.
 *
 * Takes a plan and the name of a member; gives its record. What engines run, each member in a process of its own. It can be
 * killed at any moment and run again: a run that was begun goes on exactly where it was, one that is trained is only scored.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { openRun } from "../runs/open-run.js"
import { RunFolder } from "../runs/run-folder.js"
import { evaluateOpenRun } from "../training/evaluate.js"
import type { TrainingObserver } from "../training/observer.js"
import { buildProgram } from "../training/prepare.js"
import { resumeTraining, train } from "../training/trainer.js"
import { UserError } from "../user-error.js"
import { memberCases, type MemberRecord, readMember, writeMember } from "./member-record.js"
import { type Member, memberFolder, membersOf, type Plan, requirePlannedData } from "./plan.js"
import { builtIdentity, identityOf } from "./variants.js"

/** Which case reads which other one's note is the same in all members. */
const SHUFFLE_SEED = 1

export interface MemberOptions {
  readonly sweep: string
  readonly plan: Plan
  /** `no_cvr/seed-1` */
  readonly name: string
  readonly workers?: number | undefined
  readonly observer?: TrainingObserver | undefined
  /** when it aborts, training stops with a checkpoint */
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs a member to its end.
 *
 * @returns its record; undefined when `signal` stopped it
 * @throws UserError for a member that the plan lacks, a model or data set that is not the plan's; whatever training throws
 */
export async function runMember(options: MemberOptions): Promise<MemberRecord | undefined> {
  const { sweep, plan, name } = options
  const member = membersOf(plan).find((one) => one.name === name)
  if (!member) {
    throw new UserError(
      `the plan in ${sweep} has no member ${name}: it has ${membersOf(plan)[0]?.name ?? "none"} and so on`,
    )
  }
  const run = memberFolder(sweep, member)
  const known = await finishedMember(run, plan, member)
  if (known) return known
  await requirePlannedData(sweep, plan)
  if (!(await isTrained(run))) {
    requireSameModel(plan, member)
    const ended = await trainMember(run, plan, member, options)
    if (ended === "interrupted") return undefined
  }
  await requireSameRun(run, plan, member)
  return scoreMember(run, plan, member, options)
}

/** The record of a member that is done; undefined when there is anything left to do. */
export async function finishedMember(run: string, plan: Plan, { variant }: Member): Promise<MemberRecord | undefined> {
  const record = await readMember(run)
  return record && record.identity === variant.identity && record.split === plan.split ? record : undefined
}

/** Whether training has ended; a run that was killed has written no scores yet. */
async function isTrained(run: string): Promise<boolean> {
  if (!existsSync(join(run, "run.json"))) return false
  const scores = await (await RunFolder.open(run)).readScores()
  return scores !== undefined && scores.ended !== "interrupted"
}

async function trainMember(run: string, plan: Plan, { variant, seed }: Member, options: MemberOptions) {
  const { workers, observer, signal } = options
  const running = { workers, observer, signal }
  if (existsSync(join(run, "run.json"))) {
    return (await resumeTraining({ run, data: plan.data, ...running })).ended
  }
  const { epochs, steps, size, precision, evalEvery, earlyStop } = plan.budget
  const result = await train({
    model: variant.reference,
    data: plan.data,
    prompt: plan.prompt ?? undefined,
    run,
    epochs,
    steps: steps ?? undefined,
    batch: variant.batch,
    size: size ?? undefined,
    seed,
    precision,
    evalEvery: evalEvery ?? undefined,
    earlyStop,
    ...running,
  })
  return result.ended
}

/** @throws UserError when the text has changed since the plan was made */
function requireSameModel({ budget }: Plan, { variant, name }: Member): void {
  const { reference, batch } = variant
  const built = buildProgram({ model: reference, batch, size: budget.size ?? undefined, precision: budget.precision })
  if (builtIdentity(built) === variant.identity) return
  throw new UserError(
    `${reference} has changed since the sweep began, so ${name} would be another model: undo the change`,
  )
}

/** @throws UserError when the run in the folder is not the one of the plan */
async function requireSameRun(run: string, plan: Plan, { variant, seed, name }: Member): Promise<void> {
  const { record } = await RunFolder.open(run)
  const { options, data, description } = record
  const { epochs, steps } = plan.budget
  const differing = (
    [
      ["seed", options.seed, seed],
      ["batch", options.batch, variant.batch],
      ["epochs", options.epochs, epochs],
      ["steps", options.steps ?? null, steps],
      ["data set", data.fingerprint, plan.dataset.fingerprint],
      ["model", identityOf(record.model.programHash, description), variant.identity],
    ] as const
  ).find(([, has, wanted]) => has !== wanted)
  if (!differing) return
  const [what, has, wanted] = differing
  throw new UserError(
    `${run} holds another run than ${name} of the plan: its ${what} is ${has}, and the plan says ${wanted}; move it away`,
  )
}

async function scoreMember(
  run: string,
  plan: Plan,
  { variant }: Member,
  { workers }: MemberOptions,
): Promise<MemberRecord> {
  const opened = await openRun(run)
  try {
    const scored = { data: plan.data, split: plan.split, workers }
    const own = await evaluateOpenRun(opened, scored)
    const shuffled = variant.readsNotes
      ? await evaluateOpenRun(opened, { ...scored, shuffleNotes: SHUFFLE_SEED })
      : undefined
    const log = await opened.folder.log.read()
    const scores = await opened.folder.readScores()
    const record: MemberRecord = {
      format: 1,
      identity: variant.identity,
      split: plan.split,
      convention: own.summary.convention,
      threshold: own.threshold,
      checkpoint: { step: own.checkpoint.step, sha256: own.checkpoint.sha256 },
      ended: scores?.ended ?? "epochs",
      steps: scores?.step ?? Math.max(0, ...log.map((entry) => entry.step)),
      stepSeconds: log.reduce(
        (sum, entry) => (entry.kind === "steps" ? sum + entry.steps * entry.seconds_per_step : sum),
        0,
      ),
      warnings: scores?.warnings ?? [],
      cases: memberCases(own),
      shuffledNotes: shuffled ? { seed: SHUFFLE_SEED, cases: memberCases(shuffled) } : null,
    }
    await writeMember(run, record)
    return record
  } finally {
    opened.close()
  }
}
