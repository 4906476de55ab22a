/**
 * Names of image files: which endings are pictures, what a name is without its ending, and what may follow it.
 *
 * Takes: names and paths as people and manifests write them. Gives: the path of the file, and the part of it that is
 * meant.
 *
 * Why so: one list, so that a layout, `mdl data inspect` and `mdl predict` agree on what an image is. A volume holds
 * many pictures, so a path may say which: `brain.nii.gz#z=12`, `cine.dcm#frame=3`, `liver.nii.gz#axial=40&label=2`.
 * That is the form of a URL's fragment (W3C Media Fragments 1.0: `#name=value&name=value`), it needs no quoting in
 * CSV, and it is looked for only behind a known ending, so that a file with a "#" in its name is still found.
 */

/** Endings of the files that can be read, without the dot, in lower case; a longer one stands before its own tail. */
export const IMAGE_ENDINGS = ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "nii.gz", "nii", "dcm", "dicom"] as const

/** The formats by their names, for help texts and messages. */
export const FORMATS_IN_WORDS = "PNG, JPEG, TIFF, BMP, NIfTI or DICOM"

const ENDING = `\\.(?:${IMAGE_ENDINGS.map((ending) => ending.replace(".", "\\.")).join("|")})`
const FRAGMENT = "#[a-z]+=[^#/\\\\]*"
const NAME = new RegExp(`^(?<file>.*${ENDING})(?<fragment>${FRAGMENT})?$`, "is")
const STEM = new RegExp(`${ENDING}(?=(?:${FRAGMENT})?$)`, "i")

/** Whether a file of this name is an image or a volume, by its ending; a fragment (`#z=12`) may follow. */
export function isImageName(name: string): boolean {
  return NAME.test(name)
}

/** The name without its ending, but with its fragment: `a.nii.gz` is `a`, `a.nii.gz#z=3` is `a#z=3`, `a.txt` stays. */
export function stemOf(name: string): string {
  return name.replace(STEM, "")
}

/** A path as written, taken apart: the file, and the text after the `#`; undefined when there is none. */
export function splitFragment(path: string): { readonly file: string; readonly fragment: string | undefined } {
  const found = NAME.exec(path)?.groups
  if (found === undefined) return { file: path, fragment: undefined }
  return { file: found["file"] as string, fragment: found["fragment"]?.slice(1) }
}
