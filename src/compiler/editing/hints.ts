/**
 * What is known of the tensors of a text: the shape at the end of each `let`, and what parts cost.
 *
 * Takes an elaborated model; gives plain values. A `let` of a block that is used at several sizes has several types; then
 * the first is shown with the number of the others.
 */

import type { Span } from "../../../grammar/ast.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import { formatType } from "../elaborate/values.js"
import type { PartCost } from "../summary.js"

/** A text shown behind a place. */
export interface ShapeHint {
  readonly at: number
  readonly text: string
}

/** The types of the `let`s of the file `path`: behind each statement, and behind each name that is taken out of a record. */
export function shapeHints(
  { lets, taken }: Pick<ElaboratedModel, "lets" | "taken">,
  path: string,
): readonly ShapeHint[] {
  const types = new Map<number, Set<string>>()
  for (const { span, type } of [...lets, ...taken]) {
    if (span.file !== path) continue
    const known = types.get(span.end) ?? new Set()
    types.set(span.end, known.add(formatType(type)))
  }
  return [...types].map(([at, all]) => {
    const [first, ...others] = all
    return { at, text: `: ${first}${others.length > 0 ? ` and ${others.length} more` : ""}` }
  })
}

/** `1,573,120 parameters · 41.2 M MACs` */
export function costText({ parameters, macs }: PartCost): string {
  const words = `${parameters.toLocaleString("en-US")} ${parameters === 1 ? "parameter" : "parameters"}`
  return macs === 0 ? words : `${words} · ${shortened(macs)} MACs`
}

function shortened(count: number): string {
  const format = new Intl.NumberFormat("en-US", { notation: "engineering", maximumSignificantDigits: 4 })
  const [digits, power] = format.format(count).split("E")
  const prefix = ["", " k", " M", " G", " T", " P"][Number(power) / 3]
  return prefix === undefined ? count.toLocaleString("en-US") : `${digits}${prefix}`
}

/** The record of the `let` at `span`, where its type is known. */
export function letAt(
  { lets }: Pick<ElaboratedModel, "lets">,
  span: Span,
): ElaboratedModel["lets"][number] | undefined {
  return lets.find((record) => record.span.file === span.file && record.span.start === span.start)
}
