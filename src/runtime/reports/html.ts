/**
 * Text for HTML that cannot be taken for markup.
 *
 * Takes: a template whose parts are texts, numbers, or `Html` made here. Gives: `Html`.
 *
 * Why so: notes, file names and model texts are somebody else's, and a report is opened in a browser. Everything that is
 * not `Html` is escaped, so that forgetting it is not possible. Attribute values in templates must be in double quotes.
 */

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
}

/** Markup that is known to be safe. */
export class Html {
  constructor(readonly text: string) {}
}

/** What a template takes; `undefined` and `false` leave nothing. */
export type Part = Html | string | number | undefined | false | readonly Part[]

/** The text with every character that HTML reads as markup replaced. Characters that XML forbids become U+FFFD. */
export function escapeText(text: string): string {
  return (
    text
      .replace(/[&<>"']/g, (character) => ESCAPES[character] as string)
      // eslint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd")
  )
}

/** A template: markup`<p class="${name}">${text}</p>`. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let text = strings[0] as string
  parts.forEach((part, index) => (text += partText(part) + (strings[index + 1] as string)))
  return new Html(text)
}

function partText(part: Part): string {
  if (part === undefined || part === false) return ""
  if (part instanceof Html) return part.text
  if (typeof part === "string") return escapeText(part)
  if (typeof part === "number") return String(part)
  return part.map(partText).join("")
}
