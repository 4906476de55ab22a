/**
 * What is in a data set, and what about it would spoil a result.
 *
 * Takes: a folder. Gives: counts, sizes, mask and note statistics, problems, and leakage between splits.
 *
 * Why so: the commonest way to a score that means nothing is a case, or a patient, that is in two splits; and the
 * commonest way to a run that fails at night is one broken file. So every file is read once here, and everything found is
 * reported together.
 */
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { wordCount } from "../tokenizers/cleanup.js"
import { DataError } from "./data-error.js"
import { surveyDataset } from "./dataset.js"
import { readImageHeader, readMaskPixels, readPixels } from "./images.js"
import { type DataProblem, listed, NAMES_KEPT, type Sample, type Split, SPLITS } from "./sample.js"

export interface SplitReport {
  readonly samples: number
  /** Samples whose mask has no foreground. */
  readonly emptyMasks: number
  /** Mean share of foreground pixels, 0 to 1; 0 without samples. */
  readonly foreground: number
  readonly distinctNotes: number
  /** Distinct subjects; undefined when no sample names one. */
  readonly subjects?: number
}

export interface Duplicate {
  /** Samples whose images have the same bytes, as `split/id`. */
  readonly samples: readonly string[]
  readonly splits: readonly Split[]
}

export interface DatasetReport {
  readonly root: string
  readonly layout: string
  readonly splits: Readonly<Record<Split, SplitReport>>
  /** Image sizes, "height x width" to count. */
  readonly sizes: Readonly<Record<string, number>>
  /** Words per note (separated by white space), over all samples. */
  readonly noteWords: { readonly least: number; readonly median: number; readonly most: number }
  readonly problems: readonly DataProblem[]
  /** Files that cannot be read, and masks of another size than their image: one line each. */
  readonly badFiles: readonly string[]
  readonly duplicates: { readonly within: number; readonly across: number; readonly examples: readonly Duplicate[] }
  /** Subjects that have samples in more than one split. */
  readonly leakingSubjects: { readonly count: number; readonly names: readonly string[] }
  /** True when nothing is an error: no problem of that severity and no bad file. */
  readonly usable: boolean
}

const AT_ONCE = 4

interface Reading {
  readonly sample: Sample
  readonly hash: string
  readonly size: string
  readonly foreground: number
}

/** Reads every file of a data set. @throws DataError when the folder is not a data set at all. */
export async function inspectDataset(root: string): Promise<DatasetReport> {
  const dataset = await surveyDataset(root)
  const badFiles: string[] = []
  const readings: Reading[] = []
  let next = 0
  const work = async () => {
    for (let i = next++; i < dataset.samples.length; i = next++) {
      const sample = dataset.samples[i] as Sample
      try {
        readings.push(await readSample(sample, badFiles))
      } catch (thrown) {
        if (!(thrown instanceof DataError)) throw thrown
        badFiles.push(thrown.what)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  badFiles.sort()
  const sizes: Record<string, number> = {}
  for (const { size } of readings) sizes[size] = (sizes[size] ?? 0) + 1
  const words = dataset.samples.map((sample) => wordCount(sample.note)).sort((a, b) => a - b)
  const problemIsError = dataset.problems.some((problem) => problem.severity === "error")
  return {
    root: dataset.root,
    layout: dataset.layout,
    splits: {
      train: splitReport(dataset.samples, readings, "train"),
      valid: splitReport(dataset.samples, readings, "valid"),
      test: splitReport(dataset.samples, readings, "test"),
    },
    sizes: Object.fromEntries(Object.entries(sizes).sort(([, a], [, b]) => b - a)),
    noteWords: { least: words[0] ?? 0, median: words[words.length >> 1] ?? 0, most: words.at(-1) ?? 0 },
    problems: dataset.problems,
    badFiles,
    duplicates: findDuplicates(readings),
    leakingSubjects: findLeakingSubjects(dataset.samples),
    usable: !problemIsError && badFiles.length === 0,
  }
}

async function readSample(sample: Sample, badFiles: string[]): Promise<Reading> {
  const header = await readImageHeader(sample.imagePath)
  // The header alone would not show that a file is cut off.
  await readPixels(sample.imagePath)
  const hash = createHash("sha256")
    .update(await readFile(sample.imagePath))
    .digest("hex")
  const size = `${header.height}x${header.width}`
  if (sample.maskPath === undefined) return { sample, hash, size, foreground: 0 }
  const mask = await readMaskPixels(sample.maskPath)
  if (mask.height !== header.height || mask.width !== header.width) {
    badFiles.push(`${sample.maskPath} is ${mask.height}x${mask.width} but its image is ${size}`)
  }
  const foreground = mask.data.reduce((sum, value) => sum + value, 0) / mask.data.length
  return { sample, hash, size, foreground }
}

function splitReport(samples: readonly Sample[], readings: readonly Reading[], split: Split): SplitReport {
  const own = samples.filter((sample) => sample.split === split)
  const read = readings.filter(({ sample }) => sample.split === split)
  const subjects = new Set(own.flatMap((sample) => sample.subject ?? []))
  return {
    samples: own.length,
    emptyMasks: read.filter(({ sample, foreground }) => sample.maskPath !== undefined && foreground === 0).length,
    foreground: read.reduce((sum, { foreground }) => sum + foreground, 0) / Math.max(1, read.length),
    distinctNotes: new Set(own.map((sample) => sample.note)).size,
    ...(subjects.size > 0 ? { subjects: subjects.size } : {}),
  }
}

function findDuplicates(readings: readonly Reading[]): DatasetReport["duplicates"] {
  const byHash = new Map<string, Sample[]>()
  for (const { sample, hash } of readings) byHash.set(hash, [...(byHash.get(hash) ?? []), sample])
  const groups = [...byHash.values()]
    .filter((group) => group.length > 1)
    .map((group) => ({
      samples: group.map((sample) => `${sample.split}/${sample.id}`).sort(),
      splits: SPLITS.filter((split) => group.some((sample) => sample.split === split)),
    }))
    .sort((a, b) => b.splits.length - a.splits.length || (a.samples.join() < b.samples.join() ? -1 : 1))
  return {
    within: groups.filter((group) => group.splits.length === 1).length,
    across: groups.filter((group) => group.splits.length > 1).length,
    examples: groups.slice(0, NAMES_KEPT),
  }
}

function findLeakingSubjects(samples: readonly Sample[]): DatasetReport["leakingSubjects"] {
  const splitsOf = new Map<string, Set<Split>>()
  for (const { subject, split } of samples) {
    if (subject !== undefined) splitsOf.set(subject, (splitsOf.get(subject) ?? new Set()).add(split))
  }
  const leaking = [...splitsOf].filter(([, splits]) => splits.size > 1).map(([subject]) => subject)
  return { count: leaking.length, names: leaking.sort().slice(0, NAMES_KEPT) }
}

/** The report as text for a terminal. */
export function formatReport(report: DatasetReport): string {
  const lines = [`${report.root}: layout ${report.layout}`, ""]
  lines.push("split   samples  empty masks  foreground  distinct notes  subjects")
  for (const split of SPLITS) {
    const row = report.splits[split]
    const share = `${(100 * row.foreground).toFixed(1)}%`
    lines.push(
      split.padEnd(8) +
        String(row.samples).padStart(7) +
        String(row.emptyMasks).padStart(13) +
        share.padStart(12) +
        String(row.distinctNotes).padStart(16) +
        String(row.subjects ?? "-").padStart(10),
    )
  }
  const sizes = Object.entries(report.sizes).map(([size, count]) => `${size} (${count})`)
  lines.push("", `image sizes, height x width: ${listed(sizes, 6)}`)
  lines.push(
    `words in a note: ${report.noteWords.least} to ${report.noteWords.most}, median ${report.noteWords.median}`,
  )
  const { duplicates, leakingSubjects } = report
  lines.push(
    `images with the same bytes: ${duplicates.within} groups within a split, ${duplicates.across} across splits`,
  )
  for (const duplicate of duplicates.examples.slice(0, 5)) lines.push(`  ${duplicate.samples.join(" = ")}`)
  if (SPLITS.some((split) => report.splits[split].subjects !== undefined)) {
    const names = leakingSubjects.count > 0 ? `: ${listed(leakingSubjects.names, 5)}` : ""
    lines.push(`subjects in more than one split: ${leakingSubjects.count}${names}`)
  }
  for (const problem of report.problems) {
    lines.push("", `${problem.severity}: ${problem.what} (${problem.count} in all)`, `  fix: ${problem.fix}`)
  }
  if (report.badFiles.length > 0) {
    lines.push("", `error: ${report.badFiles.length} bad file${report.badFiles.length === 1 ? "" : "s"}`)
    for (const line of report.badFiles.slice(0, NAMES_KEPT)) lines.push(`  ${line}`)
    if (report.badFiles.length > NAMES_KEPT) lines.push(`  and ${report.badFiles.length - NAMES_KEPT} more`)
  }
  return lines.join("\n") + "\n"
}
