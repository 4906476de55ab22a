/**
 * Samples that are the same picture, and what stands on both sides of a split.
 *
 * Takes: samples and their fingerprints. Gives: groups of the same, and subjects and volumes in more than one split.
 *
 * Why so: several samples of one image file (one for each of its masks) are no duplicates, and neither are the slices
 * of a volume; but a file that serves two splits is leakage whichever of its slices they are.
 */
import { splitFragment } from "./formats/names.js"
import type { Reading } from "./inspect-reading.js"
import { NAMES_KEPT, type Sample, type Split, SPLITS } from "./sample.js"

export interface Duplicate {
  /** Samples whose images are the same, as `split/id`. */
  readonly samples: readonly string[]
  readonly splits: readonly Split[]
}

export interface DuplicateReport {
  /** Groups that lie in one split. */
  readonly within: number
  /** Groups that lie in several. */
  readonly across: number
  /** The groups, those across splits first; at most 1000. */
  readonly examples: readonly Duplicate[]
}

/** Groups the samples whose key is the same, unless they are one file in one split. */
export function findDuplicates(readings: readonly Reading[], key: (reading: Reading) => string): DuplicateReport {
  const byKey = new Map<string, Sample[]>()
  for (const reading of readings) {
    const group = byKey.get(key(reading))
    if (group) group.push(reading.sample)
    else byKey.set(key(reading), [reading.sample])
  }
  const groups = [...byKey.values()]
    .map((group) => ({
      files: new Set(group.map(({ imagePath }) => imagePath)).size,
      samples: group.map((sample) => `${sample.split}/${sample.id}`).sort(),
      splits: SPLITS.filter((split) => group.some((sample) => sample.split === split)),
    }))
    .filter(({ files, splits }) => files > 1 || splits.length > 1)
    .sort((a, b) => b.splits.length - a.splits.length || (a.samples.join() < b.samples.join() ? -1 : 1))
  return {
    within: groups.filter(({ splits }) => splits.length === 1).length,
    across: groups.filter(({ splits }) => splits.length > 1).length,
    examples: groups.slice(0, NAMES_KEPT).map(({ samples, splits }) => ({ samples, splits })),
  }
}

interface Names {
  readonly count: number
  readonly names: readonly string[]
}

export interface Leaks {
  readonly subjects: Names
  /** Files of several pictures (volumes, multi-frame files). */
  readonly files: Names
}

/** What has samples in more than one split. */
export function findLeaks(samples: readonly Sample[]): Leaks {
  return {
    subjects: inSeveralSplits(samples, ({ subject }) => subject),
    files: inSeveralSplits(samples, ({ imagePath }) => {
      const { file, fragment } = splitFragment(imagePath)
      return fragment === undefined ? undefined : file
    }),
  }
}

function inSeveralSplits(samples: readonly Sample[], owner: (sample: Sample) => string | undefined): Names {
  const splitsOf = new Map<string, Set<Split>>()
  for (const sample of samples) {
    const name = owner(sample)
    if (name !== undefined) splitsOf.set(name, (splitsOf.get(name) ?? new Set()).add(sample.split))
  }
  const names = [...splitsOf].filter(([, splits]) => splits.size > 1).map(([name]) => name)
  return { count: names.length, names: names.sort().slice(0, NAMES_KEPT) }
}
