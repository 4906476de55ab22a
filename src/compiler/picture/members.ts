/**
 * The boxes of a picture as a tree: inputs and statements of the model, and in each what it consists of.
 *
 * Takes a model and its text; gives the tree, in the order of the text. A statement that makes nothing and gives a tensor
 * another name (`let deep = v`) is there too: people look for the names that they wrote. One that holds no tensor, such as
 * a setting or a block to be called later, is not.
 */

import type { SectionMember, Span, Statement } from "../../../grammar/ast.js"
import { sectionName, type Variant } from "../elaborate/ablations.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import { formatType } from "../elaborate/values.js"
import type { GraphNode, ValueId } from "../ir/graph.js"
import { nameOf, type Part, partsOf, whatOf } from "./parts.js"
import { namesOf, type Places, statementsOf, wordsOf } from "./places.js"

/** What a box stands for. */
export type MemberKind = "input" | "target" | "let" | "output" | "loss" | "call" | "operation"

export interface Member {
  readonly kind: MemberKind
  readonly name: string
  readonly what: string
  /** name of the section; empty outside all */
  readonly section: string
  readonly span: Span
  readonly doc: string | undefined
  /** all that is in it, in the order of the graph */
  readonly nodes: readonly GraphNode[]
  readonly children: readonly Member[]
  /** names that the statements around it know it by */
  readonly names: readonly string[]
  /** the words of its text, among them the names that it reads */
  readonly words: ReadonlySet<string>
  /** names that what comes in may have inside: those of a block's inputs, else those that are known around it */
  readonly takes: readonly string[]
  /** tensors that it holds without making them: those of an input, what another name is given to */
  readonly holds: readonly ValueId[]
  /** its type where the text says one that the graph does not know: `tokens[N, T]` */
  readonly type: string | undefined
}

/** The members of the whole model. */
export function membersOf(model: ElaboratedModel, { model: text, module }: Variant, places: Places): readonly Member[] {
  const parts = [...partsOf(model.graph.nodes, places)]
  const known = [...model.inputs.map(({ name }) => name), ...statementsOf(text).flatMap(namesOf)]
  const inSections = new Set(model.sections.map(({ name }) => name))
  const members = text.members.flatMap((member): readonly Member[] => {
    if (member.kind === "train") return []
    if (member.kind === "input") return inputMember(member.name.text, member.span)
    if (member.kind !== "section") return statementMember(member, "")
    const section = sectionName(member)
    return inSections.has(section) ? member.body.flatMap((statement) => statementMember(statement, section)) : []
  })
  // What no statement of the model made: tensors in what an ablation sets.
  const others = parts.filter(({ kind }) => kind !== "operation").map((part) => partMember(part, "", known, places))
  return [...members, ...others]

  function inputMember(name: string, span: Span): readonly Member[] {
    const input = model.inputs.find((one) => one.name === name)
    if (!input) return []
    const isTokens = input.kind === "tokens"
    const names = isTokens ? [`${name}_ids`, `${name}_valid`] : [name]
    const holds = names.map((one) => model.graph.inputs.find((found) => found.name === one)!.value)
    const type = isTokens ? formatType(input.type).replace(/^[^[]*/, "tokens") : undefined
    const using = input.tokenizer === undefined ? "" : input.tokenizer.name
    const what = isTokens ? using : ""
    return [
      {
        ...{ kind: input.role, name, what, section: "", span, doc: input.doc, nodes: [], children: [], names: [name] },
        ...{ words: new Set(), takes: [], holds, type },
      },
    ]
  }

  function statementMember(statement: Statement, section: string): readonly Member[] {
    const at = parts.findIndex((part) => part.statement === statement)
    const holds = valuesNamed(statement, section)
    if (at >= 0) return parts.splice(at, 1).map((part) => ({ ...partMember(part, section, known, places), holds }))
    if (holds.length === 0) return []
    const names = namesOf(statement)
    const [kind, text] = [kindOf(statement), places.text(statement.span)]
    return [
      {
        ...{ kind, name: names.join(", "), what: "", section, span: statement.span, doc: docOf(statement), nodes: [] },
        ...{ children: [], names, words: wordsOf(text), takes: [], holds, type: undefined },
      },
    ]
  }

  /** The tensors that a statement gives a name to. */
  function valuesNamed(statement: Statement, section: string): readonly ValueId[] {
    const { span } = statement
    const inModel = span.file === module.path
    switch (statement.kind) {
      case "let":
        return model.lets
          .filter((one) => inModel && one.span.start === span.start && one.span.file === span.file)
          .map(({ value }) => value)
      case "output":
        return model.graph.outputs.filter(({ name }) => name === statement.name.text).map(({ value }) => value)
      case "loss": {
        const name = section === "" ? statement.name.text : `${section}.${statement.name.text}`
        return model.graph.losses.filter((loss) => loss.name === name).map(({ value }) => value)
      }
      default:
        return []
    }
  }
}

/** A part of a statement as a box. */
function partMember(part: Part, section: string, known: readonly string[], places: Places): Member {
  const { kind, statement, callee, span, nodes } = part
  const [name, what] = [nameOf(part), whatOf(part)]
  const inputs = callee?.kind === "block" ? callee.inputs : callee?.kind === "fn" ? callee.parameters : []
  const takes = callee ? inputs.map((input) => input.name.text) : known
  const inside = [...takes, ...namesIn(part.children)]
  return {
    kind: statement && namesOf(statement).length > 0 ? kindOf(statement) : kind === "operation" ? kind : "call",
    name,
    what: what === name ? "" : what,
    section,
    span,
    doc: (statement && docOf(statement)) ?? (callee?.kind === "model" ? undefined : callee?.doc),
    nodes,
    children: part.children.map((child) => partMember(child, section, inside, places)),
    names: statement ? namesOf(statement) : [],
    words: wordsOf(places.text(span)),
    takes,
    holds: [],
    type: undefined,
  }
}

const namesIn = (parts: readonly Part[]): readonly string[] =>
  parts.flatMap(({ statement }) => (statement ? namesOf(statement) : []))

const kindOf = ({ kind }: Statement): MemberKind => (kind === "output" || kind === "loss" ? kind : "let")

const docOf = (statement: Statement): string | undefined => ("doc" in statement ? statement.doc : undefined)

/** A section of the text by its name. */
export function sectionsOf({ model }: Variant): ReadonlyMap<string, SectionMember> {
  const sections = model.members.filter((member): member is SectionMember => member.kind === "section")
  return new Map(sections.map((section) => [sectionName(section), section]))
}
