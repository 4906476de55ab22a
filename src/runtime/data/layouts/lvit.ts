/**
 * The layout of LViT (HUANGLIZI/LViT: QaTa-COV19, MosMedData+, MoNuSeg), which RecLMIS and others have taken over.
 *
 *   {Train,Val,Test}_Folder/img/NAME.png
 *   {Train,Val,Test}_Folder/labelcol/NAME.png      or mask_NAME.png
 *   {Train,Val,Test}_Folder/{Train,Val,Test}_text.xlsx
 *
 * The first sheet of a workbook has the columns "Image" and "Description". A workbook may also lie beside the folders, and
 * one may serve two splits (Train_Val_text.xlsx, as LViT's code for QaTa once had it).
 *
 * Takes: the folder. Gives: samples, and what does not fit together.
 *
 * Why so: the published sets name things loosely. The Image column holds the image's name or the mask's (QaTa), with the
 * mask's ending even where the image is a TIFF (MoNuSeg's test split). So names are matched without ending and letter
 * case, with or without "mask_", and where a row says something else than the image is called, that is told. As in the
 * QaTa layout, the files are the truth: a row without an image is a note, an image without a mask or a row is an error.
 */
import { readdir } from "node:fs/promises"
import { basename, join } from "node:path"
import { DataError } from "../data-error.js"
import { stemOf } from "../formats/names.js"
import { type Layout, listed, type Sample, type Split, splitNamed, SPLITS } from "../sample.js"
import { Findings } from "./findings.js"
import { fieldsByName, ImageFolder, matchingStem } from "./image-folder.js"
import { oneForEachSplit } from "./split-names.js"
import { readWorkbook } from "./xlsx.js"

const MASK_PREFIX = "mask_"
const IMAGES = "img"
const MASKS = "labelcol"

export const lvitLayout: Layout = {
  name: "lvit",
  looksLike:
    "Train_Folder/, Val_Folder/ and Test_Folder/, each with img/, labelcol/ and Train_text.xlsx (Val_, Test_) with the columns Image and Description",
  async detect(_root, entries) {
    return entries.some((entry) => splitOfFolder(entry) !== undefined)
  },
  async read(root) {
    const entries = await readdir(root)
    const folders = oneForEachSplit(entries, splitOfFolder, root)
    const findings = findingsIn(root)
    const samples: Sample[] = []
    const shared = await sharedWorkbooks(root, entries, findings)
    for (const split of SPLITS) {
      const folder = folders.get(split)
      if (folder === undefined) findings.add("missing-split", split)
      else samples.push(...(await readSplit({ root, split, folder, shared, findings })))
    }
    for (const workbook of new Set(shared.values())) workbook.reportUnused(findings)
    return { samples, problems: findings.problems() }
  },
}

/** The split that a folder's name gives: `Train_Folder`, `Val_Folder`, `test_folder`. */
function splitOfFolder(name: string): Split | undefined {
  const found = /^([a-z]+)_folder$/i.exec(name)?.[1]
  return found === undefined ? undefined : splitNamed(found)
}

/** The splits that a workbook's name gives: `Train_text.xlsx`, `Train_Val_text.xlsx`. */
function splitsOfWorkbook(name: string): Split[] {
  const found = /^([a-z_]+)_text\.xlsx$/i.exec(name)?.[1]
  const splits = found?.split("_").map(splitNamed) ?? []
  return splits.every((split) => split !== undefined) ? splits : []
}

type LvitFindings = ReturnType<typeof findingsIn>

function findingsIn(root: string) {
  return new Findings({
    "missing-mask": {
      severity: "error",
      what: (names) => `image without a mask in ${root}: ${names}`,
      fix: `put the mask into ${MASKS}/ under the image's name, or remove the image (a case without truth cannot be trained on)`,
    },
    "missing-caption": {
      severity: "error",
      what: (names) => `image without a description in ${root}: ${names}`,
      fix: "add a row with the image's name and its description to the workbook, or remove the image and its mask",
    },
    "missing-text-file": {
      severity: "error",
      what: (names) => `no workbook with descriptions in ${root}: ${names}`,
      fix: "put an .xlsx workbook of that name there, whose first sheet has the columns Image and Description",
    },
    "missing-split": {
      severity: "note",
      what: (names) => `${root} has no folder for the split ${names}`,
      fix: "training needs Train_Folder and Val_Folder, `mdl eval` the split that it scores; else nothing to do",
    },
    "incomplete-row": {
      severity: "error",
      what: (names) => `rows with an empty cell: ${names}`,
      fix: "fill in both Image and Description, or delete the row",
    },
    "duplicate-caption": {
      severity: "error",
      what: (names) => `rows that give another description for a case than an earlier row: ${names}`,
      fix: "keep one row for each case",
    },
  })
}

interface DescriptionRow {
  /** As written, without folders. */
  readonly image: string
  readonly text: string
}

/** The descriptions of a workbook, found by the name of an image. */
class Workbook {
  private readonly rows = new Map<string, DescriptionRow>()
  private readonly used = new Set<string>()

  private constructor(readonly name: string) {}

  /** @throws DataError when the file cannot be read as a workbook with the two columns */
  static async read(file: string, name: string, findings: LvitFindings): Promise<Workbook> {
    const workbook = new Workbook(name)
    const [header, ...rows] = await readWorkbook(file)
    const titles = header?.cells ?? []
    const column = (title: string): number => {
      const found = titles.findIndex((cell) => cell.toLowerCase() === title.toLowerCase())
      if (found >= 0) return found
      const there = titles.filter((cell) => cell !== "")
      throw new DataError({
        what: `${file} has no column "${title}" in its first row, which has ${listed(there, 6)}`,
        fix: "the first row of the first sheet names the columns: Image and Description",
      })
    }
    const image = column("Image")
    const description = column("Description")
    for (const { number, cells } of rows) {
      workbook.add({ image: basename(cells[image] ?? ""), text: cells[description] ?? "" }, number, findings)
    }
    return workbook
  }

  private add(row: DescriptionRow, number: number, findings: LvitFindings): void {
    if (row.image === "" && row.text === "") return
    const where = `${this.name}:${number}`
    if (row.image === "") return findings.add("incomplete-row", `${where} (no Image)`)
    if (row.text === "") return findings.add("incomplete-row", `${where} (${row.image} has no Description)`)
    const stem = matchingStem(row.image)
    const earlier = this.rows.get(stem)
    if (earlier === undefined) this.rows.set(stem, row)
    else findings.add(earlier.text === row.text ? "repeated-row" : "duplicate-caption", `${where} (${row.image})`)
  }

  /** The description of an image; a row that calls it by another name is told. */
  textOf(image: string, findings: LvitFindings): string | undefined {
    for (const prefix of ["", MASK_PREFIX]) {
      const stem = prefix + matchingStem(image)
      const row = this.rows.get(stem)
      if (row === undefined) continue
      this.used.add(stem)
      const called = row.image.slice(prefix.length)
      if (called.toLowerCase() !== image.toLowerCase()) {
        findings.add("names-matched-without-ending", `${row.image} in ${this.name} and ${image}`)
      } else if (called !== image) {
        findings.add("names-matched-without-case", `${row.image} in ${this.name} and ${image}`)
      }
      return row.text
    }
    return undefined
  }

  reportUnused(findings: LvitFindings): void {
    for (const [stem, { image }] of this.rows) {
      if (!this.used.has(stem)) findings.add("unused-annotation", `${image} in ${this.name}`)
    }
  }
}

/** Workbooks beside the folders, by the splits they serve. */
async function sharedWorkbooks(
  root: string,
  entries: readonly string[],
  findings: LvitFindings,
): Promise<ReadonlyMap<Split, Workbook>> {
  const found = new Map<Split, Workbook>()
  for (const name of [...entries].sort()) {
    const splits = splitsOfWorkbook(name)
    if (splits.length === 0) continue
    const workbook = await Workbook.read(join(root, name), name, findings)
    // One for a single split says more than one for several.
    for (const split of splits) if (splits.length === 1 || !found.has(split)) found.set(split, workbook)
  }
  return found
}

async function readSplit({
  root,
  split,
  folder,
  shared,
  findings,
}: {
  readonly root: string
  readonly split: Split
  readonly folder: string
  readonly shared: ReadonlyMap<Split, Workbook>
  readonly findings: LvitFindings
}): Promise<Sample[]> {
  const images = await ImageFolder.listOrEmpty(join(root, folder, IMAGES))
  const masks = await ImageFolder.listOrEmpty(join(root, folder, MASKS))
  images.report(findings, `${folder}/${IMAGES}`)
  masks.report(findings, `${folder}/${MASKS}`)
  const own = (await readdir(join(root, folder))).filter((name) => splitsOfWorkbook(name).includes(split)).sort()[0]
  const workbook =
    own === undefined ? shared.get(split) : await Workbook.read(join(root, folder, own), `${folder}/${own}`, findings)
  if (workbook === undefined) {
    const prefix = folder.slice(0, folder.indexOf("_"))
    if (images.images.length > 0) findings.add("missing-text-file", `${folder}/${prefix}_text.xlsx`)
    return []
  }
  const samples: Sample[] = []
  const masksLeft = new Set(masks.images)
  for (const name of images.distinct(findings, `${folder}/${IMAGES}`)) {
    const mask = masks.find(name) ?? masks.find(MASK_PREFIX + name)
    const text = workbook.textOf(name, findings)
    const where = `${folder}/${IMAGES}/${name}`
    if (mask) masksLeft.delete(mask.name)
    else findings.add("missing-mask", where)
    if (text === undefined) findings.add("missing-caption", where)
    if (mask === undefined || text === undefined) continue
    if (mask.how === "without case") findings.add("names-matched-without-case", `${mask.name} in ${MASKS} and ${name}`)
    samples.push({
      id: stemOf(name),
      split,
      imagePath: join(root, folder, IMAGES, name),
      maskPath: join(root, folder, MASKS, mask.name),
      note: text,
      ...fieldsByName(name, mask.name),
    })
  }
  for (const name of masksLeft) findings.add("mask-without-image", `${folder}/${MASKS}/${name}`)
  if (own !== undefined) workbook.reportUnused(findings)
  return samples
}
