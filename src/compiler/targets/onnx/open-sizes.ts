/**
 * Which sizes a file takes whose axes were left open.
 *
 * Takes the draft of a model with symbols that have a size in the text and none in the file (`H`, `W`, `T`); gives for each
 * what it may be: from where on, in which steps, up to where. Also reads that back from a file's metadata.
 *
 * Why so: a shape such as `H/16` is a shape only where 16 divides H, and a division that was rounded when the model was
 * compiled (`(H - 1)/2`) is right only where it rounds the same way. Both hold exactly where every dimension of the file is
 * a whole number, so no rule about convolutions or poolings is needed: the dimensions say it all. A polynomial of degree d
 * is whole on a whole progression when it is on d + 1 members of it, so this is decided, not sampled.
 */

import {
  add,
  asConstant,
  commonDenominator,
  constant,
  evaluate,
  subtract,
  symbolsOf,
  type Dim,
  type Sizes,
} from "../../ir/dims.js"
import { intAttribute, stringAttribute } from "./schema-types.js"
import type { Draft } from "./draft.js"

/** What a symbol that was left open may be: `least`, `least + step`, ... up to `most`. */
export interface OpenSize {
  /** the size of the text: the one that the model was compiled at */
  readonly usual: number
  readonly least: number
  readonly step: number
  /** absent: no end is known */
  readonly most?: number
}

export type OpenSizes = Readonly<Record<string, OpenSize>>

/** The key of a file's metadata that holds `OpenSizes` as JSON. */
export const OPEN_SIZES_KEY = "mdl.open_sizes"

/** How far up an end is looked for. */
const FAR = 2 ** 20

/** Other sizes to try a model at. */
const PROBES = 2

/** Sizes that the shapes of a draft allow. */
export class SizeConstraints {
  private constructor(
    private readonly usual: Sizes,
    /** must be whole numbers above 0 */
    private readonly dims: readonly Dim[],
    /** must not be below 0 */
    private readonly bounds: readonly Dim[],
  ) {}

  /** Those of every shape in `draft`, and of operators that end where an axis does. */
  static of(draft: Draft): SizeConstraints {
    const dims = new Map<string, Dim>()
    const shapes = [...draft.inputs.map(({ name }) => name), ...draft.nodes.flatMap((node) => node.outputs)]
    const open = (dim: Dim): boolean => symbolsOf(dim).some((name) => draft.sizes.has(name))
    for (const name of shapes) for (const dim of draft.typeOf(name).shape) if (open(dim)) dims.set(dim.key, dim)
    return new SizeConstraints(draft.sizes, [...dims.values()], boundsIn(draft).filter(open))
  }

  /** Whether every dimension is a whole number above 0 and nothing ends too early. */
  allows(sizes: Sizes): boolean {
    const at = withBatch([...this.dims, ...this.bounds], sizes)
    const value = (dim: Dim): number => evaluate(dim, at) ?? Number.NaN
    return (
      this.dims.every((dim) => Number.isInteger(value(dim)) && value(dim) > 0) &&
      this.bounds.every((dim) => value(dim) >= 0)
    )
  }

  /** What each symbol may be while the others are as in the text. */
  sizes(): OpenSizes {
    const steps = this.steps()
    return Object.fromEntries(
      [...this.usual].map(([name, usual]): [string, OpenSize] => {
        const step = steps.get(name)!
        const allowed = (size: number): boolean => this.allows(new Map([...this.usual, [name, size]]))
        let least = usual
        for (let size = usual - step; size > 0; size -= step) if (allowed(size)) least = size
        const most = this.mostOf(usual, step, allowed)
        return [name, { usual, least, step, ...(most === undefined ? {} : { most }) }]
      }),
    )
  }

  /**
   * Other sizes to look at a model at: every symbol has another size than usual, and as far as there are enough, another one
   * than the symbol next to it. Fewer than two when the shapes allow no more.
   */
  probes(): readonly Sizes[] {
    const open = this.sizes()
    const choices = Object.entries(open).map(([name, { usual, least, step, most = Infinity }]) => {
      const near = Array.from({ length: 8 }, (_, i) => usual + (i % 2 === 0 ? 1 : -1) * step * (1 + (i >> 1)))
      return { name, near: near.filter((size) => size >= least && size <= most) }
    })
    const rounds = Math.max(0, ...choices.map(({ near }) => near.length))
    if (choices.some(({ near }) => near.length === 0)) return []
    const candidates = Array.from(
      { length: rounds },
      (_, round) => new Map(choices.map(({ name, near }, i) => [name, near[(round + i) % near.length]!])),
    )
    return candidates.filter((sizes) => this.allows(sizes)).slice(0, PROBES)
  }

  /** The smallest steps in which all dimensions stay whole, whatever the batch. */
  private steps(): ReadonlyMap<string, number> {
    const common = commonDenominator(this.dims)
    const steps = new Map([...this.usual.keys()].map((name) => [name, common]))
    for (const name of steps.keys()) {
      const fits = divisorsOf(common).find((step) => this.staysWhole(new Map([...steps, [name, step]])))
      steps.set(name, fits ?? common)
    }
    return steps
  }

  private staysWhole(steps: ReadonlyMap<string, number>): boolean {
    return this.dims.every((dim) => {
      const corners = gridOf(dim, (name) => [this.usual.get(name) ?? 1, steps.get(name) ?? 1])
      return corners.every((sizes) => Number.isInteger(evaluate(dim, sizes)))
    })
  }

  /** Where sizes end, by doubling and halving; undefined when no end is near. */
  private mostOf(usual: number, step: number, allowed: (size: number) => boolean): number | undefined {
    let [good, bad] = [0, 1]
    while (allowed(usual + bad * step)) {
      if (bad * step > FAR) return undefined
      ;[good, bad] = [bad, 2 * bad]
    }
    while (bad - good > 1) {
      const middle = Math.floor((good + bad) / 2)
      if (allowed(usual + middle * step)) good = middle
      else bad = middle
    }
    return usual + good * step
  }
}

/** What must not be below 0, where an operator would else give fewer elements than its shape says, or fail. */
function boundsIn(draft: Draft): Dim[] {
  return draft.nodes.flatMap((node) => {
    const [data, first, second, third] = node.inputs.map((name) => (name === "" ? undefined : draft.knownOf(name)))
    const shape = data?.type.shape ?? []
    switch (node.op) {
      case "Slice": {
        const axes = third?.numbers ?? shape.map((_, axis) => axis)
        return axes.flatMap((axis, i) => {
          const [start, end] = [first?.elements?.[i], second?.elements?.[i]]
          // Negative numbers count from the end, and numbers past any axis mean the end.
          return [start, end].flatMap((at) => {
            const number = at && asConstant(at)
            if (at === undefined || (number !== undefined && (number < 0 || number > FAR))) return []
            return [at, subtract(shape[axis]!, at)]
          })
        })
      }
      case "TopK": {
        const axis = intAttribute(node, "axis", -1)
        return first?.elements?.map((count) => subtract(shape.at(axis)!, count)) ?? []
      }
      case "Pad": {
        if (stringAttribute(node, "mode", "constant") !== "reflect") return []
        const axes = third?.numbers ?? shape.map((_, axis) => axis)
        const amounts = first?.elements ?? []
        return amounts.map((amount, i) => subtract(shape[axes[i % axes.length]!]!, add(amount, constant(1))))
      }
      default:
        return []
    }
  })
}

/** `sizes` with a batch of 1 for every symbol that has none: a larger one is no less whole, nor nearer to an end. */
function withBatch(dims: readonly Dim[], sizes: Sizes): Sizes {
  const unsized = dims.flatMap(symbolsOf).filter((name) => !sizes.has(name))
  return unsized.length === 0 ? sizes : new Map([...sizes, ...unsized.map((name) => [name, 1] as const)])
}

/** As many sizes of each symbol in `dim` as tell whether it is whole on all: its degree and one more, from `start` on. */
function gridOf(dim: Dim, progression: (name: string) => readonly [number, number]): Sizes[] {
  let grid: Sizes[] = [new Map()]
  for (const name of symbolsOf(dim)) {
    const degree = Math.max(
      ...[...dim.terms.keys()].map((m) => m.split("*").filter((factor) => factor === name).length),
    )
    const [start, step] = progression(name)
    const sizes = Array.from({ length: degree + 1 }, (_, i) => start + i * step)
    grid = grid.flatMap((known) => sizes.map((size) => new Map([...known, [name, size]])))
  }
  return grid
}

const divisorsOf = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0)

/**
 * The open sizes that a file says it has.
 *
 * @param text what stands under `OPEN_SIZES_KEY`; undefined for a file without
 * @throws SyntaxError when the text is no such JSON
 */
export function readOpenSizes(text: string | undefined): ReadonlyMap<string, OpenSize> {
  if (text === undefined) return new Map()
  const value: unknown = JSON.parse(text)
  const entries: [string, unknown][] = Object.entries(typeof value === "object" && value !== null ? value : {})
  if (entries.length === 0) throw new SyntaxError("it names no size")
  return new Map(
    entries.map(([name, value]) => {
      const { usual, least, step, most } = (value ?? {}) as Partial<OpenSize>
      if (![usual, least, step, most ?? 1].every((n) => Number.isSafeInteger(n) && n! > 0)) {
        throw new SyntaxError(`${name} is not said to be of a usual and a least size, in steps, above 0`)
      }
      return [name, { usual: usual!, least: least!, step: step!, ...(most === undefined ? {} : { most }) }]
    }),
  )
}
