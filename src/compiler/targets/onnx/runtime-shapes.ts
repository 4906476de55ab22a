/**
 * Shapes that are known only when the model runs: sizes read from the graph's inputs.
 *
 * Takes dims over open symbols (the batch, and on request height, width and length); gives int64 values that hold them,
 * made from `Shape` of an input. Each size and each shape is made once per model and shared.
 */

import { asConstant, commonDenominator, constant, format, multiply, type Dim } from "../../ir/dims.js"
import type { Draft } from "./draft.js"
import { ExportRequestError, describePlace, type Place } from "./errors.js"
import { tensorOf } from "./tensors.js"

/** A vector of one element, and the text of what it holds. */
interface Sized {
  readonly value: string
  readonly text: string
}

export class RuntimeShapes {
  private readonly made = new Map<string, string>()

  constructor(private readonly draft: Draft) {}

  /** An int64 vector that holds `shape`. */
  vector(shape: readonly Dim[], place: Place): string {
    const parts: string[] = []
    let known: number[] = []
    const flush = (): void => {
      if (known.length > 0) parts.push(this.draft.literal(tensorOf("i64", [known.length], known)))
      known = []
    }
    for (const dim of shape) {
      const size = asConstant(dim)
      if (size !== undefined) known.push(size)
      else {
        flush()
        parts.push(this.size(dim, place))
      }
    }
    flush()
    if (parts.length === 1) return parts[0]!
    return this.once(`shape/${shape.map(format).join(",")}`, "Concat", parts, { axis: { int: 0 } })
  }

  /**
   * A vector of one element that holds `dim`: its terms multiplied and added as they are written, and divided last, because
   * a sum is whole where its terms are not.
   */
  private size(dim: Dim, place: Place): string {
    const divisor = commonDenominator([dim])
    if (divisor === 1) return this.whole(dim, place).value
    const multiple = multiply(dim, constant(divisor))
    return this.arithmetic("Div", bracketed(this.whole(multiple, place)), "/", this.number(divisor)).value
  }

  private whole(dim: Dim, place: Place): Sized {
    let sum: Sized | undefined
    for (const [monomial, { numerator, denominator }] of dim.terms) {
      if (denominator !== 1) throw new Error(`the dimension ${format(dim)} is not whole`)
      const factors = (monomial === "" ? [] : monomial.split("*")).map((symbol) => this.symbol(symbol, place))
      if (numerator !== 1 || factors.length === 0) factors.unshift(this.number(numerator))
      const term = factors.reduce((a, b) => this.arithmetic("Mul", a, "*", b))
      sum = sum === undefined ? term : this.arithmetic("Add", sum, "+", term)
    }
    return sum!
  }

  private number(value: number): Sized {
    return { value: this.draft.literal(tensorOf("i64", [1], [value])), text: `${value}` }
  }

  private arithmetic(op: "Add" | "Mul" | "Div", a: Sized, sign: string, b: Sized): Sized {
    const text = `${a.text}${sign}${b.text}`
    return { value: this.once(`size/${text}`, op, [a.value, b.value]), text }
  }

  private symbol(symbol: string, place: Place): Sized {
    for (const { name, type } of this.draft.inputs) {
      const axis = type.shape.findIndex((dim) => format(dim) === symbol)
      if (axis >= 0) {
        const attributes = { start: { int: axis }, end: { int: axis + 1 } }
        return { value: this.once(`size/${symbol}`, "Shape", [name], attributes), text: symbol }
      }
    }
    throw new ExportRequestError(
      `${describePlace(place)} needs the size of ${symbol} while the model runs, and no input that the outputs ` +
        `depend on has an axis of that size`,
    )
  }

  private once(
    key: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, { readonly int: number }>> = {},
  ): string {
    const old = this.made.get(key)
    if (old !== undefined) return old
    const name = this.draft.unique(key)
    this.draft.append({ name, op, inputs, outputs: [name], attributes, doc: "" })
    this.made.set(key, name)
    return name
  }
}

const bracketed = ({ value, text }: Sized): Sized => ({ value, text: /[+]/.test(text) ? `(${text})` : text })
