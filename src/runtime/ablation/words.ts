/**
 * A conclusion in words: the rows and sentences that the Markdown file, the page and the terminal share.
 *
 * Takes a result; gives texts.
 */
import { amount } from "../reports/numbers.js"
import { listed } from "../data/sample.js"
import type { AblationResult, Comparison, OverSeeds, VariantResult } from "./result.js"

/** `0.9431 ± 0.0021` */
export function overSeedsText(value: OverSeeds | null): string {
  if (value === null) return "-"
  return value.std === null ? value.mean.toFixed(4) : `${value.mean.toFixed(4)} ± ${value.std.toFixed(4)}`
}

/** `-0.0123 [-0.0201, -0.0045]` */
export function differenceText({ difference: { mean, low, high } }: Pick<Comparison, "difference">): string {
  return `${signed(mean)} [${signed(low)}, ${signed(high)}]`
}

export const signed = (value: number): string => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(4)}`

export const pText = (p: number): string => (p < 0.001 ? "< 0.001" : p.toFixed(3))

export const TABLE_HEAD = [
  "variant",
  "parameters",
  "MACs",
  "Dice",
  "mIoU",
  "Dice, other notes",
  "difference to the base",
  "p (Holm)",
  "",
] as const

/** Columns of the table that hold numbers. */
export const NUMERIC = [1, 2, 3, 4, 5, 6, 7] as const

/** The rows of the table of variants, in the order of the plan. */
export function tableRows({ variants, comparisons, base }: AblationResult): readonly (readonly string[])[] {
  return variants.map((variant) => {
    const { label, parameters, macs, dice, iou, notes, sameAs } = variant
    const found = comparisons.find((comparison) => comparison.label === label)
    return [
      label,
      amount(parameters.trainable),
      amount(macs),
      overSeedsText(dice),
      overSeedsText(iou),
      notes ? notes.dice.toFixed(4) : "-",
      found ? differenceText(found) : "-",
      found ? pText(found.adjusted) : "-",
      label === base ? "base" : sameAs !== null ? `the same as ${sameAs}` : (found?.verdict ?? "not done"),
    ]
  })
}

/** What the sweep says about each variant, the one that costs the most first. */
export function findings(result: AblationResult): readonly string[] {
  return result.comparisons.map((comparison) => {
    const variant = result.variants.find(({ label }) => label === comparison.label)
    const what =
      variant && variant.changes.length > 0 ? `${comparison.label} (${variant.changes.join("; ")})` : comparison.label
    return `${what}: Dice ${differenceText(comparison)}, ${verdictText(comparison, variant)}`
  })
}

function verdictText({ verdict, adjusted, difference }: Comparison, variant: VariantResult | undefined): string {
  const p = `p ${adjusted < 0.001 ? "< 0.001" : `= ${adjusted.toFixed(3)}`} after the correction`
  if (verdict === "not shown") return `no difference shown (${p})`
  const worse = difference.mean < 0
  if (variant?.kind !== "ablation") return `${worse ? "worse" : "better"} than the base (${p})`
  return worse ? `what it changes matters (${p})` : `better without what it changes (${p})`
}

/** What every member was given: `8 epochs, batch 16, seeds 1, 2, 3`. */
export function budgetText({ budget, seeds, split, dataset }: AblationResult): string {
  const { epochs, steps, batch, size, precision, evalEvery, earlyStop } = budget
  return [
    steps === null ? `${epochs} epochs` : `${steps} steps, at most ${epochs} epochs`,
    `batch ${batch}`,
    ...(size === null ? [] : [`${size}x${size} pixels`]),
    precision,
    ...(evalEvery === null ? [] : [`validated every ${evalEvery} steps`]),
    earlyStop ? "stopped as each model says" : "to the end",
    `${seeds.length === 1 ? "seed" : "seeds"} ${seeds.join(", ")}`,
    `scored on ${dataset.splits[split as keyof typeof dataset.splits]} ${split} cases`,
  ].join(", ")
}

/** What a reader must know about the table, or nothing. */
export function remarks(result: AblationResult): readonly string[] {
  const { variants, budget, missing, convention, comparisons } = result
  const own = variants.filter(({ batch }) => batch !== budget.batch)
  return [
    ...(convention === null ? [] : [`Dice and mIoU per case, convention "${convention}"; ± between seeds`]),
    ...own.map(({ label, batch }) => `${label} sets a batch of its own: ${batch}`),
    ...(comparisons.some(({ seeds }) => seeds.length === 1)
      ? ["With one seed, intervals are over cases alone and do not say what another seed would give"]
      : []),
    ...(missing.length === 0
      ? []
      : [
          `not complete, without ${listed(
            missing.map(({ member }) => member),
            6,
          )}`,
        ]),
  ]
}
