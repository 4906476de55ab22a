/**
 * Models on disk: from `file.mdl#selector` to a compiled model.
 *
 * Takes a reference as written on the command line; gives the compile result, or an error that holds the rendered
 * diagnostics. This is where the pure compiler meets the file system: `std/` comes from the package, all other modules
 * from the folder of the first file and below.
 */

import { createHash } from "node:crypto"
import { existsSync, readFileSync, statSync } from "node:fs"
import { dirname, isAbsolute, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import pc from "picocolors"
import { compile, type CompileOptions, type CompileResult } from "../compiler/compile.js"
import type { Diagnostic } from "../compiler/diagnostics/diagnostic.js"
import { renderTerminal } from "../compiler/diagnostics/render.js"
import type { ElaboratedModel } from "../compiler/elaborate/model.js"
import type { SourceHost } from "../compiler/resolve/modules.js"
import { UserError } from "./user-error.js"

/** The root of the package, both from `src/` and from `dist/src/`. */
export const PACKAGE_ROOT = findPackageRoot(dirname(fileURLToPath(import.meta.url)))

function findPackageRoot(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(resolve(folder, "std", "prelude.mdl"))) return folder
    if (dirname(folder) === folder) throw new Error("the standard library (std/prelude.mdl) is not beside the tool")
  }
}

export interface ModelReference {
  /** path of the file as the user wrote it */
  readonly path: string
  readonly selector: string | undefined
}

/** Splits `file.mdl#selector`. */
export function parseReference(text: string): ModelReference {
  const at = text.lastIndexOf("#")
  return at < 0
    ? { path: text, selector: undefined }
    : { path: text.slice(0, at), selector: text.slice(at + 1) || undefined }
}

/** A text in which something is wrong; `diagnostics` say what. */
export class ModelError extends UserError {
  override readonly name = "ModelError"
  constructor(
    readonly diagnostics: readonly Diagnostic[],
    readonly sources: ReadonlyMap<string, string>,
  ) {
    super(renderTerminal(diagnostics, new Map(sources), { colour: pc.isColorSupported }).trimEnd())
  }
}

/**
 * Reads texts for the compiler. Modules other than `std/` must lie in `folder` or below: an import cannot reach out of
 * the project.
 */
export function fileHost(folder: string): SourceHost {
  return {
    read(path) {
      const file = path.startsWith("std/") ? resolve(PACKAGE_ROOT, `${path}.mdl`) : resolve(path)
      const home = path.startsWith("std/") ? resolve(PACKAGE_ROOT, "std") : resolve(folder)
      const inside = relative(home, file)
      if (inside.startsWith("..") || isAbsolute(inside)) return undefined
      if (!existsSync(file) || !statSync(file).isFile()) return undefined
      return readFileSync(file, "utf8")
    },
  }
}

/** Compiles `reference`; the result may hold errors. Throws when the file is not there. */
export function compileReference(
  reference: ModelReference,
  sizes?: ReadonlyMap<string, number>,
  options: Pick<CompileOptions, "everyValue"> = {},
): CompileResult {
  const { path, selector } = reference
  if (!existsSync(path)) throw new UserError(`there is no file ${path}`)
  if (!statSync(path).isFile()) throw new UserError(`${path} is a folder; name a .mdl file in it`)
  // A file in a folder called std is still a file; only imports mean the standard library by that name.
  return compile(path.startsWith("std/") ? `./${path}` : path, fileHost(dirname(path)), {
    ...options,
    selector,
    ...(sizes ? { sizes } : {}),
  })
}

/** Compiles `reference` and insists on a model without errors. */
export function requireModel(
  reference: ModelReference,
  sizes?: ReadonlyMap<string, number>,
): { readonly model: ElaboratedModel; readonly result: CompileResult } {
  const result = compileReference(reference, sizes)
  if (!result.output) throw new ModelError(result.diagnostics, result.sources)
  return { model: result.output, result }
}

/** SHA-256 over all texts that a model was made from, by path. */
export function sourceHash(sources: ReadonlyMap<string, string>): string {
  const hash = createHash("sha256")
  for (const [path, text] of [...sources].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${text.length}\0${text}`)
  }
  return hash.digest("hex")
}
