/**
 * Modules: the files a compilation reads, and what each one can see.
 *
 * Takes the path of the first file and a way to get texts (the core itself touches no file system); gives every module
 * reached through imports, parsed, with the names in its scope, and diagnostics for imports that lead nowhere, in a
 * circle, or to a name that is not there. `std/...` is the standard library; `std/prelude` is seen by every file without
 * an import.
 */

import type { AblationItem, BlockItem, FunctionItem, ImportItem, ModelItem, SourceFile } from "../../../grammar/ast.js"
import { parse } from "../../../grammar/parse.js"
import type { StoredTensor } from "../data-files/data-file.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe } from "../diagnostics/facts.js"
import { didYouMean } from "../diagnostics/suggest.js"

/** Where texts come from. Paths use `/`; `std/NAME` names a file of the standard library. */
export interface SourceHost {
  /** The text of a module, or undefined when there is none. */
  read(path: string): string | undefined
  /**
   * A tensor of a data file, found by the file's header; undefined when there is no such file.
   *
   * @param name of the tensor; undefined where the file holds one only
   * @throws DataFileProblem
   */
  tensor?(path: string, name: string | undefined): HeldTensor | undefined
}

/** A tensor of a data file, not yet read. */
export interface HeldTensor extends Pick<StoredTensor, "dtype" | "shape"> {
  load(): {
    /** SHA-256 of the tensor's bytes, in hexadecimal */
    readonly sha256: string
    /** absent where a run keeps the values elsewhere */
    readonly values: ArrayLike<number> | undefined
  }
}

export type Definition = BlockItem | FunctionItem | ModelItem | AblationItem

export interface Module {
  readonly path: string
  readonly text: string
  readonly file: SourceFile
  /** part of the standard library: errors are reported at the user's call instead of inside it */
  readonly isStandard: boolean
  /** what this module itself defines */
  readonly definitions: Map<string, Definition>
  /** all that can be named at the top of the module: prelude, imports, own definitions */
  readonly scope: Map<string, { readonly definition: Definition; readonly module: Module }>
}

export interface ModuleGraph {
  readonly root: Module
  readonly modules: ReadonlyMap<string, Module>
  readonly host: SourceHost
}

export const PRELUDE = "std/prelude"

/** Modules are loaded while others wait for them, and what waits takes room on the stack. */
const LONGEST_CHAIN = 100

/** The module path that `from` written in `importer` means. */
export function resolvePath(importer: string, from: string): string {
  if (from.startsWith("std/")) return from
  const path = resolveFile(importer, from)
  return path.endsWith(".mdl") ? path : `${path}.mdl`
}

/** The path of the file that `from` written in `importer` means: relative to the folder of `importer`. */
export function resolveFile(importer: string, from: string): string {
  const relative = from.startsWith("./") || from.startsWith("../") ? from : `./${from}`
  const parts = importer.startsWith("std/") ? ["std"] : importer.split("/").slice(0, -1)
  for (const part of relative.split("/")) {
    if (part === "..") {
      if (parts.length === 0 || parts[parts.length - 1] === "..") parts.push("..")
      else parts.pop()
    } else if (part !== ".") parts.push(part)
  }
  return parts.join("/")
}

/**
 * Modules as they were when texts were loaded before, by path. One whose text, and all that it imports, is the same is the
 * same object again, so that what has been worked out for it still holds.
 */
export type ModuleMemory = Map<string, { readonly module: Module; readonly imports: readonly (Module | undefined)[] }>

/**
 * Loads `path` and all it imports. The result has a root even when there are diagnostics, unless it cannot be read.
 *
 * @param read how a text is parsed; an editor remembers what it has parsed already
 * @param memory modules as they were before
 */
export function loadModules(
  path: string,
  host: SourceHost,
  read: typeof parse = parse,
  memory?: ModuleMemory,
): { readonly output: ModuleGraph | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const modules = new Map<string, Module>()
  /** paths whose imports are being followed, for finding circles */
  const open: string[] = []
  /** those that others got to see while their imports were being followed */
  const unfinished = new Set<Module>()

  const load = (modulePath: string): Module | undefined => {
    const known = modules.get(modulePath)
    if (known && open.includes(modulePath)) unfinished.add(known)
    if (known) return known
    const text = host.read(modulePath)
    if (text === undefined) return undefined
    const parsed = read(modulePath, text)
    for (const diagnostic of parsed.diagnostics) diagnostics.push(diagnostic)
    const module: Module = {
      path: modulePath,
      text,
      file: parsed.file,
      isStandard: modulePath.startsWith("std/"),
      definitions: new Map(),
      scope: new Map(),
    }
    modules.set(modulePath, module)
    for (const item of parsed.file.items) {
      if (item.kind !== "import") module.definitions.set(item.name.text, item)
    }
    open.push(modulePath)
    const imports: (Module | undefined)[] = []
    if (modulePath !== PRELUDE) {
      const prelude = load(PRELUDE)
      imports.push(prelude)
      for (const [name, definition] of prelude?.definitions ?? []) {
        module.scope.set(name, { definition, module: prelude! })
      }
    }
    for (const item of parsed.file.items) if (item.kind === "import") imports.push(follow(module, item))
    open.pop()
    for (const [name, definition] of module.definitions) module.scope.set(name, { definition, module })
    if (!memory || unfinished.has(module)) return module
    const before = memory.get(modulePath)
    const isSame =
      before?.module.file === module.file &&
      before.imports.length === imports.length &&
      imports.every((imported, i) => imported === before.imports[i])
    if (!isSame) memory.set(modulePath, { module, imports })
    else modules.set(modulePath, before.module)
    return isSame ? before.module : module
  }

  const follow = (importer: Module, item: ImportItem): Module | undefined => {
    const target = resolvePath(importer.path, item.from.text)
    const at = open.indexOf(target)
    if (at >= 0) {
      diagnostics.push(describe({ kind: "import-cycle", span: item.from.span, path: [...open.slice(at), target] }))
      return undefined
    }
    if (open.length >= LONGEST_CHAIN) {
      const what = "modules that import one another in a row"
      const place = { span: item.from.span, inner: undefined, calls: [] }
      diagnostics.push(describe({ kind: "limit-exceeded", ...place, what, limit: LONGEST_CHAIN }))
      return undefined
    }
    const module = load(target)
    if (!module) {
      diagnostics.push(describe({ kind: "module-not-found", span: item.from.span, from: item.from.text, path: target }))
      return undefined
    }
    for (const { name, alias } of item.names) {
      const definition = module.definitions.get(name.text)
      if (!definition) {
        diagnostics.push(
          describe({
            kind: "no-such-export",
            span: name.span,
            name: name.text,
            from: item.from.text,
            suggestion: didYouMean(name.text, [...module.definitions.keys()]),
          }),
        )
        continue
      }
      importer.scope.set((alias ?? name).text, { definition, module })
    }
    return module
  }

  const root = load(path)
  return { output: root && { root, modules, host }, diagnostics }
}
