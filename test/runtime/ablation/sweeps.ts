/**
 * Sweeps without training: an engine that writes scores made up from a member's name, and records of them.
 *
 * Takes scores by variant. Gives an engine and what it was asked to run, so that everything around training can be tested in
 * milliseconds.
 */
import { mkdirSync } from "node:fs"
import type { Engine, TaskEnd } from "../../../src/runtime/ablation/engine.js"
import { type MemberRecord, writeMember } from "../../../src/runtime/ablation/member-record.js"
import { memberFolder, membersOf, type Plan, readPlan } from "../../../src/runtime/ablation/plan.js"

/** Dice of a case, by the label of the variant. */
export type Score = (at: { readonly label: string; readonly seed: number; readonly index: number }) => number

const CASES = 20

/** A record with these scores; other notes cost half of the Dice. */
export function recordOf(plan: Plan, label: string, seed: number, score: Score, cases = CASES): MemberRecord {
  const variant = plan.variants.find((one) => one.label === label)!
  const scored = Array.from({ length: cases }, (_, index) => {
    const dice = score({ label, seed, index })
    return { id: `case-${index}`, dice, iou: dice / (2 - dice) }
  })
  return {
    format: 1,
    identity: variant.identity,
    split: plan.split,
    convention: "lvit",
    threshold: 0.5,
    checkpoint: { step: 5, sha256: "0".repeat(64) },
    ended: "epochs",
    steps: 6,
    stepSeconds: 2 * seed,
    warnings: [],
    cases: scored,
    shuffledNotes: variant.readsNotes
      ? { seed: 1, cases: scored.map((one) => ({ ...one, dice: one.dice / 2 })) }
      : null,
  }
}

/** An engine that scores instead of training; members in `failing` fail. */
export function scoringEngine(
  sweep: string,
  score: Score,
  failing: Readonly<Record<string, number | null>> = {},
): Engine & { readonly ran: string[] } {
  const ran: string[] = []
  return {
    name: "scoring",
    ran,
    async run(tasks, watch) {
      const plan = (await readPlan(sweep))!
      const ends: TaskEnd[] = []
      for (const { name } of tasks) {
        await watch.beforeTask?.()
        if (watch.signal?.aborted) break
        ran.push(name)
        watch.started?.(name)
        const member = membersOf(plan).find((one) => one.name === name)!
        if (name in failing) {
          const code = failing[name]!
          ends.push({ name, outcome: "failed", code, message: `error: ${name} broke` })
        } else {
          const run = memberFolder(sweep, member)
          mkdirSync(run, { recursive: true })
          await writeMember(run, recordOf(plan, member.variant.label, member.seed, score))
          ends.push({ name, outcome: "done", code: 0, message: undefined })
        }
        watch.ended?.(ends.at(-1)!)
      }
      return ends
    },
  }
}
