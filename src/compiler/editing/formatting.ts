/**
 * Formatting as edits: of a whole text, or of the definitions that a selection touches.
 *
 * Takes a module; gives what to write where. Formatting moves nothing from one definition to another, so the formatted text
 * has the same definitions in the same order, and some of them can be taken alone.
 */

import { parse } from "../../../grammar/parse.js"
import { format } from "../format/format.js"
import type { Module } from "../resolve/modules.js"
import type { Edit } from "./rename.js"

/** The edit that formats the text: none when it is formatted already. @throws NotFormattableError */
export async function formatted({ path, text }: Pick<Module, "path" | "text">): Promise<readonly Edit[]> {
  return difference(path, text, await format(text, path), 0)
}

/** The edits that format the definitions between two offsets. @throws NotFormattableError */
export async function formattedRange(
  { path, text }: Pick<Module, "path" | "text">,
  start: number,
  end: number,
): Promise<readonly Edit[]> {
  const whole = await format(text, path)
  const [before, after] = [parse(path, text).file.items, parse(path, whole).file.items]
  return before.flatMap(({ span }, i) => {
    const to = after[i]?.span
    if (!to || span.end < start || span.start > end) return []
    return difference(path, text.slice(span.start, span.end), whole.slice(to.start, to.end), span.start)
  })
}

/** One edit from where two texts part to where they meet again, so that a cursor elsewhere stays where it is. */
function difference(file: string, old: string, now: string, offset: number): readonly Edit[] {
  if (old === now) return []
  const shorter = Math.min(old.length, now.length)
  let start = 0
  while (start < shorter && old[start] === now[start]) start++
  let end = 0
  while (end < shorter - start && old[old.length - 1 - end] === now[now.length - 1 - end]) end++
  const span = { file, start: offset + start, end: offset + old.length - end }
  return [{ span, text: now.slice(start, now.length - end) }]
}
