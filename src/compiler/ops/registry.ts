/**
 * All primitive ops in one object. A name in `names.ts` without a record here does not compile, nor the reverse.
 */

import { activationGradients } from "./activation-gradients.js"
import { activations } from "./activations.js"
import { alongAxisOps } from "./along-axis.js"
import { attention } from "./attention.js"
import { constants } from "./constants.js"
import { convolution } from "./convolution.js"
import { crossEntropy } from "./cross-entropy.js"
import type { OpDefinition } from "./definition.js"
import { einsumOps } from "./einsum.js"
import { elementwiseBinary } from "./elementwise-binary.js"
import { elementwiseUnary } from "./elementwise-unary.js"
import { groupNormalisation } from "./group-normalisation.js"
import { indexing } from "./indexing.js"
import type { OpName } from "./names.js"
import { normalisation } from "./normalisation.js"
import { padding } from "./padding.js"
import { ordering } from "./ordering.js"
import { pooling } from "./pooling.js"
import { products } from "./products.js"
import { random } from "./random.js"
import { reductions } from "./reductions.js"
import { reordering } from "./reordering.js"
import { resampling } from "./resampling.js"
import { resizing } from "./resizing.js"
import { shapeOps } from "./shape-ops.js"
import { scheduling } from "./scheduling.js"
import { slicing } from "./slicing.js"
import { unfolding } from "./unfolding.js"

const records = {
  ...elementwiseUnary,
  ...activations,
  ...activationGradients,
  ...elementwiseBinary,
  ...crossEntropy,
  ...reductions,
  ...shapeOps,
  ...slicing,
  ...padding,
  ...reordering,
  ...constants,
  ...random,
  ...products,
  ...einsumOps,
  ...convolution,
  ...attention,
  ...normalisation,
  ...groupNormalisation,
  ...pooling,
  ...resampling,
  ...resizing,
  ...unfolding,
  ...indexing,
  ...scheduling,
  ...alongAxisOps,
  ...ordering,
} satisfies Record<OpName, OpDefinition>

/** A record whose name is not in the list; spread objects escape the compiler's own check for strangers. */
type Stranger = Exclude<keyof typeof records, OpName>

export const registry: Readonly<Record<OpName, OpDefinition>> & Readonly<Record<Stranger, "is not in names.ts">> =
  records

/** The record of `name`. */
export function opDefinition(name: OpName): OpDefinition {
  return registry[name]
}
