/**
 * The known image formats, asked in this order; the bytes decide, not the name.
 *
 * A format is one file here and one row of the list, with its ending in names.ts.
 */
import { bmpFormat } from "./bmp.js"
import { dicomFormat } from "./dicom.js"
import type { ImageFormat } from "./format.js"
import { niftiFormat } from "./nifti.js"
import { sharpFormat } from "./sharp-formats.js"

const FORMATS: readonly ImageFormat[] = [niftiFormat, dicomFormat, bmpFormat, sharpFormat]

/** The format of these bytes; sharp's where no other recognises them, which then says that nobody does. */
export function formatOf(bytes: Buffer): ImageFormat {
  return FORMATS.find((format) => format.recognises(bytes)) ?? sharpFormat
}
