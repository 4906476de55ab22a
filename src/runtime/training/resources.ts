/**
 * What a run will take: bytes of a checkpoint, bytes of memory.
 *
 * Takes the signatures of a program and the description of a trainer; gives estimates, and the warning when the machine has
 * less. A training that is killed for lack of memory says nothing, so it is said before.
 */
import type { SignatureEntries } from "../../compiler/targets/tensorflow/signatures.js"
import type { TrainerDescription } from "../../compiler/trainer.js"
import { sizeText } from "../byte-sizes.js"
import { parameterCounts } from "./parameter-counts.js"

const WIDTH = { f32: 4, i32: 4, bool: 1 } as const
/** TensorFlow's library and Node, without any model: measured, 0.6 to 0.9 GB resident. */
const LIBRARY = 0.8e9

/** Bytes of all variables that last: those of a checkpoint. */
export function stateBytes(signatures: ReadonlyMap<string, SignatureEntries>): number {
  const variables = signatures.get("read")?.outputs ?? []
  return variables.reduce((sum, { dtype, shape }) => sum + WIDTH[dtype] * shape.reduce((a, b) => a * b, 1), 0)
}

/**
 * Bytes that training takes, roughly: variables, their copy while a checkpoint is written, gradients, the activations of a
 * step, the library. Workspace of kernels and decoded images are not in it.
 *
 * @param state bytes of all variables
 * @param activations of a step at its worst moment
 */
export function memoryNeeded(description: TrainerDescription, state: number, activations: number): number {
  return 2 * state + 4 * parameterCounts(description).trainable + activations + LIBRARY
}

/** What to tell when a run needs more memory than there is; undefined when it does not. */
export function memoryWarning(needed: number, available: number, batch: number): string | undefined {
  if (needed <= available) return undefined
  return (
    `training needs about ${sizeText(needed)} of memory and ${sizeText(available)} are available: it may be killed; ` +
    `with a smaller --batch (it is ${batch}), or --memory to limit activations, it takes less`
  )
}
