/**
 * The QaTa-COV19 layout, as SGSeg publishes it (with captions in annotation.json).
 *
 *   annotation.json                    {"train": [row, ...], "valid": [...], "test": [...]}
 *   {train,valid,test}/images/NAME.png
 *   {train,valid,test}/masks/mask_NAME.png
 *
 * A row's `image_path` is the *mask's* file name, `caption` the note; `pulmonary_infection` (1 or 2 lungs),
 * `infected_area` (1..6) and `pseudo_label` (upper, middle, lower left; upper, middle, lower right) repeat the caption.
 *
 * Takes: the folder. Gives: samples, and what does not fit together.
 *
 * Why so: the files on disk are the truth, because copies of the set are often subsets with the full annotation file; so a
 * row without an image is a note, and an image without a mask or a caption is an error. Names are compared without letter
 * case, because the published folder holds many files twice under two spellings.
 *
 * "Left" in a caption is the *viewer's* left: of the cases with one lung infected in the copy this was written against, the
 * mask lies on the side of the picture that the caption names in 218 of 222. (The pictures themselves are in the
 * radiological convention, so the caption's left lung is the patient's right.)
 */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { codeOf, DataError, messageOf } from "../data-error.js"
import { jsonMistake } from "../json-position.js"
import { type DataProblem, type Layout, listed, NAMES_KEPT, type Sample, type Split, SPLITS } from "../sample.js"

const ANNOTATION = "annotation.json"
const MASK_PREFIX = "mask_"
const IMAGE_ENDINGS = /\.(png|jpe?g|bmp|tiff?)$/i

/** One row of annotation.json. */
export interface QataRow {
  /** File name of the mask. */
  readonly image_path: string
  readonly caption: string
  readonly pulmonary_infection?: number
  readonly infected_area?: number
  readonly pseudo_label?: readonly number[]
}
export type QataAnnotation = Readonly<Partial<Record<Split, readonly QataRow[]>>>

export const qataLayout: Layout = {
  name: "qata",
  looksLike: "annotation.json with captions, and images/ and masks/ (mask_NAME.png) in train/, valid/ and test/",
  async detect(_root, entries) {
    return entries.includes(ANNOTATION) && SPLITS.some((split) => entries.includes(split))
  },
  async read(root) {
    const annotation = parseQataAnnotation(await readText(join(root, ANNOTATION)), join(root, ANNOTATION))
    const samples: Sample[] = []
    const findings = new Findings(root)
    for (const split of SPLITS) await readSplit(root, split, annotation[split] ?? [], samples, findings)
    return { samples, problems: findings.problems() }
  },
}

/** The subject in a BIDS-like name (`sub-S09308_ses-...`), in lower case, or undefined. */
export function subjectOf(name: string): string | undefined {
  return /(?:^|_)(sub-[a-z0-9]+)(?=_|\.|$)/.exec(name.toLowerCase())?.[1]
}

/**
 * Parses and checks annotation.json.
 * @param file its path, for messages.
 * @throws DataError naming the position: line and column for a syntax error, `train[12]` for a row.
 */
export function parseQataAnnotation(text: string, file: string): QataAnnotation {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    const { line, column } = jsonMistake(text)
    throw new DataError(
      {
        what: `${file}:${line}:${column}: not valid JSON`,
        fix: "correct the file at that position, or fetch it again (it may be cut off)",
      },
      { cause: thrown },
    )
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DataError({
      what: `${file}: the top level is not an object`,
      fix: 'it must be {"train": [...], "valid": [...], "test": [...]}',
    })
  }
  const record = value as Record<string, unknown>
  for (const split of SPLITS) {
    const rows = record[split]
    if (rows === undefined) continue
    if (!Array.isArray(rows)) {
      throw new DataError({ what: `${file}: "${split}" is not a list`, fix: "it must be a list of rows" })
    }
    rows.forEach((row: unknown, index) => checkRow(row, `${file}: ${split}[${index}]`))
  }
  return record
}

function checkRow(row: unknown, where: string): void {
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    throw new DataError({
      what: `${where} is not an object`,
      fix: 'a row is {"image_path": "mask_NAME.png", "caption": "..."}',
    })
  }
  for (const key of ["image_path", "caption"] as const) {
    const field = (row as Record<string, unknown>)[key]
    if (typeof field === "string" && field.trim() !== "") continue
    const name = (row as Record<string, unknown>)["image_path"]
    const of = key === "caption" && typeof name === "string" ? ` (${name})` : ""
    const wrong = field === undefined ? "has no" : typeof field === "string" ? "has an empty" : "has a non-text"
    throw new DataError({
      what: `${where}${of} ${wrong} "${key}"`,
      fix:
        key === "caption"
          ? "write the note of this case there, or remove the row and its files"
          : "name the mask's file",
    })
  }
}

/** Collects file names by kind of problem, to report each kind once with its count. */
class Findings {
  private readonly found = new Map<DataProblem["kind"], string[]>()
  constructor(private readonly root: string) {}

  add(kind: DataProblem["kind"], name: string): void {
    const names = this.found.get(kind)
    if (names) names.push(name)
    else this.found.set(kind, [name])
  }

  problems(): DataProblem[] {
    const text: Record<DataProblem["kind"], [DataProblem["severity"], (names: string) => string, string]> = {
      "missing-mask": [
        "error",
        (names) => `image without a mask in ${this.root}: ${names}`,
        `put the mask at SPLIT/masks/${MASK_PREFIX}NAME, or remove the image (a case without truth cannot be trained on)`,
      ],
      "missing-caption": [
        "error",
        (names) => `image without a caption in ${this.root}: ${names}`,
        `add a row to ${ANNOTATION} whose image_path is the mask's name, or remove the image and its mask`,
      ],
      "duplicate-caption": [
        "error",
        (names) => `${ANNOTATION} in ${this.root} gives different captions for one case: ${names}`,
        "keep one row for each case",
      ],
      "unused-annotation": [
        "note",
        (names) => `rows of ${ANNOTATION} whose image is not on disk are left out: ${names}`,
        "nothing to do if this is a subset; else fetch the missing files",
      ],
      "mask-without-image": [
        "note",
        (names) => `masks without an image are left out: ${names}`,
        "add the image or remove the mask",
      ],
      "not-an-image": ["note", (names) => `files that are not images are left out: ${names}`, "remove them"],
      "names-differ-in-case": [
        "note",
        (names) => `files whose names differ from another's in letter case only are left out: ${names}`,
        "nothing to do if they are copies; else give them names of their own",
      ],
    }
    return [...this.found].map(([kind, unsorted]) => {
      const [severity, what, fix] = text[kind]
      const names = [...unsorted].sort()
      return {
        severity,
        kind,
        what: what(listed(names, 3)),
        fix,
        count: names.length,
        names: names.slice(0, NAMES_KEPT),
      }
    })
  }
}

async function readSplit(
  root: string,
  split: Split,
  rows: readonly QataRow[],
  samples: Sample[],
  findings: Findings,
): Promise<void> {
  const images = await listImages(root, `${split}/images`, findings)
  const masks = await listImages(root, `${split}/masks`, findings)
  const captions = new Map<string, string>()
  const unused = new Map<string, string>()
  rows.forEach((row, index) => {
    const key = row.image_path.toLowerCase()
    const earlier = captions.get(key)
    if (earlier !== undefined && earlier !== row.caption) {
      findings.add("duplicate-caption", `${split}[${index}] (${row.image_path})`)
    }
    captions.set(key, row.caption)
    unused.set(key, `${split}/${row.image_path}`)
  })
  for (const [key, name] of images) {
    const maskKey = MASK_PREFIX + key
    const mask = masks.get(maskKey)
    const caption = captions.get(maskKey)
    masks.delete(maskKey)
    unused.delete(maskKey)
    if (mask === undefined)
      findings.add("missing-mask", `${split}/images/${name} (wants ${split}/masks/${MASK_PREFIX}${name})`)
    if (caption === undefined) findings.add("missing-caption", `${split}/images/${name}`)
    if (mask === undefined || caption === undefined) continue
    const subject = subjectOf(name)
    samples.push({
      id: name.replace(IMAGE_ENDINGS, ""),
      split,
      imagePath: join(root, split, "images", name),
      maskPath: join(root, split, "masks", mask),
      note: caption,
      ...(subject === undefined ? {} : { subject }),
    })
  }
  for (const name of masks.values()) findings.add("mask-without-image", `${split}/masks/${name}`)
  for (const name of unused.values()) findings.add("unused-annotation", name)
}

/** Image files of a folder by lower-case name; of two names that differ in case only, the lower-case one is kept. */
async function listImages(root: string, folder: string, findings: Findings): Promise<Map<string, string>> {
  let entries: string[]
  try {
    entries = await readdir(join(root, folder))
  } catch (thrown) {
    // A set without, say, a validation split has no such folder: then the split has no sample, which its user is told.
    if (codeOf(thrown) === "ENOENT") return new Map()
    throw thrown
  }
  const files = new Map<string, string>()
  // Lower-case letters sort after upper-case ones, so the descending order meets the lower-case spelling first.
  for (const name of entries.sort().reverse()) {
    const key = name.toLowerCase()
    if (!IMAGE_ENDINGS.test(name)) findings.add("not-an-image", `${folder}/${name}`)
    else if (files.has(key)) findings.add("names-differ-in-case", `${folder}/${name}`)
    else files.set(key, name)
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8")
  } catch (thrown) {
    throw new DataError(
      { what: `${file} cannot be read: ${messageOf(thrown)}`, fix: "make it a readable file" },
      { cause: thrown },
    )
  }
}
