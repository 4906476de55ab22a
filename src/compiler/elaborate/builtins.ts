/**
 * Functions that exist only at compile time: on lists and shapes, first values of parameters, settings of training.
 *
 * They are plain records, so that documentation and completion can list them.
 */

import * as dims from "../ir/dims.js"
import type { Initializer } from "../ir/graph.js"
import type { OpName } from "../ops/names.js"
import { resolveFile } from "../resolve/modules.js"
import { moreTelling } from "../ops/shapes.js"
import { roundHalfToEven } from "../ops/special-functions.js"
import {
  type Builtin,
  type BuiltinContext,
  type BuiltinParameter,
  kindName,
  type PlainValue,
  type StaticValue,
} from "./values.js"

export const integer = (value: number): StaticValue => ({ kind: "int", dim: dims.constant(value) })
export const float = (value: number): StaticValue => ({ kind: "float", value })
const list = (items: readonly StaticValue[]): StaticValue => ({ kind: "list", items })

/** Operations whose results on plain numbers are integers, and so can be sizes. */
const ROUNDING: ReadonlySet<OpName> = new Set<OpName>(["floor", "ceil", "round"])
/** Those that give integers for integers. */
const KEEPING: ReadonlySet<OpName> = new Set<OpName>(["abs", "maximum", "minimum", "pow"])

/** `staticMath` as a value: an integer where it is one for certain. */
export function staticMathValue(op: OpName, numbers: readonly number[], areIntegers: boolean): StaticValue | undefined {
  const value = staticMath(op, numbers)
  if (value === undefined) return undefined
  const isInteger = ROUNDING.has(op) || (areIntegers && KEEPING.has(op))
  return isInteger && Number.isSafeInteger(value) ? integer(value) : float(value)
}

/** Elementwise ops that also work on plain numbers; undefined for all others. */
function staticMath(op: OpName, numbers: readonly number[]): number | undefined {
  const [a, b] = numbers as [number, number]
  switch (op) {
    case "sqrt":
      return Math.sqrt(a)
    case "exp":
      return Math.exp(a)
    case "log":
      return Math.log(a)
    case "abs":
      return Math.abs(a)
    case "floor":
      return Math.floor(a)
    case "ceil":
      return Math.ceil(a)
    case "round":
      return roundHalfToEven(a)
    case "pow":
      return Math.pow(a, b)
    case "maximum":
      return Math.max(a, b)
    case "minimum":
      return Math.min(a, b)
    default:
      return undefined
  }
}

type Arguments = ReadonlyMap<string, StaticValue>

function builtin(
  name: string,
  doc: string,
  parameters: readonly (string | BuiltinParameter)[],
  apply: Builtin["apply"],
): Builtin {
  return {
    name,
    doc,
    parameters: parameters.map((p) => (typeof p === "string" ? { name: p, doc: "" } : p)),
    apply,
  }
}

function numberOf(given: Arguments, name: string, context: BuiltinContext): number | undefined {
  const value = given.get(name)
  if (value?.kind === "float") return value.value
  return value?.kind === "int" ? context.sizeOf(value.dim) : undefined
}

function itemsOf(given: Arguments, name: string): readonly StaticValue[] | undefined {
  const value = given.get(name)
  return value?.kind === "list" ? value.items : undefined
}

const needsList = (given: Arguments, name: string) => ({
  problem: `needs a list, this is ${kindName(given.get(name)!)}`,
})

const onLists: readonly Builtin[] = [
  builtin("len", "The number of items of a list.", ["items"], (given) => {
    const items = itemsOf(given, "items")
    return items ? integer(items.length) : needsList(given, "items")
  }),
  builtin("reverse", "The items of a list from last to first.", ["items"], (given) => {
    const items = itemsOf(given, "items")
    return items ? list([...items].reverse()) : needsList(given, "items")
  }),
  builtin("enumerate", "A list of `{ index, item }`.", ["items"], (given) => {
    const items = itemsOf(given, "items")
    if (!items) return needsList(given, "items")
    return list(
      items.map((item, i) => ({
        kind: "record",
        fields: new Map<string, StaticValue>([
          ["index", integer(i)],
          ["item", item],
        ]),
      })),
    )
  }),
  builtin("zip", "A list of `{ a, b }` from two lists of equal length.", ["a", "b"], (given) => {
    const a = itemsOf(given, "a")
    const b = itemsOf(given, "b")
    if (!a) return needsList(given, "a")
    if (!b) return needsList(given, "b")
    if (a.length !== b.length) return { problem: `the lists have ${a.length} and ${b.length} items` }
    return list(
      a.map((item, i) => ({
        kind: "record",
        fields: new Map([
          ["a", item],
          ["b", b[i]!],
        ]),
      })),
    )
  }),
  builtin("shape", "The sizes of a tensor's axes, as a list.", ["x"], (given) => {
    const x = given.get("x")!
    if (x.kind !== "tensor") return { problem: `needs a tensor, this is ${kindName(x)}` }
    return list(x.type.shape.map((dim): StaticValue => ({ kind: "int", dim })))
  }),
  builtin("largest", "The largest of a list of numbers.", ["items"], (given, context) => {
    const items = itemsOf(given, "items")
    if (!items) return needsList(given, "items")
    if (items.length === 0) return { problem: "there is no largest of an empty list" }
    let best = items[0]!
    for (const item of items) {
      if (item.kind !== "int" || best.kind !== "int") return { problem: "needs a list of integers" }
      const [a, b] = [context.sizeOf(best.dim), context.sizeOf(item.dim)]
      if (a === undefined || b === undefined) return { problem: "needs sizes that are known when compiling" }
      if (b > a) best = item
      else if (b === a) best = { kind: "int", dim: moreTelling(best.dim, item.dim) }
    }
    return best
  }),
]

/** Integers are divided exactly; this is for those that do not divide. */
const quotient = builtin(
  "quotient",
  "How many times the integer `b` goes into the integer `a`, rounded down; `a % b` is what is left.",
  ["a", "b"],
  (given, context) => {
    const [a, b] = [given.get("a")!, given.get("b")!]
    if (a.kind !== "int" || b.kind !== "int") return { problem: "needs two integers" }
    const [x, y] = [context.sizeOf(a.dim), context.sizeOf(b.dim)]
    if (x === undefined || y === undefined) return { problem: "needs sizes that are known when compiling" }
    return y === 0 ? { problem: "division by zero" } : integer(Math.floor(x / y))
  },
)

function initializer(
  name: string,
  doc: string,
  parameters: readonly (string | BuiltinParameter)[],
  make: (number: (name: string) => number | undefined, given: Arguments) => Initializer | undefined,
): Builtin {
  return builtin(name, doc, parameters, (given, context) => {
    const made = make((parameter) => numberOf(given, parameter, context), given)
    return made
      ? { kind: "initializer", initializer: made }
      : { problem: "needs numbers that are known when compiling" }
  })
}

const uniform = (bound: number): Initializer => ({ kind: "uniform", low: -bound, high: bound })

const firstValues: readonly Builtin[] = [
  initializer("filled", "Every element is `value`.", ["value"], (number) => {
    const value = number("value")
    return value === undefined ? undefined : { kind: "constant", value }
  }),
  initializer("uniform", "Drawn evenly from [low, high).", ["low", "high"], (number) => {
    const [low, high] = [number("low"), number("high")]
    return low === undefined || high === undefined ? undefined : { kind: "uniform", low, high }
  }),
  initializer(
    "normal",
    "Drawn from a normal distribution.",
    [
      { name: "deviation", doc: "standard deviation" },
      { name: "mean", doc: "", default: float(0) },
    ],
    (number) => {
      const [mean, deviation] = [number("mean"), number("deviation")]
      return mean === undefined || deviation === undefined ? undefined : { kind: "normal", mean, deviation }
    },
  ),
  initializer(
    "fan_uniform",
    "Evenly from (-1/sqrt(fan_in), 1/sqrt(fan_in)): what PyTorch's Linear and Conv layers start from.",
    ["fan_in"],
    (number) => {
      const fan = number("fan_in")
      return fan === undefined || fan <= 0 ? undefined : uniform(1 / Math.sqrt(fan))
    },
  ),
  initializer(
    "xavier_uniform",
    "Evenly within sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).",
    ["fan_in", "fan_out"],
    (number) => {
      const [fanIn, fanOut] = [number("fan_in"), number("fan_out")]
      if (fanIn === undefined || fanOut === undefined || fanIn + fanOut <= 0) return undefined
      return uniform(Math.sqrt(6 / (fanIn + fanOut)))
    },
  ),
]

/** What a `const` can be read from. */
const load = builtin(
  "load",
  "A tensor of a data file, for a `const`: `.safetensors` (with the tensor's name when it holds several) or `.npy`. " +
    "The path is relative to the file it is written in.",
  ["path", { name: "tensor", doc: "name of the tensor", default: { kind: "none" } }],
  (given, { module }) => {
    const path = given.get("path")!
    const tensor = given.get("tensor")!
    if (path.kind !== "string") return { problem: `the path must be a text, this is ${kindName(path)}` }
    if (tensor.kind !== "string" && tensor.kind !== "none") {
      return { problem: `the name of the tensor must be a text, this is ${kindName(tensor)}` }
    }
    if (module === undefined) return { problem: "a file cannot be named here" }
    const name = tensor.kind === "string" ? tensor.value : undefined
    return { kind: "file", path: resolveFile(module, path.value), tensor: name }
  },
)

/** `adam(lr = 3e-4)` and the like: the runtime reads name and arguments. */
export function setting(
  name: string,
  doc: string,
  parameters: readonly { readonly name: string; readonly doc: string; readonly default?: StaticValue }[],
): Builtin {
  return builtin(name, doc, parameters, (given, context) => {
    const values: Record<string, PlainValue> = {}
    for (const [parameter, value] of given) {
      const plain = plainValue(value, context)
      if (plain === undefined) return { problem: `\`${parameter}\` must be plain data, this is ${kindName(value)}` }
      values[parameter] = plain
    }
    return { kind: "setting", setting: { name, arguments: values } }
  })
}

/** A compile-time value as plain data, for the runtime; undefined when it is not data. */
export function plainValue(value: StaticValue, context: BuiltinContext): PlainValue | undefined {
  switch (value.kind) {
    case "int":
      return context.sizeOf(value.dim)
    case "float":
    case "bool":
    case "string":
      return value.value
    case "none":
      return null
    case "setting":
      return value.setting
    case "builtin": {
      // A setting named without brackets takes its defaults.
      if (value.builtin.parameters.some((p) => p.default === undefined)) return undefined
      const made = value.builtin.apply(new Map(value.builtin.parameters.map((p) => [p.name, p.default!])), context)
      return "problem" in made ? undefined : plainValue(made, context)
    }
    case "list": {
      const items = value.items.map((item) => plainValue(item, context))
      return items.some((item) => item === undefined) ? undefined : (items as PlainValue[])
    }
    case "record": {
      const fields = [...value.fields].map(([name, field]) => [name, plainValue(field, context)] as const)
      return fields.some(([, field]) => field === undefined)
        ? undefined
        : { fields: Object.fromEntries(fields as [string, PlainValue][]) }
    }
    default:
      return undefined
  }
}

export const optional = (name: string, value: StaticValue, doc = "") => ({ name, doc, default: value })
export const required = (name: string, doc = "") => ({ name, doc })

/** Tokenizers: `using clip`, `using words(512)`. Their vocabulary sizes are known when compiling. */
const tokenizers: ReadonlyMap<string, StaticValue> = new Map<string, StaticValue>([
  ["clip", { kind: "setting", setting: { name: "clip", arguments: { vocabulary: 49408 } } }],
  [
    "words",
    {
      kind: "builtin",
      builtin: setting("words", "The words of the training notes, most frequent first.", [required("vocabulary")]),
    },
  ],
])

/** Names that every expression knows. */
export const BUILTIN_NAMES: ReadonlyMap<string, StaticValue> = new Map<string, StaticValue>([
  ...[...onLists, quotient, ...firstValues, load].map((b): [string, StaticValue] => [
    b.name,
    { kind: "builtin", builtin: b },
  ]),
  ["zeros", { kind: "initializer", initializer: { kind: "constant", value: 0 } }],
  ["ones", { kind: "initializer", initializer: { kind: "constant", value: 1 } }],
  ["op", { kind: "op-namespace" }],
  ...tokenizers,
])
