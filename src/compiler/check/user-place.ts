/**
 * Where a node is, for someone who looks for it in files of their own.
 *
 * Takes the origin of a node; gives the innermost place outside the standard library, and the exact one if that is another.
 */

import type { Span } from "../../../grammar/ast.js"
import type { Located } from "../diagnostics/facts-shapes.js"
import { isStandard } from "../elaborate/context.js"
import type { Origin } from "../ir/graph.js"

/** The innermost place in the user's files; undefined for what the library does by itself. */
export function userSpan({ span, chain }: Origin): Span | undefined {
  return isStandard(span) ? chain.findLast((call) => !isStandard(call)) : span
}

/** The place for a message: in the user's files, with the one in the library beside it. */
export function userPlace(origin: Origin): Located {
  const user = userSpan(origin)
  return { span: user ?? origin.span, inner: user && user !== origin.span ? origin.span : undefined, calls: [] }
}
