/**
 * Models on disk: from `file.mdl#selector` to a compiled model.
 *
 * Takes a reference as written on the command line; gives the compile result, or an error that holds the rendered
 * diagnostics. This is where the pure compiler meets the file system: `std/` comes from the package, all other modules
 * from the folder of the first file and below.
 */

import { createHash } from "node:crypto"
import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync, statSync } from "node:fs"
import { dirname, isAbsolute, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import pc from "picocolors"
import { MAX_LENGTH } from "../../grammar/parse.js"
import { compile, type CompileOptions, type CompileResult } from "../compiler/compile.js"
import { type DataFile, DataFileProblem } from "../compiler/data-files/data-file.js"
import { findTensor } from "../compiler/data-files/find-tensor.js"
import type { Diagnostic } from "../compiler/diagnostics/diagnostic.js"
import { renderJson, renderTerminal } from "../compiler/diagnostics/render.js"
import type { ElaboratedModel } from "../compiler/elaborate/model.js"
import type { HeldTensor, SourceHost } from "../compiler/resolve/modules.js"
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
 * Reads texts and data files for the compiler. All but those of `std/` must lie in `folder` or below, also behind symbolic
 * links: an import cannot reach out of the project.
 *
 * @param first the file that was asked for; it may itself be a link to somewhere else
 */
export function fileHost(folder: string, first?: string): SourceHost {
  return {
    read(path) {
      const isStandard = path.startsWith("std/")
      const file = isStandard ? resolve(PACKAGE_ROOT, `${path}.mdl`) : resolve(path)
      const home = isStandard ? resolve(PACKAGE_ROOT, "std") : resolve(folder)
      const isFirst = first !== undefined && file === resolve(first)
      return isFirst || isFileIn(home, file) ? beginning(file) : undefined
    },
    tensor(path, name) {
      const file = resolve(path)
      if (!isFileIn(resolve(folder), file)) return undefined
      return heldTensor(dataFile(file), path, name)
    },
  }
}

/** A text as far as it can be read as MDL: one beyond the limit is refused, and need not be held in memory for that. */
function beginning(file: string): string {
  const { size } = statSync(file)
  if (size <= MOST_BYTES) return readFileSync(file, "utf8")
  return new TextDecoder().decode(dataFile(file).read(0, MOST_BYTES))
}

/** A character takes at most four bytes, and one of four is two units of length: this is always more than the limit. */
const MOST_BYTES = 4 * MAX_LENGTH

/** The tensor `name` of a data file that the text calls `path`. @throws DataFileProblem */
export function heldTensor(file: DataFile, path: string, name: string | undefined): HeldTensor {
  const { dtype, shape, bytes, decode } = findTensor(file, path, name)
  return {
    dtype,
    shape,
    load() {
      const stored = bytes()
      const sha256 = createHash("sha256").update(`${dtype}[${shape.join()}]`).update(stored).digest("hex")
      return { sha256, values: decode(stored) }
    },
  }
}

/** Whether `file` is a file that lies in `home` or below, links followed. */
function isFileIn(home: string, file: string): boolean {
  if (!existsSync(file) || !statSync(file).isFile()) return false
  const inside = relative(realpathSync(home), realpathSync(file))
  return !inside.startsWith("..") && !isAbsolute(inside)
}

/** A file as the compiler reads it. Its size is that of now: whatever is cut off later fails when it is read. */
function dataFile(file: string): DataFile {
  const { size } = statSync(file)
  return {
    size,
    read(offset, length) {
      const into = new Uint8Array(length)
      const handle = openSync(file, "r")
      try {
        for (let at = 0; at < length;) {
          const count = readSync(handle, into, at, Math.min(length - at, MOST_AT_ONCE), offset + at)
          if (count === 0) throw new DataFileProblem(`it ended while it was being read, at byte ${offset + at}`)
          at += count
        }
      } finally {
        closeSync(handle)
      }
      return into
    },
  }
}

/** One native read takes less than 2 GB. */
const MOST_AT_ONCE = 2 ** 28

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
  return compile(path.startsWith("std/") ? `./${path}` : path, fileHost(dirname(path), path), {
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

/** What the compiler warns of, a line each: what `mdl check` shows at length. */
export function warningLines({ diagnostics, sources }: CompileResult): readonly string[] {
  const warnings = diagnostics.filter(({ severity }) => severity === "warning")
  return renderJson(warnings, new Map(sources)).map(
    ({ file, line, message, code }) => `${file}:${line}: ${message} (${code}; \`mdl check\` shows the line)`,
  )
}

/** SHA-256 over all that a model was made from: its texts, and the tensors of data files that are its constants. */
export function sourceHash(
  sources: ReadonlyMap<string, string>,
  { constants }: Pick<ElaboratedModel, "constants">,
): string {
  const hash = createHash("sha256")
  for (const [path, text] of [...sources].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${text.length}\0${text}`)
  }
  for (const { file, tensor, sha256 } of constants) hash.update(JSON.stringify([file, tensor ?? null, sha256]))
  return hash.digest("hex")
}
