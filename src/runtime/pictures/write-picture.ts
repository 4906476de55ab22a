/**
 * Writes pictures of models to files, whole or not at all.
 *
 * Takes models and a path; the path's ending says what is written: a page (`.html`) that can be explored, or a drawing
 * (`.svg`) for a README or a paper. Both are the same for the same text.
 */

import { extname } from "node:path"
import type { ModelDiff } from "../../compiler/diff/diff.js"
import { LayoutEngine } from "../../compiler/picture/layout.js"
import { makeFolderFor } from "../deployment/target-folder.js"
import type { ModelSide } from "../model-side.js"
import { writeAtomically } from "../runs/atomic-file.js"
import { UserError } from "../user-error.js"
import { diffPage, type DiffPageOptions } from "./diff-page.js"
import { graphPage, type PageOptions } from "./graph-page.js"
import { drawn, type Drawn } from "./side.js"
import { captionOf, svgDocument } from "./svg.js"

/**
 * Writes the picture of a model.
 *
 * @param path ends with `.html` or `.svg`
 * @returns the number of bytes
 * @throws UserError for another ending, and where the folder cannot be written
 */
export async function writeGraph(side: Drawn, path: string, options: PageOptions = {}): Promise<number> {
  requirePictureName(path)
  return write(path, isPage(path) ? await graphPage(side, options) : await graphDrawing(side))
}

/** The drawing of a whole model, as the text of an SVG file. */
export async function graphDrawing({ picture }: Drawn): Promise<string> {
  return svgDocument(await new LayoutEngine().layOut(picture.root, picture.sections), captionOf(picture))
}

/**
 * Writes a difference with both pictures.
 *
 * @returns the number of bytes
 * @throws UserError for an ending other than `.html`, and where the folder cannot be written
 */
export async function writeDiff(
  diff: ModelDiff,
  before: ModelSide,
  after: ModelSide,
  path: string,
  options: DiffPageOptions = {},
): Promise<number> {
  requirePageName(path)
  // Two states of one file have the same name; what they were asked for as tells them apart.
  const isNamed = before.model.variant !== after.model.variant
  const [old, fresh] = [before, after].map((side) => drawn(side, isNamed ? side.model.variant : side.reference)) as [
    Drawn,
    Drawn,
  ]
  return write(path, await diffPage(diff, old, fresh, options))
}

async function write(path: string, text: string): Promise<number> {
  await makeFolderFor(path)
  await writeAtomically(path, text)
  return Buffer.byteLength(text)
}

const isPage = (path: string): boolean => extname(path).toLowerCase() === ".html"

/** @throws UserError for what is neither a page nor a drawing */
export function requirePictureName(path: string): void {
  if (isPage(path) || extname(path).toLowerCase() === ".svg") return
  throw new UserError(`${path} is no kind of picture that can be written: name it .html or .svg`)
}

/** @throws UserError for what is no page */
export function requirePageName(path: string): void {
  if (!isPage(path)) throw new UserError(`${path} is no kind of page that can be written: name it .html`)
}
