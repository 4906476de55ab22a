/**
 * A data set: images, masks and notes in a folder, in one of the known layouts.
 *
 * Takes: a folder, or a manifest file. Gives: its samples in a fixed order, and what was noticed on the way.
 *
 * Why so: every layout reads into the same `Sample`, so that nothing after this file knows how a data set lies on disk. A
 * layout reports *all* its problems as values; `openDataset` throws at the first error among them, because training on
 * what is left would be a silent skip, while `surveyDataset` hands them all to `mdl data inspect`.
 *
 * A layout is one file in layouts/ and one row of `LAYOUTS`.
 */
import { readdir, stat } from "node:fs/promises"
import { resolve } from "node:path"
import { codeOf, DataError, isNoFolder } from "./data-error.js"
import { qataLayout } from "./layouts/qata.js"
import { lvitLayout } from "./layouts/lvit.js"
import { manifestLayout } from "./layouts/manifest.js"
import { promptsLayout } from "./layouts/prompts.js"
import { type Dataset, type Layout, listed, type ReadOptions, type Sample, type Split, SPLITS } from "./sample.js"

export * from "./sample.js"

/** The known layouts, asked in this order: a manifest was written to be used, whatever else lies beside it. */
export const LAYOUTS: readonly Layout[] = [manifestLayout, qataLayout, lvitLayout, promptsLayout]

/**
 * Reads a data set and reports every problem without throwing for them.
 * @param root a folder, or a manifest file.
 * @throws DataError when it is missing, is empty, has no known layout, its index cannot be read, or a prompt is named where
 *   there is none to choose.
 */
export async function surveyDataset(root: string, options: ReadOptions = {}): Promise<Dataset> {
  const place = resolve(root)
  const layout = await layoutOf(place)
  if (options.prompt !== undefined && layout.hasPrompts !== true) {
    const layouts = LAYOUTS.filter(({ hasPrompts }) => hasPrompts).map(({ name }) => name)
    throw new DataError({
      what: `${place} has the ${layout.name} layout, where a case has one note: there is no prompt ${options.prompt} to choose`,
      fix: `leave --prompt out (it is for the layout ${layouts.join(", ")})`,
    })
  }
  const { samples, problems, prompt } = await layout.read(place, options)
  if (samples.length === 0 && !problems.some((problem) => problem.severity === "error")) {
    throw new DataError({
      what: `${place} has the ${layout.name} layout but holds no image`,
      fix: `it looks like this: ${layout.looksLike}. Put the images and masks there, or make a set: mdl data synth DIR`,
    })
  }
  return {
    root: place,
    layout: layout.name,
    ...(prompt === undefined ? {} : { prompt }),
    samples: [...samples].sort(bySplitThenId),
    problems,
  }
}

/**
 * Reads a data set that is fit for use.
 * @throws DataError as {@link surveyDataset}, and for the first problem that is an error: an image without a mask or caption.
 */
export async function openDataset(root: string, options: ReadOptions = {}): Promise<Dataset> {
  const dataset = await surveyDataset(root, options)
  const errors = dataset.problems.filter((problem) => problem.severity === "error")
  const first = errors[0]
  if (first) {
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more kinds of error: mdl data inspect ${root})` : ""
    throw new DataError({ what: first.what + more, fix: first.fix })
  }
  return dataset
}

/**
 * The data set of a run, read as the run reads it.
 * @param data what the run keeps about its data.
 * @param options another place, where the data was moved or other data is meant; another prompt.
 * @throws DataError as {@link openDataset}.
 */
export function openRunDataset(
  data: Pick<Dataset, "root" | "prompt">,
  options: { readonly data?: string | undefined; readonly prompt?: string | undefined } = {},
): Promise<Dataset> {
  return openDataset(options.data ?? data.root, { prompt: options.prompt, preferredPrompt: data.prompt })
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

/** @throws DataError when nothing is there, or nothing that a layout knows */
async function layoutOf(place: string): Promise<Layout> {
  const noSet = "give the folder of a data set, or make one with `mdl data synth DIR`"
  const known = `${LAYOUTS.map((layout) => `  ${layout.name}: ${layout.looksLike}`).join("\n")}`
  let entries: string[] | undefined
  try {
    entries = (await stat(place)).isDirectory() ? (await readdir(place)).sort() : undefined
  } catch (thrown) {
    if (isNoFolder(thrown)) {
      throw new DataError({ what: `${place} does not exist`, fix: noSet })
    }
    if (codeOf(thrown) === "EACCES") {
      throw new DataError({ what: `${place} may not be read`, fix: "allow reading it (chmod), or run as its owner" })
    }
    throw thrown
  }
  if (entries === undefined) {
    const layout = LAYOUTS.find(({ isFile }) => isFile?.(place))
    if (layout) return layout
    throw new DataError({
      what: `${place} is a file, not the folder of a data set, and no manifest (.csv, .jsonl)`,
      fix: noSet,
    })
  }
  if (entries.length === 0) throw new DataError({ what: `${place} is empty`, fix: noSet })
  for (const layout of LAYOUTS) if (await layout.detect(place, entries)) return layout
  throw new DataError({
    what: `${place} is not a data set in a known layout; it holds ${listed(entries, 8)}`,
    fix: `give the folder of a data set in one of these layouts, or make one with \`mdl data synth DIR\`:\n${known}`,
  })
}

function bySplitThenId(a: Sample, b: Sample): number {
  const bySplit = SPLITS.indexOf(a.split) - SPLITS.indexOf(b.split)
  if (bySplit !== 0) return bySplit
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
