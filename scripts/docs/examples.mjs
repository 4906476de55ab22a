/**
 * The code blocks of a Markdown page, and what is claimed about them.
 *
 * Takes the text of a page; gives its MDL blocks with the words after ```mdl:
 * - nothing: a file, all of whose models and ablations compile without a word;
 * - `error MDL3001`, with `#name` after it for a selector: a file that gives exactly this code.
 * A block ```text parameters or ```text shapes (with `#name`) after an example lists the names of its parameters, or its
 * `let`s with their types.
 */

/** `{ line, text, error, selector, claims: [{ what, selector, lines }] }` for each block, in order. */
export function examplesOf(page) {
  const examples = []
  for (const match of page.matchAll(/^```(\w+)([^\n]*)\n([\s\S]*?)^```$/gm)) {
    const [, language, words, text] = match
    const line = page.slice(0, match.index).split("\n").length
    const given = words.trim()
    if (language === "mdl") {
      const [, error, selector] = /^(?:error (MDL\d+))?(?: ?#([\w+]+))?$/.exec(given) ?? []
      if (given !== "" && error === undefined) throw new Error(`line ${line}: \`\`\`mdl ${given} means nothing`)
      examples.push({ line, text, error, selector, claims: [] })
    } else if (language === "text" && given !== "") {
      const [, what, selector] = /^(parameters|shapes)(?:#([\w+]+))?$/.exec(given) ?? []
      if (what === undefined) throw new Error(`line ${line}: \`\`\`text ${given} means nothing`)
      if (examples.length === 0) throw new Error(`line ${line}: a claim about no example`)
      examples.at(-1).claims.push({ what, selector, lines: text.trimEnd().split("\n") })
    }
  }
  return examples
}
