/**
 * All primitive ops in one object. A name in `names.ts` without a record here does not compile, nor the reverse.
 */

import { activationGradients } from "./activation-gradients.js"
import { attention } from "./attention.js"
import { constants } from "./constants.js"
import { convolution } from "./convolution.js"
import { crossEntropy } from "./cross-entropy.js"
import type { OpDefinition } from "./definition.js"
import { elementwiseBinary } from "./elementwise-binary.js"
import { elementwiseUnary } from "./elementwise-unary.js"
import { indexing } from "./indexing.js"
import type { OpName } from "./names.js"
import { normalisation } from "./normalisation.js"
import { pooling } from "./pooling.js"
import { products } from "./products.js"
import { random } from "./random.js"
import { reductions } from "./reductions.js"
import { resampling } from "./resampling.js"
import { shapeOps } from "./shape-ops.js"
import { slicing } from "./slicing.js"

const records = {
  ...elementwiseUnary,
  ...activationGradients,
  ...elementwiseBinary,
  ...crossEntropy,
  ...reductions,
  ...shapeOps,
  ...slicing,
  ...constants,
  ...random,
  ...products,
  ...convolution,
  ...attention,
  ...normalisation,
  ...pooling,
  ...resampling,
  ...indexing,
} satisfies Record<OpName, OpDefinition>

/** A record whose name is not in the list; spread objects escape the compiler's own check for strangers. */
type Stranger = Exclude<keyof typeof records, OpName>

export const registry: Readonly<Record<OpName, OpDefinition>> & Readonly<Record<Stranger, "is not in names.ts">> =
  records

/** The record of `name`. */
export function opDefinition(name: OpName): OpDefinition {
  return registry[name]
}
