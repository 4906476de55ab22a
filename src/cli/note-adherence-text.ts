/**
 * Note adherence as a person reads it.
 *
 * Takes what `mdl eval --note-adherence` measured; gives a table of what the score loses by each change of the notes, and
 * the lines that say how to read it.
 */
import type { MeanInterval, NoteAdherence, NoteChange, NoteEffect } from "../runtime/training/note-adherence.js"
import { table } from "./output.js"

const SHOWN: Readonly<Record<NoteChange, string>> = {
  shuffled: "another case's",
  "opposite-side": "opposite side",
  empty: "empty",
}

/** The measured adherence, in lines. */
export function adherenceText(adherence: NoteAdherence): string {
  const { effects, level, permutations, emptyNoteTokens, convention, movedToOtherHalf } = adherence
  const percent = `${Math.round(level * 100)}%`
  const others = adherence.cases.filter(({ oppositeSide }) => oppositeSide === null).length
  return [
    `Note adherence: Dice ("${convention}") with the true note less Dice with the changed one, ${percent} bootstrap interval over cases`,
    table(
      ["note", "cases", "true", "changed", "difference", percent, "p", "same mask (IoU)"],
      effects.map(effectRow),
      [1, 2, 3, 4, 5, 6, 7],
    ),
    `another case's note: the mean of ${permutations.length} shufflings (seeds ${permutations.join(", ")})`,
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
  ].join("\n")
}

function effectRow({ change, cases, own, changed, dice, agreement }: NoteEffect): string[] {
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
