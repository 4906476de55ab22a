/**
 * What can be written at a place.
 *
 * Takes a module of a graph (its text may be broken), an offset, and the files that could be imported; gives candidates.
 * The place is told from the words before it (`cursor.ts`), the names from what the text declares so far.
 */

import { type ModelItem, SECTION_ROLES, type Span } from "../../../grammar/ast.js"
import { modelOf } from "../resolve/check-names.js"
import { BUILTIN_NAMES } from "../elaborate/builtins.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import { PLAIN_TYPES } from "../elaborate/tensor-types.js"
import { TRAINING_NAMES } from "../elaborate/training-names.js"
import { SETTING_DOCS } from "../elaborate/training-settings.js"
import type { Declaration } from "../resolve/declarations.js"
import { describeDeclaration } from "../resolve/describe.js"
import type { Definition, Module, ModuleGraph } from "../resolve/modules.js"
import { CALLABLE_OPS, callableNamed, operationNamed } from "./callables.js"
import { type Cursor, cursorAt, type Opened } from "./cursor.js"
import { isDeclaration, occurrencesOf } from "./occurrences.js"

/** What a candidate is, for the picture beside it. */
export type CompletionKind =
  "argument" | "block" | "function" | "operation" | "variable" | "section" | "setting" | "keyword" | "type" | "file"

export interface Completion {
  readonly label: string
  readonly kind: CompletionKind
  readonly detail: string | undefined
  readonly doc: string | undefined
  /** what is written; the label when absent */
  readonly insert?: string
}

export interface CompletionList {
  /** the text that a candidate takes the place of */
  readonly replace: { readonly start: number; readonly end: number }
  /** nearest first */
  readonly items: readonly Completion[]
}

export interface CompletionOptions {
  /** what may stand behind `from`: `std/unet`, `./blocks` */
  readonly imports: readonly string[]
  /** what the file that `from` means defines */
  definitionsOf(from: string): readonly Definition[]
  readonly model?: Pick<ElaboratedModel, "lets" | "taken" | "graph"> | undefined
}

const keywords = (words: readonly string[]): Completion[] =>
  words.map((label) => ({ label, kind: "keyword", detail: undefined, doc: undefined }))

const TOP = keywords(["import", "block", "fn", "model", "ablation"])
const BODY = keywords(["let", "param", "state", "const", "check", "return", "weights"])
const SECTION_BODY = keywords(["let", "param", "state", "const", "output", "loss", "check", "weights"])
const MODEL_BODY = [...keywords(["input", "optional", "target", "frozen", ...SECTION_ROLES, "train"]), ...SECTION_BODY]
const CHANGES = keywords(["without", "freeze", "unfreeze", "set", "vary"])
const EXPRESSION = keywords(["if", "fold", "not", "true", "false", "none"])
const DATA_TYPES = ["f32", "i32", "bool", "tokens"]

/** Candidates at `offset` of `module`. */
export function completionsAt(
  graph: ModuleGraph,
  module: Module,
  offset: number,
  options: CompletionOptions,
): CompletionList {
  const cursor = cursorAt(module.text, offset)
  const list = (items: readonly Completion[], start = cursor.wordStart, end = cursor.wordEnd): CompletionList => ({
    replace: { start, end },
    items: distinct(items),
  })
  if (cursor.where === "comment") return list([])
  if (cursor.where === "string") {
    if (cursor.previous !== "from") return list([])
    const items = options.imports.map((label): Completion => ({
      label,
      kind: "file",
      detail: undefined,
      doc: undefined,
    }))
    const closed = module.text[cursor.wordEnd - 1] === '"' && cursor.wordEnd > cursor.wordStart + 1
    return list(items, cursor.wordStart + 1, closed ? cursor.wordEnd - 1 : cursor.wordEnd)
  }
  return list(candidates(graph, module, cursor, options))
}

function candidates(
  graph: ModuleGraph,
  module: Module,
  cursor: Cursor,
  options: CompletionOptions,
): readonly Completion[] {
  const { around, line, previous } = cursor
  const inner = around.at(-1)
  const isLineStart = line.length === 0
  if (inner?.bracket === "{" && inner.before === "import") return exported(module, cursor, options)
  if (previous === ".") return afterDot(module, cursor)
  if (!inner) return outside(module, cursor)
  const body = bodyOf(around)
  if (inner.bracket === "{" && body === "ablation") return inAblation(module, cursor, inner)
  if (inner.bracket === "{" && body === "train" && isSettingStart(cursor)) return settings()
  if (inner.bracket === "{" && isLineStart && body !== "value") return statements(body)
  if (
    previous === ":" &&
    (inner.bracket === "(" || ["input", "target", "param", "state", "const"].some((w) => line.includes(w)))
  ) {
    return types()
  }
  const isTraining = around.some(({ heading, bracket }) => bracket === "{" && heading === "train") || isTrainLine(line)
  return [...argumentsOf(module, cursor, inner), ...names(graph, module, cursor, isTraining, options), ...EXPRESSION]
}

/** What kind of lines stand between the innermost braces. */
function bodyOf(around: readonly Opened[]): "model" | "section" | "body" | "train" | "ablation" | "value" {
  const inner = around.at(-1)
  switch (inner?.heading) {
    case "model":
    case "train":
    case "ablation":
      return inner.heading
    case "block":
    case "fn":
      return "body"
    case "weights":
      return "value"
    default:
      return inner?.bracket === "{" && opensSection(inner) ? "section" : "value"
  }
}

const opensSection = ({ heading, before }: Opened): boolean =>
  heading === "frozen" || ((SECTION_ROLES as readonly string[]).includes(heading) && /^\w+$/.test(before))

const isTrainLine = (line: readonly string[]): boolean => line[0] === "set" && line[1] === "train"

/** A setting begins where nothing waits for a value. */
const isSettingStart = ({ line }: Cursor): boolean => line.length === 0

function statements(body: ReturnType<typeof bodyOf>): readonly Completion[] {
  return body === "model" ? MODEL_BODY : body === "section" ? SECTION_BODY : BODY
}

function outside(module: Module, { line }: Cursor): readonly Completion[] {
  if (line[0] === "ablation" && line.at(-1) === "of") {
    return [...module.scope.values()]
      .filter(({ definition: { kind } }) => kind === "model" || kind === "ablation")
      .map(({ definition }) => defined(definition))
  }
  if (line[0] === "ablation") return keywords(["of"])
  if (line[0] === "import" && line.at(-1) === "}") return keywords(["from"])
  return line.length === 0 ? TOP : []
}

const settings = (): readonly Completion[] =>
  Object.entries(SETTING_DOCS).map(([label, doc]) => ({
    label,
    kind: "setting",
    detail: "training setting",
    doc,
    insert: `${label} = `,
  }))

const types = (): readonly Completion[] => [
  ...DATA_TYPES.map((label): Completion => ({
    label,
    kind: "type",
    detail: "tensor",
    doc: undefined,
    insert: `${label}[`,
  })),
  ...Object.entries(PLAIN_TYPES).map(([label, doc]): Completion => ({
    label,
    kind: "type",
    detail: doc,
    doc: undefined,
  })),
]

function afterDot(module: Module, { offset, wordStart, line }: Cursor): readonly Completion[] {
  if (line[0] === "set" && line.length === 3) return settings()
  if (!/\bop\s*\.\s*$/.test(module.text.slice(Math.max(0, wordStart - 20), Math.min(wordStart, offset)))) return []
  return CALLABLE_OPS.map((op) => callable(op, "operation", operationNamed(op)))
}

/** What the file named behind the braces defines; the text behind the cursor is looked at, because `from` follows. */
function exported(module: Module, { offset }: Cursor, { definitionsOf }: CompletionOptions): readonly Completion[] {
  const [, from] = /^[^}"]*\}\s*from\s*"([^"\n]*)"/.exec(module.text.slice(offset)) ?? []
  return from === undefined ? [] : definitionsOf(from).map(defined)
}

function defined(definition: Definition): Completion {
  const { kind, name, doc } = definition
  return { label: name.text, kind: kind === "fn" ? "function" : "block", detail: kind, doc }
}

function inAblation(module: Module, { line }: Cursor, { start }: Opened): readonly Completion[] {
  const [word] = line
  if (word === undefined) return CHANGES
  const item = module.file.items.find(({ kind, span }) => kind === "ablation" && span.start < start && start < span.end)
  const model = item?.kind === "ablation" ? modelOf(item, module) : undefined
  if (word === "set" || word === "vary") {
    return line.length === 1 ? [...parametersOf(model), ...keywords(["train"])] : trainingNames()
  }
  const members = model?.members ?? []
  return members.flatMap((member): Completion[] => {
    if (member.kind === "section") {
      const name = member.name ?? member.role
      return [{ label: name.text, kind: "section", detail: member.role.text, doc: member.doc }]
    }
    const isOptional = word === "without" && member.kind === "input" && member.optional
    return isOptional ? [{ label: member.name.text, kind: "variable", detail: "optional input", doc: member.doc }] : []
  })
}

const parametersOf = (model: ModelItem | undefined): Completion[] =>
  (model?.parameters ?? []).map(({ name }) => ({
    label: name.text,
    kind: "argument",
    detail: `parameter of ${model!.name.text}`,
    doc: undefined,
    insert: `${name.text} = `,
  }))

/** The arguments that the call around still takes. */
function argumentsOf(module: Module, { previous }: Cursor, inner: Opened): readonly Completion[] {
  if (inner.bracket !== "(" || inner.callee === undefined || (previous !== "(" && previous !== ",")) return []
  const found = callableNamed(inner.callee, inner.isSecondCall, module) ?? operationNamed(inner.callee)
  return (found?.parameters ?? [])
    .filter(({ name }) => !inner.given.includes(name))
    .map(({ name, text, doc }) => ({ label: `${name} =`, kind: "argument", detail: text, doc, insert: `${name} = ` }))
}

const trainingNames = (): readonly Completion[] =>
  [...TRAINING_NAMES.keys()].map((name) => callable(name, "setting", callableNamed(name, false, NOWHERE)))

/** A module in which nothing is defined. */
const NOWHERE: Module = {
  path: "",
  text: "",
  file: { kind: "file", path: "", items: [], span: { file: "", start: 0, end: 0 } },
  isStandard: false,
  definitions: new Map(),
  scope: new Map(),
}

function callable(label: string, kind: CompletionKind, found: ReturnType<typeof callableNamed>): Completion {
  const detail = found && `${label}(${found.parameters.map(({ text }) => text).join(", ")})`
  return { label, kind, detail, doc: found?.doc }
}

/** The names that are known at the cursor: locals first, then what the file sees, then the language's own. */
function names(
  graph: ModuleGraph,
  module: Module,
  cursor: Cursor,
  isTraining: boolean,
  { model }: CompletionOptions,
): readonly Completion[] {
  const described = (declaration: Declaration, span: Span, kind: CompletionKind): Completion => {
    const { name, signature, doc, type } = describeDeclaration(declaration, span, module, graph, model)
    return { label: name, kind, detail: type ?? signature, doc }
  }
  const from = module.file.items.findLast(({ span }) => span.start <= cursor.offset)?.span.start ?? 0
  const locals = occurrencesOf(module, graph)
    .filter((found) => isDeclaration(found) && found.name.span.start >= from && found.name.span.end < cursor.wordStart)
    .filter(({ name, declaration: { kind } }) => kind !== "item" && kind !== "section" && isNear(kind, name.span))
    .map(({ name, declaration }) => described(declaration, name.span, "variable"))
  const seen = [...module.scope.values()]
    .filter(({ definition: { kind } }) => kind === "block" || kind === "fn")
    .map(({ definition, module: home }) =>
      described(
        { kind: "item", name: definition.name, definition, module: home },
        definition.name.span,
        definition.kind === "fn" ? "function" : "block",
      ),
    )
  const language = [...BUILTIN_NAMES.keys()].map((name) =>
    callable(name, "function", callableNamed(name, false, NOWHERE)),
  )
  const operations = CALLABLE_OPS.map((op) => callable(op, "operation", operationNamed(op)))
  return [...(isTraining ? trainingNames() : []), ...locals.reverse(), ...seen, ...language, ...operations]

  /** The variable of a loop is known in the loop only, which is rarely longer than a line. */
  function isNear(kind: Declaration["kind"], { end }: Span): boolean {
    return kind !== "variable" || !module.text.slice(end, cursor.offset).includes("\n")
  }
}

/** The first of each label: a block of the prelude stands for the operation below it. */
function distinct(items: readonly Completion[]): readonly Completion[] {
  const seen = new Set<string>()
  return items.filter(({ label }) => !seen.has(label) && seen.add(label))
}
