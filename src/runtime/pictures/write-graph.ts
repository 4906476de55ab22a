/**
 * Writes the picture of a model to a file, whole or not at all.
 *
 * Takes a model and a path; the path's ending says what is written: a page (`.html`) that can be explored, or a drawing
 * (`.svg`) for a README or a paper. Both are the same for the same text.
 */

import { extname } from "node:path"
import { LayoutEngine } from "../../compiler/picture/layout.js"
import { writeAtomically } from "../runs/atomic-file.js"
import { UserError } from "../user-error.js"
import { graphPage, type PageOptions } from "./graph-page.js"
import type { Drawn } from "./side.js"
import { captionOf, svgDocument } from "./svg.js"

/**
 * Writes `side` to `path`.
 *
 * @returns the number of bytes
 * @throws UserError for another ending, and where the folder cannot be written
 */
export async function writeGraph(side: Drawn, path: string, options: PageOptions = {}): Promise<number> {
  const text = await textFor(side, path, options)
  await writeAtomically(path, text)
  return Buffer.byteLength(text)
}

/** @throws UserError for an ending that is none of those above */
export function requirePictureName(path: string): void {
  if (!ENDINGS.includes(extname(path).toLowerCase())) {
    throw new UserError(`${path} is not a kind of picture that can be written: name it .html or .svg`)
  }
}

const ENDINGS = [".html", ".svg"]

async function textFor(side: Drawn, path: string, options: PageOptions): Promise<string> {
  requirePictureName(path)
  if (extname(path).toLowerCase() === ".html") return graphPage(side, options)
  const { picture } = side
  return svgDocument(await new LayoutEngine().layOut(picture.root, picture.sections), captionOf(picture))
}
