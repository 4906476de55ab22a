/**
 * A trained model, ready to be used.
 *
 * Takes the folder of a run; gives its session with a checkpoint in it, its tokenizer, and the feeds of a case. Neither
 * the model's text nor the compiler is needed. What predicts, evaluates, exports or reports starts here.
 */
import type { TrainerDescription } from "../../compiler/trainer.js"
import type { ChannelOrder } from "../data/images.js"
import { type Feeds, NativeSession, SessionError } from "../session.js"
import { createTokenizer, type Encoding, type Tokenizer } from "../tokenizers/tokenizer.js"
import { caseFeeds, type InputPlan, planInputs } from "../training/feeds.js"
import { channelsOf } from "../training/split-loader.js"
import {
  type Checkpoint,
  CheckpointError,
  type CheckpointName,
  existingCheckpoints,
  readCheckpoint,
} from "./checkpoint.js"
import { RunFolder, RunFolderError, type RunRecord } from "./run-folder.js"

export interface CaseFeeds {
  /** for `session.predict` */
  readonly feeds: Feeds
  /** undefined for a model without a note */
  readonly note: Encoding | undefined
}

export interface OpenRun {
  readonly folder: RunFolder
  readonly record: RunRecord
  readonly description: TrainerDescription
  readonly checkpoint: Checkpoint
  readonly session: NativeSession
  /** by the name of the input */
  readonly tokenizers: ReadonlyMap<string, Tokenizer>
  /** which input is the image, which the note; image size; which output is the mask */
  readonly plan: InputPlan
  /** order of the image's planes, to be read with `readImage` */
  readonly channels: ChannelOrder
  /**
   * The feeds of one case; the batch of `predict` is 1.
   *
   * @param image [C, H, W] in [0, 1], planes as in `channels`
   */
  feedsFor(image: Float32Array, note: string): CaseFeeds
  /** Frees the session. */
  close(): void
}

export interface OpenRunOptions {
  /** `best` by default */
  readonly checkpoint?: CheckpointName | undefined
}

/**
 * Opens a run with a checkpoint.
 *
 * @throws RunFolderError when the folder holds no run, CheckpointError when the checkpoint is not whole,
 *   BackendUnavailable when there is no TensorFlow
 */
export async function openRun(
  folderPath: string,
  { checkpoint: name = "best" }: OpenRunOptions = {},
): Promise<OpenRun> {
  const folder = await RunFolder.open(folderPath)
  const { record } = folder
  const { description } = record
  const checkpoint = await chooseCheckpoint(folder.path, name)
  const plan = planInputs(description)
  const tokenizers = new Map<string, Tokenizer>()
  for (const [input, described] of Object.entries(record.tokenizers)) {
    tokenizers.set(input, await createTokenizer(described))
  }
  const session = await NativeSession.open(folder.modelPath)
  try {
    restore(session, checkpoint)
  } catch (thrown) {
    session.close()
    throw thrown
  }
  return {
    folder,
    record,
    description,
    checkpoint,
    session,
    tokenizers,
    plan,
    channels: channelsOf(description),
    feedsFor(image, note) {
      const encoding = plan.note && tokenizers.get(plan.note.name)?.encode(note, plan.tokenLength)
      return { feeds: caseFeeds(plan, image, encoding, session), note: encoding }
    },
    close: () => session.close(),
  }
}

/** Reads the checkpoint, or says what the run has instead. */
async function chooseCheckpoint(folder: string, name: CheckpointName): Promise<Checkpoint> {
  const there = await existingCheckpoints(folder)
  if (there.length === 0) {
    throw new RunFolderError(`${folder} has no checkpoint yet: train it first (mdl train --resume ${folder})`)
  }
  return readCheckpoint(folder, name)
}

/** Sets the session's variables from a checkpoint. @throws CheckpointError when it belongs to another model */
export function restore(session: NativeSession, checkpoint: Checkpoint): void {
  try {
    session.write(checkpoint.variables)
  } catch (thrown) {
    if (!(thrown instanceof SessionError)) throw thrown
    throw new CheckpointError(`${checkpoint.path} does not fit the model of this run: ${thrown.message}`, {
      cause: thrown,
    })
  }
}
