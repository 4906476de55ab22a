/**
 * What an error code means: `mdl explain`.
 *
 * Takes a code; gives its entry of docs/errors.md, in parts. The page is the one source: it is generated from the compiler's
 * table of facts, with messages that the compiler really printed, and it is part of the package.
 */

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { didYouMean } from "../compiler/diagnostics/suggest.js"
import { PACKAGE_ROOT } from "./model-file.js"
import { UserError } from "./user-error.js"

export interface Explanation {
  readonly code: string
  readonly title: string
  /** name of the fact, such as `dims-differ` */
  readonly kind: string
  /** paragraphs, example texts and messages, in the order of the page; the last paragraph says what to do */
  readonly parts: readonly ExplanationPart[]
}

export interface ExplanationPart {
  /** `text`: Markdown; `mdl`: an example; `message`: what the compiler prints for it */
  readonly kind: "text" | "mdl" | "message"
  readonly text: string
}

/** The page of the installed package. */
export function errorsPage(): string {
  return readFileSync(join(PACKAGE_ROOT, "docs", "errors.md"), "utf8")
}

/**
 * The entry of one code.
 *
 * @param code as printed, `MDL3001`; letter case does not matter, and `3001` is enough
 * @param page the text of docs/errors.md
 * @throws UserError for a code that there is not, with the nearest one
 */
export function explainCode(code: string, page: string = errorsPage()): Explanation {
  const wanted = /^\d+$/.test(code) ? `MDL${code}` : code.toUpperCase()
  const entries = page.split(/^### (?=MDL\d{4}$)/m).slice(1)
  const codes = entries.map((entry) => entry.slice(0, entry.indexOf("\n")))
  const index = codes.indexOf(wanted)
  if (index < 0) {
    const near = didYouMean(wanted, codes)
    const instead = near === undefined ? "all of them are listed in docs/errors.md" : `did you mean ${near}?`
    throw new UserError(`there is no error ${code}: ${instead}`)
  }
  // The entry ends where the next group of the page begins.
  const body = entries[index]!.slice(wanted.length).split(/^## /m)[0]!.trim()
  const heading = /^(.*) \(`([a-z-]+)`\)\.(?:\n|$)/.exec(body)
  if (!heading) throw new Error(`docs/errors.md: ${wanted} has no line with its title`)
  return { code: wanted, title: heading[1]!, kind: heading[2]!, parts: partsOf(body.slice(heading[0].length)) }
}

function partsOf(body: string): readonly ExplanationPart[] {
  const parts: ExplanationPart[] = []
  for (const [, language, code, text] of body.matchAll(/^```(\w+)[^\n]*\n([\s\S]*?)\n```$|^(\S.*)$/gm)) {
    if (text !== undefined) parts.push({ kind: "text", text })
    else parts.push({ kind: language === "mdl" ? "mdl" : "message", text: code! })
  }
  return parts
}
