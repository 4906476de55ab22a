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
 * The validation split may also be called `val` or `validation`, as a folder and in annotation.json.
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
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { DataError } from "../data-error.js"
import { stemOf } from "../formats/names.js"
import { type Layout, type Sample, type Split, splitNamed, SPLITS } from "../sample.js"
import { Findings } from "./findings.js"
import { fieldsByName, ImageFolder } from "./image-folder.js"
import { oneForEachSplit } from "./split-names.js"
import { isRecord, parseJson, readIndexText } from "./text-files.js"

const ANNOTATION = "annotation.json"
const MASK_PREFIX = "mask_"

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
    return entries.includes(ANNOTATION) && entries.some((entry) => splitNamed(entry) !== undefined)
  },
  async read(root) {
    const annotation = parseQataAnnotation(await readIndexText(join(root, ANNOTATION)), join(root, ANNOTATION))
    const samples: Sample[] = []
    const findings = findingsIn(root)
    const folders = oneForEachSplit(await readdir(root), splitNamed, root)
    for (const split of SPLITS) {
      // A set without, say, a validation split has no such folder: then the split has no sample, which its user is told.
      const folder = folders.get(split) ?? split
      await readSplit({ root, split, folder, rows: annotation[split] ?? [], samples, findings })
    }
    return { samples, problems: findings.problems() }
  },
}

/**
 * Parses and checks annotation.json.
 * @param file its path, for messages.
 * @throws DataError naming the position: line and column for a syntax error, `train[12]` for a row.
 */
export function parseQataAnnotation(text: string, file: string): QataAnnotation {
  const record = parseJson(text, file)
  if (!isRecord(record)) {
    throw new DataError({
      what: `${file}: the top level is not an object`,
      fix: 'it must be {"train": [...], "valid": [...], "test": [...]}',
    })
  }
  const annotation: Partial<Record<Split, readonly QataRow[]>> = {}
  for (const [split, key] of oneForEachSplit(Object.keys(record), splitNamed, file)) {
    const rows = record[key]
    if (!Array.isArray(rows)) {
      throw new DataError({ what: `${file}: "${key}" is not a list`, fix: "it must be a list of rows" })
    }
    rows.forEach((row: unknown, index) => checkRow(row, `${file}: ${key}[${index}]`))
    annotation[split] = rows as readonly QataRow[]
  }
  return annotation
}

function checkRow(row: unknown, where: string): void {
  if (!isRecord(row)) {
    throw new DataError({
      what: `${where} is not an object`,
      fix: 'a row is {"image_path": "mask_NAME.png", "caption": "..."}',
    })
  }
  for (const key of ["image_path", "caption"] as const) {
    const field = row[key]
    if (typeof field === "string" && field.trim() !== "") continue
    const name = row["image_path"]
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

function findingsIn(root: string) {
  return new Findings({
    "missing-mask": {
      severity: "error",
      what: (names) => `image without a mask in ${root}: ${names}`,
      fix: `put the mask at SPLIT/masks/${MASK_PREFIX}NAME, or remove the image (a case without truth cannot be trained on)`,
    },
    "missing-caption": {
      severity: "error",
      what: (names) => `image without a caption in ${root}: ${names}`,
      fix: `add a row to ${ANNOTATION} whose image_path is the mask's name, or remove the image and its mask`,
    },
    "duplicate-caption": {
      severity: "error",
      what: (names) => `${ANNOTATION} in ${root} gives different captions for one case: ${names}`,
      fix: "keep one row for each case",
    },
  })
}

async function readSplit({
  root,
  split,
  folder,
  rows,
  samples,
  findings,
}: {
  readonly root: string
  readonly split: Split
  readonly folder: string
  readonly rows: readonly QataRow[]
  readonly samples: Sample[]
  readonly findings: ReturnType<typeof findingsIn>
}): Promise<void> {
  const images = await ImageFolder.listOrEmpty(join(root, folder, "images"))
  const masks = await ImageFolder.listOrEmpty(join(root, folder, "masks"))
  images.report(findings, `${folder}/images`)
  masks.report(findings, `${folder}/masks`)
  const captions = new Map<string, string>()
  const unused = new Map<string, string>()
  rows.forEach((row, index) => {
    const key = row.image_path.toLowerCase()
    const earlier = captions.get(key)
    if (earlier !== undefined && earlier !== row.caption) {
      findings.add("duplicate-caption", `${split}[${index}] (${row.image_path})`)
    }
    captions.set(key, row.caption)
    unused.set(key, `${folder}/${row.image_path}`)
  })
  const masksLeft = new Set(masks.images)
  for (const name of images.distinct(findings, `${folder}/images`)) {
    const mask = masks.find(MASK_PREFIX + name)
    const key = (MASK_PREFIX + name).toLowerCase()
    const caption = captions.get(key)
    unused.delete(key)
    if (mask) masksLeft.delete(mask.name)
    else findings.add("missing-mask", `${folder}/images/${name} (wants ${folder}/masks/${MASK_PREFIX}${name})`)
    if (caption === undefined) findings.add("missing-caption", `${folder}/images/${name}`)
    if (mask === undefined || caption === undefined) continue
    if (mask.how === "without ending") findings.add("names-matched-without-ending", `${mask.name} in masks and ${name}`)
    samples.push({
      id: stemOf(name),
      split,
      imagePath: join(root, folder, "images", name),
      maskPath: join(root, folder, "masks", mask.name),
      note: caption,
      ...fieldsByName(name, mask.name),
    })
  }
  for (const name of masksLeft) findings.add("mask-without-image", `${folder}/masks/${name}`)
  for (const name of unused.values()) findings.add("unused-annotation", name)
}
