/**
 * Cases with several wordings of their note, and names for cases that share an image.
 *
 * Takes: what an index says. Gives: the fields of a sample.
 *
 * Why so: scoring has to read one text for each case, and the same one in every run, or two runs could not be compared;
 * training draws anew in each epoch (data/loader.ts). The published code draws anew in scoring too, so its scores differ
 * from run to run.
 */
import { stemOf } from "../formats/names.js"
import { RandomStream } from "../random.js"
import type { Sample, Split } from "../sample.js"

/**
 * The note of a case, and what training draws from.
 * @param wordings at least one; a text that is there twice is twice as likely.
 */
export function notesOf(
  wordings: readonly string[],
  { split, id }: { readonly split: Split; readonly id: string },
): Pick<Sample, "note" | "alternatives"> {
  const drawn = new RandomStream(`note/${split}/${id}`).integer(wordings.length)
  const note = wordings[drawn] as string
  return new Set(wordings).size > 1 ? { note, alternatives: wordings } : { note }
}

/** A case before it has a name: what it is of, in the paths that the index writes. */
export interface UnnamedCase {
  readonly split: Split
  readonly image: string
  readonly mask: string
}

/**
 * Names for cases, unique in their split if no two have the same image and mask: the image's name without its ending;
 * where several cases share an image, with what the mask's path says more (`patient0001_2CH_ED.mask_1`); where that is not
 * enough, both paths whole.
 */
export function caseNames(cases: readonly UnnamedCase[]): string[] {
  const byImage = cases.map(({ image }) => lastPart(stemOf(image)))
  const byMask = cases.map(({ mask }, i) => [byImage[i], ...whatMaskAdds(byImage[i] as string, stemOf(mask))].join("."))
  const whole = cases.map(({ image, mask }) => `${image}+${mask}`)
  const names = [...byImage]
  // A name of the second form can be another case's name of the first, so what is still shared after each is looked at.
  for (const form of [byMask, whole]) {
    for (const index of sharedNames(cases, names)) names[index] = form[index] as string
  }
  return names
}

/** Indices of the cases whose name another case of their split has. */
function sharedNames(cases: readonly UnnamedCase[], names: readonly string[]): number[] {
  const keys = cases.map(({ split }, index) => `${split}/${names[index]}`)
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return keys.flatMap((key, index) => (counts.get(key) === 1 ? [] : [index]))
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1)
}

/** The parts of a mask's path that the image's name does not have: `mask_1/P_gt` for the image `P` is `mask_1`, `gt`. */
function whatMaskAdds(image: string, mask: string): string[] {
  return mask
    .split("/")
    .map((part) => (part.startsWith(image) ? part.slice(image.length).replace(/^[_.-]+/, "") : part))
    .filter((part) => part !== "")
}
