/**
 * Note adherence in the terminal.
 *
 * Takes what `mdl eval --note-adherence` measured; gives a table of what the score loses by each change of the notes, and
 * the lines that say how to read it.
 */
import type { NoteAdherence } from "../runtime/training/note-adherence.js"
import { adherenceRemarks, effectHead, effectRow, levelText } from "../runtime/training/note-adherence-words.js"
import { table } from "./output.js"

/** The measured adherence, in lines. */
export function adherenceText(adherence: NoteAdherence): string {
  const { effects, convention } = adherence
  return [
    `Note adherence: Dice ("${convention}") with the true note less Dice with the changed one, ${levelText(adherence)} bootstrap interval over cases`,
    table(effectHead(adherence), effects.map(effectRow), [1, 2, 3, 4, 5, 6, 7]),
    ...adherenceRemarks(adherence),
  ].join("\n")
}
