/**
 * A data set: images, masks and notes in a folder, in one of the known layouts.
 *
 * Takes: a folder. Gives: its samples in a fixed order, and what was noticed on the way.
 *
 * Why so: every layout reads into the same `Sample`, so that nothing after this file knows how a data set lies on disk. A
 * layout reports *all* its problems as values; `openDataset` throws at the first error among them, because training on
 * what is left would be a silent skip, while `surveyDataset` hands them all to `mdl data inspect`.
 *
 * A layout is one file in layouts/ and one row of `LAYOUTS`.
 */
import { readdir, stat } from "node:fs/promises"
import { resolve } from "node:path"
import { codeOf, DataError } from "./data-error.js"
import { qataLayout } from "./layouts/qata.js"
import { type Dataset, type Layout, listed, type Sample, type Split, SPLITS } from "./sample.js"

export * from "./sample.js"

/** The known layouts, asked in this order. */
export const LAYOUTS: readonly Layout[] = [qataLayout]

/**
 * Reads a data set and reports every problem without throwing for them.
 * @throws DataError when the folder is missing, is empty, has no known layout, or its index cannot be read.
 */
export async function surveyDataset(root: string): Promise<Dataset> {
  const folder = resolve(root)
  const entries = await listFolder(folder)
  for (const layout of LAYOUTS) {
    if (!(await layout.detect(folder, entries))) continue
    const { samples, problems } = await layout.read(folder)
    if (samples.length === 0 && !problems.some((problem) => problem.severity === "error")) {
      throw new DataError({
        what: `${folder} has the ${layout.name} layout but holds no image`,
        fix: `it looks like this: ${layout.looksLike}. Put the images and masks there, or make a set: mdl data synth DIR`,
      })
    }
    return { root: folder, layout: layout.name, samples: [...samples].sort(bySplitThenId), problems }
  }
  const known = LAYOUTS.map((layout) => `  ${layout.name}: ${layout.looksLike}`).join("\n")
  throw new DataError({
    what: `${folder} is not a data set in a known layout; it holds ${listed(entries, 8)}`,
    fix: `give the folder of a data set in one of these layouts, or make one with \`mdl data synth DIR\`:\n${known}`,
  })
}

/**
 * Reads a data set that is fit for use.
 * @throws DataError as {@link surveyDataset}, and for the first problem that is an error: an image without a mask or caption.
 */
export async function openDataset(root: string): Promise<Dataset> {
  const dataset = await surveyDataset(root)
  const errors = dataset.problems.filter((problem) => problem.severity === "error")
  const first = errors[0]
  if (first) {
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more kinds of error: mdl data inspect ${root})` : ""
    throw new DataError({ what: first.what + more, fix: first.fix })
  }
  return dataset
}

/** The samples of one split, in the data set's order. @throws DataError when there are none. */
export function samplesOf(dataset: Dataset, split: Split): Sample[] {
  const chosen = dataset.samples.filter((sample) => sample.split === split)
  if (chosen.length === 0) {
    const has = SPLITS.filter((name) => dataset.samples.some((sample) => sample.split === name))
    throw new DataError({
      what: `${dataset.root} has no sample in the split "${split}"`,
      fix: `choose a split that has some: ${has.join(", ") || "there is none"}`,
    })
  }
  return chosen
}

async function listFolder(folder: string): Promise<string[]> {
  const noSet = "give the folder of a data set, or make one with `mdl data synth DIR`"
  let entries: string[]
  try {
    if (!(await stat(folder)).isDirectory()) {
      throw new DataError({ what: `${folder} is a file, not the folder of a data set`, fix: noSet })
    }
    entries = await readdir(folder)
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") throw new DataError({ what: `${folder} does not exist`, fix: noSet })
    if (codeOf(thrown) === "EACCES") {
      throw new DataError({ what: `${folder} may not be read`, fix: "allow reading it (chmod), or run as its owner" })
    }
    throw thrown
  }
  if (entries.length === 0) throw new DataError({ what: `${folder} is empty`, fix: noSet })
  return entries.sort()
}

function bySplitThenId(a: Sample, b: Sample): number {
  const bySplit = SPLITS.indexOf(a.split) - SPLITS.indexOf(b.split)
  if (bySplit !== 0) return bySplit
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
