/**
 * The one formatting of MDL.
 *
 * Takes a text; gives it formatted. There are no options, so that nobody has to choose any: width 120, two blanks of
 * indentation, one statement a line. A text with errors is refused, because what it means is not known.
 */

import { format as prettify } from "prettier/standalone"
import { parse } from "../../../grammar/parse.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import * as plugin from "./plugin.js"

/** The text has syntax errors. */
export class NotFormattableError extends Error {
  override readonly name = "NotFormattableError"

  constructor(
    readonly path: string,
    readonly diagnostics: readonly Diagnostic[],
  ) {
    super(`${path} has syntax errors`)
  }
}

/** Format a text. `path` is for messages only. Throws `NotFormattableError`. */
export async function format(text: string, path = "input.mdl"): Promise<string> {
  // A byte order mark means nothing in UTF-8, and Prettier would keep it.
  const source = text.startsWith("\ufeff") ? text.slice(1) : text
  const { diagnostics, complete } = parse(path, source)
  if (!complete) throw new NotFormattableError(path, diagnostics)
  return prettify(source, { ...plugin.defaultOptions, parser: "mdl", plugins: [plugin], filepath: path })
}
