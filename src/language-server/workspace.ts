/**
 * The texts an editor works on, and what the compiler knows of them.
 *
 * Takes the documents that are open (they hide the files below them) and the folders of the workspace; gives parsed modules,
 * their names and compiled models. What has been worked out is kept until a text changes; what the compiler can use again
 * after that, its memory keeps.
 */

import { existsSync, readdirSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { checkTraining } from "../compiler/check/training.js"
import { compileLoaded, type CompileOptions, type CompileResult } from "../compiler/compile.js"
import type { Diagnostic } from "../compiler/diagnostics/diagnostic.js"
import { SourceLines } from "../compiler/diagnostics/source-lines.js"
import { type Occurrence, occurrencesOf } from "../compiler/editing/occurrences.js"
import { CompilerMemory } from "../compiler/memory.js"
import { loadModules, type ModuleGraph, type SourceHost } from "../compiler/resolve/modules.js"
import { costsByName, type PartCost } from "../compiler/summary.js"
import { fileHost, PACKAGE_ROOT } from "../runtime/model-file.js"

/** A text with all it imports. */
export interface Loaded {
  readonly path: string
  readonly graph: ModuleGraph
  readonly diagnostics: readonly Diagnostic[]
  readonly occurrences: readonly Occurrence[]
}

/** Costs of a compiled model by section and statement. */
export type Costs = (section: string, part?: string) => PartCost

const STANDARD = join(PACKAGE_ROOT, "std")
/** Folders in which nobody keeps texts of their own. */
const SKIPPED: ReadonlySet<string> = new Set(["node_modules", "dist"])
/** The most folders of a workspace that are searched: an editor may be opened on a whole disk. */
const MOST_FOLDERS = 2000

export class Workspace {
  /** texts of open documents by path */
  private readonly open = new Map<string, { readonly uri: string; readonly text: string }>()
  private readonly memory = new CompilerMemory()
  private readonly standard = new Map<string, string>()
  private readonly lineTables = new Map<string, SourceLines>()
  private loaded = new Map<string, Loaded | undefined>()
  /** models by path and selector */
  private built = new Map<string, CompileResult>()
  private checked = new Map<string, readonly Diagnostic[]>()
  private costs = new Map<CompileResult, Costs>()
  folders: readonly string[] = []

  /** The path by which spans name the document: that of its file; `std/NAME` in the standard library. */
  pathOf(uri: string): string {
    if (!uri.startsWith("file:")) return uri
    const file = fileURLToPath(uri)
    const inside = relative(STANDARD, file)
    const isStandard = !inside.startsWith("..") && inside.endsWith(".mdl") && !inside.includes(sep)
    return isStandard ? `std/${inside.slice(0, -".mdl".length)}` : file
  }

  /** The address of the text that spans call `path`. */
  uriOf(path: string): string {
    const open = this.open.get(path)
    if (open) return open.uri
    if (path.startsWith("std/")) return pathToFileURL(join(PACKAGE_ROOT, `${path}.mdl`)).href
    return path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path) ? pathToFileURL(path).href : path
  }

  /** A document was opened or edited. */
  change(uri: string, text: string): void {
    this.open.set(this.pathOf(uri), { uri, text })
    this.drop()
  }

  close(uri: string): void {
    this.open.delete(this.pathOf(uri))
    this.forget()
  }

  /** Something on the disk is not as it was. */
  forget(): void {
    this.standard.clear()
    this.drop()
  }

  /** What was worked out from the texts holds no longer. */
  private drop(): void {
    this.loaded = new Map()
    this.built = new Map()
    this.checked = new Map()
    this.costs = new Map()
  }

  get openPaths(): readonly string[] {
    return [...this.open.keys()]
  }

  /** The text of `path` with what it imports; undefined where there is no such text. */
  load(path: string): Loaded | undefined {
    if (!this.loaded.has(path)) {
      const { output: graph, diagnostics } = loadModules(
        path,
        this.hostOf(path),
        this.memory.parse,
        this.memory.modules,
      )
      this.loaded.set(path, graph && { path, graph, diagnostics, occurrences: occurrencesOf(graph.root, graph) })
    }
    return this.loaded.get(path)
  }

  /** Whether the model is built already, so that asking for it takes no time. */
  hasBuilt(path: string, selector?: string): boolean {
    return this.built.has(keyOf(path, selector))
  }

  /** The model or ablation `selector` of `path`, all stages but the question whether it can be trained. */
  build(path: string, selector?: string): CompileResult {
    return remembered(this.built, keyOf(path, selector), () => this.compile(path, { selector, training: false }))
  }

  /** All that `mdl check` says of `selector`. */
  diagnostics(path: string, selector?: string): readonly Diagnostic[] {
    return remembered(this.checked, keyOf(path, selector), () => {
      const { output, variant, diagnostics } = this.build(path, selector)
      if (output && variant) return [...diagnostics, ...checkTraining(output, variant)]
      return this.compile(path, { selector }).diagnostics
    })
  }

  private compile(path: string, options: CompileOptions): CompileResult {
    const loaded = this.load(path)
    const from = { output: loaded?.graph, diagnostics: loaded?.diagnostics ?? [] }
    return compileLoaded(from, { ...options, everyValue: true, memory: this.memory })
  }

  /** The models that `path` itself defines. */
  modelNames(path: string): readonly string[] {
    const definitions = [...(this.load(path)?.graph.root.definitions.values() ?? [])]
    return definitions.filter(({ kind }) => kind === "model").map(({ name }) => name.text)
  }

  /** What the parts of a model cost; undefined where it does not compile. */
  costsOf(result: CompileResult): Costs | undefined {
    if (!result.output) return undefined
    const known = this.costs.get(result) ?? costsByName(result.output)
    this.costs.set(result, known)
    return known
  }

  /** Lines of the text that spans call `path`. */
  lines(path: string): SourceLines {
    const text = this.open.get(path)?.text ?? this.hostOf(path).read(path) ?? ""
    const known = this.lineTables.get(path)
    if (known?.text === text) return known
    const lines = new SourceLines(text)
    this.lineTables.set(path, lines)
    return lines
  }

  /** Every text that may speak of what another declares: open documents, and the files of the workspace. */
  allPaths(): readonly string[] {
    const paths = new Set(this.openPaths)
    for (const folder of this.folders)
      for (const file of mdlFiles(folder)) paths.add(this.pathOf(pathToFileURL(file).href))
    return [...paths]
  }

  /** What can stand behind `from` in the text `path`. */
  importsFrom(path: string): readonly string[] {
    const standard = readdirSync(STANDARD)
      .filter((name) => name.endsWith(".mdl") && name !== "prelude.mdl")
      .map((name) => `std/${name.slice(0, -".mdl".length)}`)
    const folder = dirname(path)
    const near = path.startsWith("/") ? mdlFiles(folder).filter((file) => file !== path) : []
    return [
      ...near.map((file) => `./${relative(folder, file).replaceAll(sep, "/").slice(0, -".mdl".length)}`),
      ...standard,
    ]
  }

  /** As on the command line, imports lead to the folder of the file and below. */
  private hostOf(path: string): SourceHost {
    // A document that was never saved has no file yet.
    const disk = fileHost(dirname(path), existsSync(path) ? path : undefined)
    const read = (wanted: string): string | undefined => {
      if (!wanted.startsWith("std/")) return disk.read(wanted)
      // The standard library changes only where somebody works on it.
      const text = this.standard.get(wanted) ?? disk.read(wanted)
      if (text !== undefined) this.standard.set(wanted, text)
      return text
    }
    return { ...disk, read: (wanted) => this.open.get(wanted)?.text ?? read(wanted) }
  }
}

const keyOf = (path: string, selector: string | undefined): string => `${path}#${selector ?? ""}`

function remembered<T>(table: Map<string, T>, key: string, make: () => T): T {
  const known = table.get(key)
  if (known !== undefined) return known
  const made = make()
  table.set(key, made)
  return made
}

/** The `.mdl` files in a folder and below, nearest first; none of a folder that is not there yet. */
function mdlFiles(folder: string): readonly string[] {
  const files: string[] = []
  const folders = existsSync(folder) ? [folder] : []
  for (let i = 0; i < folders.length; i++) {
    for (const entry of readdirSync(folders[i]!, { withFileTypes: true })) {
      const path = join(folders[i]!, entry.name)
      if (entry.isFile() && entry.name.endsWith(".mdl")) files.push(path)
      const isOwn = entry.isDirectory() && !entry.name.startsWith(".") && !SKIPPED.has(entry.name)
      if (isOwn && folders.length < MOST_FOLDERS) folders.push(path)
    }
  }
  return files
}
