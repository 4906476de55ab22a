/**
 * Diagnostics while somebody types.
 *
 * Takes the documents as they change; publishes what is wrong with them, in the order of what it costs to find out. What
 * reading and names find is told with the edit. Then the models of the file are built, and after them its ablations, one at
 * a time, so that a request never waits for more than one of them. Whether they can be trained is asked when the typing
 * pauses. An edit drops what is left.
 */

import type { Diagnostic } from "../compiler/diagnostics/diagnostic.js"
import { FACTS } from "../compiler/diagnostics/facts.js"
import { selectableNames } from "../compiler/elaborate/ablations.js"
import { checkNames } from "../compiler/resolve/check-names.js"
import type { Workspace } from "./workspace.js"

/** Long enough not to differentiate a model for every letter, short enough to feel immediate. */
const PAUSE_MS = 150
/** A model that took longer than this is not built for every letter: typing would lag behind. */
const SLOW_MS = 60

const NO_MODEL = FACTS["no-model-in-file"].code

interface Publishing {
  /** Shows `diagnostics` on the document `path`. */
  publish(path: string, diagnostics: readonly Diagnostic[]): void
  /** Something failed that should not; the server goes on. */
  failed(error: unknown): void
}

/** How much of a document is known: its models (without ablations), or all there is to say. */
type Stage = "models" | "all"

interface Progress {
  /** the models are known */
  hasModels: boolean
  /** what is shown of it */
  shown: string | undefined
  stop(): void
  /** ends a pause */
  hurry(): void
}

export class Checker {
  private readonly waiting = new Map<string, Progress>()
  /** the texts that each open document was made from */
  private readonly sources = new Map<string, ReadonlySet<string>>()
  /** those who wait for a stage of a document */
  private readonly listeners = new Map<string, { readonly stage: Stage; wake(): void }[]>()
  /** how long the models of a document took when they were built last, in milliseconds */
  private readonly durations = new Map<string, number>()
  /** documents that show what only their ablations, or training, brought up */
  private readonly showsLate = new Set<string>()

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

  /** Resolves when `stage` of the document is known as it is now, or cannot be. Who wants all does not wait for a pause. */
  reached(path: string, stage: Stage): Promise<void> {
    const progress = this.waiting.get(path)
    if (!progress || (stage === "models" && (progress.hasModels || this.hasModels(path)))) return Promise.resolve()
    const known = new Promise<void>((wake) => {
      this.listeners.set(path, [...(this.listeners.get(path) ?? []), { stage, wake }])
    })
    if (stage === "all") progress.hurry()
    return known
  }

  /** What building has found so far to be wrong with `path` as it is now. */
  known(path: string): readonly Diagnostic[] {
    const names = this.selectors(path).filter((name) => this.workspace.hasBuilt(path, name))
    return distinct([...this.early(path), ...names.flatMap((name) => this.workspace.build(path, name).diagnostics)])
  }

  /** Nothing is shown any more on a document that was closed. */
  closed(path: string): void {
    this.waiting.get(path)?.stop()
    this.sources.delete(path)
    this.durations.delete(path)
    this.showsLate.delete(path)
    this.done(path)
    this.to.publish(path, [])
  }

  dispose(): void {
    for (const { stop } of this.waiting.values()) stop()
    this.waiting.clear()
  }

  private check(path: string): void {
    this.waiting.get(path)?.stop()
    const progress: Progress = { hasModels: false, shown: undefined, stop: () => {}, hurry: () => {} }
    this.waiting.set(path, progress)
    this.guarded(path, () => {
      const early = this.early(path)
      // Where reading found mistakes, no model can be built, and this is all there is to say.
      if (early.some(({ severity }) => severity === "error")) this.publish(path, progress, early)
    })
    const isSlow = (this.durations.get(path) ?? 0) > SLOW_MS
    this.later(path, progress, isSlow ? PAUSE_MS : 0, () => this.buildModels(path, progress))
  }

  private buildModels(path: string, progress: Progress): void {
    const start = performance.now()
    const names = this.workspace.modelNames(path)
    const found = names.flatMap((name) => this.workspace.build(path, name).diagnostics)
    this.durations.set(path, performance.now() - start)
    // What was said of ablations stays until it is known whether it still holds: it would flicker with every letter.
    if (names.length > 0 && (found.length > 0 || !this.showsLate.has(path))) {
      this.publish(path, progress, [...this.early(path), ...found])
    }
    progress.hasModels = true
    this.tell(path, "models")
    this.later(path, progress, PAUSE_MS, () => this.buildAll(path, progress))
  }

  private buildAll(path: string, progress: Progress): void {
    const build = (name: string | undefined): readonly Diagnostic[] => this.workspace.build(path, name).diagnostics
    this.oneByOne(path, progress, build, () => {
      this.later(path, progress, PAUSE_MS, () => this.checkAllTraining(path, progress))
    })
  }

  private checkAllTraining(path: string, progress: Progress): void {
    const check = (name: string | undefined): readonly Diagnostic[] => this.workspace.diagnostics(path, name)
    this.oneByOne(path, progress, check, () => this.done(path))
  }

  /** Asks of all that can be built in a text, with time for requests in between, and publishes what is found. */
  private oneByOne(
    path: string,
    progress: Progress,
    ask: (name: string | undefined) => readonly Diagnostic[],
    end: () => void,
  ): void {
    const found: Diagnostic[] = []
    const queue = [...this.selectors(path)]
    const next = (): void => {
      found.push(...ask(queue.shift()))
      if (queue.length > 0) return this.later(path, progress, 0, next)
      this.publishAll(path, progress, found)
      end()
    }
    next()
  }

  private publishAll(path: string, progress: Progress, all: readonly Diagnostic[]): void {
    const root = this.workspace.load(path)?.graph.root
    const isLibrary = root !== undefined && root.definitions.size > 0 && selectableNames(root).length === 0
    const found = distinct(all).filter(({ code }) => !isLibrary || code !== NO_MODEL)
    const ofModels = this.workspace.modelNames(path).flatMap((name) => this.workspace.build(path, name).diagnostics)
    if (found.length > distinct(ofModels).length) this.showsLate.add(path)
    else this.showsLate.delete(path)
    this.publish(path, progress, found)
  }

  /** Shows `found`, each once, unless that is what is shown. */
  private publish(path: string, progress: Progress, found: readonly Diagnostic[]): void {
    const shown = distinct(found)
    const key = JSON.stringify(shown)
    if (key === progress.shown) return
    progress.shown = key
    this.to.publish(path, shown)
  }

  /** What is known without building a model. */
  private early(path: string): readonly Diagnostic[] {
    const loaded = this.workspace.load(path)
    if (!loaded) return []
    this.sources.set(path, new Set(loaded.graph.modules.keys()))
    const { graph, diagnostics } = loaded
    const errors = diagnostics.filter(({ severity }) => severity === "error")
    const isBroken = errors.some(({ labels }) => labels.some(({ span }) => span.file === path))
    return isBroken ? diagnostics : [...diagnostics, ...checkNames(graph.root, graph)]
  }

  private hasModels(path: string): boolean {
    return this.workspace.modelNames(path).every((name) => this.workspace.hasBuilt(path, name))
  }

  /** What is to be built of `path`: models first; a library file is compiled for what can be said without a model. */
  private selectors(path: string): readonly (string | undefined)[] {
    const root = this.workspace.load(path)?.graph.root
    const names = root ? selectableNames(root) : []
    return names.length > 0 ? names : [undefined]
  }

  /**
   * Goes on after `pause` milliseconds; with none when what has arrived in the meantime is answered. Somebody who waits for
   * all there is to say makes the pause shorter.
   */
  private later(path: string, progress: Progress, pause: number, body: () => void): void {
    const step = (): void => this.guarded(path, body)
    const soon = (): void => {
      const immediate = setImmediate(step)
      progress.stop = () => clearImmediate(immediate)
      progress.hurry = () => {}
    }
    if (pause === 0 || this.listeners.get(path)?.some(({ stage }) => stage === "all")) return soon()
    const timer = setTimeout(step, pause)
    progress.stop = () => clearTimeout(timer)
    progress.hurry = () => {
      clearTimeout(timer)
      soon()
    }
  }

  private done(path: string): void {
    this.waiting.delete(path)
    this.tell(path, "all")
  }

  /** Wakes those who wait for `stage`. */
  private tell(path: string, stage: Stage): void {
    const listeners = this.listeners.get(path) ?? []
    const isBehind = (wanted: Stage): boolean => stage === "all" || wanted === stage
    this.listeners.set(
      path,
      listeners.filter((listener) => !isBehind(listener.stage)),
    )
    for (const listener of listeners) if (isBehind(listener.stage)) listener.wake()
  }

  private guarded(path: string, step: () => void): void {
    try {
      step()
    } catch (error) {
      this.done(path)
      this.to.failed(error)
    }
  }
}

const distinct = (diagnostics: readonly Diagnostic[]): readonly Diagnostic[] => [
  ...new Map(diagnostics.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values(),
]
