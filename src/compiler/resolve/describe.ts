/**
 * What stands at a place of a text: for editors.
 *
 * Takes modules, a path and an offset (and the elaborated model, where there is one); gives the name there, what it is, its
 * signature and documentation, its type where it is a tensor, and where it was declared. The names are those that checking
 * names finds, so that what an editor shows is what the compiler means.
 */

import type { LetStatement, Parameter, Span, TypeExpression } from "../../../grammar/ast.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import { formatType, formatValue } from "../elaborate/values.js"
import { format } from "../ir/dims.js"
import { opDefinition } from "../ops/registry.js"
import { checkNames } from "./check-names.js"
import type { Declaration } from "./declarations.js"
import type { Definition, Module, ModuleGraph } from "./modules.js"

export interface SymbolDescription {
  readonly name: string
  readonly kind:
    | Definition["kind"]
    | ("parameter" | "input" | "target" | "section" | "let" | "param" | "state" | "const" | "output" | "loss")
    | ("variable" | "size" | "operation" | "builtin")
  /** one line, as it would be declared: `block Linear(out: int, bias: bool = true)(x: f32[...B, C]) -> f32[...B, out]` */
  readonly signature: string
  readonly doc: string | undefined
  /** of the tensor that the name holds, when the model was given: `f32[N, 16, H/2, W/2]` */
  readonly type: string | undefined
  /** the word at the place */
  readonly span: Span
  /** the word that declares it; undefined for what the language itself has */
  readonly declared: Span | undefined
}

/** The symbol whose name stands at `offset`, also directly behind it; undefined where there is none. */
export function describeSymbol(
  graph: ModuleGraph,
  path: string,
  offset: number,
  model?: Pick<ElaboratedModel, "lets" | "taken" | "graph">,
): SymbolDescription | undefined {
  const module = graph.modules.get(path)
  if (!module) return undefined
  let found: { readonly span: Span; readonly declaration: Declaration } | undefined
  checkNames(module, graph, ({ span }, declaration) => {
    if (span.start <= offset && offset <= span.end) found ??= { span, declaration }
  })
  return found && describeDeclaration(found.declaration, found.span, module, graph, model)
}

/** What `declaration` is, seen from the word at `span` in `module`. */
export function describeDeclaration(
  declaration: Declaration,
  span: Span,
  module: Module,
  graph: ModuleGraph,
  model: Pick<ElaboratedModel, "lets" | "taken" | "graph"> | undefined,
): SymbolDescription {
  const base = { name: declaration.name.text, span, declared: declaration.name.span, doc: undefined, type: undefined }
  const text = (node: { readonly span: Span }): string => textOf(graph, node.span)
  switch (declaration.kind) {
    case "item": {
      const { definition } = declaration
      const signature = itemSignature(definition, text)
      return { ...base, kind: definition.kind, signature, doc: definition.doc }
    }
    case "parameter":
      return { ...base, kind: "parameter", signature: parameterSignature(declaration.node, text) }
    case "input": {
      const { node } = declaration
      const using = node.using ? ` using ${text(node.using)}` : ""
      const words = `${node.optional ? "optional " : ""}${node.role} ${node.name.text}`
      const type = node.type.kind === "tensor-type" && node.type.element.text !== "tokens" ? text(node.type) : undefined
      return { ...base, kind: node.role, signature: `${words}: ${text(node.type)}${using}`, doc: node.doc, type }
    }
    case "section": {
      const { node } = declaration
      const words = [...(node.frozen ? ["frozen"] : []), node.role.text, ...(node.name ? [node.name.text] : [])]
      return { ...base, kind: "section", signature: words.join(" "), doc: node.doc }
    }
    case "statement": {
      const { node } = declaration
      const kind = node.kind === "param" ? node.role : node.kind
      if (node.kind === "param" || node.kind === "const") {
        const type = text(node.type)
        return { ...base, kind, signature: `${kind} ${base.name}: ${type}`, doc: node.doc, type }
      }
      const type =
        node.kind === "let" ? typeOfLet(node, base.declared, model) : typeOfOutput(base.name, node.kind, model)
      const signature = `${kind} ${base.name}${type === undefined ? "" : `: ${type}`}`
      return { ...base, kind, signature, doc: node.doc, type }
    }
    case "variable":
      return { ...base, kind: "variable", signature: base.name }
    case "size": {
      const size = model?.graph.sizes.get(base.name)
      const inModel = module.file.items.some(
        (item) => item.kind === "model" && covers(item.span, declaration.name.span),
      )
      const signature = size !== undefined && inModel ? `${base.name} = ${size}` : base.name
      return { ...base, kind: "size", signature }
    }
    case "operation": {
      const { inputs, attributes, doc } = opDefinition(declaration.op)
      const settings = Object.entries(attributes).filter(([name]) => name !== "key")
      const list = [
        ...inputs.map((input) => input.name),
        ...settings.map(([name, { default: d }]) => withDefault(name, d)),
      ]
      const signature = `${declaration.op}(${list.join(", ")})`
      return { ...base, kind: "operation", signature, doc, declared: undefined }
    }
    case "builtin": {
      const { value } = declaration
      const parameters = value.kind === "builtin" ? value.builtin.parameters : undefined
      const list = parameters?.map((p) => (p.default === undefined ? p.name : `${p.name} = ${formatValue(p.default)}`))
      const signature = list ? `${base.name}(${list.join(", ")})` : base.name
      const doc = value.kind === "builtin" ? value.builtin.doc : undefined
      return { ...base, kind: "builtin", signature, doc, declared: undefined }
    }
  }
}

/** The line that declares a definition, in one line. */
export function itemSignature(definition: Definition, text: (node: { readonly span: Span }) => string): string {
  const list = (parameters: readonly Parameter[]): string =>
    `(${parameters.map((parameter) => parameterSignature(parameter, text)).join(", ")})`
  const result = (type: TypeExpression | undefined): string => (type ? ` -> ${text(type)}` : "")
  const { name } = definition
  switch (definition.kind) {
    case "block": {
      const { parameters, inputs } = definition
      return `block ${name.text}${list(parameters)}${list(inputs)}${result(definition.result)}`
    }
    case "fn":
      return `fn ${name.text}${list(definition.parameters)}${result(definition.result)}`
    case "model":
      return `model ${name.text}${definition.parameters.length > 0 ? list(definition.parameters) : ""}`
    case "ablation":
      return `ablation ${name.text} of ${definition.base.text}`
  }
}

function parameterSignature(
  { name, type, default: value }: Parameter,
  text: (node: { readonly span: Span }) => string,
): string {
  return `${name.text}${type ? `: ${text(type)}` : ""}${value ? ` = ${text(value)}` : ""}`
}

function withDefault(name: string, value: unknown): string {
  if (value === undefined) return name
  const entry = (part: unknown): string =>
    typeof part === "object" && part !== null && "key" in part
      ? format(part as Parameters<typeof format>[0])
      : `${part as string}`
  return `${name} = ${Array.isArray(value) ? `[${value.map(entry).join(", ")}]` : entry(value)}`
}

function typeOfLet(
  { pattern, span }: LetStatement,
  name: Span,
  model: Pick<ElaboratedModel, "lets" | "taken"> | undefined,
): string | undefined {
  const [known, place] = pattern.kind === "name-pattern" ? [model?.lets, span] : [model?.taken, name]
  const found = known?.find((record) => record.span.file === place.file && record.span.start === place.start)
  return found && formatType(found.type)
}

function typeOfOutput(
  name: string,
  kind: "output" | "loss",
  model: Pick<ElaboratedModel, "graph"> | undefined,
): string | undefined {
  if (kind === "loss") return model && "f32[]"
  const output = model?.graph.outputs.find((candidate) => candidate.name === name)
  return output && model && formatType(model.graph.values[output.value]!.type)
}

function textOf(graph: ModuleGraph, { file, start, end }: Span): string {
  return graph.modules.get(file)?.text.slice(start, end).replace(/\s+/g, " ") ?? ""
}

const covers = (outer: Span, inner: Span): boolean =>
  outer.file === inner.file && outer.start <= inner.start && inner.end <= outer.end
