/**
 * From data to the tensors a program is fed.
 *
 * Takes the description of a model's inputs; gives which of them is the image, the note and the target, and the feeds of
 * a batch or of one case.
 *
 * Why so: a model names its inputs as it likes, a data set knows images, notes and masks. They are matched by kind and
 * shape, and what cannot be matched is refused by name before anything is trained. A program is fed exactly what its
 * signature asks for: a model that ignores the note may have lost that input.
 */
import type { TrainerDescription, TrainerInput } from "../../compiler/trainer.js"
import type { Batch } from "../data/loader.js"
import type { Size } from "../data/images.js"
import type { Feeds, HostTensor, NativeSession } from "../session.js"
import type { Encoding } from "../tokenizers/tokenizer.js"
import { UserError } from "../user-error.js"

/** The inputs of a model by what the data offers. */
export interface InputPlan {
  readonly image: TrainerInput
  readonly size: Size
  /** undefined for a model without a text input */
  readonly note: TrainerInput | undefined
  /** T; 0 without a note */
  readonly tokenLength: number
  readonly target: TrainerInput | undefined
  /** the output that is scored against the target: the first of the target's shape */
  readonly scored: string | undefined
}

/** @throws UserError that names an input the data cannot fill */
export function planInputs(description: TrainerDescription): InputPlan {
  const { inputs, outputs } = description
  const shapeOf = (input: TrainerInput): string => `${input.name}: ${input.dtype}[N, ${input.shape.join(", ")}]`
  const refuse = (input: TrainerInput, why: string): never => {
    throw new UserError(
      `the input ${shapeOf(input)} of ${description.variant} cannot be filled from a data set: ${why}`,
    )
  }
  const images = inputs.filter((input) => input.role === "input" && input.kind === "tensor")
  const notes = inputs.filter((input) => input.kind === "tokens")
  const targets = inputs.filter((input) => input.role === "target")
  const image = images[0]
  if (!image)
    throw new UserError(`${description.variant} has no image input: it needs one such as \`image: f32[N, 3, H, W]\``)
  if (images[1]) refuse(images[1], `a case has one image, and that is ${image.name}`)
  if (notes[1]) refuse(notes[1], `a case has one note, and that is ${notes[0]!.name}`)
  if (targets[1]) refuse(targets[1], `a case has one mask, and that is ${targets[0]!.name}`)
  if (image.dtype !== "f32" || image.shape.length !== 3)
    refuse(image, `an image is f32[N, 3, H, W], or f32[N, 1, H, W]`)
  const [channels, height, width] = image.shape as [number, number, number]
  if (channels !== 1 && channels !== 3) refuse(image, `an image has 3 planes, or 1 (grey), not ${channels}`)
  const target = targets[0]
  const mask = [1, height, width]
  if (target && (target.dtype !== "f32" || !equal(target.shape, mask)))
    refuse(target, `a mask is f32[N, ${mask.join(", ")}]`)
  const note = notes[0]
  if (note && note.role === "target") refuse(note, "a note is an input, not a target")
  return {
    image,
    size: { height, width },
    note,
    tokenLength: note?.shape[0] ?? 0,
    target,
    scored: target && outputs.find((output) => equal(output.shape, target.shape))?.name,
  }
}

/** The feeds of a batch for one signature of the session. N is the batch's number of rows. */
export function batchFeeds(plan: InputPlan, batch: Batch, session: NativeSession, signature: string): Feeds {
  const { height, width } = plan.size
  const n = batch.note_index.length
  const all: Record<string, HostTensor> = {
    [plan.image.name]: { dtype: "f32", shape: [n, ...plan.image.shape], data: batch.image },
  }
  if (plan.note) addNote(all, plan.note.name, [n, plan.tokenLength], batch.note_ids, batch.note_valid)
  if (plan.target) all[plan.target.name] = { dtype: "f32", shape: [n, 1, height, width], data: batch.mask }
  return wantedBy(session, signature, all)
}

/**
 * The feeds of one case for `predict`.
 *
 * @param image [C, H, W] in [0, 1], planes as `channelsOf` says
 */
export function caseFeeds(
  plan: InputPlan,
  image: Float32Array,
  note: Encoding | undefined,
  session: NativeSession,
): Feeds {
  const all: Record<string, HostTensor> = {
    [plan.image.name]: { dtype: "f32", shape: [1, ...plan.image.shape], data: image },
  }
  if (plan.note && note) {
    const valid = new Float32Array(plan.tokenLength).fill(1, 0, note.valid)
    addNote(all, plan.note.name, [1, plan.tokenLength], note.ids, valid)
  }
  return wantedBy(session, "predict", all)
}

function addNote(
  feeds: Record<string, HostTensor>,
  name: string,
  shape: readonly number[],
  ids: Int32Array,
  valid: Float32Array,
): void {
  feeds[`${name}_ids`] = { dtype: "i32", shape, data: ids }
  feeds[`${name}_valid`] = { dtype: "f32", shape, data: valid }
}

/** What the signature asks for; what is missing then is the session's to report. */
function wantedBy(session: NativeSession, signature: string, all: Readonly<Record<string, HostTensor>>): Feeds {
  const names = new Set(session.signatures.get(signature)?.inputs.map((input) => input.name))
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)))
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis])
}
