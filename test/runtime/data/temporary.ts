/**
 * Folders, files and small data sets for the data tests.
 *
 * Takes: nothing, or samples described in memory. Gives: paths that are removed after the test that asked for them.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import sharp from "sharp"
import { onTestFinished } from "vitest"
import { DataError } from "../../../src/runtime/data/data-error.js"

/** Where the real data sets lie: $MDL_TEST_DATA, or ../shared/data beside the repository. */
export const REAL_DATA = resolve(
  process.env["MDL_TEST_DATA"] ?? join(dirname(fileURLToPath(import.meta.url)), "../../../../shared/data"),
)
export const REAL_QATA = join(REAL_DATA, "qata-covid19")

/** A new folder, removed when the test has finished. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "mdl-data-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A grey PNG of one value, or of a function of the pixel. */
export async function greyPng(
  size: { height: number; width: number },
  value: number | ((y: number, x: number) => number),
): Promise<Buffer> {
  const of = typeof value === "number" ? () => value : value
  const { height, width } = size
  const data = Uint8Array.from({ length: height * width }, (_, i) => of(Math.floor(i / width), i % width))
  return sharp(data, { raw: { width, height, channels: 1 } })
    .toColourspace("b-w")
    .png()
    .toBuffer()
}

export interface TinyCase {
  readonly split: string
  readonly name: string
  readonly note?: string
  readonly image?: Buffer
  readonly mask?: Buffer | undefined
}

/** A data set in the QaTa layout with the given cases: 8x8, unless a case brings files of its own. */
export async function writeTinySet(root: string, cases: readonly TinyCase[]): Promise<void> {
  const annotation: Record<string, unknown[]> = { train: [], valid: [], test: [] }
  for (const [index, one] of cases.entries()) {
    await mkdir(join(root, one.split, "images"), { recursive: true })
    await mkdir(join(root, one.split, "masks"), { recursive: true })
    const size = { height: 8, width: 8 }
    await writeFile(join(root, one.split, "images", one.name), one.image ?? (await greyPng(size, 10 + index)))
    const mask = "mask" in one ? one.mask : await greyPng(size, (y) => (y < 4 ? 255 : 0))
    if (mask) await writeFile(join(root, one.split, "masks", `mask_${one.name}`), mask)
    if (one.note !== undefined) annotation[one.split]?.push({ image_path: `mask_${one.name}`, caption: one.note })
  }
  await writeFile(join(root, "annotation.json"), JSON.stringify(annotation))
}

/** The DataError that a promise rejects with. */
export async function dataErrorOf(promise: Promise<unknown>): Promise<DataError> {
  try {
    await promise
  } catch (thrown) {
    if (thrown instanceof DataError) return thrown
    throw thrown
  }
  throw new Error("nothing was thrown")
}
