/**
 * Diagnostics while somebody types.
 *
 * Takes the documents as they change; publishes what is wrong with them. What reading and names find is told at once. The
 * models of the file are built when the typing pauses, one at a time, so that a request never waits for more than one of
 * them; an edit drops what is left.
 */

import type { Diagnostic } from "../compiler/diagnostics/diagnostic.js"
import { FACTS } from "../compiler/diagnostics/facts.js"
import { selectableNames } from "../compiler/elaborate/ablations.js"
import { checkNames } from "../compiler/resolve/check-names.js"
import type { Workspace } from "./workspace.js"

/** Long enough not to build a model for every letter, short enough to feel immediate. */
export const PAUSE_MS = 150

const NO_MODEL = FACTS["no-model-in-file"].code

interface Publishing {
  /** Shows `diagnostics` on the document `path`. */
  publish(path: string, diagnostics: readonly Diagnostic[]): void
  /** Something failed that should not; the server goes on. */
  failed(error: unknown): void
}

export class Checker {
  private readonly waiting = new Map<string, { stop(): void }>()
  /** the texts that each open document was made from */
  private readonly sources = new Map<string, ReadonlySet<string>>()
  /** those who wait for the models of a document, or for all there is to say of it */
  private readonly listeners = new Map<string, { readonly forAll: boolean; wake(): void }[]>()

  constructor(
    private readonly workspace: Workspace,
    private readonly to: Publishing,
  ) {}

  /** The text `path` is new; texts that import it are looked at again too. */
  changed(path: string): void {
    this.checkAll(this.workspace.openPaths.filter((open) => open === path || this.sources.get(open)?.has(path)))
  }

  /** Looks at `paths` again. */
  checkAll(paths: readonly string[]): void {
    for (const path of paths) this.check(path)
  }

  /** Resolves when the models of `path` (not its ablations) are built, or cannot be. */
  ready(path: string): Promise<void> {
    return this.isReady(path) ? Promise.resolve() : this.settled(path, false)
  }

  /** Resolves when everything is known that can be said of `path` as it is now. */
  settled(path: string, forAll = true): Promise<void> {
    if (!this.waiting.has(path)) return Promise.resolve()
    return new Promise((wake) => this.listeners.set(path, [...(this.listeners.get(path) ?? []), { forAll, wake }]))
  }

  /** All that is known to be wrong with `path` as it is now. */
  known(path: string): readonly Diagnostic[] {
    const names = this.selectors(path).filter((name) => this.workspace.hasCompiled(path, name))
    const found = [...this.early(path), ...names.flatMap((name) => this.workspace.compile(path, name).diagnostics)]
    return [...new Map(found.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values()]
  }

  /** Nothing is shown any more on a document that was closed. */
  closed(path: string): void {
    this.waiting.get(path)?.stop()
    this.waiting.delete(path)
    this.sources.delete(path)
    this.tell(path)
    this.to.publish(path, [])
  }

  dispose(): void {
    for (const { stop } of this.waiting.values()) stop()
    this.waiting.clear()
  }

  private check(path: string): void {
    this.waiting.get(path)?.stop()
    this.guarded(path, () => {
      const early = this.early(path)
      // Where reading found mistakes, no model can be built, and this is all there is to say.
      if (early.some(({ severity }) => severity === "error")) this.to.publish(path, early)
    })
    const timer = setTimeout(() => this.guarded(path, () => this.build(path)), PAUSE_MS)
    this.waiting.set(path, { stop: () => clearTimeout(timer) })
  }

  /** What is known without building a model. */
  private early(path: string): readonly Diagnostic[] {
    const loaded = this.workspace.load(path)
    if (!loaded) return []
    this.sources.set(path, new Set(loaded.graph.modules.keys()))
    const { graph, diagnostics } = loaded
    const isBroken = diagnostics.some(({ labels }) => labels.some(({ span }) => span.file === path))
    return isBroken ? diagnostics : [...diagnostics, ...checkNames(graph.root, graph)]
  }

  /** What is to be built of `path`: models first; a library file is compiled for what can be said without a model. */
  private selectors(path: string): readonly (string | undefined)[] {
    const root = this.workspace.load(path)?.graph.root
    const names = root ? selectableNames(root) : []
    return names.length > 0 ? names : [undefined]
  }

  private isReady(path: string): boolean {
    return this.workspace.modelNames(path).every((name) => this.workspace.hasCompiled(path, name))
  }

  /** Builds the models and ablations of `path` one after another. */
  private build(path: string): void {
    const queue = [...this.selectors(path)]
    const root = this.workspace.load(path)?.graph.root
    const isLibrary = queue[0] === undefined && root !== undefined && root.definitions.size > 0
    const found = new Map<string, Diagnostic>()
    const next = (): void => {
      const selector = queue.shift()
      for (const diagnostic of this.workspace.compile(path, selector).diagnostics) {
        if (!isLibrary || diagnostic.code !== NO_MODEL) found.set(JSON.stringify(diagnostic), diagnostic)
      }
      if (queue.length > 0) {
        const soon = setImmediate(() => this.guarded(path, next))
        this.waiting.set(path, { stop: () => clearImmediate(soon) })
      } else {
        this.waiting.delete(path)
        this.to.publish(path, [...found.values()])
      }
      if (queue.length === 0 || this.isReady(path)) this.tell(path)
    }
    next()
  }

  /** Wakes those who wait for the models, and when all is done the others too. */
  private tell(path: string): void {
    const isDone = !this.waiting.has(path)
    const listeners = this.listeners.get(path) ?? []
    this.listeners.set(
      path,
      listeners.filter(({ forAll }) => forAll && !isDone),
    )
    for (const { forAll, wake } of listeners) if (isDone || !forAll) wake()
  }

  private guarded(path: string, step: () => void): void {
    try {
      step()
    } catch (error) {
      this.waiting.delete(path)
      this.tell(path)
      this.to.failed(error)
    }
  }
}
