/**
 * Which comment belongs to what.
 *
 * Takes the places of a file and its comments; gives the comments of each place. A comment beside or between lines and
 * parts of lists stays where it is; one in the midst of an expression has no line of its own to go to, and moves above
 * the line or part it is in. So no comment is ever lost, and a second formatting finds each where the first put it.
 */

import type { Comment } from "../../../grammar/lex.js"
import { lowerBound } from "../../../grammar/search.js"
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

  const bare = new BareText(text, comments)
  for (const comment of comments) {
    const { start, end } = comment.span
    const path = enclosing(root, start)
    const around = path[path.length - 1] ?? root
    const position = lastIndexBefore(around.children, start, (place) => place.end)
    const before = around.children[position]
    const next = around.children[position + 1]
    const gapBefore = before === undefined ? undefined : bare.between(before.end, start)
    const gapAfter = next === undefined ? undefined : bare.between(end, next.start)
    const reachesNext =
      next?.takesAbove === true && gapAfter !== undefined && /^(?:\(*|[()]*\|>\(*|\.\.\.)$/.test(gapAfter)
    const betweenSteps = reachesNext && gapAfter.includes("|>")
    const reachesBefore =
      before?.takesAfter === true && gapBefore !== undefined && (betweenSteps ? /^\)*$/ : /^,?$/).test(gapBefore)
    const opens = around.hasBody && bare.lastBetween(before?.end ?? around.start, start) === "{"

    if (opens && next === undefined && !comment.ownLine) of(around).open.push(comment)
    else if (opens && !comment.ownLine && next !== undefined && reachesNext) of(around).open.push(comment)
    else if (!comment.ownLine && before !== undefined && reachesBefore) of(before).after.push(comment)
    else if (next !== undefined && reachesNext) of(next).above.push(comment.ownLine ? comment : plain(comment))
    else if (before !== undefined && reachesBefore) of(before).after.push(comment)
    else if (around.hasBody && bare.between(end, around.end) === "}") of(around).inside.push(comment)
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

function lastIndexBefore(places: readonly Place[], position: number, edge: (place: Place) => number): number {
  const isBefore = (at: number): boolean => edge(places[at] as Place) <= position
  return lowerBound(places.length, isBefore) - 1
}

/** The last of the places, which are in order, that ends (or begins) at or before a position. */
function lastBefore(places: readonly Place[], position: number, edge: (place: Place) => number): Place | undefined {
  return places[lastIndexBefore(places, position, edge)]
}

/** No gap with so much in it is one that a comment reaches over. */
const LONGEST_GAP = 200

/**
 * The text without comments and blanks. It is made once, and pieces of it are short: a thousand comments in a row must not
 * each look through all that follow.
 */
class BareText {
  private readonly text: string
  /** where each character of it stands in the whole text */
  private readonly offsets: readonly number[]

  constructor(whole: string, comments: readonly Comment[]) {
    const offsets: number[] = []
    const add = (from: number, to: number): void => {
      for (let at = from; at < to; at++) if (!/\s/.test(whole[at] ?? " ")) offsets.push(at)
    }
    let at = 0
    for (const { span } of comments) {
      add(at, span.start)
      at = span.end
    }
    add(at, whole.length)
    this.offsets = offsets
    this.text = offsets.map((offset) => whole[offset]).join("")
  }

  /** What stands between two places; of a long piece, the beginning. */
  between(start: number, end: number): string {
    const from = this.index(start)
    return this.text.slice(from, Math.min(this.index(end), from + LONGEST_GAP))
  }

  /** The last character between two places. */
  lastBetween(start: number, end: number): string | undefined {
    const at = this.index(end) - 1
    return at >= this.index(start) ? this.text[at] : undefined
  }

  /** How many of its characters stand before a place. */
  private index(offset: number): number {
    return lowerBound(this.offsets.length, (at) => (this.offsets[at] ?? 0) < offset)
  }
}
