/**
 * Names: every use refers to something, every definition is the only one of its name in its scope.
 *
 * Takes a module; gives diagnostics. The whole text is looked at, blocks that nobody uses and branches that are not
 * taken included, so that a misspelling does not wait for the day it runs. Values are not known here: only names.
 */

import type {
  AblationItem,
  Change,
  Expression,
  Identifier,
  Item,
  LetStatement,
  ModelItem,
  ModelMember,
  Parameter,
  Pattern,
  Span,
  Statement,
  TypeExpression,
  WeightEntry,
} from "../../../grammar/ast.js"
import { childExpressions } from "../../../grammar/walk.js"
import { BUILTIN_NAMES } from "../elaborate/builtins.js"
import { TRAINING_NAMES } from "../elaborate/training-names.js"
import { PLACEHOLDER } from "../elaborate/weight-sources.js"
import { isDataType, PLAIN_TYPES } from "../elaborate/tensor-types.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe, type Fact } from "../diagnostics/facts.js"
import { counterpartOf } from "../diagnostics/pytorch-words.js"
import { didYouMean } from "../diagnostics/suggest.js"
import { OP_NAMES, type OpName } from "../ops/names.js"
import { opDefinition } from "../ops/registry.js"
import type { Declaration, Owner } from "./declarations.js"
import type { Module, ModuleGraph } from "./modules.js"

/** Local names of one scope; module-level names lie outside and may be hidden by locals. */
class Locals {
  private readonly names = new Map<string, Declaration>()
  constructor(private readonly outer?: Locals) {}

  find(name: string): Declaration | undefined {
    return this.names.get(name) ?? this.outer?.find(name)
  }

  add(declaration: Declaration): void {
    this.names.set(declaration.name.text, declaration)
  }

  *all(): Generator<string> {
    yield* this.names.keys()
    if (this.outer) yield* this.outer.all()
  }
}

/**
 * Checks all names of `module`.
 *
 * @param observe is told of every name in the text, where it is declared and where it is used, with what it means; editors
 *   ask by it
 */
export function checkNames(
  module: Module,
  graph: ModuleGraph,
  observe: (name: Identifier, declaration: Declaration) => void = () => {},
): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = []
  /** names that are not known, by line */
  const told = new Set<string>()
  const report = (fact: Fact): void => void diagnostics.push(describe(fact))
  const global = new Set<string>([
    ...BUILTIN_NAMES.keys(),
    ...OP_NAMES.filter((op) => !opDefinition(op).internal),
    ...[...module.scope].filter(([, { definition: d }]) => d.kind === "block" || d.kind === "fn").map(([name]) => name),
  ])

  for (const item of module.file.items) checkItem(item)
  return diagnostics

  /** What a name at the top of the module means. */
  function topLevel(name: Identifier): Declaration | undefined {
    const { text } = name
    const found = module.scope.get(text)
    if (found) return { kind: "item", name: found.definition.name, definition: found.definition, module: found.module }
    const builtin = BUILTIN_NAMES.get(text)
    if (builtin) return { kind: "builtin", name, value: builtin }
    return isCallable(text) ? { kind: "operation", name, op: text } : undefined
  }

  function observeTop(name: Identifier): void {
    const declaration = topLevel(name)
    if (declaration) observe(name, declaration)
  }

  function checkItem(item: Item): void {
    if (item.kind !== "import") observeTop(item.name)
    switch (item.kind) {
      case "import":
        for (const { name, alias } of item.names) {
          const found = module.scope.get((alias ?? name).text)
          if (!found) continue
          const { definition } = found
          for (const part of alias ? [name, alias] : [name]) {
            observe(part, { kind: "item", name: definition.name, definition, module: found.module })
          }
        }
        return
      case "fn":
      case "block": {
        const locals = new Locals()
        declareParameters(item.parameters, item, locals)
        if (item.kind === "block") declareParameters(item.inputs, item, locals)
        if (item.result) checkType(item.result, locals, false)
        if (item.kind === "fn") refuseWeights(item.body)
        checkStatements(item.body, locals)
        return
      }
      case "model": {
        const locals = new Locals()
        declareParameters(item.parameters, item, locals)
        // Sections share one scope with the model, in the order they are written.
        for (const member of item.members) {
          checkMember(member, locals)
          if (member.kind !== "train") continue
          for (const { name, value } of member.settings) observeRates(name.text, value, item)
        }
        return
      }
      case "ablation":
        observeTop(item.base)
        for (const change of item.changes) {
          observeChange(item, change)
          if (change.kind !== "set" && change.kind !== "vary") continue
          const locals = new Locals()
          if (change.path[0]?.text === "train") {
            addTrainingNames(locals, change.span)
            if (change.kind === "set") observeRates(change.path[1]?.text, change.value, modelOf(item, module))
          }
          checkExpression(change.kind === "set" ? change.value : change.values, locals)
        }
    }
  }

  function checkMember(member: ModelMember, locals: Locals): void {
    switch (member.kind) {
      case "input":
        checkType(member.type, locals, true)
        if (member.using) checkExpression(member.using, locals)
        declare({ kind: "input", name: member.name, node: member }, locals)
        return
      case "section":
        observe(member.name ?? member.role, { kind: "section", name: member.name ?? member.role, node: member })
        checkStatements(member.body, locals)
        return
      case "train": {
        const inner = new Locals(locals)
        addTrainingNames(inner, member.span)
        for (const setting of member.settings) checkExpression(setting.value, inner)
        return
      }
      default:
        checkStatement(member, locals)
    }
  }

  function checkStatements(statements: readonly Statement[], locals: Locals): void {
    for (const statement of statements) checkStatement(statement, locals)
  }

  function checkStatement(statement: Statement, locals: Locals): void {
    switch (statement.kind) {
      case "let":
        checkExpression(statement.value, locals)
        declarePattern(statement.pattern, statement, locals)
        return
      case "param":
        checkType(statement.type, locals, false)
        if (statement.initial) checkExpression(statement.initial, locals)
        declare({ kind: "statement", name: statement.name, node: statement }, locals)
        return
      case "const":
        // The sizes of a constant may come from its file, so that its names of sizes are new ones.
        checkExpression(statement.value, locals)
        checkType(statement.type, locals, true)
        declare({ kind: "statement", name: statement.name, node: statement }, locals)
        return
      case "output":
      case "loss":
        checkExpression(statement.value, locals)
        declare({ kind: "statement", name: statement.name, node: statement }, locals)
        return
      case "return":
        checkExpression(statement.value, locals)
        return
      case "check":
        checkExpression(statement.condition, locals)
        checkExpression(statement.message, locals)
        return
      case "weights":
        for (const entry of statement.entries) checkWeight(entry, locals)
    }
  }

  /** Names for files belong to what has parameters: a block, a section, a model. */
  function refuseWeights(statements: readonly Statement[]): void {
    for (const { kind, span } of statements) {
      if (kind !== "weights") continue
      const place = { ...span, end: span.start + kind.length }
      report({ kind: "misplaced-statement", span: place, word: kind, allowed: "a block, a section or a model" })
    }
  }

  /** `layer[i].ln_1 = "layers.{i}.norm"`: the positions on the left are those of the names on the right. */
  function checkWeight({ path, value }: WeightEntry, locals: Locals): void {
    const [first] = path.parts
    const declared = first?.kind === "name" ? locals.find(first.name.text) : undefined
    if (declared && first?.kind === "name") observe(first.name, declared)
    const inner = new Locals(locals)
    const variables = new Map<string, Identifier>()
    for (const part of path.parts) {
      if (part.kind !== "variable" || variables.has(part.name.text)) continue
      variables.set(part.name.text, part.name)
      declare({ kind: "variable", name: part.name }, inner)
    }
    const used = new Set<string>()
    let isUnknown = false
    const visit = (expression: Expression): void => {
      if (expression.kind === "name") used.add(expression.name.text)
      const text = expression.kind === "string" ? expression.value : ""
      for (const [, name = ""] of text.matchAll(PLACEHOLDER)) {
        used.add(name)
        if (variables.has(name)) continue
        isUnknown = true
        report({ kind: "weights-unknown-number", span: expression.span, name, known: [...variables.keys()] })
      }
      childExpressions(expression).forEach(visit)
    }
    visit(value)
    for (const { text, span } of variables.values()) {
      // The unknown one may stand in its place.
      if (!used.has(text) && !isUnknown) report({ kind: "weights-number-unused", span, name: text })
    }
    checkExpression(value, inner)
  }

  function addTrainingNames(locals: Locals, span: Span): void {
    for (const [text, value] of TRAINING_NAMES) locals.add({ kind: "builtin", name: { text, span }, value })
  }

  function declare(declaration: Declaration, locals: Locals): void {
    const { text, span } = declaration.name
    const first = locals.find(text)
    if (first) report({ kind: "shadowed-name", span, name: text, first: first.name.span })
    locals.add(declaration)
    observe(declaration.name, declaration)
  }

  /** @param node the `let` that holds the pattern; absent for the variable of a loop */
  function declarePattern(pattern: Pattern, node: LetStatement | undefined, locals: Locals): void {
    const names = pattern.kind === "name-pattern" ? [pattern.name] : pattern.fields.map((field) => field.name)
    for (const name of names) declare(node ? { kind: "statement", name, node } : { kind: "variable", name }, locals)
  }

  function declareParameters(parameters: readonly Parameter[], owner: Owner, locals: Locals): void {
    for (const parameter of parameters) {
      if (parameter.default) checkExpression(parameter.default, locals)
      if (parameter.type) checkType(parameter.type, locals, true)
      declare({ kind: "parameter", name: parameter.name, node: parameter, owner }, locals)
    }
  }

  function addSize(name: Identifier, locals: Locals): void {
    const declaration: Declaration = { kind: "size", name }
    locals.add(declaration)
    observe(name, declaration)
  }

  /** @param binds a bare unknown name in the place of a dim is defined by it */
  function checkType(type: TypeExpression, locals: Locals, binds: boolean): void {
    if (type.kind === "plain-type") {
      if (!(type.name.text in PLAIN_TYPES)) unknown(type.name.text, type.name.span, Object.keys(PLAIN_TYPES))
      return
    }
    if (!isDataType(type.element.text) && type.element.text !== "tokens") {
      unknown(type.element.text, type.element.span, ["f32", "i32", "bool", "tokens"])
    }
    for (const dim of type.dims) {
      if (dim.kind === "rest-dims") {
        if (!dim.name) continue
        if (binds && !locals.find(dim.name.text)) addSize(dim.name, locals)
        else checkName(dim.name, locals)
        continue
      }
      if (dim.default) checkExpression(dim.default, locals)
      const name = dim.value.kind === "name" ? dim.value.name : undefined
      if (name && binds && !locals.find(name.text)) addSize(name, locals)
      else checkExpression(dim.value, locals)
    }
  }

  function checkName(name: Identifier, locals: Locals, members: readonly string[] = []): void {
    const local = locals.find(name.text)
    if (local) return observe(name, local)
    if (global.has(name.text)) return observeTop(name)
    unknown(name.text, name.span, [...locals.all(), ...global], members)
  }

  /** @param members what stands after the name: `.functional.relu` */
  function unknown(name: string, span: Span, candidates: readonly string[], members: readonly string[] = []): void {
    // One mistake in a line, even when the name is in it three times.
    const place = `${module.text.lastIndexOf("\n", span.start)} ${name}`
    if (told.has(place)) return
    told.add(place)
    // The exact name in a library file beats a similar one at hand.
    const importFrom = exporterOf(name)
    const known = new Set(candidates)
    const { suggestion, advice = trainingAdvice(name) } = counterpartOf([name, ...members], (one) => known.has(one))
    const isAnswered = importFrom !== undefined || advice !== undefined
    const similar = isAnswered ? undefined : (suggestion ?? didYouMean(name, candidates))
    report({ kind: "unknown-name", span, name, suggestion: similar, importFrom, advice })
  }

  function trainingAdvice(name: string): string | undefined {
    return TRAINING_NAMES.has(name) ? "it belongs in `train { ... }`, the settings of training" : undefined
  }

  /** A library file that was loaded for another reason and defines `name`. */
  function exporterOf(name: string): string | undefined {
    for (const other of graph.modules.values()) if (other.isStandard && other.definitions.has(name)) return other.path
    return undefined
  }

  function checkExpression(expression: Expression, locals: Locals): void {
    switch (expression.kind) {
      case "name":
        checkName(expression.name, locals)
        return
      case "comprehension": {
        checkExpression(expression.iterable, locals)
        const inner = new Locals(locals)
        declarePattern(expression.variable, undefined, inner)
        if (expression.condition) checkExpression(expression.condition, inner)
        checkExpression(expression.body, inner)
        return
      }
      case "record":
        for (const field of expression.fields) {
          if (field.value) checkExpression(field.value, locals)
          else if (field.kind === "field") checkName(field.name, locals)
        }
        return
      case "fold": {
        checkExpression(expression.start, locals)
        checkExpression(expression.iterable, locals)
        const inner = new Locals(locals)
        declare({ kind: "variable", name: expression.accumulator }, inner)
        declarePattern(expression.variable, undefined, inner)
        checkExpression(expression.body, inner)
        return
      }
      case "do":
        refuseWeights(expression.body)
        checkStatements(expression.body, new Locals(locals))
        return
      case "member":
        checkObject(expression, locals)
        observeOperation(expression, locals)
        return
      case "call":
        observeArguments(expression, locals)
        for (const child of childExpressions(expression)) checkExpression(child, locals)
        return
      default:
        for (const child of childExpressions(expression)) checkExpression(child, locals)
    }
  }

  /** The sections, inputs and parameters of the model that an ablation speaks of. */
  function observeChange(item: AblationItem, change: Change): void {
    const model = modelOf(item, module)
    const members = model?.members ?? []
    if (change.kind === "set" || change.kind === "vary") {
      const [name] = change.path
      const node = model?.parameters.find((parameter) => parameter.name.text === name?.text)
      if (model && name && node) observe(name, { kind: "parameter", name: node.name, node, owner: model })
      return
    }
    for (const name of change.sections) {
      const section = members.find((m) => m.kind === "section" && (m.name ?? m.role).text === name.text)
      const input = members.find((m) => m.kind === "input" && m.optional && m.name.text === name.text)
      if (section?.kind === "section") {
        observe(name, { kind: "section", name: section.name ?? section.role, node: section })
      } else if (input?.kind === "input") observe(name, { kind: "input", name: input.name, node: input })
    }
  }

  /** `learning_rates = { vision: 0.1 }` speaks of sections. */
  function observeRates(setting: string | undefined, value: Expression, model: ModelItem | undefined): void {
    if (setting !== "learning_rates" || value.kind !== "record") return
    for (const field of value.fields) {
      if (field.kind !== "field") continue
      const section = model?.members.find((m) => m.kind === "section" && (m.name ?? m.role).text === field.name.text)
      if (section?.kind !== "section") continue
      observe(field.name, { kind: "section", name: section.name ?? section.role, node: section })
    }
  }

  /** `nn.functional.relu`: what the members are can help to say what an unknown name in front of them was meant for. */
  function checkObject(expression: Extract<Expression, { kind: "member" }>, locals: Locals): void {
    const members = [expression.name.text]
    let { object } = expression
    for (; object.kind === "member"; object = object.object) members.unshift(object.name.text)
    if (object.kind === "name") checkName(object.name, locals, members)
    else checkExpression(object, locals)
  }

  /** `op.conv2d` */
  function observeOperation({ object, name }: Extract<Expression, { kind: "member" }>, locals: Locals): void {
    const isNamespace = object.kind === "name" && object.name.text === "op" && !locals.find("op")
    if (isNamespace && isCallable(name.text)) observe(name, { kind: "operation", name, op: name.text })
  }

  /** The names of arguments, where it is plain what is called: `f(a = 1)`, `Block(a = 1)(x = y)`. */
  function observeArguments(call: Extract<Expression, { kind: "call" }>, locals: Locals): void {
    const isApplied = call.callee.kind === "call"
    const callee = call.callee.kind === "call" ? call.callee.callee : call.callee
    if (callee.kind !== "name" || locals.find(callee.name.text)) return
    const definition = module.scope.get(callee.name.text)?.definition
    if (definition?.kind !== "block" && definition?.kind !== "fn") return
    const parameters = !isApplied ? definition.parameters : definition.kind === "block" ? definition.inputs : []
    for (const { name } of call.arguments) {
      const node = name && parameters.find((parameter) => parameter.name.text === name.text)
      if (node) observe(name, { kind: "parameter", name: node.name, node, owner: definition })
    }
  }
}

/** The model that an ablation comes to; undefined where its bases lead nowhere, or in a circle. */
export function modelOf(ablation: AblationItem, home: Module): ModelItem | undefined {
  const seen = new Set<AblationItem>()
  for (let item = ablation, module = home; !seen.has(item);) {
    seen.add(item)
    const base = module.scope.get(item.base.text)
    if (base?.definition.kind === "model") return base.definition
    if (base?.definition.kind !== "ablation") return undefined
    item = base.definition
    module = base.module
  }
  return undefined
}

function isCallable(name: string): name is OpName {
  return (OP_NAMES as readonly string[]).includes(name) && !opDefinition(name as OpName).internal
}
