/**
 * What an editor keeps between two compilations of nearly the same text.
 *
 * Takes nothing; gives the parts that `compile` asks for. Everything in it is found again only where it would be made the
 * same: texts by their content, modules by all they import, calls by all they depend on. So compiling with a memory gives
 * what compiling without one gives, sooner.
 */

import { parse, type Parsed } from "../../grammar/parse.js"
import type { Diagnostic } from "./diagnostics/diagnostic.js"
import { CallMemory } from "./elaborate/call-memory.js"
import { checkNames } from "./resolve/check-names.js"
import { checkRecursion } from "./resolve/check-recursion.js"
import type { Module, ModuleGraph, ModuleMemory } from "./resolve/modules.js"

export class CompilerMemory {
  readonly modules: ModuleMemory = new Map()
  readonly calls = new CallMemory()
  private readonly parsed = new Map<string, { readonly text: string; readonly parsed: Parsed }>()
  private readonly flawless = new WeakSet<Module>()
  private readonly circlesFrom = new WeakMap<Module, readonly Diagnostic[]>()

  /** As `parse`; a text that is as it was is not read again. */
  readonly parse: typeof parse = (path, text) => {
    const known = this.parsed.get(path)
    if (known?.text === text) return known.parsed
    const parsed = parse(path, text)
    this.parsed.set(path, { text, parsed })
    return parsed
  }

  /** As `checkNames`. What is wrong with a module may be told with the words of another, so only the good are known. */
  names(module: Module, graph: ModuleGraph): readonly Diagnostic[] {
    if (this.flawless.has(module)) return []
    const found = checkNames(module, graph)
    if (found.length === 0) this.flawless.add(module)
    return found
  }

  /** As `checkRecursion`: a root that is the same leads to the same modules. */
  circles(graph: ModuleGraph): readonly Diagnostic[] {
    const found = this.circlesFrom.get(graph.root) ?? checkRecursion(graph)
    this.circlesFrom.set(graph.root, found)
    return found
  }
}
