/**
 * The picture of a model: boxes and arrows at the level of statements, with what is inside a box as a picture of its own.
 *
 * Takes an elaborated model and its texts; gives plain data: the view of the whole model, by sections, and one view for
 * the inside of each block. Blocks that are alike inside (the layers of a tower) share a view, so that a picture stays
 * small; a place in it is therefore a path of boxes, `language.t/layer/layer.3`. Beside the picture stands an index from
 * the names of the graph to such paths, which is how a difference is lit in it.
 */

import type { Span } from "../../../grammar/ast.js"
import { SourceLines } from "../diagnostics/source-lines.js"
import { statementOf } from "../diff/outline.js"
import type { Variant } from "../elaborate/ablations.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import { formatType } from "../elaborate/values.js"
import type { NodeId, Parameter, ValueId } from "../ir/graph.js"
import { sizeOf } from "../ops/ndarray.js"
import type { ModuleGraph } from "../resolve/modules.js"
import { costsOf, type PartCosts } from "./costs.js"
import { flowsOf, type Flow } from "./flow.js"
import { type Member, type MemberKind, membersOf, sectionsOf } from "./members.js"
import { Places } from "./places.js"

/** What a box stands for; `given` and `result` are the ends of the inside of a block. */
export type BoxKind = MemberKind | "given" | "result"

/** Lines of a text, from the first to the last; they count from 1. */
export interface SourcePlace {
  readonly file: string
  readonly line: number
  readonly lastLine: number
}

export interface Box extends PartCosts {
  /** among its siblings */
  readonly id: string
  readonly kind: BoxKind
  readonly name: string
  /** the block, function or operations it is made of, as the text calls them; empty where the name says it */
  readonly what: string
  /** of what it gives, with the names of dims */
  readonly types: readonly string[]
  /** name of the section; empty outside all */
  readonly section: string
  readonly frozen: boolean
  readonly source: SourcePlace | null
  readonly doc: string | null
  /** key of the view of what is inside; null where there is nothing more to show */
  readonly view: string | null
}

/** An arrow between two boxes of a view, by their ids. */
export interface Edge {
  readonly from: string
  readonly to: string
  /** of the tensors that go along it */
  readonly types: readonly string[]
}

export interface View {
  readonly boxes: readonly Box[]
  readonly edges: readonly Edge[]
}

/** A group of the boxes of the whole model. */
export interface PictureSection extends PartCosts {
  readonly name: string
  readonly role: string
  readonly frozen: boolean
  readonly source: SourcePlace | null
  readonly doc: string | null
}

export interface Picture extends Omit<PartCosts, "trainingOnly"> {
  readonly model: string
  readonly variant: string
  readonly doc: string | null
  readonly sizes: Readonly<Record<string, number>>
  /** in the order of the text */
  readonly sections: readonly PictureSection[]
  /** the whole model */
  readonly root: View
  readonly views: Readonly<Record<string, View>>
}

/** Where what the graph and its differences name stands in a picture: paths of boxes, from the outside in, joined by `/`. */
export interface PictureIndex {
  /** a section is a group of boxes: `section:NAME` */
  readonly sections: ReadonlyMap<string, ReadonlySet<string>>
  /** by the dotted name of a statement */
  readonly statements: ReadonlyMap<string, ReadonlySet<string>>
  readonly parameters: ReadonlyMap<string, ReadonlySet<string>>
  /** by name, with its section for a loss */
  readonly inputs: ReadonlyMap<string, ReadonlySet<string>>
  readonly outputs: ReadonlyMap<string, ReadonlySet<string>>
  readonly losses: ReadonlyMap<string, ReadonlySet<string>>
}

/** What a picture is drawn from beside the model; both are in a result of `compile`. */
export interface ModelText {
  readonly modules: ModuleGraph
  readonly variant: Variant
}

export interface Drawing {
  readonly picture: Picture
  readonly index: PictureIndex
}

/** Draws `model`. */
export function drawModel(model: ElaboratedModel, { modules, variant }: ModelText): Drawing {
  const { graph } = model
  const places = new Places(modules)
  const members = membersOf(model, variant, places)
  const flows = flowsOf(members, graph)
  const costs = costsOf(model)
  const lines = new Map<string, SourceLines>()
  const frozen = new Set(model.sections.filter((section) => section.frozen).map(({ name }) => name))
  const views = new Views()
  const ids = new Map<Member, string>()
  const readers = new Map<ValueId, NodeId[]>()
  for (const { id, inputs } of graph.nodes) {
    for (const input of inputs) readers.set(input, [...(readers.get(input) ?? []), id])
  }

  const typesOf = (values: Iterable<ValueId>): string[] =>
    [...values].map((value) => formatType(graph.values[value]!.type))
  const root = viewOf(undefined, members)
  return {
    picture: {
      model: model.name,
      variant: model.variant,
      doc: model.doc ?? null,
      sizes: Object.fromEntries(graph.sizes),
      ...declared(() => true),
      macs: costs(graph.nodes).macs,
      sections: sections(),
      root,
      views: views.all,
    },
    index: indexOf(),
  }

  /** The view of what is in a member, or of the whole model. */
  function viewOf(around: Member | undefined, children: readonly Member[]): View {
    const flow = flows.of(around)
    nameApart(children)
    const given = around ? givenBoxes(around, flow) : []
    const results = around ? [...flow.results] : []
    const end: Box[] =
      results.length === 0 ? [] : [endBox("result", RESULT, "result", typesOf(flow.results.keys()), around!)]
    const edges = [
      ...given.flatMap(({ box, values }) => edgesFrom(box.id, values, flow)),
      ...flow.edges.map(({ from, to, values }) => ({ from: ids.get(from)!, to: ids.get(to)!, types: typesOf(values) })),
      ...children.flatMap((child) => {
        const made = results.filter(([, maker]) => maker === child).map(([value]) => value)
        return made.length === 0 ? [] : [{ from: ids.get(child)!, to: RESULT, types: typesOf(made) }]
      }),
    ]
    return { boxes: [...given.map(({ box }) => box), ...children.map((child) => boxOf(child)), ...end], edges }
  }

  /** One box for each name that what comes in has inside; where that is not certain, for each type. */
  function givenBoxes(around: Member, { given }: Flow): { readonly box: Box; readonly values: Set<ValueId> }[] {
    const named = new Map<string, Set<ValueId>>()
    for (const [value, readers] of given) {
      const names = [...readers].map(({ words }) => around.takes.filter((name) => words.has(name)))
      const isCertain = names.every(({ length }) => length === 1)
      const key = isCertain ? [...new Set(names.flat())].join(", ") : `: ${typesOf([value])[0]!}`
      named.set(key, (named.get(key) ?? new Set()).add(value))
    }
    return [...named].map(([key, values], i) => {
      const isNamed = !key.startsWith(":")
      const types = [...new Set(typesOf(values))]
      return {
        box: endBox("given", isNamed ? `given ${key}` : `given ${i}`, isNamed ? key : "", types, around),
        values,
      }
    })
  }

  function edgesFrom(id: string, values: ReadonlySet<ValueId>, { given }: Flow): Edge[] {
    const byReader = new Map<Member, ValueId[]>()
    for (const value of values) {
      for (const reader of given.get(value) ?? []) byReader.set(reader, [...(byReader.get(reader) ?? []), value])
    }
    return [...byReader].map(([reader, read]) => ({ from: id, to: ids.get(reader)!, types: typesOf(read) }))
  }

  function endBox(kind: "given" | "result", id: string, name: string, types: readonly string[], around: Member): Box {
    return {
      ...{ id, kind, name, what: "", types: [...new Set(types)], section: around.section, frozen: false, source: null },
      ...{ doc: null, view: null, parameters: 0, frozenParameters: 0, macs: 0, trainingOnly: false },
    }
  }

  /** Siblings get ids: their names, numbered where two are the same. */
  function nameApart(children: readonly Member[]): void {
    const counts = new Map<string, number>()
    for (const child of children) {
      const name = child.section !== "" && members.includes(child) ? `${child.section}.${child.name}` : child.name
      const count = (counts.get(name) ?? 0) + 1
      counts.set(name, count)
      ids.set(child, count === 1 ? name : `${name}#${count}`)
    }
  }

  function boxOf(member: Member): Box {
    const { kind, name, what, section, children, type, nodes } = member
    const inner = children.length === 0 ? undefined : viewOf(member, children)
    return {
      id: ids.get(member)!,
      ...{ kind, name, what, section },
      types: type === undefined ? [...new Set(typesOf(given(member)))] : [type],
      frozen: frozen.has(section),
      source: sourceOf(member.span),
      doc: member.doc ?? null,
      view: inner ? views.keyOf(inner) : null,
      ...costs(nodes),
    }
  }

  /** What a member gives to others, in the order in which it is made. */
  function given({ nodes, holds }: Member): readonly ValueId[] {
    const inside = new Set(nodes.map(({ id }) => id))
    const read = nodes
      .flatMap(({ op, outputs }) => (op === "constant" ? [] : outputs))
      .filter((value) => readers.get(value)?.some((id) => !inside.has(id)))
    const named = holds.filter((value) => !read.includes(value))
    return read.length + named.length > 0 ? [...read, ...named] : (nodes.at(-1)?.outputs.slice(0, 1) ?? [])
  }

  function sourceOf(span: Span): SourcePlace {
    const { file, start, end } = span
    const known = lines.get(file) ?? new SourceLines(modules.modules.get(file)?.text ?? "")
    lines.set(file, known)
    return { file, line: known.position(start).line, lastLine: known.position(end).line }
  }

  /** Learned values by where they are declared, as in `mdl summary`: a tensor may be read in another section. */
  function declared(belongs: (parameter: Parameter) => boolean): Pick<PartCosts, "parameters" | "frozenParameters"> {
    const own = graph.parameters.filter((parameter) => parameter.role === "param" && belongs(parameter))
    const sum = (some: readonly Parameter[]): number => some.reduce((total, { shape }) => total + sizeOf(shape), 0)
    return { parameters: sum(own), frozenParameters: sum(own.filter((parameter) => parameter.frozen)) }
  }

  function sections(): readonly PictureSection[] {
    const written = sectionsOf(variant)
    return model.sections.map((section) => {
      const nodes = graph.nodes.filter(({ origin }) => origin.section === section.name)
      const { name, role, frozen: isFrozen, doc = null } = section
      const counts = declared((parameter) => parameter.section === name)
      return {
        name,
        role,
        frozen: isFrozen,
        source: sourceOf(written.get(name)!.span),
        doc,
        ...costs(nodes),
        ...counts,
      }
    })
  }

  function indexOf(): PictureIndex {
    const pathOf = (path: readonly Member[]): string => path.map((member) => ids.get(member)!).join("/")
    const paths = flows.paths.map(pathOf)
    const index = emptyIndex()
    for (const { name } of model.sections) {
      if (members.some(({ section }) => section === name)) add(index.sections, name, `section:${name}`)
    }
    for (const node of graph.nodes) if (paths[node.id] !== "") add(index.statements, statementOf(node), paths[node.id])
    for (const { name, value } of graph.parameters) {
      for (const id of readers.get(value) ?? []) if (paths[id] !== "") add(index.parameters, name, paths[id])
    }
    const holding = (kinds: readonly BoxKind[], value: ValueId, name: string): string | undefined => {
      const found = members.find((one) => kinds.includes(one.kind) && one.holds.includes(value) && isCalled(one, name))
      return found && ids.get(found)
    }
    const isCalled = ({ kind, names, section }: Member, name: string): boolean =>
      kind === "input" || kind === "target" || names.some((one) => name === one || name === `${section}.${one}`)
    for (const { name, value } of graph.inputs) add(index.inputs, name, holding(["input", "target"], value, name))
    for (const { name, value } of graph.outputs) add(index.outputs, name, holding(["output"], value, name))
    for (const { name, value } of graph.losses) add(index.losses, name, holding(["loss"], value, name))
    return index
  }
}

/** Ids with a space cannot be those of a statement. */
const RESULT = "the result"

type Paths = Map<string, Set<string>>

const emptyIndex = (): Record<keyof PictureIndex, Paths> => ({
  sections: new Map(),
  statements: new Map(),
  parameters: new Map(),
  inputs: new Map(),
  outputs: new Map(),
  losses: new Map(),
})

function add(paths: Paths, name: string, path: string | undefined): void {
  if (path !== undefined) paths.set(name, (paths.get(name) ?? new Set()).add(path))
}

/** Views by key; equal ones have the same. */
class Views {
  private readonly keys = new Map<string, string>()
  readonly all: Record<string, View> = {}

  keyOf(view: View): string {
    const text = JSON.stringify(view)
    const known = this.keys.get(text)
    if (known !== undefined) return known
    const key = `v${this.keys.size + 1}`
    this.keys.set(text, key)
    this.all[key] = view
    return key
  }
}
