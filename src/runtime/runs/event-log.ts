/**
 * What TensorBoard shows of a run: event files in RUN/events.
 *
 * Takes scalars by step; gives files that TensorBoard reads. Each process that trains has a file of its own, because
 * TensorBoard follows a file to its end and then goes on to the next by name; files are numbered. Steps that a resumed
 * run does again are cut out of the files that are there, and the new file begins with a session start at its first step,
 * which tells a TensorBoard that is open to forget what it has read from there on. So no step is ever shown twice.
 */
import { mkdir, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { TrainingState } from "./checkpoint.js"
import { decodeEvent, encodeEvent, type RunEvent } from "./event-message.js"
import type { FileOperations } from "./file-operations.js"
import { appendTo, syncFile } from "./log-file.js"
import { frameRecord, wholeRecords } from "./tfrecord.js"

/** Tags of scalars of the validation split begin with it. */
export const VALID_TAG = "valid/"
/** The one tag of training that is there for a line of the log, not for each step. */
export const PACE_TAG = "train/images_per_second"

/** What TensorBoard knows an event file by. */
const PREFIX = "events.out.tfevents."
const OURS = /^events\.out\.tfevents\.(\d{10})$/

/** The event files of a run, oldest first. */
async function eventFiles(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => OURS.test(name)).sort()
}

export class EventLog {
  private waiting: Buffer[] = []

  private constructor(
    readonly path: string,
    private readonly files: FileOperations,
    private readonly now: () => number,
  ) {}

  /**
   * Goes on after `state`, with a new file.
   *
   * @param folder RUN/events; made when it is not there, as in runs of earlier versions
   * @param state undefined: nothing has been done yet
   * @throws DiskFull, LogError
   */
  static async open(
    folder: string,
    state: TrainingState | undefined,
    files: FileOperations,
    now: () => number = Date.now,
  ): Promise<EventLog> {
    await mkdir(folder, { recursive: true })
    // The number of a file that is removed is not used again: a TensorBoard that is open would take the new one for it.
    const newest = (await eventFiles(folder)).at(-1)
    const number = newest === undefined ? 0 : Number(OURS.exec(newest)![1]) + 1
    await rewindEvents(folder, state, files)
    const log = new EventLog(join(folder, `${PREFIX}${String(number).padStart(10, "0")}`), files, now)
    log.add(0, { kind: "version" })
    // The first step of the run is 1: what TensorBoard forgets is everything.
    log.add((state?.step ?? 0) + 1, { kind: "start" })
    await log.flush()
    return log
  }

  /** Keeps scalars until the next `flush`. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    this.add(step, { kind: "scalars", values })
  }

  /** Writes what is kept. @throws DiskFull, LogError */
  async flush(): Promise<void> {
    if (this.waiting.length === 0) return
    const bytes = Buffer.concat(this.waiting)
    this.waiting = []
    await appendTo(this.path, bytes, this.files)
  }

  /** Brings what was written to the disk. */
  async sync(): Promise<void> {
    await syncFile(this.path, this.files)
  }

  private add(step: number, content: RunEvent["content"]): void {
    this.waiting.push(frameRecord(encodeEvent({ time: this.now() / 1000, step, content })))
  }
}

/** Cuts off what was written after `state`: from its first event on, and all later files. */
async function rewindEvents(folder: string, state: TrainingState | undefined, files: FileOperations): Promise<void> {
  let isPast = true
  for (const name of await eventFiles(folder)) {
    const path = join(folder, name)
    const bytes = await readFile(path)
    let [kept, events] = [0, 0]
    if (isPast) {
      for (const { end, data } of wholeRecords(bytes)) {
        const event = decodeEvent(data)
        isPast = state !== undefined && isEventPast(event, state)
        if (!isPast) break
        kept = end
        if (event.content.kind === "scalars") events++
      }
    }
    // A file without scalars says nothing.
    if (events === 0) await files.rm(path)
    else if (kept < bytes.length) await truncate(path, kept, files)
  }
}

/** As `isPast` for lines of the log: events of one step are those of training, then those of the validation split. */
function isEventPast({ step, content }: RunEvent, state: TrainingState): boolean {
  // A session that goes on after this step starts with the next.
  if (content.kind !== "scalars") return step <= state.step + 1
  if (step !== state.step) return step < state.step
  const tags = Object.keys(content.values)
  if (tags.some((tag) => tag.startsWith(VALID_TAG))) return state.evaluatedAt === state.step
  return !tags.includes(PACE_TAG) || (state.pending?.length ?? 0) === 0
}

async function truncate(path: string, length: number, files: FileOperations): Promise<void> {
  const handle = await files.open(path, "r+")
  try {
    await handle.truncate(length)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
