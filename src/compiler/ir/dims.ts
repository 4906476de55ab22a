/**
 * Dimensions: polynomials over named symbols (`N`, `H`, `T`) with rational coefficients.
 *
 * Takes symbols, integers and arithmetic; gives values that print as a person wrote them (`H/16`), compare exactly, and
 * evaluate to integers once the symbols have sizes. Coefficients are rational because `H/16` is a dimension as soon as
 * the size of H is divisible by 16, and because `floor((H + 2 - 3)/2) + 1` should be seen to be `H/2`. Rounding is
 * resolved at the sizes that are known, so a polynomial is exact at those sizes; the batch symbol has no size and is
 * never rounded.
 */

/** A product of symbols with exponents, in canonical order, e.g. `H*W` or `H^2`; the empty string is the constant. */
type Monomial = string

interface Rational {
  readonly numerator: number
  readonly denominator: number
}

/** An immutable dimension. Equal polynomials have equal `key`. */
export interface Dim {
  readonly key: string
  readonly terms: ReadonlyMap<Monomial, Rational>
}

/** Sizes of symbols. A symbol that is absent (the batch) stays symbolic. */
export type Sizes = ReadonlyMap<string, number>

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b))

/** Sizes of a text that leave what can be computed exactly; the text is at fault, not the compiler. */
export class DimOverflow extends RangeError {
  override readonly name = "DimOverflow"
}

/** Far above what shapes of models have; polynomials with more take longer and longer to compute with. */
const MAX_TERMS = 64
const MAX_DEGREE = 16

/** `value`, unless it has left the numbers that are exact. */
function safe(value: number): number {
  if (Number.isSafeInteger(value)) return value
  throw new DimOverflow(`this is too large: sizes are computed exactly up to ${Number.MAX_SAFE_INTEGER}`)
}

function rational(numerator: number, denominator = 1): Rational {
  safe(numerator)
  safe(denominator)
  const sign = denominator < 0 ? -1 : 1
  const divisor = gcd(numerator, denominator) || 1
  return { numerator: (sign * numerator) / divisor, denominator: (sign * denominator) / divisor }
}

function make(entries: Iterable<readonly [Monomial, Rational]>): Dim {
  const terms = new Map([...entries].filter(([, c]) => c.numerator !== 0).sort(([a], [b]) => compareMonomials(a, b)))
  if (terms.size > MAX_TERMS) throw new DimOverflow(`this size is a sum of more than ${MAX_TERMS} products`)
  const key = [...terms].map(([m, c]) => `${c.numerator}/${c.denominator}${m && "*" + m}`).join("+")
  return { key, terms }
}

/** Higher degree first, then alphabetical, the constant last: the order people write polynomials in. */
function compareMonomials(a: Monomial, b: Monomial): number {
  const degree = (m: Monomial): number => (m === "" ? 0 : m.split("*").length)
  return degree(b) - degree(a) || (a < b ? -1 : a > b ? 1 : 0)
}

function multiplyMonomials(a: Monomial, b: Monomial): Monomial {
  const factors = [...(a ? a.split("*") : []), ...(b ? b.split("*") : [])]
  if (factors.length > MAX_DEGREE) throw new DimOverflow(`this size is a product of more than ${MAX_DEGREE} symbols`)
  return factors.sort().join("*")
}

/** Most sizes of a model are small and the same few, and dims never change: each is made once. */
const smallConstants: Dim[] = []
const SMALL_CONSTANT = 4096

/** A constant dimension; `value` is an integer. */
export function constant(value: number): Dim {
  if (!Number.isInteger(value)) throw new RangeError(`a dimension must be an integer, not ${value}`)
  if (value < 0 || value > SMALL_CONSTANT) return make([["", rational(value)]])
  return (smallConstants[value] ??= make([["", rational(value)]]))
}

/** The dimension that is just the symbol `name`. */
export function symbol(name: string): Dim {
  return make([[name, rational(1)]])
}

/** Accepts a plain integer wherever a dimension is wanted. */
export function toDim(value: Dim | number): Dim {
  return typeof value === "number" ? constant(value) : value
}

export function add(a: Dim, b: Dim): Dim {
  const terms = new Map(a.terms)
  for (const [m, c] of b.terms) {
    const old = terms.get(m) ?? rational(0)
    terms.set(
      m,
      rational(old.numerator * c.denominator + c.numerator * old.denominator, old.denominator * c.denominator),
    )
  }
  return make(terms)
}

export function multiply(a: Dim, b: Dim): Dim {
  const [left, right] = [asConstant(a), asConstant(b)]
  if (left !== undefined && right !== undefined) return constant(safe(left * right))
  if (left === 1) return b
  if (right === 1) return a
  let sum = constant(0)
  for (const [ma, ca] of a.terms) {
    for (const [mb, cb] of b.terms) {
      const product = rational(ca.numerator * cb.numerator, ca.denominator * cb.denominator)
      sum = add(sum, make([[multiplyMonomials(ma, mb), product]]))
    }
  }
  return sum
}

export function subtract(a: Dim, b: Dim): Dim {
  return add(a, multiply(constant(-1), b))
}

export function equal(a: Dim, b: Dim): boolean {
  return a.key === b.key
}

/** The product of `dims`; 1 for none. */
export function product(dims: readonly Dim[]): Dim {
  return dims.reduce(multiply, constant(1))
}

/** The integer when `dim` has no symbols, else undefined. */
export function asConstant(dim: Dim): number | undefined {
  if (dim.terms.size === 0) return 0
  const only = dim.terms.get("")
  return dim.terms.size === 1 && only && only.denominator === 1 ? only.numerator : undefined
}

/** The smallest whole number by which every one of `dims` has whole coefficients; 1 for none. */
export function commonDenominator(dims: readonly Dim[]): number {
  const denominators = dims.flatMap((dim) => [...dim.terms.values()].map((term) => term.denominator))
  return denominators.reduce((a, b) => safe((a * b) / gcd(a, b)), 1)
}

/** The symbols that occur in `dim`. */
export function symbolsOf(dim: Dim): string[] {
  return [...new Set([...dim.terms.keys()].flatMap((m) => (m ? m.split("*") : [])))]
}

/**
 * The value of `dim` when every symbol in it has a size, else undefined. The result can be a fraction (`H/16` at 100),
 * which callers report.
 */
export function evaluate(dim: Dim, sizes: Sizes): number | undefined {
  let numerator = 0
  let denominator = 1
  for (const [m, c] of dim.terms) {
    let value = c.numerator
    for (const name of m ? m.split("*") : []) {
      const size = sizes.get(name)
      if (size === undefined) return undefined
      value *= size
    }
    numerator = numerator * c.denominator + value * denominator
    denominator *= c.denominator
    const divisor = gcd(numerator, denominator) || 1
    numerator /= divisor
    denominator /= divisor
  }
  return numerator / denominator
}

/** Replaces the symbols that `bindings` names by dimensions. */
export function substitute(dim: Dim, bindings: ReadonlyMap<string, Dim>): Dim {
  if (asConstant(dim) !== undefined) return dim
  let sum = constant(0)
  for (const [m, c] of dim.terms) {
    let term = make([["", c]])
    for (const name of m ? m.split("*") : []) term = multiply(term, bindings.get(name) ?? symbol(name))
    sum = add(sum, term)
  }
  return sum
}

/**
 * `a / b` when that is a whole number at the given sizes, else undefined. `b` must be a non-zero constant, or divide
 * `a` as a single symbol product (`(H*W)/W`).
 */
export function divideExactly(a: Dim, b: Dim, sizes: Sizes): Dim | undefined {
  const quotient = divide(a, b)
  if (quotient === undefined) return undefined
  return isWhole(quotient, sizes) ? quotient : undefined
}

/** `a / divisor`, whole or not. */
export function fraction(a: Dim, divisor: number): Dim {
  return divide(a, constant(divisor))!
}

/** `floor(a / divisor)`, resolved at the given sizes; undefined when an unsized symbol would have to be rounded. */
export function floorDivide(a: Dim, divisor: number, sizes: Sizes): Dim | undefined {
  const quotient = divide(a, constant(divisor))
  if (quotient === undefined) return undefined
  if (isWhole(quotient, sizes)) return quotient
  const value = evaluate(quotient, sizes)
  if (value === undefined) return undefined
  const numerator = evaluate(a, sizes)
  if (numerator === undefined || !Number.isInteger(numerator)) return undefined
  const remainder = ((numerator % divisor) + divisor) % divisor
  return add(quotient, make([["", rational(-remainder, divisor)]]))
}

/** The remainder of `a / divisor` at the given sizes; undefined when a symbol has no size and the answer depends on it. */
export function remainder(a: Dim, divisor: number, sizes: Sizes): number | undefined {
  const value = evaluate(a, sizes)
  if (value !== undefined) return ((value % divisor) + divisor) % divisor
  return divideExactly(a, constant(divisor), sizes) === undefined ? undefined : 0
}

function divide(a: Dim, b: Dim): Dim | undefined {
  if (b.terms.size !== 1) return equal(a, b) ? constant(1) : undefined
  const [entry] = b.terms
  const [divisor, coefficient] = entry as [Monomial, Rational]
  const terms: [Monomial, Rational][] = []
  for (const [m, c] of a.terms) {
    const left = m ? m.split("*") : []
    for (const name of divisor ? divisor.split("*") : []) {
      const at = left.indexOf(name)
      if (at < 0) return undefined
      left.splice(at, 1)
    }
    terms.push([left.join("*"), rational(c.numerator * coefficient.denominator, c.denominator * coefficient.numerator)])
  }
  return make(terms)
}

/** Whole at the known sizes: terms with unsized symbols need integer coefficients, the rest must sum to an integer. */
function isWhole(dim: Dim, sizes: Sizes): boolean {
  const known: [Monomial, Rational][] = []
  for (const [m, c] of dim.terms) {
    const unsized = (m ? m.split("*") : []).some((name) => !sizes.has(name))
    if (unsized && c.denominator !== 1) return false
    if (!unsized) known.push([m, c])
  }
  const value = evaluate(make(known), sizes)
  return value !== undefined && Number.isInteger(value)
}

/** As a person would write it: `N`, `H/16`, `2*H + 1`, `H*W/256`. */
export function format(dim: Dim): string {
  if (dim.terms.size === 0) return "0"
  let text = ""
  for (const [m, c] of dim.terms) {
    const magnitude = Math.abs(c.numerator)
    const head = m === "" ? `${magnitude}` : magnitude === 1 ? m : `${magnitude}*${m}`
    const term = c.denominator === 1 ? head : `${head}/${c.denominator}`
    if (text === "") text = c.numerator < 0 ? `-${term}` : term
    else text += c.numerator < 0 ? ` - ${term}` : ` + ${term}`
  }
  return text
}

/** `[N, 64, H/2, W/2]` */
export function formatShape(shape: readonly Dim[]): string {
  return `[${shape.map(format).join(", ")}]`
}
