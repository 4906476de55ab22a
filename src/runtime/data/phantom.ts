/**
 * Makes the phantom data set: seeded chest-like pictures in the QaTa layout.
 *
 * Takes: a folder, how many cases per split, a size and a seed. Gives: the folder, with PNG files, annotation.json and
 * phantom.json (which says how it was made, and marks the folder as ours).
 *
 * Why so: real sets may not be passed on, and a first run must need no download. It is written in a published layout so
 * that the reader that is tested by it is the reader that real data gets. Case i of a split depends on (seed, size, split,
 * i) only: asking for more cases changes none of the earlier ones. Files go to a folder beside the target and are renamed
 * at the end, so that a stopped run leaves no half data set.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { codeOf, DataError, messageOf } from "./data-error.js"
import { maskPng, pngOf } from "./pictures.js"
import type { QataRow } from "./layouts/qata.js"
import { drawPhantom } from "./phantom-chest.js"
import { RandomStream } from "./random.js"
import { listed, type Split, SPLITS } from "./sample.js"

const MARKER = "phantom.json"
const GENERATOR = "mdl phantom"
/** Raised when the same options give other files. */
export const VERSION = 1

export interface PhantomOptions {
  /** The folder to make. It may be missing, empty, or an earlier phantom set (which is replaced). */
  readonly root: string
  readonly counts: Readonly<Record<Split, number>>
  /** Height and width in pixels, 32 to 1024. */
  readonly size: number
  /** A whole number, 0 or more. */
  readonly seed: number
}

export interface PhantomReport {
  readonly root: string
  readonly counts: Readonly<Record<Split, number>>
  readonly size: number
  readonly seed: number
  readonly version: number
}

/**
 * Writes a phantom data set.
 * @throws DataError for options out of range, and for a target that holds anything but an earlier phantom set.
 */
export async function synthesise(options: PhantomOptions): Promise<PhantomReport> {
  checkOptions(options)
  const root = resolve(options.root)
  const earlier = await targetState(root)
  const report: PhantomReport = {
    root,
    counts: { train: options.counts.train, valid: options.counts.valid, test: options.counts.test },
    size: options.size,
    seed: options.seed,
    version: VERSION,
  }
  const fresh = join(dirname(root), `.${basename(root)}.making-${process.pid}`)
  try {
    await rm(fresh, { recursive: true, force: true })
    await mkdir(fresh, { recursive: true })
    await writeAll(fresh, report)
    if (earlier === "phantom") {
      const old = `${fresh}-old`
      await rename(root, old)
      await rename(fresh, root)
      await rm(old, { recursive: true, force: true })
    } else {
      // An empty folder gives way to the rename; a missing one is made by it.
      await rename(fresh, root)
    }
  } catch (thrown) {
    await rm(fresh, { recursive: true, force: true })
    if (["EACCES", "EROFS", "ENOTDIR", "ENOSPC", "EPERM"].includes(codeOf(thrown) ?? "")) {
      const fix = "choose a folder that may be written, on a disk with room"
      throw new DataError(
        { what: `the phantom set cannot be written to ${root}: ${messageOf(thrown)}`, fix },
        { cause: thrown },
      )
    }
    throw thrown
  }
  return report
}

async function writeAll(folder: string, report: PhantomReport): Promise<void> {
  const annotation: Record<Split, QataRow[]> = { train: [], valid: [], test: [] }
  const { size, seed } = report
  for (const split of SPLITS) {
    await mkdir(join(folder, split, "images"), { recursive: true })
    await mkdir(join(folder, split, "masks"), { recursive: true })
    const count = report.counts[split]
    for (let start = 0; start < count; start += 16) {
      const writes: Promise<void>[] = []
      for (let i = start; i < Math.min(start + 16, count); i++) {
        const name = `phantom_${split}_${String(i + 1).padStart(5, "0")}.png`
        const made = drawPhantom(new RandomStream(`phantom/${VERSION}/${seed}/${size}/${split}/${i}`), size)
        const image = pngOf({ height: size, width: size, channels: 1, data: made.image })
        const mask = maskPng(made.mask, { height: size, width: size })
        writes.push(
          image.then((png) => writeFile(join(folder, split, "images", name), png)),
          mask.then((png) => writeFile(join(folder, split, "masks", `mask_${name}`), png)),
        )
        const label = [0, 1, 2, 3, 4, 5].map((zone) => (made.named.includes(zone) ? 1 : 0))
        annotation[split].push({
          image_path: `mask_${name}`,
          caption: made.note,
          pulmonary_infection: made.note.startsWith("bilateral") ? 2 : 1,
          infected_area: made.named.length,
          pseudo_label: label,
        })
      }
      await Promise.all(writes)
    }
  }
  await writeFile(join(folder, "annotation.json"), JSON.stringify(annotation, undefined, 1) + "\n")
  const { counts } = report
  const marker = { generator: GENERATOR, version: VERSION, counts, size, seed }
  await writeFile(join(folder, MARKER), JSON.stringify(marker, undefined, 1) + "\n")
}

function checkOptions({ counts, size, seed }: PhantomOptions): void {
  const wrong = (what: string, fix: string) => new DataError({ what: `phantom data set: ${what}`, fix })
  for (const split of SPLITS) {
    if (!Number.isInteger(counts[split]) || counts[split] < 0 || counts[split] > 99_999) {
      throw wrong(`${counts[split]} ${split} cases`, "give a whole number from 0 to 99999")
    }
  }
  if (SPLITS.every((split) => counts[split] === 0)) throw wrong("no case in any split", "ask for at least one case")
  if (!Number.isInteger(size) || size < 32 || size > 1024) {
    throw wrong(`a size of ${size} pixels`, "give a whole number from 32 to 1024 (64 to 128 is quick to train on)")
  }
  if (!Number.isSafeInteger(seed) || seed < 0) throw wrong(`the seed ${seed}`, "give a whole number, 0 or more")
}

/** What is at the target. @throws DataError when it is something that must not be replaced. */
async function targetState(root: string): Promise<"free" | "phantom"> {
  let entries: string[]
  try {
    entries = await readdir(root)
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return "free"
    throw new DataError(
      { what: `${root} cannot be used: ${messageOf(thrown)}`, fix: "name a folder that does not exist yet" },
      { cause: thrown },
    )
  }
  if (entries.length === 0) return "free"
  const ours = [MARKER, "annotation.json", ...SPLITS]
  const foreign = entries.filter((entry) => !ours.includes(entry)).sort()
  if (entries.includes(MARKER) && foreign.length === 0 && (await isOurMarker(join(root, MARKER)))) return "phantom"
  const holds = foreign.length > 0 ? foreign : entries.sort()
  throw new DataError({
    what: `${root} is not empty and is not a phantom set alone; it holds ${listed(holds, 4)}`,
    fix: "name a new or empty folder: only an earlier phantom set is replaced",
  })
}

async function isOurMarker(file: string): Promise<boolean> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, "utf8"))
  } catch (thrown) {
    // A marker that is not JSON is not ours, so the folder is somebody else's: refused by the caller.
    if (thrown instanceof SyntaxError) return false
    throw thrown
  }
  return typeof value === "object" && value !== null && "generator" in value && value.generator === GENERATOR
}
