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
export const PAUSE_MS = 150
/** A model that took longer than this is not built for every letter: typing would lag behind. */
const SLOW_MS = 60

const NO_MODEL = FACTS["no-model-in-file"].code

interface Publishing {
  /** Shows `diagnostics` on the document `path`. */
  publish(path: string, diagnostics: readonly Diagnostic[]): void
  /** Something failed that should not; the server goes on. */
  failed(error: unknown): void
}

/** How much of a document is known: its models (without ablations), all that is built, and whether that can be trained. */
type Stage = "models" | "built" | "all"
const STAGES: readonly Stage[] = ["models", "built", "all"]

interface Progress {
  /** the last stage that is behind it */
  stage: Stage | undefined
  /** what is shown of it */
  shown: string | undefined
  stop(): void
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

  /** Resolves when `stage` is behind the document as it is now, or cannot be reached. */
  reached(path: string, stage: Stage): Promise<void> {
    const progress = this.waiting.get(path)
    const isBehind =
      stage === "models" && this.workspace.modelNames(path).every((n) => this.workspace.hasBuilt(path, n))
    if (!progress || isBehind || isAtLeast(progress.stage, stage)) return Promise.resolve()
    return new Promise((wake) => this.listeners.set(path, [...(this.listeners.get(path) ?? []), { stage, wake }]))
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
    const progress: Progress = { stage: undefined, shown: undefined, stop: () => {} }
    this.waiting.set(path, progress)
    this.guarded(path, () => {
      const early = this.early(path)
      // Where reading found mistakes, no model can be built, and this is all there is to say.
      if (early.some(({ severity }) => severity === "error")) this.publish(path, progress, early)
    })
    const isSlow = (this.durations.get(path) ?? 0) > SLOW_MS
    const models = (): void => this.guarded(path, () => this.buildModels(path, progress))
    if (isSlow) this.later(progress, models)
    else soon(progress, models)
  }

  private buildModels(path: string, progress: Progress): void {
    const start = performance.now()
    const names = this.workspace.modelNames(path)
    const found = names.flatMap((name) => this.workspace.build(path, name).diagnostics)
    this.durations.set(path, performance.now() - start)
    // What was said of ablations stays until it is known whether it still holds: it would flicker with every letter.
    const isLibrary = names.length === 0
    if (!isLibrary && (found.length > 0 || !this.showsLate.has(path))) {
      this.publish(path, progress, [...this.early(path), ...found])
    }
    this.reach(path, progress, "models")
    const queue = this.selectors(path).filter((name) => name === undefined || !names.includes(name))
    this.oneByOne(
      path,
      progress,
      queue,
      (name) => void this.workspace.build(path, name),
      () => {
        this.publishAll(path, progress, (name) => this.workspace.build(path, name).diagnostics)
        this.reach(path, progress, "built")
        this.later(progress, () => this.guarded(path, () => this.checkAllTraining(path, progress)))
      },
    )
  }

  private checkAllTraining(path: string, progress: Progress): void {
    const check = (name: string | undefined): readonly Diagnostic[] => this.workspace.diagnostics(path, name)
    this.oneByOne(
      path,
      progress,
      this.selectors(path),
      (name) => void check(name),
      () => {
        this.publishAll(path, progress, check)
        this.done(path)
      },
    )
  }

  /** Does `step` for each name, with time for requests between them, and then `end`. */
  private oneByOne(
    path: string,
    progress: Progress,
    names: readonly (string | undefined)[],
    step: (name: string | undefined) => void,
    end: () => void,
  ): void {
    if (names.length === 0) return end()
    const [first, ...others] = names
    soon(progress, () =>
      this.guarded(path, () => {
        step(first)
        this.oneByOne(path, progress, others, step, end)
      }),
    )
  }

  private publishAll(path: string, progress: Progress, of: (name: string | undefined) => readonly Diagnostic[]): void {
    const names = this.selectors(path)
    const root = this.workspace.load(path)?.graph.root
    const isLibrary = names[0] === undefined && root !== undefined && root.definitions.size > 0
    const found = names.flatMap(of).filter(({ code }) => !isLibrary || code !== NO_MODEL)
    const ofModels = this.workspace.modelNames(path).flatMap((name) => this.workspace.build(path, name).diagnostics)
    if (distinct(found).length > distinct(ofModels).length) this.showsLate.add(path)
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

  /** What is to be built of `path`: models first; a library file is compiled for what can be said without a model. */
  private selectors(path: string): readonly (string | undefined)[] {
    const root = this.workspace.load(path)?.graph.root
    const names = root ? selectableNames(root) : []
    return names.length > 0 ? names : [undefined]
  }

  /** Goes on when the typing has paused. */
  private later(progress: Progress, body: () => void): void {
    const timer = setTimeout(body, PAUSE_MS)
    progress.stop = () => clearTimeout(timer)
  }

  private reach(path: string, progress: Progress, stage: Stage): void {
    progress.stage = stage
    this.tell(path, stage)
  }

  private done(path: string): void {
    this.waiting.delete(path)
    this.tell(path, "all")
  }

  /** Wakes those who wait for `stage`, or for one before it. */
  private tell(path: string, stage: Stage): void {
    const listeners = this.listeners.get(path) ?? []
    const others = listeners.filter((listener) => !isAtLeast(stage, listener.stage))
    this.listeners.set(path, others)
    for (const listener of listeners) if (!others.includes(listener)) listener.wake()
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

/** Goes on when what has arrived in the meantime is answered. */
function soon(progress: Progress, body: () => void): void {
  const immediate = setImmediate(body)
  progress.stop = () => clearImmediate(immediate)
}

const isAtLeast = (reached: Stage | undefined, stage: Stage): boolean =>
  reached !== undefined && STAGES.indexOf(reached) >= STAGES.indexOf(stage)

const distinct = (diagnostics: readonly Diagnostic[]): readonly Diagnostic[] => [
  ...new Map(diagnostics.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values(),
]
