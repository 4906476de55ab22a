/**
 * Losses and what they are multiplied with.
 *
 * Takes outlines; gives, by loss, whether it is new, gone, or weighed otherwise, and the operations that do nothing but
 * weigh: a changed factor is told as the loss's weight, not a second time as a changed multiplication.
 */

import type { ModelOutline, Reference } from "./outline.js"

export interface LossChange {
  readonly name: string
  readonly change: "added" | "removed" | "re-weighted" | "rewired"
  /** what it is multiplied with, as far as that is written as numbers; absent where the loss is not there */
  readonly before?: number
  readonly after?: number
}

export interface LossWeight {
  readonly weight: number
  /** what is weighed */
  readonly of: Reference
  /** the multiplications between the loss and what is weighed */
  readonly weighing: readonly string[]
}

/** An outline, and which operations stand in the model's own text: a factor within a function is not a weight. */
export interface WrittenOutline extends Pick<ModelOutline, "operations" | "losses"> {
  readonly own: ReadonlySet<string>
}

/** The number that a loss is multiplied with: all factors and divisors on the way to what is no plain product. */
export function lossWeight({ operations, own }: WrittenOutline, from: Reference): LossWeight {
  const weighing: string[] = []
  let weight = 1
  for (let at = from; ;) {
    const [kind, name] = at.split(" ")
    const operation = kind === "operation" && own.has(name!) ? operations.get(name!) : undefined
    if (!operation || !["mul", "div"].includes(operation.op)) return { weight, of: at, weighing }
    const factors = operation.inputs.map(scalarOf)
    const index = operation.op === "div" ? 1 : factors.findIndex((factor) => factor !== undefined)
    const factor = factors[index]
    if (factor === undefined) return { weight, of: at, weighing }
    weight = operation.op === "div" ? weight / factor : weight * factor
    weighing.push(name!)
    at = operation.inputs[1 - index]!
  }
}

/** The number that a reference is; undefined for anything but one constant. */
function scalarOf(reference: Reference): number | undefined {
  const value = /^constant f32\[\] (\S+)$/.exec(reference)?.[1]
  return value === undefined ? undefined : Number(value)
}

/** How the losses of two outlines differ in name and weight. */
export function lossChanges(a: WrittenOutline, b: WrittenOutline): LossChange[] {
  const gone = [...a.losses]
    .filter(([name]) => !b.losses.has(name))
    .map(([name, { from }]): LossChange => ({ name, change: "removed", before: lossWeight(a, from).weight }))
  const others = [...b.losses].flatMap(([name, { from }]): LossChange[] => {
    const { weight: after, of } = lossWeight(b, from)
    const was = a.losses.get(name)
    if (!was) return [{ name, change: "added", after }]
    const { weight: before, of: old } = lossWeight(a, was.from)
    if (before !== after) return [{ name, change: "re-weighted", before, after }]
    // Where the operation itself came or went, the operations tell it.
    return old !== of && isIn(b, old) && isIn(a, of) ? [{ name, change: "rewired", before, after }] : []
  })
  return [...gone, ...others]
}

const isIn = ({ operations }: WrittenOutline, reference: Reference): boolean => operations.has(reference.split(" ")[1]!)

/** Operations that only weigh a loss that both outlines have. */
export function weighingOperations(a: WrittenOutline, b: WrittenOutline): ReadonlySet<string> {
  const shared = [...b.losses].filter(([name]) => a.losses.has(name))
  return new Set(shared.flatMap(([, { from }]) => lossWeight(b, from).weighing))
}
