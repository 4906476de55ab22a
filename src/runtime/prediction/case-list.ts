/**
 * The cases of a prediction of many: which images, each with which note.
 *
 * Takes: images by name, a folder, or the split of a data set; a note for all, or a file of notes. Gives: cases in a fixed
 * order, each with a name of its own, and the truth where it is known.
 *
 * Why so: a note that is paired with the wrong image gives a wrong mask without a word. So every image needs its note and
 * every note its image, and what has no partner is refused by name before anything runs.
 */

import { readdir } from "node:fs/promises"
import { basename, join, normalize, relative, resolve, sep } from "node:path"
import { codeOf } from "../data/data-error.js"
import { openDataset, samplesOf } from "../data/dataset.js"
import { FORMATS_IN_WORDS, isImageName, splitFragment, stemOf } from "../data/formats/names.js"
import type { MaskRule } from "../data/images.js"
import { listed, type ReadOptions, type Split } from "../data/sample.js"
import { UserError } from "../user-error.js"
import { type NoteRow, readNotes } from "./notes-file.js"

export interface PredictionCase {
  /** unique; parts are separated by "/" and none of them is ".." */
  readonly id: string
  /** absolute path, perhaps with a fragment such as `#z=12` */
  readonly image: string
  /** "" for a model that reads no note */
  readonly note: string
  readonly truth?: { readonly path: string; readonly rule: MaskRule | undefined }
}

/** Where the cases come from; `notes` is a file, `note` one text for all. */
export type CaseSource =
  | { readonly kind: "images"; readonly paths: readonly string[]; readonly note?: string; readonly notes?: string }
  | { readonly kind: "folder"; readonly folder: string; readonly note?: string; readonly notes?: string }
  | ({ readonly kind: "data"; readonly root: string; readonly split: Split } & ReadOptions)

/** How many names a message lists. */
const NAMED = 8

/**
 * Lists the cases.
 *
 * @param readsNote whether the model reads a note; without one, notes are ignored
 * @throws UserError for images without notes, notes without images, and a folder without images; DataError for a data set
 */
export async function listCases(source: CaseSource, readsNote: boolean): Promise<PredictionCase[]> {
  const cases = await casesOf(source, readsNote)
  for (const { id } of cases) {
    if (id.split("/").every((part) => part !== "" && part !== "." && part !== "..") && !/[\\\0]/.test(id)) continue
    throw new UserError(`the case ${JSON.stringify(id)} cannot be the name of a file: give it another id`)
  }
  return cases
}

async function casesOf(source: CaseSource, readsNote: boolean): Promise<PredictionCase[]> {
  if (source.kind === "data") {
    return samplesOf(await openDataset(source.root, source), source.split).map(
      ({ id, imagePath, maskPath, note, maskRule }) => ({
        id,
        image: imagePath,
        note: readsNote ? note : "",
        ...(maskPath === undefined ? {} : { truth: { path: maskPath, rule: maskRule } }),
      }),
    )
  }
  const folder = source.kind === "folder" ? resolve(source.folder) : process.cwd()
  const images = source.kind === "folder" ? await imagesIn(folder) : source.paths.map((path) => resolve(path))
  const named = withNames(images, folder)
  if (!readsNote) return named.map(({ id, image }) => ({ id, image, note: "" }))
  const { note, notes } = source
  if (notes === undefined) {
    if (note !== undefined) return named.map(({ id, image }) => ({ id, image, note }))
    throw new UserError(
      'this model reads notes: give one for all with --note "...", or a file of them with --notes FILE',
    )
  }
  return paired(named, await readNotes(notes), notes)
}

/** All images below a folder, by name. */
async function imagesIn(folder: string): Promise<string[]> {
  let entries
  try {
    entries = await readdir(folder, { withFileTypes: true, recursive: true })
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code !== "ENOENT" && code !== "ENOTDIR") throw thrown
    throw new UserError(`${folder} is not a folder of images`, { cause: thrown })
  }
  const found = entries
    .filter((entry) => !entry.isDirectory() && isImageName(entry.name) && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  if (found.length === 0) throw new UserError(`${folder} holds no image (${FORMATS_IN_WORDS})`)
  return found
}

interface Named {
  readonly id: string
  readonly image: string
  /** path in the folder, with its ending */
  readonly inside: string
}

/** Names that differ: the path in the folder without its ending; with it where two would be the same. */
function withNames(images: readonly string[], folder: string): Named[] {
  const insides = images.map((image) => insideOf(image, folder))
  const times = counted(insides.map(stemOf))
  const named = images.map((image, index) => {
    const inside = insides[index]!
    const stem = stemOf(inside)
    return { id: times.get(stem)! > 1 ? inside : stem, image, inside }
  })
  const twice = [...counted(named.map(({ id }) => id))].find(([, count]) => count > 1)
  if (twice) throw new UserError(`two images are called ${twice[0]}: give each once, or the folder they lie in`)
  return named
}

function counted(names: readonly string[]): Map<string, number> {
  const times = new Map<string, number>()
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1)
  return times
}

/** Images from outside the folder go by their file name alone, so that no result lies outside of its own folder. */
function insideOf(path: string, folder: string): string {
  const inside = relative(folder, path)
  return (inside.startsWith("..") || inside === resolve(path) ? basename(path) : inside).split(sep).join("/")
}

/**
 * Each row with its image. A row may name the path in the folder, the file's name, either without its ending, or a slice of
 * a volume (`brain.nii.gz#z=12`); several rows may name one image, and then their cases are numbered.
 */
function paired(images: readonly Named[], rows: readonly NoteRow[], file: string): PredictionCase[] {
  const byName = new Map<string, Named[]>()
  const add = (key: string, image: Named): void => {
    const same = byName.get(key) ?? []
    if (!same.includes(image)) byName.set(key, [...same, image])
  }
  for (const one of images) {
    for (const name of [one.id, one.inside, basename(one.image), one.image]) {
      add(name, one)
      add(stemOf(name), one)
    }
  }
  const used = new Map<Named, number>()
  const unknown: string[] = []
  const cases: PredictionCase[] = []
  for (const row of rows) {
    const { file: plain, fragment } = splitFragment(normalize(row.image).split(sep).join("/"))
    const found = byName.get(row.image) ?? byName.get(plain) ?? byName.get(stemOf(plain)) ?? []
    if (found.length === 0) {
      unknown.push(`${row.image} (line ${row.line})`)
      continue
    }
    if (found.length > 1) {
      const which = found.map(({ image }) => image)
      throw new UserError(
        `${file}:${row.line}: ${row.image} may be ${listed(which, NAMED)}: write the path with its ending`,
      )
    }
    const one = found[0]!
    const times = (used.get(one) ?? 0) + 1
    used.set(one, times)
    const id = fragment === undefined ? one.id : `${one.id}#${fragment}`
    cases.push({
      id: times === 1 ? id : `${id}-${times}`,
      image: fragment === undefined ? one.image : `${splitFragment(one.image).file}#${fragment}`,
      note: row.note,
      ...(row.mask === undefined ? {} : { truth: { path: row.mask, rule: undefined } }),
    })
  }
  if (unknown.length > 0) throw new UserError(`${file} names images that are not there: ${listed(unknown, NAMED)}`)
  const without = images.filter((image) => !used.has(image)).map(({ id }) => id)
  if (without.length > 0) {
    throw new UserError(
      `${file} has no note for ${listed(without, NAMED)}: add a row, or give only images that have one`,
    )
  }
  const twice = [...counted(cases.map(({ id }) => id))].find(([, count]) => count > 1)
  if (twice) throw new UserError(`two cases would be called ${twice[0]}: rename one of the images`)
  return cases
}
