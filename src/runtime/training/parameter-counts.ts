/**
 * How many parameters a trainer has.
 *
 * Takes its description; gives trainable and frozen elements. Normalisation statistics are neither.
 */
import type { TrainerDescription } from "../../compiler/trainer.js"

/** Elements of all parameters, by whether training changes them. */
export function parameterCounts({ parameters }: TrainerDescription): {
  readonly trainable: number
  readonly frozen: number
} {
  const sum = (frozen: boolean): number =>
    parameters
      .filter((p) => p.role === "param" && p.frozen === frozen)
      .reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0)
  return { trainable: sum(false), frozen: sum(true) }
}
