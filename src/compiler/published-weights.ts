/**
 * What published files call the parameters of a model, and what has to be done to their tensors.
 *
 * Takes nothing; gives the types that elaboration fills from `weights "..." { }` and that loading reads, and the questions
 * both ask of them: which stored names a source needs, which of its alternatives a file has, what shape it gives. Plain
 * data, so that the compiler stays without files and a runtime only reads tensors and follows it.
 */

/** How a parameter is made of stored tensors. The operations are those of the language with the same names. */
export type WeightSource =
  | { readonly kind: "stored"; readonly name: string }
  /** part of the first axis: `[from, to)` */
  | { readonly kind: "rows"; readonly of: WeightSource; readonly from: number; readonly to: number }
  | { readonly kind: "transpose"; readonly of: WeightSource; readonly axes: readonly number[] }
  | { readonly kind: "reshape"; readonly of: WeightSource; readonly shape: readonly number[] }
  | { readonly kind: "concat"; readonly parts: readonly WeightSource[]; readonly axis: number }
  /** the first that a file has */
  | { readonly kind: "first"; readonly options: readonly WeightSource[] }

/** One way to name the parameters of a block, section or model, and of what is inside. */
export interface PublishedScheme {
  /** whose names they are, as the text says */
  readonly scheme: string
  /** path of the outermost thing that has names under this scheme: `language.t`; "" for the model */
  readonly root: string
  /** by the parameter's name in the language, in the order of the parameters */
  readonly tensors: ReadonlyMap<string, WeightSource>
}

/** The names of all stored tensors that could be needed. */
export function storedNames(source: WeightSource): readonly string[] {
  return source.kind === "stored" ? [source.name] : inner(source).flatMap(storedNames)
}

function inner(source: Exclude<WeightSource, { kind: "stored" }>): readonly WeightSource[] {
  if (source.kind === "concat") return source.parts
  return source.kind === "first" ? source.options : [source.of]
}

/** The same source with something done to each name. */
export function renamed(source: WeightSource, rename: (name: string) => string): WeightSource {
  if (source.kind === "stored") return { kind: "stored", name: rename(source.name) }
  return rebuilt(source, (part) => renamed(part, rename))
}

function rebuilt(
  source: Exclude<WeightSource, { kind: "stored" }>,
  change: (part: WeightSource) => WeightSource,
): WeightSource {
  if (source.kind === "concat") return { ...source, parts: source.parts.map(change) }
  return source.kind === "first"
    ? { ...source, options: source.options.map(change) }
    : { ...source, of: change(source.of) }
}

/** The source with its alternatives decided by what a file has; undefined where something is not there. */
export function chosenSource(source: WeightSource, has: (name: string) => boolean): WeightSource | undefined {
  if (source.kind === "first") {
    for (const option of source.options) {
      const chosen = chosenSource(option, has)
      if (chosen) return chosen
    }
    return undefined
  }
  if (!storedNames(source).every((name) => has(name)) && !hasAlternatives(source)) return undefined
  if (source.kind === "stored") return source
  const parts = inner(source).map((part) => chosenSource(part, has))
  if (parts.some((part) => part === undefined)) return undefined
  const next = parts.values()
  return rebuilt(source, () => next.next().value!)
}

function hasAlternatives(source: WeightSource): boolean {
  return source.kind === "first" || (source.kind !== "stored" && inner(source).some(hasAlternatives))
}

/**
 * The shape that a source gives, its alternatives decided.
 *
 * @returns the sizes, or what the stored ones are that does not fit, to go on from "it is"
 */
export function sourceShape(
  source: WeightSource,
  shapeOf: (name: string) => readonly number[],
): readonly number[] | string {
  switch (source.kind) {
    case "stored":
      return shapeOf(source.name)
    case "first":
      throw new Error("the alternatives of a source are decided before its shape is asked for")
    case "concat": {
      const shapes: (readonly number[])[] = []
      for (const part of source.parts) {
        const shape = sourceShape(part, shapeOf)
        if (typeof shape === "string") return shape
        shapes.push(shape)
      }
      const [first = []] = shapes
      const { axis } = source
      const alike = (shape: readonly number[]): boolean =>
        shape.length === first.length && shape.every((size, at) => at === axis || size === first[at])
      if (axis >= first.length || !shapes.every(alike)) {
        return `${shapes.map(sizes).join(" and ")}, which cannot be joined along axis ${axis}`
      }
      return first.map((size, at) => (at === axis ? shapes.reduce((sum, shape) => sum + shape[at]!, 0) : size))
    }
    default: {
      const shape = sourceShape(source.of, shapeOf)
      return typeof shape === "string" ? shape : changedShape(source, shape)
    }
  }
}

function changedShape(
  source: Extract<WeightSource, { kind: "rows" | "transpose" | "reshape" }>,
  shape: readonly number[],
): readonly number[] | string {
  switch (source.kind) {
    case "rows":
      if (shape.length === 0 || source.to > shape[0]!)
        return `${sizes(shape)}, which has no rows ${source.from}..${source.to}`
      return [source.to - source.from, ...shape.slice(1)]
    case "transpose":
      if (source.axes.length !== shape.length)
        return `${sizes(shape)}, which cannot be transposed by ${sizes(source.axes)}`
      return source.axes.map((axis) => shape[axis]!)
    case "reshape":
      if (product(source.shape) !== product(shape))
        return `${sizes(shape)}, which cannot be reshaped to ${sizes(source.shape)}`
      return source.shape
  }
}

const product = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1)
const sizes = (shape: readonly number[]): string => `[${shape.join(", ")}]`
