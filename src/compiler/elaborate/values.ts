/**
 * What an MDL expression can be at compile time.
 *
 * Takes nothing; gives the value types that elaboration computes with. Only `tensor` exists when the model runs; all the
 * rest (numbers, lists, blocks, settings) is used up while the graph is built. Integers are dimensions, because `H/16`
 * and `64` are used in the same places.
 */

import type { BlockItem, FunctionItem, Span } from "../../../grammar/ast.js"
import { format, formatShape, type Dim } from "../ir/dims.js"
import type { Initializer, TensorType, ValueId } from "../ir/graph.js"
import type { OpName } from "../ops/names.js"
import type { Module } from "../resolve/modules.js"

export type StaticValue =
  | { readonly kind: "int"; readonly dim: Dim }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "none" }
  | { readonly kind: "list"; readonly items: readonly StaticValue[] }
  | { readonly kind: "record"; readonly fields: ReadonlyMap<string, StaticValue> }
  | { readonly kind: "tensor"; readonly value: ValueId; readonly type: TensorType }
  /** `given`: arguments of `Block(kernel = 3, ...)`, to which a call adds the rest */
  | {
      readonly kind: "block"
      readonly item: BlockItem
      readonly module: Module
      readonly given: readonly GivenArgument[]
    }
  | { readonly kind: "instance"; readonly instance: Instance }
  | {
      readonly kind: "fn"
      readonly item: FunctionItem
      readonly module: Module
      readonly given: readonly GivenArgument[]
    }
  | { readonly kind: "primitive"; readonly op: OpName }
  | { readonly kind: "builtin"; readonly builtin: Builtin }
  /** the namespace `op`, under which every primitive can be reached even when a block has taken its name */
  | { readonly kind: "op-namespace" }
  | { readonly kind: "initializer"; readonly initializer: Initializer }
  /** a tensor of a data file: `load("embeddings.safetensors", "words")`; `path` is resolved */
  | { readonly kind: "file"; readonly path: string; readonly tensor: string | undefined }
  /** a setting such as `adam(lr = 3e-4)`, `patience(dice, 100)` or `words(512)`: read by the runtime, not the graph */
  | { readonly kind: "setting"; readonly setting: SettingValue }
  /** stands for something that already has a diagnostic; using it says nothing more */
  | { readonly kind: "error" }

/** An argument with its value; a piped one stands first and has the place of what was piped. */
export interface GivenArgument {
  readonly name: string | undefined
  readonly span: Span
  /** where the value itself was written */
  readonly valueSpan: Span
  readonly value: StaticValue
}

/** A named setting and its arguments, all plain data. */
export interface SettingValue {
  readonly name: string
  readonly arguments: Readonly<Record<string, PlainValue>>
}

/** `{ vision: 0.1 }` as plain data. */
export interface PlainRecord {
  readonly fields: Readonly<Record<string, PlainValue>>
}

export type PlainValue = number | string | boolean | null | SettingValue | PlainRecord | readonly PlainValue[]

/** A setting as it is written in a model: `adam(lr = 0.002)`. */
export function formatSetting(value: PlainValue): string {
  if (isSetting(value)) {
    const parts = Object.entries(value.arguments).map(([name, part]) => `${name} = ${formatSetting(part)}`)
    return parts.length > 0 ? `${value.name}(${parts.join(", ")})` : value.name
  }
  if (isRecord(value)) {
    const fields = Object.entries(value.fields).map(([name, field]) => `${name}: ${formatSetting(field)}`)
    return `{ ${fields.join(", ")} }`
  }
  if (value === null) return "none"
  return typeof value === "object" ? `[${value.map(formatSetting).join(", ")}]` : JSON.stringify(value)
}

export function isSetting(value: PlainValue | undefined): value is SettingValue {
  return typeof value === "object" && value !== null && "arguments" in value
}

export function isRecord(value: PlainValue | undefined): value is PlainRecord {
  return typeof value === "object" && value !== null && "fields" in value
}

/** A function evaluated at compile time. */
export interface Builtin {
  readonly name: string
  readonly doc: string
  readonly parameters: readonly BuiltinParameter[]
  /** Computes the result; a string result is an error message. */
  apply(given: ReadonlyMap<string, StaticValue>, context: BuiltinContext): StaticValue | { readonly problem: string }
}

export interface BuiltinParameter {
  readonly name: string
  readonly doc: string
  readonly default?: StaticValue
}

export interface BuiltinContext {
  /** The size of an integer as a number, or undefined when a symbol in it has no size. */
  sizeOf(dim: Dim): number | undefined
  /** path of the module that the call is written in; absent where nothing is relative to one */
  readonly module?: string
}

/**
 * A block with its settings bound: one set of parameters. Used twice, it shares them, so it remembers the parameters and
 * the instances inside it by name.
 */
export interface Instance {
  readonly item: BlockItem
  readonly module: Module
  readonly settings: ReadonlyMap<string, StaticValue>
  readonly path: string
  readonly section: SectionContext
  readonly created: Span
  readonly parameters: Map<string, ValueId>
  readonly children: Map<string, Instance>
}

/** The section that statements belong to; "" outside any. */
export interface SectionContext {
  readonly name: string
  readonly frozen: boolean
}

/** Whether a tensor of i32 can hold the number. */
export const isInt32 = (value: number): boolean => Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31

/** What to do where something may be missing. */
export const NONE_HINT = "an optional input that is not there is `none`: write `if NAME == none then ... else ...`"

/** The word people use for a kind of value. */
export function kindName(value: StaticValue): string {
  switch (value.kind) {
    case "int":
      return "an integer"
    case "float":
      return "a number"
    case "bool":
      return "true or false"
    case "string":
      return "a text"
    case "none":
      return "none"
    case "list":
      return `a list of ${value.items.length}`
    case "record":
      return `a record with ${[...value.fields.keys()].map((f) => `\`${f}\``).join(", ") || "no fields"}`
    case "tensor":
      return `a tensor ${formatType(value.type)}`
    case "block":
      return `the block ${value.item.name.text}`
    case "instance":
      return `an instance of ${value.instance.item.name.text}`
    case "fn":
      return `the function ${value.item.name.text}`
    case "primitive":
      return `the operation ${value.op}`
    case "builtin":
      return `the function ${value.builtin.name}`
    case "op-namespace":
      return "the namespace of operations"
    case "initializer":
      return "a way to make first values"
    case "file":
      return `a tensor of ${value.path}`
    case "setting":
      return `the setting ${value.setting.name}`
    case "error":
      return "something with an error"
  }
}

/** `f32[N, 64, H/2, W/2]` */
export function formatType(type: TensorType): string {
  return type.dtype + formatShape(type.shape)
}

/** A value as a person would write it, for messages. */
export function formatValue(value: StaticValue): string {
  switch (value.kind) {
    case "int":
      return format(value.dim)
    case "float":
      return `${value.value}`
    case "bool":
      return `${value.value}`
    case "string":
      return JSON.stringify(value.value)
    case "none":
      return "none"
    case "list":
      return value.items.length > 12
        ? `[${value.items.slice(0, 8).map(formatValue).join(", ")}, ... ${value.items.length} items]`
        : `[${value.items.map(formatValue).join(", ")}]`
    default:
      return kindName(value)
  }
}

/** Whether two settings of a block are the same, so that one instance can stand for both. */
export function sameValue(a: StaticValue, b: StaticValue): boolean {
  if (a.kind !== b.kind) return false
  switch (a.kind) {
    case "int":
      return a.dim.key === (b as typeof a).dim.key
    case "float":
    case "bool":
    case "string":
      return a.value === (b as typeof a).value
    case "none":
      return true
    case "list": {
      const other = (b as typeof a).items
      return a.items.length === other.length && a.items.every((item, i) => sameValue(item, other[i]!))
    }
    case "record": {
      const other = (b as typeof a).fields
      return (
        a.fields.size === other.size && [...a.fields].every(([k, v]) => other.has(k) && sameValue(v, other.get(k)!))
      )
    }
    case "tensor":
      return a.value === (b as typeof a).value
    case "block":
    case "fn": {
      const other = (b as typeof a).given
      const same = (x: GivenArgument, y: GivenArgument | undefined) =>
        x.name === y?.name && sameValue(x.value, y!.value)
      return (
        a.item === (b as typeof a).item && a.given.length === other.length && a.given.every((x, i) => same(x, other[i]))
      )
    }
    case "instance":
      return a.instance === (b as typeof a).instance
    case "primitive":
      return a.op === (b as typeof a).op
    case "builtin":
      return a.builtin === (b as typeof a).builtin
    case "op-namespace":
      return true
    case "initializer":
      return JSON.stringify(a.initializer) === JSON.stringify((b as typeof a).initializer)
    case "file":
      return a.path === (b as typeof a).path && a.tensor === (b as typeof a).tensor
    case "setting":
      return JSON.stringify(a.setting) === JSON.stringify((b as typeof a).setting)
    case "error":
      return true
  }
}
