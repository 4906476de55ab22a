// Colours for blocks of code, in a light and a dark theme at once.
//
// Takes: the root of the repository, for the grammar that VS Code uses too; texts and the name of their language.
// Gives: HTML. A language that is not known is a mistake of the page, not a block without colours.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createHighlighter } from "shiki"

const KNOWN = ["bash", "javascript", "json", "lua", "python", "toml", "typescript"]
/** What pages call them. */
const NAMES = { sh: "bash", ts: "typescript", ebnf: "text", "": "text" }

export async function openHighlighter(root) {
  const grammar = JSON.parse(readFileSync(join(root, "editors", "vscode", "syntaxes", "mdl.tmLanguage.json"), "utf8"))
  const themes = { light: "github-light", dark: "github-dark" }
  const highlighter = await createHighlighter({
    langs: [...KNOWN, { ...grammar, name: "mdl" }],
    themes: Object.values(themes),
  })
  return {
    /** A block; `language` is the first word behind its fence. */
    block(text, language) {
      const name = NAMES[language] ?? language
      if (name !== "text" && name !== "mdl" && !KNOWN.includes(name)) {
        throw new Error(`scripts/docs/site/highlight.mjs has no colours for ${language}`)
      }
      const html = highlighter.codeToHtml(text.replace(/\n$/, ""), { lang: name, themes, defaultColor: false })
      return html.replace("<pre ", `<pre data-language="${name}" `)
    },
  }
}
