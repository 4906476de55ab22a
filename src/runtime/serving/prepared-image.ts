/**
 * An image as the page needs it.
 *
 * Takes: the bytes of a file from the browser, or a case of a data set. Gives: a picture to show and the network's input.
 *
 * Why so: decoding and resizing are done here, by the code that training reads images with, and not in the browser, whose
 * resizing is another: the page must give the mask that `mdl predict` gives. It also gives the page the formats that no
 * browser knows (DICOM, NIfTI, TIFF).
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DataError } from "../data/data-error.js"
import { readImage, readImageHeader, readMask, readPixels } from "../data/images.js"
import { pngOf } from "../data/pictures.js"
import type { Sample } from "../data/sample.js"
import type { ModelPorts } from "../prediction/predictor.js"
import { type Extent, fitted } from "../prediction/resize.js"
import type { ServedImage } from "./protocol.js"

const MOST_SHOWN = 768
const THUMBNAIL = 112

/** A file from the browser. @throws DataError that names it as the browser does */
export async function prepareUpload(
  image: ModelPorts["image"],
  upload: { readonly name: string; readonly part: string | undefined; readonly bytes: Uint8Array },
): Promise<ServedImage> {
  const folder = await mkdtemp(join(tmpdir(), "mdl-serve-"))
  // Of the name, only the ending reaches the disk: it tells the format.
  const ending = /\.(nii\.gz|[a-z0-9]{1,8})$/i.exec(upload.name)?.[0] ?? ""
  const path = join(folder, `image${ending}`)
  try {
    await writeFile(path, upload.bytes)
    return await prepared(image, upload.part === undefined ? path : `${path}#${upload.part}`, upload.name)
  } catch (thrown) {
    if (!(thrown instanceof DataError)) throw thrown
    const told = (text: string): string => text.replaceAll(path, upload.name)
    throw new DataError({ what: told(thrown.what), fix: told(thrown.fix) }, { cause: thrown })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A case of the data set, with its true mask. @throws DataError for files that cannot be read any more */
export async function prepareExample(image: ModelPorts["image"], sample: Sample): Promise<ServedImage> {
  const answer = await prepared(image, sample.imagePath, sample.id)
  if (sample.maskPath === undefined) return answer
  const truth = await readMask(sample.maskPath, image.size, sample.maskRule)
  return { ...answer, truth: base64(Uint8Array.from(truth)) }
}

/** A small picture of a case, PNG. @throws DataError as `prepareExample` */
export async function thumbnailOf(sample: Sample): Promise<Buffer> {
  return picture(sample.imagePath, fitted(await readImageHeader(sample.imagePath), THUMBNAIL))
}

async function prepared(image: ModelPorts["image"], path: string, name: string): Promise<ServedImage> {
  const { height, width } = await readImageHeader(path)
  const size = { height, width }
  const shown = fitted(size, MOST_SHOWN)
  const input = await readImage(path, image.size, image.channels)
  return {
    name,
    size,
    shown,
    picture: base64(await picture(path, shown)),
    input: base64(new Uint8Array(input.buffer, input.byteOffset, input.byteLength)),
    truth: null,
  }
}

async function picture(path: string, shown: Extent): Promise<Buffer> {
  return pngOf(await readPixels(path, shown))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
}
