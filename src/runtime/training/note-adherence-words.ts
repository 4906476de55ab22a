/**
 * Note adherence in words: what the table of the terminal and that of a report share.
 *
 * Takes what was measured; gives the cells of a row for each change of the notes, and the sentences that say how to read
 * them.
 */
import type { MeanInterval, NoteAdherence, NoteChange, NoteEffect } from "./note-adherence.js"

const SHOWN: Readonly<Record<NoteChange, string>> = {
  shuffled: "another case's",
  "opposite-side": "opposite side",
  empty: "empty",
}

/** The confidence of the intervals: `95%`. */
export const levelText = ({ level }: NoteAdherence): string => `${Math.round(level * 100)}%`

/** Heads of the columns of {@link effectRow}; all but the first hold numbers. */
export const effectHead = (adherence: NoteAdherence): string[] => [
  ...["note", "cases", "true", "changed", "difference", levelText(adherence), "p", "same mask (IoU)"],
]

/** What a change does, cell by cell. */
export function effectRow({ change, cases, own, changed, dice, agreement }: NoteEffect): string[] {
  const shown = (value: number | undefined): string => value?.toFixed(4) ?? "-"
  return [
    SHOWN[change],
    `${cases}`,
    shown(own?.dice),
    shown(changed?.dice),
    dice ? signed(dice.mean) : "-",
    dice ? intervalText(dice) : "-",
    pText(dice?.p ?? null),
    shown(agreement?.mean),
  ]
}

/** How the rows are to be read. */
export function adherenceRemarks(adherence: NoteAdherence): string[] {
  const { effects, permutations, emptyNoteTokens, movedToOtherHalf } = adherence
  const [shufflings, seeds] = permutations.length === 1 ? ["shuffling", "seed"] : ["shufflings", "seeds"]
  const others = adherence.cases.filter(({ oppositeSide }) => oppositeSide === null).length
  return [
    `another case's note: the mean of ${permutations.length} ${shufflings} (${seeds} ${permutations.join(", ")})`,
    `opposite side: left and right exchanged; ${others} of ${adherence.cases.length} notes name no side and are not in it`,
    ...(movedToOtherHalf
      ? [
          `opposite side: ${signed(movedToOtherHalf.mean)} ${intervalText(movedToOtherHalf)} of the predicted foreground moves to the ` +
            `other half of the image (${movedToOtherHalf.cases} cases)`,
        ]
      : []),
    ...(effects.every(({ outputChanged }) => outputChanged === 0)
      ? ["the model does not read the note: no value of its output changed in any of these readings"]
      : []),
    `empty note: the model reads ${emptyNoteTokens} ${emptyNoteTokens === 1 ? "token" : "tokens"}`,
  ]
}

function pText(p: number | null): string {
  if (p === null) return "-"
  return p < 0.001 ? "< 0.001" : p.toFixed(3)
}

function intervalText({ low, high }: MeanInterval): string {
  return low === null || high === null ? "-" : `[${signed(low)}, ${signed(high)}]`
}

function signed(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(4)}`
}
