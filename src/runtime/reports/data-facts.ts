/**
 * What a report says about the data set, and what about it makes a score doubtful.
 *
 * Takes: the data set as it is now, what the run keeps about its own, and the scored cases. Gives: facts for each split, and
 * warnings.
 *
 * Why so: `mdl data inspect` reads every file for minutes; a report is made after every run. So here is what the index of
 * the set and the scores tell at no cost: leaking subjects, empty notes, a set that is not the one of the training any more.
 */

import { findLeaks } from "../data/inspect-duplicates.js"
import { type Dataset, listed, type Sample, type Split, SPLITS } from "../data/sample.js"
import type { RunData } from "../runs/run-folder.js"
import { quantile } from "../statistics/quantile.js"
import { wordCount } from "../tokenizers/cleanup.js"
import type { Evaluation } from "../training/evaluate.js"
import { fingerprintOf } from "../training/prepare.js"
import type { DatasetFacts, ReportWarning, SplitFacts } from "./report-data.js"

type ScoredSplit = Pick<Evaluation, "split" | "cases">

/** Facts about `dataset`. @param scored the evaluation that the page shows, if there is one */
export function datasetFacts(dataset: Dataset, scored: ScoredSplit | undefined): DatasetFacts {
  const { root, layout, prompt, samples } = dataset
  return {
    root,
    layout,
    prompt,
    fingerprint: fingerprintOf(dataset),
    splits: SPLITS.flatMap((split) => {
      const own = samples.filter((sample) => sample.split === split)
      return own.length === 0 ? [] : [splitFacts(split, own, scored?.split === split ? scored : undefined)]
    }),
  }
}

function splitFacts(split: Split, samples: readonly Sample[], scored: ScoredSplit | undefined): SplitFacts {
  const words = samples.map(({ note }) => wordCount(note)).sort((a, b) => a - b)
  const subjects = new Set(samples.flatMap(({ subject }) => subject ?? []))
  return {
    name: split,
    cases: samples.length,
    distinctNotes: new Set(samples.map(({ note }) => note)).size,
    noteWords: { least: words[0]!, median: quantile(words, 0.5), most: words.at(-1)! },
    subjects: subjects.size === 0 ? undefined : subjects.size,
    ...(scored && { masks: masksOf(scored.cases) }),
  }
}

/** The truth is in the counts of a case: what of it was found, and what was not. */
function masksOf(cases: ScoredSplit["cases"]): NonNullable<SplitFacts["masks"]> {
  const shares = cases.map(({ tp, fp, fn, tn }) => (tp + fn) / (tp + fp + fn + tn))
  return {
    empty: shares.filter((share) => share === 0).length,
    foreground: shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length),
  }
}

/** What is wrong with the data, or may be. @param kept what the run was trained on */
export function dataWarnings(dataset: Dataset, kept: RunData): ReportWarning[] {
  const { subjects, files } = findLeaks(dataset.samples)
  const empty = dataset.samples.filter(({ note }) => note.trim() === "")
  const texts = [
    ...dataset.problems.map(({ what, fix }) => `${what}: ${fix}`),
    ...(subjects.count > 0
      ? [
          `${counted(subjects.count, "subject")} in more than one split: ${listed(subjects.names, 4)}. Scores are too good`,
        ]
      : []),
    ...(files.count > 0
      ? [`${counted(files.count, "file")} in more than one split: ${listed(files.names, 4)}. Scores are too good`]
      : []),
    ...(empty.length > 0
      ? [`${empty.length} of ${dataset.samples.length} notes are empty: ${listed(empty.map(({ id }) => id), 4)}`] // prettier-ignore
      : []),
    ...otherDataText(dataset, kept),
  ]
  return texts.map((text) => ({ about: "data", text }))
}

const counted = (count: number, what: string): string => (count === 1 ? `1 ${what} is` : `${count} ${what}s are`)

/** Whether the page shows other data than the run has learnt from. */
function otherDataText(dataset: Dataset, kept: RunData): string[] {
  if (fingerprintOf(dataset) === kept.fingerprint) return []
  if (dataset.root !== kept.root) return [`the data set is not the one that the run was trained on, ${kept.root}`]
  const [own, trained] = [dataset.prompt, kept.prompt]
  if (own !== trained) return [`the notes are the prompt ${own ?? "none"}; the run was trained on ${trained ?? "none"}`]
  return ["cases or notes of the data set are not those that the run was trained on: it was changed since"]
}
