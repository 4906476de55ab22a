/**
 * The values that a file has for a model.
 *
 * Takes a file and how it fits; gives the parameters that fit, in the language's names and layouts. What does not fit in
 * shape, or is not finite, is an error that lists it: a part that silently stays untrained is the mistake that loading by
 * name invites.
 */

import { storedNames } from "../../compiler/published-weights.js"
import { listed } from "../data/sample.js"
import type { HostTensor } from "../session.js"
import { UserError } from "../user-error.js"
import { assemble } from "./assemble.js"
import { misshapedLines, type WeightsFit } from "./fit.js"
import type { WeightsFile } from "./weights-file.js"

/** Names shown of a long list. */
export const SHOWN = 4

/**
 * @param text what the user called the file
 * @param variant the model, in messages
 * @throws UserError when a tensor has another shape, when nothing is shared, or when a value is not finite;
 *   SafetensorsError for a damaged file
 */
export async function readFitted(
  text: string,
  file: Pick<WeightsFile, "read">,
  fit: WeightsFit,
  variant: string,
): Promise<Map<string, HostTensor>> {
  const { fits, missing, misshaped, extra, sources } = fit
  if (misshaped.length > 0) {
    throw new UserError(
      `${text} does not fit ${variant}: ${counted(misshaped.length)} of another shape\n` +
        `  ${misshapedLines(misshaped).join("\n  ")}`,
    )
  }
  if (fits.length === 0) {
    throw new UserError(
      `${text} and ${variant} are two models with no common part\n` +
        `  the file has ${listed(extra, SHOWN)}\n  the model has ${listed(missing, SHOWN)}`,
    )
  }
  const wanted = fits.map((name) => [name, sources.get(name)!] as const)
  const stored = await file.read(new Set(wanted.flatMap(([, source]) => storedNames(source))))
  const tensors = new Map(wanted.map(([name, source]) => [name, assemble(source, stored)]))
  const broken = fits.filter((name) => !isFinite(tensors.get(name)!))
  if (broken.length > 0) {
    throw new UserError(
      `${text} holds values that are not finite (NaN or infinite) in ${listed(broken, SHOWN)}: ` +
        "name a checkpoint from before they came up",
    )
  }
  return tensors
}

/** `1 tensor`, `3 tensors` */
export function counted(count: number): string {
  return `${count} tensor${count === 1 ? "" : "s"}`
}

/** A loop, because a callback for each of a hundred million values takes seconds. */
function isFinite({ dtype, data }: HostTensor): boolean {
  if (dtype !== "f32") return true
  for (const value of data) if (!Number.isFinite(value)) return false
  return true
}
