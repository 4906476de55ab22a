/**
 * What an editor shows for the word under the pointer.
 *
 * Takes a name of a text and the models of that text, where they compile; gives Markdown: how it is declared, with the type
 * of the tensor it holds, what it costs, and its documentation.
 */

import type { ElaboratedModel } from "../elaborate/model.js"
import { describeDeclaration } from "../resolve/describe.js"
import type { Declaration } from "../resolve/declarations.js"
import type { Module, ModuleGraph } from "../resolve/modules.js"
import type { PartCost } from "../summary.js"
import { costText, letAt } from "./hints.js"
import type { Occurrence } from "./occurrences.js"

/** A model, and what its sections and statements cost. */
export interface Measured {
  readonly model: ElaboratedModel
  costs(section: string, part?: string): PartCost
}

/** The words for `found`, a name of `module`. */
export function hoverText(found: Occurrence, module: Module, graph: ModuleGraph, models: readonly Measured[]): string {
  const { declaration, name } = found
  const described = [undefined, ...models].map((measured) =>
    describeDeclaration(declaration, name.span, module, graph, measured?.model),
  )
  const { signature, doc } = described.findLast(({ type }) => type !== undefined) ?? described.at(-1)!
  const cost = models.map((measured) => costOf(declaration, measured)).find((known) => known !== undefined)
  const parts = [`\`\`\`mdl\n${signature}\n\`\`\``, ...(cost ? [costText(cost)] : []), ...(doc ? [doc] : [])]
  return parts.join("\n\n")
}

/** What stands behind the name, where it is a part of the model. */
function costOf(declaration: Declaration, { model, costs }: Measured): PartCost | undefined {
  switch (declaration.kind) {
    case "section": {
      const { span } = declaration.node
      const section = model.sections.find((known) => known.span.file === span.file && known.span.start === span.start)
      return section && costs(section.name)
    }
    case "statement": {
      const record = declaration.node.kind === "let" ? letAt(model, declaration.node.span) : undefined
      return record && costs(record.section, record.name)
    }
    case "item":
      if (declaration.definition.kind !== "model" || declaration.name.text !== model.name) return undefined
      return ["", ...model.sections.map((section) => section.name)]
        .map((section) => costs(section))
        .reduce((sum, cost) => ({ parameters: sum.parameters + cost.parameters, macs: sum.macs + cost.macs }))
    default:
      return undefined
  }
}
