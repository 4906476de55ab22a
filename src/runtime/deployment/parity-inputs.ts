/**
 * Inputs that an exported model and its trainer are compared on.
 *
 * Takes: the inputs of the ONNX model and of the language's model, or cases of a data set. Gives: feeds at a batch size.
 *
 * Why so: random inputs reach where data does not (every token id, notes of every length), real ones are what the model
 * is for. They are seeded by the input's name, so the same export is compared on the same numbers. Notes are a run of
 * tokens followed by padding, as tokenizers give them: a note without a token is none that can occur.
 */

import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { constant, evaluate, type Sizes } from "../../compiler/ir/dims.js"
import type { ExportedTensor } from "../../compiler/targets/onnx/export.js"
import { parseDim } from "../../compiler/targets/onnx/tensors.js"
import { readImage } from "../data/images.js"
import { type Dataset, samplesOf } from "../data/dataset.js"
import { RandomStream } from "../data/random.js"
import type { Sample, Split } from "../data/sample.js"
import { type ModelPorts, stackCases } from "../prediction/predictor.js"
import type { ParityInput } from "../onnx/parity.js"
import type { Feeds, RuntimeTensor } from "../onnx/run.js"
import type { RunRecord } from "../runs/run-folder.js"
import { createTokenizer, type Tokenizer } from "../tokenizers/tokenizer.js"
import { planInputs } from "../training/feeds.js"
import { channelsOf } from "../training/split-loader.js"

/** Batch sizes: a constant batch hidden in a model shows only at a second one. */
export const PARITY_BATCHES = [1, 3] as const

/** The batch at sizes other than usual: one is told from another there, and two rows from one. */
const OTHER_BATCH = 2

/** Seeded random feeds for every input of the exported model. @param model gives the sizes that the file leaves open */
export function randomInputs(
  model: Pick<ElaboratedModel, "inputs" | "graph">,
  wanted: readonly ExportedTensor[],
): ParityInput[] {
  return PARITY_BATCHES.map((batch) => ({ kind: "random", batch, feeds: randomFeeds(model, wanted, batch) }))
}

/** The same at sizes that are not those of the model's text. @param model compiled at these sizes */
export function randomInputAt(
  sizes: Sizes,
  model: Pick<ElaboratedModel, "inputs" | "graph">,
  wanted: readonly ExportedTensor[],
): ParityInput {
  const feeds = randomFeeds(model, wanted, OTHER_BATCH)
  return { kind: "random", batch: OTHER_BATCH, sizes: Object.fromEntries(sizes), feeds }
}

function randomFeeds(
  model: Pick<ElaboratedModel, "inputs" | "graph">,
  wanted: readonly ExportedTensor[],
  batch: number,
): Feeds {
  const known = new Map([...model.graph.sizes, ["N", batch]])
  const feeds: Record<string, RuntimeTensor> = {}
  const stream = (name: string): RandomStream => new RandomStream(`parity/${batch}/${name}`)
  for (const { name, dtype, shape } of wanted) {
    const sizes = shape.map((size) => sizeAt(size, known))
    const tokens = model.inputs.find((input) => input.kind === "tokens" && name.startsWith(`${input.name}_`))
    const random = stream(name)
    const count = sizes.reduce((product, size) => product * size, 1)
    const vocabulary = tokens?.tokenizer?.arguments["vocabulary"]
    let draw: (index: number) => number
    if (tokens && name === `${tokens.name}_valid`) {
      const length = sizes[1] ?? 1
      const lengths = Array.from({ length: batch }, () => 1 + random.integer(length))
      draw = (index) => (index % length < lengths[Math.floor(index / length)]! ? 1 : 0)
    } else if (tokens && typeof vocabulary === "number") draw = () => random.integer(vocabulary)
    else if (dtype === "f32") draw = () => random.uniform()
    else draw = () => random.integer(2)
    feeds[name] = tensorOf(
      dtype,
      sizes,
      Array.from({ length: count }, (_, index) => draw(index)),
    )
  }
  return feeds
}

/** A size of an exported tensor as a number. */
function sizeAt(size: number | string, known: Sizes): number {
  const dim = typeof size === "number" ? constant(size) : parseDim(size)
  const value = dim && evaluate(dim, known)
  if (value === undefined) throw new Error(`the exported size ${size} has symbols that the model has not`)
  return value
}

function tensorOf(dtype: RuntimeTensor["dtype"], shape: readonly number[], values: readonly number[]): RuntimeTensor {
  switch (dtype) {
    case "f32":
      return { dtype, shape, data: Float32Array.from(values) }
    case "i32":
      return { dtype, shape, data: Int32Array.from(values) }
    case "i64":
      return { dtype, shape, data: BigInt64Array.from(values, BigInt) }
    case "bool":
      return { dtype, shape, data: Uint8Array.from(values) }
  }
}

/** Cases to compare on, from the first of these splits that has some. */
const SPLITS_BY_PREFERENCE: readonly Split[] = ["test", "valid", "train"]

/**
 * Feeds made of the first cases of a data set.
 *
 * @param feedsOf what a model is fed for some cases
 * @param wanted the inputs of the exported model, by name
 * @throws DataError when the data cannot be read
 */
export async function realInputs(
  dataset: Dataset,
  feedsOf: (samples: readonly Sample[]) => Promise<Feeds>,
  wanted: ReadonlySet<string>,
): Promise<ParityInput[]> {
  const split = SPLITS_BY_PREFERENCE.find((name) => dataset.samples.some((sample) => sample.split === name))
  const samples = samplesOf(dataset, split ?? "test")
  let next = 0
  const inputs: ParityInput[] = []
  for (const batch of PARITY_BATCHES) {
    const chosen = Array.from({ length: batch }, () => samples[next++ % samples.length]!)
    const all = await feedsOf(chosen)
    const feeds = Object.fromEntries(Object.entries(all).filter(([name]) => wanted.has(name)))
    inputs.push({ kind: "real", batch, feeds })
  }
  return inputs
}

/** The feeds of some cases, as a run's training program gets them. */
export async function runFeeds(
  { description, tokenizers }: Pick<RunRecord, "description" | "tokenizers">,
  samples: readonly Sample[],
): Promise<Feeds> {
  const plan = planInputs(description)
  const described = plan.note && tokenizers[plan.note.name]
  const ports = {
    image: { name: plan.image.name, size: plan.size, channels: channelsOf(description) },
    note: plan.note && { name: plan.note.name, length: plan.tokenLength },
  }
  return caseFeeds(ports, described && (await createTokenizer(described)), samples)
}

/** The feeds of some cases, one row each: image and note. @throws DataError for an image that cannot be read */
export async function caseFeeds(
  ports: Pick<ModelPorts, "image" | "note">,
  tokenizer: Tokenizer | undefined,
  samples: readonly Sample[],
): Promise<Feeds> {
  const { image, note: port } = ports
  const cases = await Promise.all(
    samples.map(async ({ imagePath, note }) => ({
      image: await readImage(imagePath, image.size, image.channels),
      note: port && tokenizer?.encode(note, port.length),
    })),
  )
  return stackCases(ports, cases)
}
