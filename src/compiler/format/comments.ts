/**
 * Which comment belongs to what.
 *
 * Takes the places of a file and its comments; gives the comments of each place. A comment beside or between lines and
 * parts of lists stays where it is; one in the midst of an expression has no line of its own to go to, and moves above
 * the line or part it is in. So no comment is ever lost, and a second formatting finds each where the first put it.
 */

import type { Comment } from "../../../grammar/lex.js"
import type { Place } from "./places.js"

export interface Attached {
  /** On lines of their own above it. One that was `moved` there had other neighbours: no blank line follows it. */
  readonly above: (Comment & { readonly moved?: true })[]
  /** After it: at the end of its line, or on lines of their own when nothing follows that they could stand above. */
  readonly after: Comment[]
  /** At the end of the line that opens its braces. */
  readonly open: Comment[]
  /** Within braces that hold nothing else. */
  readonly inside: Comment[]
}

export type Attachments = ReadonlyMap<object, Attached>

/** Attach each comment to a place. */
export function attach(text: string, root: Place, comments: readonly Comment[]): Attachments {
  const attached = new Map<object, Attached>()
  const of = (place: Place): Attached => {
    const known = attached.get(place.node)
    if (known !== undefined) return known
    const made: Attached = { above: [], after: [], open: [], inside: [] }
    attached.set(place.node, made)
    return made
  }

  for (const comment of comments) {
    const { start, end } = comment.span
    const path = enclosing(root, start)
    const around = path[path.length - 1] ?? root
    const before = lastBefore(around.children, start)
    const next = around.children[before === undefined ? 0 : around.children.indexOf(before) + 1]
    const gapBefore = before === undefined ? undefined : stripped(text, before.end, start)
    const gapAfter = next === undefined ? undefined : stripped(text, end, next.start)
    const reachesNext =
      next?.takesAbove === true && gapAfter !== undefined && /^(?:[\s(]*|[\s()]*\|>[\s(]*|\s*\.\.\.\s*)$/.test(gapAfter)
    const betweenSteps = reachesNext && gapAfter.includes("|>")
    const reachesBefore =
      before?.takesAfter === true &&
      gapBefore !== undefined &&
      (betweenSteps ? /^[\s)]*$/ : /^\s*,?\s*$/).test(gapBefore)
    const opens = around.hasBody && /\{\s*$/.test(stripped(text, before?.end ?? around.start, start))

    if (opens && next === undefined && !comment.ownLine) of(around).open.push(comment)
    else if (opens && !comment.ownLine && next !== undefined && reachesNext) of(around).open.push(comment)
    else if (!comment.ownLine && before !== undefined && reachesBefore) of(before).after.push(comment)
    else if (next !== undefined && reachesNext) of(next).above.push(comment.ownLine ? comment : plain(comment))
    else if (before !== undefined && reachesBefore) of(before).after.push(comment)
    else if (around.hasBody && /^\s*\}$/.test(stripped(text, end, around.end))) of(around).inside.push(comment)
    else if (around === root) of(around).inside.push(comment)
    else of(path.findLast(({ takesAbove }) => takesAbove) ?? root).above.push(plain(comment))
  }
  return attached
}

/** A doc comment where it documents nothing: moved above a line it must not begin to. */
function plain(comment: Comment): Comment & { readonly moved: true } {
  return { ...comment, moved: true, text: comment.text.replace(/^\/\/\/(?!\/)/, "//") }
}

/** The places a position is in, from the file to the innermost. */
function enclosing(root: Place, position: number): Place[] {
  const path = [root]
  for (let place: Place | undefined = root; place !== undefined;) {
    const inner = lastBefore(place.children, position, (child) => child.start)
    place = inner !== undefined && position < inner.end ? inner : undefined
    if (place !== undefined) path.push(place)
  }
  return path
}

/** The last of the places, which are in order, that ends (or begins) at or before a position. */
function lastBefore(
  places: readonly Place[],
  position: number,
  edge: (place: Place) => number = (place) => place.end,
): Place | undefined {
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >> 1
    const place = places[middle]
    if (place !== undefined && edge(place) <= position) low = middle + 1
    else high = middle
  }
  return places[low - 1]
}

/** A piece of the text without the comments in it. */
function stripped(text: string, start: number, end: number): string {
  return text.slice(start, end).replace(/\/\/[^\n]*/g, "")
}
