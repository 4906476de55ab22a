/**
 * What a sweep concludes: ablation.json. Types only.
 *
 * Takes nothing. Scores are those of the cases of one split with the best checkpoint of each run; differences are a variant
 * minus the base, paired by seed and case.
 */
import type { RunData } from "../runs/run-folder.js"
import type { Ending } from "../runs/run-log.js"
import type { BootstrapInterval } from "../statistics/bootstrap.js"
import type { Budget } from "./plan.js"

export interface SeedResult {
  readonly seed: number
  /** folder of the run, below the sweep's */
  readonly run: string
  readonly dice: number
  readonly iou: number
  /** with another case's note; null for a model that reads none */
  readonly diceShuffledNotes: number | null
  /** the step of the checkpoint that was scored */
  readonly bestStep: number
  readonly steps: number
  readonly ended: Ending
  readonly stepSeconds: number
}

/** Over seeds: the mean of their scores, and the standard deviation between them (n - 1; null for one seed). */
export interface OverSeeds {
  readonly mean: number
  readonly std: number | null
}

export interface VariantResult {
  /** of the base its own name */
  readonly label: string
  readonly kind: "base" | "ablation" | "value" | "other"
  /** as `mdl train` takes it */
  readonly reference: string
  /** what it changes in the base, in the words of the text */
  readonly changes: readonly string[]
  readonly parameters: { readonly trainable: number; readonly frozen: number }
  /** multiply-accumulates of one image in use */
  readonly macs: number
  readonly batch: number
  /** the label of the variant that it is the same model as, and whose runs are its own; else null */
  readonly sameAs: string | null
  /** those that are done */
  readonly seeds: readonly SeedResult[]
  readonly dice: OverSeeds | null
  readonly iou: OverSeeds | null
  /** training time, mean over the seeds; of the machine that it ran on */
  readonly seconds: number | null
  /** what the own note is worth: Dice with it minus Dice with another case's; null for a model without notes */
  readonly notes: { readonly dice: number; readonly drop: BootstrapInterval } | null
}

export interface Comparison {
  readonly label: string
  /** seeds that both the variant and the base have */
  readonly seeds: readonly number[]
  readonly cases: number
  /** Dice of the variant minus Dice of the base */
  readonly difference: BootstrapInterval
  /** the p value after Holm's correction over all comparisons */
  readonly adjusted: number
  /** at the level of the interval, after the correction */
  readonly verdict: "worse" | "better" | "not shown"
}

export interface MissingMember {
  readonly member: string
  /** why it has no scores; null: it was not run yet */
  readonly message: string | null
  /** 1: the user's input is wrong; 2: the tool or the machine failed; null: not run, or killed */
  readonly code: number | null
}

/** What `mdl ablate --json` prints. */
export interface AblationResult {
  readonly format: 1
  readonly model: string
  readonly base: string
  readonly dataset: RunData & { readonly sha256: string }
  readonly budget: Budget
  readonly seeds: readonly number[]
  readonly split: string
  readonly metric: "dice"
  readonly convention: string | null
  /** how intervals and p values were made, in words */
  readonly method: string
  readonly level: number
  readonly complete: boolean
  readonly missing: readonly MissingMember[]
  readonly variants: readonly VariantResult[]
  /** the variant that costs the most Dice first: what was taken out there matters most */
  readonly comparisons: readonly Comparison[]
  /** what training warned about, by member */
  readonly warnings: readonly string[]
  readonly tool: string
}
