/**
 * Out of memory, told as such.
 *
 * Takes what was thrown; gives an error that says what took the memory and what to change. TensorFlow says
 * RESOURCE_EXHAUSTED or "OOM when allocating tensor", C++ std::bad_alloc, Node "Array buffer allocation failed". (The
 * kernel says nothing: it kills the process, which the next `--resume` tells.)
 */
import { existsSync } from "node:fs"
import { sizeText } from "../byte-sizes.js"
import type { RunRecord } from "../runs/run-folder.js"
import { UserError } from "../user-error.js"

const SIGNS =
  /RESOURCE_?EXHAUSTED|OOM when allocating|std::bad_alloc|failed to allocate|allocation failed|out of memory|Cannot allocate memory/i

/** Whether something failed for lack of memory. */
export function isOutOfMemory(thrown: unknown): boolean {
  return thrown instanceof Error && !(thrown instanceof UserError) && SIGNS.test(thrown.message)
}

/** A step, or a checkpoint, did not fit in memory. */
export class OutOfMemory extends UserError {
  override readonly name = "OutOfMemory"

  constructor({ options, description }: RunRecord, goOn: string | undefined, cause: Error) {
    const { batch, memory } = options
    const limit = memory === undefined ? "without --memory" : `with --memory ${sizeText(memory)}`
    // TensorFlow's message has the failed allocation in its first line, and pages about allocators after it.
    const first = cause.message.split("\n", 1)[0]!.slice(0, 400)
    super(
      [
        `out of memory while training with batch ${batch}, ${limit}: ${first}`,
        `  give a smaller --batch (with --accumulate ${description.accumulate * 2} a step still sees as many cases), a smaller --size,`,
        "  or --memory SIZE, which computes activations a second time instead of keeping them",
        "  these belong to the run, so change them in a new one" +
          (goOn === undefined ? "" : `; what was learnt can go with it: --weights ${goOn}`),
      ].join("\n"),
      { cause },
    )
  }
}

/** The error to show for what was thrown. @param last path of the checkpoint `last`, there or not */
export function explained(thrown: unknown, record: RunRecord, last: string): unknown {
  if (!isOutOfMemory(thrown)) return thrown
  return new OutOfMemory(record, existsSync(last) ? last : undefined, thrown as Error)
}
