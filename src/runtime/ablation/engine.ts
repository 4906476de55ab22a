/**
 * What executes the members of a sweep. Types.
 *
 * Takes tasks, each a command line that fills one run folder; gives how each ended. An engine knows nothing of models and
 * scores: it starts commands, tells when they start and end, and passes on a stop. A task can be started again at any time,
 * so an engine needs no memory of its own.
 */

export interface Task {
  /** of the member: `no_cvr/seed-1` */
  readonly name: string
  /** the words after `mdl` */
  readonly command: readonly string[]
  /** file for everything it writes */
  readonly log: string
  /** bytes that it takes, as estimated */
  readonly memory: number
  /** run folder that it fills */
  readonly folder: string
  /** whether what it is for is there */
  finished(): Promise<boolean>
}

export interface TaskEnd {
  readonly name: string
  /** `stopped`: it was asked to stop, and left a checkpoint */
  readonly outcome: "done" | "failed" | "stopped"
  /** exit code of `mdl`; null when it was killed */
  readonly code: number | null
  /** what it said last, for one that failed */
  readonly message: string | undefined
}

export interface EngineWatch {
  started?(name: string): void
  /** something worth telling while it runs */
  progress?(name: string, text: string): void
  ended?(end: TaskEnd): void
  /** something worth telling of the engine itself, or of a task that is tried again */
  said?(text: string): void
  /** called before each task; one that throws ends the sweep, after the tasks that are running */
  beforeTask?(): Promise<void>
  /** when it aborts, no other task is started; running ones are asked to stop, or go on where others run them */
  readonly signal?: AbortSignal | undefined
}

export interface Engine {
  readonly name: string
  /** Runs all tasks; the ends of those that were started, in the order given. */
  run(tasks: readonly Task[], watch: EngineWatch): Promise<readonly TaskEnd[]>
}
