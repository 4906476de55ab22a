/**
 * A data set in the format of a trainer package.
 *
 * Takes a data set and what the model is fed; writes `index.json` and one file for each split. Cases are decoded, resized
 * and tokenised exactly as `mdl train` does it (by the same loader), in the data set's order, without augmentation. The
 * format is described in `compiler/package/data-format.ts`.
 */
import { createWriteStream } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { DATA_FORMAT, fieldBytes, type DataField, type DataIndex } from "../../compiler/package/data-format.js"
import type { TrainerDescription } from "../../compiler/trainer.js"
import { openDataset, samplesOf } from "../data/dataset.js"
import { openLoader, type Batch, type Loader } from "../data/loader.js"
import { type ReadOptions, SPLITS } from "../data/sample.js"
import { planInputs, type InputPlan } from "../training/feeds.js"
import { channelsOf } from "../training/split-loader.js"
import { chooseTokenizer } from "../training/tokenizer-choice.js"
import { UserError } from "../user-error.js"

/** What is written at once; bounds the memory. */
const CASES_AT_ONCE = 16

/** A data set in a package. */
export interface WrittenData {
  readonly index: DataIndex
  /** what `mdl train` does with this data and the package does not */
  readonly leftOut: readonly string[]
}

/**
 * Writes the splits of a data set into `folder`, which is made.
 *
 * @throws DataError when the data set cannot be used; UserError when the model takes something that it does not have, or
 *   its training split does not fill a batch
 */
export async function writeDataFiles(
  folder: string,
  root: string,
  description: TrainerDescription,
  options: ReadOptions = {},
): Promise<WrittenData> {
  const plan = planInputs(description)
  const dataset = await openDataset(root, options)
  const train = samplesOf(dataset, "train")
  if (train.length < description.batch.train) {
    throw new UserError(
      `${root} has ${train.length} training cases, which do not fill a batch of ${description.batch.train}: ` +
        `use --batch ${train.length} or less`,
    )
  }
  const tokenizer =
    plan.note &&
    (
      await chooseTokenizer(
        plan.note,
        train.map(({ note }) => note),
      )
    ).describe()
  const fields = fieldsOf(plan)
  await mkdir(folder, { recursive: true })
  const splits: Record<string, { file: string; count: number }> = {}
  for (const split of SPLITS) {
    const samples = dataset.samples.filter((sample) => sample.split === split)
    if (samples.length === 0) continue
    const loader = await openLoader({
      samples,
      batch: CASES_AT_ONCE,
      size: plan.size,
      tokenizer: tokenizer,
      tokenLength: plan.tokenLength,
      seed: 0,
      shuffle: false,
      last: "keep",
      workers: 0,
      cacheBytes: 0,
      channels: channelsOf(description),
    })
    const file = `${split}.bin`
    try {
      await pipeline(encoded(loader, fields, plan), createWriteStream(join(folder, file)))
    } finally {
      await loader.close()
    }
    splits[split] = { file, count: samples.length }
  }
  const index: DataIndex = {
    format: DATA_FORMAT,
    bytes: fields.reduce((sum, field) => sum + fieldBytes(field), 0),
    fields,
    splits,
    tokenizers: plan.note && tokenizer ? { [plan.note.name]: tokenizer } : {},
  }
  await writeFile(join(folder, "index.json"), `${JSON.stringify(index, undefined, 2)}\n`)
  const wordings = train.filter(({ alternatives }) => alternatives !== undefined).length
  return {
    index,
    leftOut: wordings > 0 ? [`notes: ${wordings} training cases have several wordings, and one of them is stored`] : [],
  }
}

/** Ids before bytes: four-byte elements must lie at multiples of four. */
function fieldsOf({ image, note, target }: InputPlan): readonly DataField[] {
  return [
    ...(note ? [{ name: `${note.name}_ids`, stored: "i32", shape: note.shape } as const] : []),
    { name: image.name, stored: "u8", divide: 255, shape: image.shape },
    ...(target ? [{ name: target.name, stored: "u8", divide: 1, shape: target.shape } as const] : []),
    ...(note ? [{ name: `${note.name}_valid`, stored: "u8", divide: 1, shape: note.shape } as const] : []),
  ]
}

async function* encoded(loader: Loader, fields: readonly DataField[], plan: InputPlan): AsyncGenerator<Uint8Array> {
  for await (const batch of loader.epoch(0)) {
    const arrays = arraysOf(batch, plan)
    for (let row = 0; row < batch.count; row++) {
      for (const field of fields) yield encodeField(field, arrays.get(field.name)!, row)
    }
  }
}

function arraysOf(batch: Batch, { image, note, target }: InputPlan): ReadonlyMap<string, Float32Array | Int32Array> {
  return new Map<string, Float32Array | Int32Array>([
    [image.name, batch.image],
    ...(target ? ([[target.name, batch.mask]] as const) : []),
    ...(note
      ? ([
          [`${note.name}_ids`, batch.note_ids],
          [`${note.name}_valid`, batch.note_valid],
        ] as const)
      : []),
  ])
}

/** @throws Error when a value is no byte divided by `divide`: then the loader has changed and the format must follow */
function encodeField(field: DataField, values: Float32Array | Int32Array, row: number): Uint8Array {
  const count = field.shape.reduce((a, b) => a * b, 1)
  const part = values.subarray(row * count, (row + 1) * count)
  const { divide } = field
  if (divide === undefined) return Uint8Array.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
  const bytes = Uint8Array.from(part, (value) => Math.round(value * divide))
  const lost = bytes.findIndex((byte, i) => Math.fround(byte / divide) !== part[i])
  if (lost >= 0) throw new Error(`${field.name} holds ${part[lost]}, which is no byte divided by ${divide}`)
  return bytes
}
