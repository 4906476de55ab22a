/**
 * Where a text stops being JSON.
 *
 * Takes: a text that JSON.parse refused. Gives: line and column of the first character that cannot be there.
 *
 * Why so: Node's own message names a position for some mistakes and not for others (which ones depends on its version),
 * and an annotation file of three megabytes cannot be corrected without one.
 */

/** Line and column, both from 1, of the first mistake; of the end of the text when it merely stops too early. */
export function jsonMistake(text: string): { line: number; column: number } {
  const before = text.slice(0, mistakeOffset(text)).split("\n")
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 }
}

const SPACE = /[ \t\n\r]*/y
// What JSON forbids inside strings are control characters.
// eslint-disable-next-line no-control-regex
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
// eslint-disable-next-line no-control-regex
const STRING_PART = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y

function mistakeOffset(text: string): number {
  let at = 0
  const eat = (pattern: RegExp) => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found) at += found[0].length
    return found !== null
  }
  /** Open brackets, innermost last; and what may come next. */
  const open: ("{" | "[")[] = []
  let wanted: "value" | "value or ]" | "key" | "key or }" | "after" = "value"
  for (;;) {
    eat(SPACE)
    const character = text[at]
    if (character === undefined) return at
    if (wanted === "after") {
      const inside = open.at(-1)
      if (character === "," && inside) wanted = inside === "{" ? "key" : "value"
      else if ((character === "}" && inside === "{") || (character === "]" && inside === "[")) open.pop()
      else return at
      at++
    } else if (wanted === "key" || wanted === "key or }") {
      if (character === "}" && wanted === "key or }") {
        open.pop()
        wanted = "after"
        at++
        continue
      }
      if (!eat(STRING)) return stringMistake(text, at)
      eat(SPACE)
      if (text[at] !== ":") return at
      at++
      wanted = "value"
    } else if (character === "{" || character === "[") {
      open.push(character)
      wanted = character === "{" ? "key or }" : "value or ]"
      at++
    } else if (character === "]" && wanted === "value or ]") {
      open.pop()
      wanted = "after"
      at++
    } else if (character === '"' ? eat(STRING) : eat(SCALAR)) wanted = "after"
    else return stringMistake(text, at)
  }
}

/** Inside a string that is not closed or holds a control character or a bad escape: that place; else `at`. */
function stringMistake(text: string, at: number): number {
  STRING_PART.lastIndex = at
  return at + (STRING_PART.exec(text)?.[0].length ?? 0)
}
