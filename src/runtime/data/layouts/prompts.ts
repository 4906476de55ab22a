/**
 * The layout of the transfer study of vision-language segmentation (naamiinepal/medvlsm, MIDL 2024): eleven image sets,
 * each case with a list of prompts.
 *
 *   anns/{train,val,test}.json    [{"img_name": "a.png", "mask_name": "a.png", "prompts": {"p0": "", "p1": "polyp", ...}}, ...]
 *   images/IMG_NAME
 *   masks/MASK_NAME               may hold folders: mask_1/patient0001_2CH_ED_gt.png
 *
 * A prompt is a text, or a list of texts that say the same; `p0` is empty. One image can have several records, each with a
 * mask of its own (CAMUS: three structures; CheXlocalize: up to ten findings).
 *
 * Takes: the folder, and which prompt is the note. Gives: samples, and what does not fit together.
 *
 * Why so: which prompt is read is the study's main variable, so it is chosen by name (`--prompt`) and kept with the run. The
 * default is p6, which all of the published sets have: with the polyp sets all attributes and the place. `random` is any
 * prompt but p0, as in the study's pooled training. Lists, and `random`, are drawn from: see wordings.ts. Here the index is
 * the truth about splits, so a picture without a record is a note; as in the other layouts, a record without its picture is
 * one too (a subset), and a picture whose mask is missing is an error.
 */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { DataError, isNoFolder } from "../data-error.js"
import { type Layout, type Sample, type Split, splitNamed, SPLITS } from "../sample.js"
import { Findings } from "./findings.js"
import { fieldsByName, ImageTree, type NameMatch } from "./image-folder.js"
import { oneForEachSplit } from "./split-names.js"
import { isRecord, parseJson, readIndexText } from "./text-files.js"
import { caseNames, notesOf, type UnnamedCase } from "./wordings.js"

const ANNOTATIONS = "anns"
const IMAGES = "images"
const MASKS = "masks"
/** The prompt that is read when none is named. */
export const DEFAULT_PROMPT = "p6"
/** Stands for every prompt but {@link NO_PROMPT}. */
export const RANDOM_PROMPT = "random"
/** The empty prompt. */
const NO_PROMPT = "p0"

/** One record, checked. */
export interface PromptRecord {
  readonly img_name: string
  readonly mask_name: string
  readonly prompts: Readonly<Record<string, string | readonly string[]>>
}

export const promptsLayout: Layout = {
  name: "prompts",
  looksLike:
    "anns/train.json, val.json and test.json (records with img_name, mask_name and prompts), images/ and masks/",
  hasPrompts: true,
  async detect(root, entries) {
    return entries.includes(ANNOTATIONS) && (await annotationFiles(root)).size > 0
  },
  async read(root, options) {
    const prompt = options.prompt ?? options.preferredPrompt ?? DEFAULT_PROMPT
    const records: LocatedRecord[] = []
    for (const [split, name] of await annotationFiles(root)) {
      const file = join(root, ANNOTATIONS, name)
      parseRecords(await readIndexText(file), file).forEach((record, index) =>
        records.push({ ...record, split, where: `${ANNOTATIONS}/${name}[${index}]` }),
      )
    }
    requirePrompt(prompt, records, root)
    const findings = findingsIn(root, prompt)
    const cases = await casesOf(root, records, findings)
    const names = caseNames(cases)
    const samples = cases.flatMap((one, index) => {
      const id = names[index] as string
      const wordings = wordingsIn(one.record, prompt)
      if (wordings.length === 0) findings.add("missing-caption", `${one.record.where} (${one.record.img_name})`)
      return wordings.length === 0 ? [] : [sampleOf(root, one, id, wordings)]
    })
    return { prompt, samples, problems: findings.problems() }
  },
}

function sampleOf(root: string, one: FoundCase, id: string, wordings: readonly string[]): Sample {
  return {
    id,
    split: one.split,
    imagePath: join(root, IMAGES, one.image),
    maskPath: join(root, MASKS, one.mask),
    ...notesOf(wordings, { split: one.split, id }),
    ...fieldsByName(one.image, one.mask),
  }
}

/** The files in anns/, by split, in the order of the splits. Empty when there is no such folder. */
async function annotationFiles(root: string): Promise<ReadonlyMap<Split, string>> {
  const folder = join(root, ANNOTATIONS)
  const found = oneForEachSplit(
    await entriesOf(folder),
    (name) => (/\.json$/i.test(name) ? splitNamed(name.slice(0, -".json".length)) : undefined),
    folder,
  )
  return new Map(SPLITS.flatMap((split) => (found.has(split) ? [[split, found.get(split) as string] as const] : [])))
}

/** Names in a folder; none when it is none. */
async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (thrown) {
    if (isNoFolder(thrown)) return []
    throw thrown
  }
}

interface LocatedRecord extends PromptRecord {
  readonly split: Split
  /** File and index, for messages. */
  readonly where: string
}

/**
 * Parses and checks one of the annotation files.
 * @param file its path, for messages.
 * @throws DataError naming the position: line and column for a syntax error, `[12]` for a record.
 */
export function parseRecords(text: string, file: string): readonly PromptRecord[] {
  const value = parseJson(text, file)
  if (!Array.isArray(value)) {
    throw new DataError({ what: `${file}: the top level is not a list`, fix: "it must be a list of records" })
  }
  return value.map((record: unknown, index) => checkRecord(record, `${file}[${index}]`))
}

function checkRecord(record: unknown, where: string): PromptRecord {
  const refuse = (what: string): never => {
    throw new DataError({
      what: `${where}${what}`,
      fix: 'a record is {"img_name": "a.png", "mask_name": "a.png", "prompts": {"p0": "", "p1": "polyp", ...}}',
    })
  }
  if (!isRecord(record)) return refuse(" is not an object")
  const { img_name: image, mask_name: mask, prompts } = record
  for (const [key, name] of Object.entries({ img_name: image, mask_name: mask })) {
    if (typeof name !== "string" || name.trim() === "") refuse(` has no file name in "${key}"`)
  }
  if (!isRecord(prompts)) return refuse(' has no object "prompts"')
  for (const [key, prompt] of Object.entries(prompts)) {
    const isText =
      typeof prompt === "string" || (Array.isArray(prompt) && prompt.every((one) => typeof one === "string"))
    if (!isText) refuse(`: the prompt "${key}" is neither a text nor a list of texts`)
  }
  return { img_name: image as string, mask_name: mask as string, prompts: prompts as PromptRecord["prompts"] }
}

/** @throws DataError when no record has the prompt */
function requirePrompt(prompt: string, records: readonly PromptRecord[], root: string): void {
  const there = [...new Set(records.flatMap(({ prompts }) => Object.keys(prompts)))].sort((a, b) =>
    a.localeCompare(b, "en", { numeric: true }),
  )
  if (prompt === RANDOM_PROMPT || there.includes(prompt) || records.length === 0) return
  throw new DataError({
    what: `${root} has no prompt "${prompt}"`,
    fix: `choose one with --prompt: ${[...there, RANDOM_PROMPT].join(", ")} (any but ${NO_PROMPT})`,
  })
}

/**
 * The texts that a record's note is drawn from; none where the record lacks the prompt.
 *
 * With `random`, every prompt that the record has is equally likely, and so is every text of a list: a prompt of one text is
 * there as often as one of five texts has texts.
 */
export function wordingsIn({ prompts }: PromptRecord, prompt: string): readonly string[] {
  const textsOf = (name: string): readonly string[] => {
    const value = Object.hasOwn(prompts, name) ? prompts[name] : undefined
    const texts = value === undefined ? [] : typeof value === "string" ? [value] : value
    // An empty text is what p0 is for; elsewhere it is a gap in the file.
    return name === NO_PROMPT ? texts : texts.filter((text) => text.trim() !== "")
  }
  if (prompt !== RANDOM_PROMPT) return textsOf(prompt)
  const lists = Object.keys(prompts)
    .filter((name) => name !== NO_PROMPT)
    .map(textsOf)
    .filter((texts) => texts.length > 0)
  const each = lists.reduce((common, { length }) => leastCommonMultiple(common, length), 1)
  return lists.flatMap((texts) => texts.flatMap((text) => Array.from({ length: each / texts.length }, () => text)))
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b]
  while (y > 0) [x, y] = [y, x % y]
  return (a / x) * b
}

function findingsIn(root: string, prompt: string) {
  return new Findings({
    "missing-mask": {
      severity: "error",
      what: (names) => `image without a mask in ${root}: ${names}`,
      fix: `put the mask into ${MASKS}/ under its mask_name, or remove the record`,
    },
    "missing-caption": {
      severity: "error",
      what: (names) => `records of ${root} without the prompt "${prompt}": ${names}`,
      fix: "write it, or choose another with --prompt",
    },
    "duplicate-caption": {
      severity: "error",
      what: (names) => `records that give other prompts for a case than an earlier one: ${names}`,
      fix: "keep one record for each image and mask",
    },
    "image-without-row": {
      severity: "note",
      what: (names) => `images that no record names are left out: ${names}`,
      fix: `nothing to do, or write records for them in ${ANNOTATIONS}/`,
    },
    "missing-split": {
      severity: "note",
      what: (names) => `${root} has no file for the split ${names}`,
      fix: "training needs train.json and val.json, `mdl eval` the split that it scores; else nothing to do",
    },
  })
}

interface FoundCase extends UnnamedCase {
  readonly record: LocatedRecord
}

/** The records whose files are there, each once. */
async function casesOf(
  root: string,
  records: readonly LocatedRecord[],
  findings: ReturnType<typeof findingsIn>,
): Promise<FoundCase[]> {
  const images = new ImageTree(join(root, IMAGES))
  const masks = new ImageTree(join(root, MASKS))
  const unnamed = new Set(await images.images())
  const known = new Map<string, PromptRecord>()
  const cases: FoundCase[] = []
  for (const split of SPLITS)
    if (!records.some((record) => record.split === split)) findings.add("missing-split", split)
  for (const record of records) {
    const { img_name, mask_name, split, where } = record
    const key = JSON.stringify([split, img_name.toLowerCase(), mask_name.toLowerCase()])
    const earlier = known.get(key)
    if (earlier) {
      const same = JSON.stringify(earlier.prompts) === JSON.stringify(record.prompts)
      findings.add(same ? "repeated-row" : "duplicate-caption", `${where} (${img_name}, ${mask_name})`)
      continue
    }
    known.set(key, record)
    const image = await images.find(img_name)
    const mask = await masks.find(mask_name)
    if (image) unnamed.delete(image.name)
    if (image === undefined) findings.add("unused-annotation", `${img_name} (${where})`)
    else if (mask === undefined) findings.add("missing-mask", `${img_name} (wants ${MASKS}/${mask_name}, ${where})`)
    else {
      for (const [match, written] of [[image, img_name] as const, [mask, mask_name] as const]) {
        tellMatch(match, `${written} in ${where} and ${match.name}`, findings)
      }
      cases.push({ split, image: image.name, mask: mask.name, record })
    }
  }
  for (const name of unnamed) findings.add("image-without-row", `${IMAGES}/${name}`)
  return cases
}

function tellMatch({ how }: NameMatch, names: string, findings: ReturnType<typeof findingsIn>): void {
  if (how === "without case") findings.add("names-matched-without-case", names)
  if (how === "without ending") findings.add("names-matched-without-ending", names)
}
