/**
 * What is in a data set, and what about it would spoil a result.
 *
 * Takes: a folder or manifest. Gives: counts, sizes, mask and note statistics, problems, duplicates, and leakage
 * between splits.
 *
 * Why so: the commonest way to a score that means nothing is a case, or a patient, that is in two splits; and the
 * commonest way to a run that fails at night is one broken file. So every file is read once here, and everything
 * found is reported together. What makes the set unusable is told apart from what a person has to judge: `usable` is
 * about errors alone, because an empty mask or a duplicate can be right.
 */
import { availableParallelism } from "node:os"
import { wordCount } from "../tokenizers/cleanup.js"
import { DataError } from "./data-error.js"
import { surveyDataset } from "./dataset.js"
import { type DuplicateReport, findDuplicates, findLeaks, type Leaks } from "./inspect-duplicates.js"
import { type Reading, SampleReader } from "./inspect-reading.js"
import { type DataProblem, listed, NAMES_KEPT, type ReadOptions, type Sample, type Split } from "./sample.js"

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

/** Something that a person should look at: the set can be used, but perhaps not as it was meant. */
export interface DataWarning {
  readonly kind:
    "same-bytes" | "same-pixels" | "leakage" | "constant-image" | "mask-values" | "full-mask" | "empty-note"
  readonly what: string
  readonly fix: string
  /** How many samples it concerns; groups of duplicates, and for leakage subjects or files. */
  readonly count: number
  /** Their names, at most 1000: `split/id`, of a group `split/id = split/id`. */
  readonly names: readonly string[]
}

export interface SideReport {
  /** Samples whose note names one side, left or right, and whose mask is not empty. */
  readonly oneSide: number
  /** Those of them whose mask lies for the greater part on that side of the picture, as the viewer sees it. */
  readonly viewersSide: number
}

export interface DatasetReport {
  readonly root: string
  readonly layout: string
  /** Which prompt the notes are, in a layout that has several for each case. */
  readonly prompt?: string
  readonly splits: Readonly<Record<Split, SplitReport>>
  /** Image sizes, "height x width" to count. */
  readonly sizes: Readonly<Record<string, number>>
  /** Images with one channel and with three. */
  readonly channels: { readonly grey: number; readonly colour: number }
  /** Words per note (separated by white space), over all samples. */
  readonly noteWords: { readonly least: number; readonly median: number; readonly most: number }
  readonly sides: SideReport
  readonly problems: readonly DataProblem[]
  /** Files that cannot be read, and masks of another size than their image: one line each. */
  readonly badFiles: readonly string[]
  /** Images with the same bytes. */
  readonly duplicates: DuplicateReport
  /** Images with different bytes that decode to the same pixels: the same picture, written again. */
  readonly samePixels: DuplicateReport
  /** Subjects that have samples in more than one split. */
  readonly leakingSubjects: { readonly count: number; readonly names: readonly string[] }
  /** Volumes with slices, or files with frames, in more than one split. */
  readonly leakingFiles: { readonly count: number; readonly names: readonly string[] }
  readonly warnings: readonly DataWarning[]
  /** True when nothing is an error: no problem of that severity and no bad file. */
  readonly usable: boolean
}

export interface InspectOptions extends ReadOptions {
  /** Is told how many samples have been read. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Reads every file of a data set. @throws DataError when it is not a data set at all. */
export async function inspectDataset(root: string, options: InspectOptions = {}): Promise<DatasetReport> {
  const dataset = await surveyDataset(root, options)
  const { samples, problems } = dataset
  const { readings, badFiles } = await readAll(samples, options.onProgress)
  const duplicates = findDuplicates(readings, ({ bytes }) => bytes)
  const samePixels = findDuplicates(distinctBytes(readings), ({ pixels }) => pixels)
  const leaks = findLeaks(samples)
  const words = samples.map((sample) => wordCount(sample.note)).sort((a, b) => a - b)
  return {
    root: dataset.root,
    layout: dataset.layout,
    ...(dataset.prompt === undefined ? {} : { prompt: dataset.prompt }),
    splits: {
      train: splitReport(samples, readings, "train"),
      valid: splitReport(samples, readings, "valid"),
      test: splitReport(samples, readings, "test"),
    },
    sizes: countedSizes(readings),
    channels: {
      grey: readings.filter(({ channels }) => channels === 1).length,
      colour: readings.filter(({ channels }) => channels === 3).length,
    },
    noteWords: { least: words[0] ?? 0, median: words[words.length >> 1] ?? 0, most: words.at(-1) ?? 0 },
    sides: sideReport(readings),
    problems,
    badFiles,
    duplicates,
    samePixels,
    leakingSubjects: leaks.subjects,
    leakingFiles: leaks.files,
    warnings: [
      ...duplicateWarnings(duplicates, samePixels),
      ...leakWarnings(leaks),
      ...contentWarnings(samples, readings),
    ],
    usable: badFiles.length === 0 && !problems.some((problem) => problem.severity === "error"),
  }
}

async function readAll(
  samples: readonly Sample[],
  onProgress: InspectOptions["onProgress"],
): Promise<{ readings: Reading[]; badFiles: string[] }> {
  const reader = new SampleReader()
  const found: (Reading | undefined)[] = samples.map(() => undefined)
  const badFiles = new Set<string>()
  let next = 0
  let done = 0
  const work = async () => {
    for (let i = next++; i < samples.length; i = next++) {
      try {
        const reading = await reader.read(samples[i] as Sample)
        found[i] = reading
        if (reading.misfit !== undefined) badFiles.add(reading.misfit)
      } catch (thrown) {
        if (!(thrown instanceof DataError)) throw thrown
        badFiles.add(thrown.what)
      }
      onProgress?.(++done, samples.length)
    }
  }
  // Decoding runs on libvips' and zlib's threads: more files at once than cores keep them busy.
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, work))
  return { readings: found.filter((reading) => reading !== undefined), badFiles: [...badFiles].sort() }
}

function splitReport(samples: readonly Sample[], readings: readonly Reading[], split: Split): SplitReport {
  const own = samples.filter((sample) => sample.split === split)
  const masks = readings.flatMap(({ sample, mask }) => (sample.split === split && mask ? [mask] : []))
  const subjects = new Set(own.flatMap((sample) => sample.subject ?? []))
  return {
    samples: own.length,
    emptyMasks: masks.filter(({ foreground }) => foreground === 0).length,
    foreground: masks.reduce((sum, { foreground }) => sum + foreground, 0) / Math.max(1, masks.length),
    distinctNotes: new Set(own.map((sample) => sample.note)).size,
    ...(subjects.size > 0 ? { subjects: subjects.size } : {}),
  }
}

function countedSizes(readings: readonly Reading[]): Record<string, number> {
  const sizes: Record<string, number> = {}
  for (const { size } of readings) sizes[size] = (sizes[size] ?? 0) + 1
  return Object.fromEntries(Object.entries(sizes).sort(([, a], [, b]) => b - a))
}

function sideReport(readings: readonly Reading[]): SideReport {
  const sides = readings.flatMap(({ side }) => side ?? [])
  return { oneSide: sides.length, viewersSide: sides.filter(({ agrees }) => agrees).length }
}

/** One reading for each of the images that differ in their bytes, so that duplicates by bytes are not told twice. */
function distinctBytes(readings: readonly Reading[]): Reading[] {
  return [...new Map(readings.map((reading) => [reading.bytes, reading])).values()]
}

function duplicateWarnings(duplicates: DuplicateReport, samePixels: DuplicateReport): DataWarning[] {
  const told = (kind: "same-bytes" | "same-pixels", report: DuplicateReport, how: string): DataWarning[] => {
    const count = report.within + report.across
    if (count === 0) return []
    const where = report.across > 0 ? `${report.across} across splits, which is leakage` : "all within a split"
    const names = report.examples.map(({ samples }) => samples.join(" = "))
    const what = `${counted(count, "group")} of images ${how} (${where}): ${listed(names, 3)}`
    const fix = "keep one of each, and never one in two splits; fine within a split if notes or masks differ on purpose"
    return [{ kind, what, fix, count, names }]
  }
  return [
    ...told("same-bytes", duplicates, "with the same bytes"),
    ...told("same-pixels", samePixels, "with the same pixels in files that differ"),
  ]
}

function leakWarnings({ subjects, files }: Leaks): DataWarning[] {
  const fix =
    "give all cases of a subject to one split: a score on a patient who was trained on says little about others"
  const warnings: DataWarning[] = []
  if (subjects.count > 0) {
    const what = `${counted(subjects.count, "subject")} in more than one split: ${listed(subjects.names, 3)}`
    warnings.push({ kind: "leakage", what, fix, ...subjects })
  }
  if (files.count > 0) {
    const what = `${counted(files.count, "volume")} with slices in more than one split: ${listed(files.names, 3)}`
    warnings.push({ kind: "leakage", what, fix, ...files })
  }
  return warnings
}

function contentWarnings(samples: readonly Sample[], readings: readonly Reading[]): DataWarning[] {
  const warnings: DataWarning[] = []
  const warn = (kind: DataWarning["kind"], found: readonly Sample[], what: string, fix: string) => {
    if (found.length === 0) return
    const names = found.map(nameOf).sort()
    const told = `${counted(found.length, "sample")} ${what}: ${listed(names, 3)}`
    warnings.push({ kind, what: told, fix, count: found.length, names: names.slice(0, NAMES_KEPT) })
  }
  const where = (is: (reading: Reading) => boolean | undefined) => readings.filter(is).map(({ sample }) => sample)
  warn(
    "constant-image",
    where(({ constant }) => constant),
    "with an image of one value",
    "look at them: a failed conversion, or a slice outside of the body",
  )
  warn(
    "mask-values",
    // A layout that gives a rule of its own knows that its masks have values between.
    where(({ sample, mask }) => mask && mask.levels > 2 && sample.maskRule === undefined),
    "with a mask of more than two values, all of which but 0 count as foreground",
    "write masks of two values without JPEG; of several labels choose one in the path: mask.png#label=2",
  )
  warn(
    "full-mask",
    where(({ mask }) => mask?.foreground === 1),
    "with a mask that covers the whole image",
    "look at them: foreground and background may be exchanged",
  )
  warn(
    "empty-note",
    samples.filter(({ note }) => note.trim() === ""),
    "without a note",
    "write their notes; nothing to do if the empty prompt was chosen on purpose",
  )
  return warnings
}

function nameOf({ split, id }: Sample): string {
  return `${split}/${id}`
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`
}
