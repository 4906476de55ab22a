/**
 * Names: every use refers to something, every definition is the only one of its name in its scope.
 *
 * Takes a module; gives diagnostics. The whole text is looked at, blocks that nobody uses and branches that are not
 * taken included, so that a misspelling does not wait for the day it runs. Values are not known here: only names.
 */

import type {
  Expression,
  Identifier,
  Item,
  ModelMember,
  Parameter,
  Pattern,
  Span,
  Statement,
  TypeExpression,
} from "../../../grammar/ast.js"
import { BUILTIN_NAMES, TRAINING_NAMES } from "../elaborate/builtins.js"
import { isDataType, PLAIN_TYPES } from "../elaborate/tensor-types.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe, type Fact } from "../diagnostics/facts.js"
import { didYouMean } from "../diagnostics/suggest.js"
import { OP_NAMES } from "../ops/names.js"
import { opDefinition } from "../ops/registry.js"
import type { Module, ModuleGraph } from "./modules.js"

/** Local names of one scope; module-level names lie outside and may be hidden by locals. */
class Locals {
  private readonly names = new Map<string, Span>()
  constructor(private readonly outer?: Locals) {}

  find(name: string): Span | undefined {
    return this.names.get(name) ?? this.outer?.find(name)
  }

  add(name: string, span: Span): void {
    this.names.set(name, span)
  }

  *all(): Generator<string> {
    yield* this.names.keys()
    if (this.outer) yield* this.outer.all()
  }
}

/** Checks all names of `module`. */
export function checkNames(module: Module, graph: ModuleGraph): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = []
  const report = (fact: Fact): void => void diagnostics.push(describe(fact))
  const global = new Set<string>([
    ...BUILTIN_NAMES.keys(),
    ...OP_NAMES.filter((op) => !opDefinition(op).internal),
    ...[...module.scope].filter(([, { definition: d }]) => d.kind === "block" || d.kind === "fn").map(([name]) => name),
  ])

  for (const item of module.file.items) checkItem(item)
  return diagnostics

  function checkItem(item: Item): void {
    switch (item.kind) {
      case "import":
        return
      case "fn":
      case "block": {
        const locals = new Locals()
        declareParameters(item.parameters, locals)
        if (item.kind === "block") declareParameters(item.inputs, locals)
        if (item.result) checkType(item.result, locals, false)
        checkStatements(item.body, locals)
        return
      }
      case "model": {
        const locals = new Locals()
        declareParameters(item.parameters, locals)
        // Sections share one scope with the model, in the order they are written.
        for (const member of item.members) checkMember(member, locals)
        return
      }
      case "ablation":
        for (const change of item.changes) {
          if (change.kind !== "set" && change.kind !== "vary") continue
          const locals = new Locals()
          if (change.path[0]?.text === "train") for (const name of TRAINING_NAMES.keys()) locals.add(name, change.span)
          checkExpression(change.kind === "set" ? change.value : change.values, locals)
        }
    }
  }

  function checkMember(member: ModelMember, locals: Locals): void {
    switch (member.kind) {
      case "input":
        checkType(member.type, locals, true)
        if (member.using) checkExpression(member.using, locals)
        declare(member.name, locals)
        return
      case "section":
        checkStatements(member.body, locals)
        return
      case "train": {
        const inner = new Locals(locals)
        for (const name of TRAINING_NAMES.keys()) inner.add(name, member.span)
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
        declarePattern(statement.pattern, locals)
        return
      case "param":
        checkType(statement.type, locals, false)
        if (statement.initial) checkExpression(statement.initial, locals)
        declare(statement.name, locals)
        return
      case "output":
      case "loss":
        checkExpression(statement.value, locals)
        declare(statement.name, locals)
        return
      case "return":
        checkExpression(statement.value, locals)
        return
      case "check":
        checkExpression(statement.condition, locals)
        checkExpression(statement.message, locals)
    }
  }

  function declare(name: Identifier, locals: Locals): void {
    const first = locals.find(name.text)
    if (first) report({ kind: "shadowed-name", span: name.span, name: name.text, first })
    locals.add(name.text, name.span)
  }

  function declarePattern(pattern: Pattern, locals: Locals): void {
    if (pattern.kind === "name-pattern") declare(pattern.name, locals)
    else for (const field of pattern.fields) declare(field.name, locals)
  }

  function declareParameters(parameters: readonly Parameter[], locals: Locals): void {
    for (const parameter of parameters) {
      if (parameter.default) checkExpression(parameter.default, locals)
      if (parameter.type) checkType(parameter.type, locals, true)
      declare(parameter.name, locals)
    }
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
        if (!dim.name || locals.find(dim.name.text)) continue
        if (binds) locals.add(dim.name.text, dim.name.span)
        else checkName(dim.name.text, dim.name.span, locals)
        continue
      }
      if (dim.default) checkExpression(dim.default, locals)
      const name = dim.value.kind === "name" ? dim.value.name : undefined
      if (name && binds && !locals.find(name.text)) locals.add(name.text, name.span)
      else checkExpression(dim.value, locals)
    }
  }

  function checkName(name: string, span: Span, locals: Locals): void {
    if (locals.find(name) || global.has(name)) return
    unknown(name, span, [...locals.all(), ...global])
  }

  function unknown(name: string, span: Span, candidates: readonly string[]): void {
    // The exact name in a library file beats a similar one at hand.
    const importFrom = exporterOf(name)
    const suggestion = importFrom ? undefined : didYouMean(name, candidates)
    report({ kind: "unknown-name", span, name, suggestion, importFrom })
  }

  /** A library file that was loaded for another reason and defines `name`. */
  function exporterOf(name: string): string | undefined {
    for (const other of graph.modules.values()) if (other.isStandard && other.definitions.has(name)) return other.path
    return undefined
  }

  function checkExpression(expression: Expression, locals: Locals): void {
    switch (expression.kind) {
      case "name":
        checkName(expression.name.text, expression.name.span, locals)
        return
      case "list":
        for (const item of expression.items) checkExpression(item.value, locals)
        return
      case "comprehension": {
        checkExpression(expression.iterable, locals)
        const inner = new Locals(locals)
        declarePattern(expression.variable, inner)
        if (expression.condition) checkExpression(expression.condition, inner)
        checkExpression(expression.body, inner)
        return
      }
      case "record":
        for (const field of expression.fields) {
          if (field.value) checkExpression(field.value, locals)
          else if (field.kind === "field") checkName(field.name.text, field.name.span, locals)
        }
        return
      case "range":
        checkExpression(expression.from, locals)
        checkExpression(expression.to, locals)
        return
      case "unary":
        checkExpression(expression.operand, locals)
        return
      case "binary":
      case "pipe":
        checkExpression(expression.left, locals)
        checkExpression(expression.right, locals)
        return
      case "call":
        checkExpression(expression.callee, locals)
        for (const argument of expression.arguments) checkExpression(argument.value, locals)
        return
      case "member":
        checkExpression(expression.object, locals)
        return
      case "index":
        checkExpression(expression.object, locals)
        checkExpression(expression.index, locals)
        return
      case "if":
        checkExpression(expression.condition, locals)
        checkExpression(expression.then, locals)
        checkExpression(expression.else, locals)
        return
      case "fold": {
        checkExpression(expression.start, locals)
        checkExpression(expression.iterable, locals)
        const inner = new Locals(locals)
        declare(expression.accumulator, inner)
        declarePattern(expression.variable, inner)
        checkExpression(expression.body, inner)
        return
      }
      case "do":
        checkStatements(expression.body, new Locals(locals))
        return
      case "number":
      case "string":
      case "boolean":
      case "none":
    }
  }
}
