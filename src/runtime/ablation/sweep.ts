/**
 * A sweep from its request to its conclusion.
 *
 * Takes what `mdl ablate` was asked for and an engine; gives the result, with everything in the sweep's folder. Planning
 * checks all that can be wrong before anything is trained; the engine fills run folders; the conclusion reads them. Run again
 * it does what is missing.
 */
import { join, resolve } from "node:path"
import { openDataset, samplesOf } from "../data/dataset.js"
import type { Split } from "../data/sample.js"
import { requireFreeFolder } from "../runs/run-folder.js"
import { lockRun } from "../runs/run-lock.js"
import { toolVersion } from "../runs/tool-version.js"
import { DEFAULTS, describeData, type NewRunOptions } from "../training/prepare.js"
import { UserError } from "../user-error.js"
import { hashCases } from "./case-hashes.js"
import { conclude } from "./conclude.js"
import type { Engine, EngineWatch, Task, TaskEnd } from "./engine.js"
import { finishedMember } from "./member.js"
import type { MemberRecord } from "./member-record.js"
import {
  type Member,
  memberFolder,
  membersOf,
  type Plan,
  PLAN_FORMAT,
  readPlan,
  requirePlannedData,
  requireSameSweep,
  writePlan,
} from "./plan.js"
import type { AblationResult } from "./result.js"
import { planVariants, type VariantRequest } from "./variants.js"
import { writeConclusion } from "./write-conclusion.js"

export interface SweepRequest
  extends VariantRequest, Pick<NewRunOptions, "data" | "prompt" | "epochs" | "steps" | "evalEvery" | "earlyStop"> {
  /** folder of the sweep */
  readonly run: string
  readonly seeds: readonly number[]
  /** what members are scored on; `test` by default */
  readonly split?: Split | undefined
  /** threads of each member that read images ahead */
  readonly workers?: number | undefined
}

export interface PreparedSweep {
  /** absolute */
  readonly sweep: string
  readonly plan: Plan
  /** members that are done already */
  readonly done: ReadonlyMap<string, MemberRecord>
  /** the others, as tasks for an engine */
  readonly tasks: readonly Task[]
  /** throws when somebody has changed the data set */
  requireUnchanged(): Promise<void>
}

export interface FinishedSweep {
  /** undefined when it was stopped before any member was done */
  readonly result: AblationResult | undefined
  readonly ends: readonly TaskEnd[]
}

/**
 * Plans a sweep, or finds the one that is there, and writes the plan.
 *
 * @throws ModelError, UserError, DataError for anything that is wrong with a variant, the data set, or the folder
 */
export async function prepareSweep(request: SweepRequest): Promise<PreparedSweep> {
  const sweep = resolve(request.run)
  const { split = "test", seeds, batch, size, precision = "f32" } = request
  const { variants, base } = planVariants(request)
  const dataset = await openDataset(request.data, { prompt: request.prompt })
  for (const name of ["train", "valid", split] as const) samplesOf(dataset, name)
  const cases = await hashCases(dataset)
  const plan: Plan = {
    format: PLAN_FORMAT,
    model: request.model,
    data: request.data,
    prompt: request.prompt ?? null,
    dataset: { ...describeData(dataset), sha256: cases.all },
    budget: {
      epochs: request.epochs ?? (base.model.training["epochs"] as number | undefined) ?? DEFAULTS.epochs,
      steps: request.steps ?? null,
      batch: batch ?? base.building.batch,
      size: size ?? null,
      precision,
      evalEvery: request.evalEvery ?? null,
      earlyStop: request.earlyStop ?? false,
    },
    seeds,
    split,
    variants,
    tool: toolVersion(),
  }
  const before = await readPlan(sweep)
  if (before) await requireSameSweep(sweep, before, plan, cases)
  else await requireFreeFolder(sweep)
  const done = await doneMembers(sweep, plan)
  const waiting = membersOf(plan).filter(({ name }) => !done.has(name))
  await writePlan(sweep, plan, cases)
  return {
    sweep,
    plan,
    done,
    tasks: waiting.map((member) => taskOf(request, sweep, plan, member)),
    requireUnchanged: () => requirePlannedData(sweep, plan),
  }
}

function taskOf({ run, workers }: SweepRequest, sweep: string, plan: Plan, member: Member): Task {
  const { name, variant } = member
  const folder = memberFolder(sweep, member)
  return {
    name,
    command: ["ablate", "--run", run, "--task", name, ...(workers === undefined ? [] : ["--workers", String(workers)])],
    log: join(sweep, "logs", `${name.replaceAll("/", ".")}.log`),
    memory: variant.memory,
    folder,
    finished: async () => (await finishedMember(folder, plan, member)) !== undefined,
  }
}

/**
 * Runs what is missing with an engine, and concludes.
 *
 * @throws what the engine throws, UserError when another process runs the same sweep
 */
export async function runSweep(
  { sweep, plan, tasks, requireUnchanged }: PreparedSweep,
  engine: Engine,
  watch: Omit<EngineWatch, "beforeTask"> = {},
): Promise<FinishedSweep> {
  const lock = await lockRun(sweep)
  try {
    const ends = await engine.run(tasks, { ...watch, beforeTask: requireUnchanged })
    const told = ends.some(({ outcome }) => outcome !== "stopped") || (await doneMembers(sweep, plan)).size > 0
    return { result: told ? await concludeSweep(sweep, plan, ends) : undefined, ends }
  } finally {
    await lock.release()
  }
}

/** The records of the members that are done, by name. */
async function doneMembers(sweep: string, plan: Plan): Promise<ReadonlyMap<string, MemberRecord>> {
  const records = new Map<string, MemberRecord>()
  for (const member of membersOf(plan)) {
    const record = await finishedMember(memberFolder(sweep, member), plan, member)
    if (record) records.set(member.name, record)
  }
  return records
}

/** Concludes from the run folders that are there, and writes the conclusion. */
export async function concludeSweep(sweep: string, plan: Plan, ends: readonly TaskEnd[] = []): Promise<AblationResult> {
  const records = await doneMembers(sweep, plan)
  if (records.size === 0 && ends.every(({ outcome }) => outcome !== "failed"))
    throw new UserError(`no member of the sweep in ${sweep} is done yet, so there is nothing to conclude`)
  const failed = ends.filter(({ outcome }) => outcome === "failed")
  const result = conclude(plan, records, new Map(failed.map((end) => [end.name, end])))
  await writeConclusion(sweep, result)
  return result
}
