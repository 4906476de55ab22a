/**
 * What is known about one trained member: evaluation.json in its run folder. Types, and the file.
 *
 * Takes an evaluation; gives what a conclusion needs, so that concluding reads small files and loads nothing.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Split } from "../data/sample.js"
import { codeOf } from "../data/data-error.js"
import { writeAtomically } from "../runs/atomic-file.js"
import type { Ending } from "../runs/run-log.js"
import type { Evaluation } from "../training/evaluate.js"
import { UserError } from "../user-error.js"

export interface MemberCase {
  readonly id: string
  readonly dice: number
  readonly iou: number
}

export interface MemberRecord {
  readonly format: 1
  /** of the variant, see `PlannedVariant` */
  readonly identity: string
  readonly split: Split
  readonly convention: string
  readonly threshold: number
  readonly checkpoint: { readonly step: number; readonly sha256: string }
  readonly ended: Ending
  /** steps that were trained */
  readonly steps: number
  /** inside training steps, all of them */
  readonly stepSeconds: number
  readonly warnings: readonly string[]
  readonly cases: readonly MemberCase[]
  /** the same cases, each with another one's note; null for a model that reads none */
  readonly shuffledNotes: { readonly seed: number; readonly cases: readonly MemberCase[] } | null
}

const RECORD = "evaluation.json"

/** The scores of an evaluation, by case. */
export const memberCases = ({ cases }: Evaluation): readonly MemberCase[] =>
  cases.map(({ id, dice, iou }) => ({ id, dice, iou }))

export async function writeMember(run: string, record: MemberRecord): Promise<void> {
  await writeAtomically(join(run, RECORD), `${JSON.stringify(record)}\n`)
}

/** The record of a member; undefined as long as it has none. @throws UserError for a damaged one */
export async function readMember(run: string): Promise<MemberRecord | undefined> {
  const path = join(run, RECORD)
  try {
    return JSON.parse(await readFile(path, "utf8")) as MemberRecord
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT" || codeOf(thrown) === "ENOTDIR") return undefined
    if (!(thrown instanceof SyntaxError)) throw thrown
    throw new UserError(`${path} is damaged: it is not valid JSON; remove it, and the run is scored again`, {
      cause: thrown,
    })
  }
}
