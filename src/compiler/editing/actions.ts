/**
 * Changes that an editor offers: what a diagnostic suggests, and an ablation made from a section.
 *
 * Takes diagnostics or a syntax tree; gives titles with edits. Suggestions are data of the diagnostic, so that nothing is
 * read out of words.
 */

import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { sectionName } from "../elaborate/ablations.js"
import type { Module } from "../resolve/modules.js"
import { sectionAt } from "./outline.js"
import type { Edit } from "./rename.js"

export interface Action {
  readonly title: string
  readonly kind: "quickfix" | "refactor"
  readonly edits: readonly Edit[]
}

/** What `diagnostic` suggests for the text of `module`. */
export function fixesFor(diagnostic: Diagnostic, module: Module): readonly Action[] {
  const { replacement, importFrom } = diagnostic
  if (replacement?.span.file === module.path) {
    const title = replacement.title ?? `Change to \`${replacement.text}\``
    return [{ title, kind: "quickfix", edits: [replacement] }]
  }
  if (importFrom === undefined) return []
  const { name, path } = importFrom
  const title = `Import \`${name}\` from "${path}"`
  return [{ title, kind: "quickfix", edits: [importEdit(name, path, module)] }]
}

/** Into the import that is there already, else as a line of its own behind the imports. */
function importEdit(name: string, path: string, { file, path: own, text }: Module): Edit {
  const imports = file.items.filter((item) => item.kind === "import")
  const last = imports.find(({ from }) => from.text === path)?.names.at(-1)
  if (last) {
    const at = (last.alias ?? last.name).span.end
    return { span: { file: own, start: at, end: at }, text: `, ${name}` }
  }
  const line = `import { ${name} } from "${path}"`
  const end = imports.at(-1)?.span.end
  if (end !== undefined) return { span: { file: own, start: end, end }, text: `\n${line}` }
  // The comment that heads a file stays its head.
  const [head] = /^(?:\/\/[^\n]*\n)+(?=\s*\n)/.exec(text) ?? [""]
  const start = head.length
  return { span: { file: own, start, end: start }, text: start === 0 ? `${line}\n\n` : `\n${line}\n` }
}

/** `ablation no_NAME of MODEL { without NAME }` for the section around `offset`. */
export function ablationFromSection({ file, path, text, scope }: Module, offset: number): Action | undefined {
  const found = sectionAt(file, offset)
  if (!found) return undefined
  const section = sectionName(found.section)
  let name = `no_${section}`
  for (let count = 2; scope.has(name); count++) name = `no_${section}_${count}`
  const body = `ablation ${name} of ${found.model} {\n  without ${section}\n}\n`
  const gap = text.endsWith("\n") ? "\n" : "\n\n"
  const end = { file: path, start: text.length, end: text.length }
  return {
    title: `Make an ablation without \`${section}\``,
    kind: "refactor",
    edits: [{ span: end, text: gap + body }],
  }
}
