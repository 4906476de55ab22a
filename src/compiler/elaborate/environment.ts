/**
 * Environments and scopes: what a name means at one place, and who owns what is made there.
 */

import type { Span } from "../../../grammar/ast.js"
import type { Module } from "../resolve/modules.js"
import type { Instance, SectionContext, StaticValue } from "./values.js"

export interface Binding {
  readonly value: StaticValue
  readonly span: Span
}

/** A chain of name tables; inner ones are asked first. */
export class Environment {
  private readonly bindings = new Map<string, Binding>()

  /** @param isTop the names at the top of a module, which local ones may hide */
  constructor(
    private readonly outer?: Environment,
    private readonly isTop = false,
  ) {}

  define(name: string, value: StaticValue, span: Span): void {
    this.bindings.set(name, { value, span })
  }

  /** Whether a local name is taken already, here or in a scope around. */
  hasLocal(name: string): boolean {
    return !this.isTop && (this.bindings.has(name) || (this.outer?.hasLocal(name) ?? false))
  }

  lookup(name: string): Binding | undefined {
    return this.bindings.get(name) ?? this.outer?.lookup(name)
  }
}

/** How the instances made by one statement are called. */
export interface Naming {
  /** the path of the statement: its owner's path and its `let` name (and indices of surrounding loops) */
  readonly path: string
  /** the statement makes exactly one thing with a name, which then takes the statement's path as it is */
  readonly single: boolean
}

/** Everything an expression needs to know about where it stands. */
export interface Scope {
  readonly environment: Environment
  readonly module: Module
  readonly section: SectionContext
  /** path of the section, instance or function the statements belong to */
  readonly path: string
  /** the instance whose body this is; it owns the parameters and remembers inner instances */
  readonly owner: Instance | undefined
  /** instances already made in this run of the owner's body, by path, with the place */
  readonly made: Map<string, Span>
  readonly naming: Naming
  /** local names declared to hold blocks, whose calls make instances */
  readonly blockNames: ReadonlySet<string>
}

/** `a.b`, without a leading dot. */
export function join(path: string, name: string): string {
  return path === "" ? name : name === "" ? path : `${path}.${name}`
}

/** `CrossAttention` is called `cross_attention` when it has no `let` of its own. */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .toLowerCase()
}
