/**
 * From scored members to a conclusion: scores, differences to the base, which component matters.
 *
 * Takes a plan, the records of its members and what went wrong with the others; gives the result as data.
 *
 * Why so: two models are compared on the same cases after training with the same seeds, so differences are paired by seed and
 * case, and their interval resamples both. All comparisons of a sweep are one family for Holm's correction.
 */
import { spreadOf } from "../metrics/segmentation.js"
import { DRAWS, LEVEL } from "../statistics/bootstrap.js"
import { crossedBootstrap } from "../statistics/crossed-bootstrap.js"
import { holm } from "../statistics/holm.js"
import { UserError } from "../user-error.js"
import type { MemberCase, MemberRecord } from "./member-record.js"
import { type Member, membersOf, type Plan, type PlannedVariant } from "./plan.js"
import type { AblationResult, Comparison, MissingMember, OverSeeds, SeedResult, VariantResult } from "./result.js"

const METHOD =
  "Differences are paired by seed and case. Intervals are BCa bootstrap intervals " +
  `(${DRAWS.toLocaleString("en-US")} resamples) that draw seeds and cases with replacement, independently; p values belong to ` +
  "these intervals and are corrected by Holm's method over all comparisons of the sweep. The spread between few seeds is itself " +
  "uncertain."

type Records = ReadonlyMap<string, MemberRecord>

/** @param records by the members' names; @param failed messages of members that failed, by name */
export function conclude(
  plan: Plan,
  records: Records,
  failed: ReadonlyMap<string, { readonly message: string | undefined; readonly code: number | null }>,
): AblationResult {
  const members = membersOf(plan)
  const variants = plan.variants.map((variant) => variantResult(plan, variant, records))
  const missing = members
    .filter(({ name }) => !records.has(name))
    .map(({ name }): MissingMember => {
      const failure = failed.get(name)
      return { member: name, message: failure?.message ?? null, code: failure?.code ?? null }
    })
  const conventions = [...new Set([...records.values()].map(({ convention }) => convention))]
  if (conventions.length > 1)
    throw new UserError(
      `members were scored by different conventions (${conventions.join(", ")}): remove their evaluation.json`,
    )
  return {
    format: 1,
    model: plan.model,
    base: plan.variants[0]!.label,
    dataset: plan.dataset,
    budget: plan.budget,
    seeds: plan.seeds,
    split: plan.split,
    metric: "dice",
    convention: conventions[0] ?? null,
    method: METHOD,
    level: LEVEL,
    complete: missing.length === 0,
    missing,
    variants,
    comparisons: comparisonsOf(plan, records),
    warnings: members.flatMap(({ name }) => (records.get(name)?.warnings ?? []).map((text) => `${name}: ${text}`)),
    tool: plan.tool,
  }
}

/** The members of a variant, or of the one that stands for it. */
function membersOfVariant(plan: Plan, { label, sameAs }: PlannedVariant): readonly Member[] {
  return membersOf(plan).filter(({ variant }) => variant.label === (sameAs ?? label))
}

function variantResult(plan: Plan, variant: PlannedVariant, records: Records): VariantResult {
  const done = membersOfVariant(plan, variant).flatMap((member) => {
    const record = records.get(member.name)
    return record ? [{ member, record }] : []
  })
  const seeds = done.map(({ member, record }) => seedResult(member, record))
  const { label, kind, reference, changes, parameters, macs, batch, sameAs } = variant
  const withNotes = done.flatMap(({ record }) =>
    record.shuffledNotes ? [{ record, other: record.shuffledNotes }] : [],
  )
  return {
    label,
    kind,
    reference,
    changes,
    parameters,
    macs,
    batch,
    sameAs,
    seeds,
    dice: overSeeds(seeds.map(({ dice }) => dice)),
    iou: overSeeds(seeds.map(({ iou }) => iou)),
    seconds: overSeeds(seeds.map(({ stepSeconds }) => stepSeconds))?.mean ?? null,
    notes:
      withNotes.length === 0
        ? null
        : {
            dice: meanOf(withNotes.flatMap(({ other }) => other.cases.map(({ dice }) => dice))),
            drop: crossedBootstrap(withNotes.map(({ record, other }) => pairedDifferences(record.cases, other.cases))),
          },
  }
}

function seedResult({ name, seed }: Member, record: MemberRecord): SeedResult {
  const { cases, shuffledNotes, checkpoint, steps, ended, stepSeconds } = record
  return {
    seed,
    run: `runs/${name}`,
    dice: meanOf(cases.map(({ dice }) => dice)),
    iou: meanOf(cases.map(({ iou }) => iou)),
    diceShuffledNotes: shuffledNotes ? meanOf(shuffledNotes.cases.map(({ dice }) => dice)) : null,
    bestStep: checkpoint.step,
    steps,
    ended,
    stepSeconds,
  }
}

const meanOf = (values: readonly number[]): number => spreadOf(values).mean

function overSeeds(values: readonly number[]): OverSeeds | null {
  if (values.length === 0) return null
  const { mean, std } = spreadOf(values)
  return { mean, std: values.length > 1 ? std : null }
}

/** Every variant against the base, the one that costs the most first. */
function comparisonsOf(plan: Plan, records: Records): readonly Comparison[] {
  const [base, ...others] = plan.variants
  const ofBase = recordsBySeed(plan, base!, records)
  const found = others.flatMap((variant) => {
    if (variant.sameAs === base!.label) return []
    const own = recordsBySeed(plan, variant, records)
    const seeds = plan.seeds.filter((seed) => own.has(seed) && ofBase.has(seed))
    if (seeds.length === 0) return []
    const differences = seeds.map((seed) => pairedDifferences(own.get(seed)!.cases, ofBase.get(seed)!.cases))
    return [{ label: variant.label, seeds, cases: differences[0]!.length, difference: crossedBootstrap(differences) }]
  })
  const adjusted = holm(found.map(({ difference }) => difference.p))
  return found
    .map((comparison, index): Comparison => {
      const p = adjusted[index]!
      const { mean } = comparison.difference
      const verdict = p > 1 - LEVEL ? "not shown" : mean < 0 ? "worse" : "better"
      return { ...comparison, adjusted: p, verdict }
    })
    .sort((a, b) => a.difference.mean - b.difference.mean)
}

function recordsBySeed(plan: Plan, variant: PlannedVariant, records: Records): ReadonlyMap<number, MemberRecord> {
  return new Map(
    membersOfVariant(plan, variant).flatMap(({ seed, name }) => {
      const record = records.get(name)
      return record ? [[seed, record] as const] : []
    }),
  )
}

/** Dice of `cases` minus Dice of `others`, by id. @throws UserError when they are not the same cases */
function pairedDifferences(cases: readonly MemberCase[], others: readonly MemberCase[]): readonly number[] {
  const byId = new Map(others.map(({ id, dice }) => [id, dice]))
  if (byId.size !== cases.length || others.length !== cases.length)
    throw new UserError(
      "members were scored on different cases: remove their evaluation.json, and they are scored again",
    )
  return cases.map(({ id, dice }) => {
    const other = byId.get(id)
    if (other === undefined)
      throw new UserError(`the case ${id} was scored in one member and not in another: remove their evaluation.json`)
    return dice - other
  })
}
