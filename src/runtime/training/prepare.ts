/**
 * From what the user asks for to a run that can start: model, data, tokenizer, programs, folder.
 *
 * Takes the options of `mdl train`; gives a run folder. Everything that can be wrong with the text, the data or the
 * options is found here, before TensorFlow is loaded and before anything is written.
 */
import { createHash } from "node:crypto"
import { resolve } from "node:path"
import type { Precision } from "../../compiler/passes/precision.js"
import { buildTrainer, type TrainerDescription } from "../../compiler/trainer.js"
import { openDataset, samplesOf, type Dataset } from "../data/dataset.js"
import { SPLITS, type Split } from "../data/sample.js"
import { parseReference, requireModel, sourceHash } from "../model-file.js"
import { loadBackend } from "../native/backend.js"
import { toolVersion } from "../runs/tool-version.js"
import type { FileOperations } from "../runs/atomic-file.js"
import { programHash, requireFreeFolder, RUN_FORMAT, RunFolder, type RunData } from "../runs/run-folder.js"
import type { TokenizerDescription } from "../tokenizers/tokenizer.js"
import { UserError } from "../user-error.js"
import { planInputs } from "./feeds.js"
import { chooseTokenizer } from "./tokenizer-choice.js"
import { trackingOf } from "./tracking.js"

export interface NewRunOptions {
  /** `file.mdl`, `file.mdl#Model` or `file.mdl#ablation` */
  readonly model: string
  /** folder of the data set */
  readonly data: string
  /** folder to make */
  readonly run: string
  readonly steps?: number | undefined
  readonly epochs?: number | undefined
  readonly batch?: number | undefined
  /** batches whose gradients are averaged for one step; replaces the model's own */
  readonly accumulate?: number | undefined
  /** height and width of the images: sets the symbols H and W */
  readonly size?: number | undefined
  readonly seed?: number | undefined
  readonly evalEvery?: number | undefined
  /** default f32 */
  readonly precision?: Precision | undefined
  readonly files?: FileOperations | undefined
}

/** Batch, epochs and seed where neither the options nor the model say. */
export const DEFAULTS = { batch: 8, epochs: 100, seed: 1 } as const

/** Checks everything and makes the run folder. @throws UserError, ModelError, DataError, BackendUnavailable */
export async function prepareRun(
  options: NewRunOptions,
): Promise<{ readonly folder: RunFolder; readonly dataset: Dataset }> {
  await requireFreeFolder(options.run)
  const reference = parseReference(options.model)
  const sizes = options.size === undefined ? undefined : imageSizes(options.model, options.size)
  const { model, result } = requireModel(reference, sizes)
  if (model.graph.losses.length === 0) {
    throw new UserError(
      `${model.variant} has no loss, so there is nothing to train: write \`loss NAME = ...\` in the model`,
    )
  }
  const { training } = model
  const { precision = "f32" } = options
  const batch = options.batch ?? (training["batch"] as number | undefined) ?? DEFAULTS.batch
  const seed = options.seed ?? (training["seed"] as number | undefined) ?? DEFAULTS.seed
  const { accumulate } = options
  const trainer = buildTrainer(model, {
    batch,
    precision,
    hoist: true,
    ...(accumulate === undefined ? {} : { accumulate }),
  })
  const plan = planInputs(trainer.description)
  trackingOf(training, plan.scored !== undefined)

  const dataset = await openDataset(options.data)
  const trainSamples = samplesOf(dataset, "train")
  samplesOf(dataset, "valid")
  const tokenizers: Record<string, TokenizerDescription> = {}
  if (plan.note) {
    const notes = trainSamples.map((sample) => sample.note)
    tokenizers[plan.note.name] = (await chooseTokenizer(plan.note, notes)).describe()
  }
  const { tensorflowVersion, bindingVersion } = await loadBackend()
  const folder = await RunFolder.create(
    options.run,
    {
      format: RUN_FORMAT,
      created: new Date().toISOString(),
      model: {
        reference: options.model,
        selector: reference.selector,
        sourceHash: sourceHash(result.sources, model),
        constants: model.constants,
        sources: Object.fromEntries(result.sources),
        programHash: programHash(trainer.savedModel),
      },
      description: trainer.description,
      data: describeData(dataset),
      tokenizers,
      options: {
        seed,
        batch,
        epochs: options.epochs ?? (training["epochs"] as number | undefined) ?? DEFAULTS.epochs,
        steps: options.steps,
        evalEvery: options.evalEvery,
        size: options.size,
        precision,
      },
      versions: {
        mdl: toolVersion(),
        node: process.versions.node,
        tensorflow: tensorflowVersion,
        binding: bindingVersion,
      },
    },
    trainer.savedModel,
    options.files,
  )
  return { folder, dataset }
}

/** Symbols of the image's size in the model, all set to `size`. @throws UserError when there are none */
function imageSizes(model: string, size: number): ReadonlyMap<string, number> {
  const symbols = [...requireModel(parseReference(model)).model.graph.sizes.keys()]
  const found = symbols.filter((symbol) => symbol === "H" || symbol === "W")
  if (found.length > 0) return new Map(found.map((symbol) => [symbol, size]))
  throw new UserError(
    `--size sets the symbols H and W, and ${model} has neither; its symbols are ${symbols.join(", ") || "none"}`,
  )
}

/** What a run keeps about its data. */
export function describeData(dataset: Dataset): RunData {
  const count = (split: Split): number => dataset.samples.filter((sample) => sample.split === split).length
  return {
    root: resolve(dataset.root),
    layout: dataset.layout,
    splits: Object.fromEntries(SPLITS.map((split) => [split, count(split)])) as Record<Split, number>,
    fingerprint: fingerprintOf(dataset),
  }
}

/**
 * SHA-256 over what makes training see the same cases in the same order: splits, names and notes. Where the folder lies
 * does not matter, and a broken picture may be replaced by a whole one.
 */
export function fingerprintOf(dataset: Dataset): string {
  const hash = createHash("sha256")
  for (const { split, id, note } of dataset.samples) hash.update(JSON.stringify([split, id, note]))
  return hash.digest("hex")
}

/** Trainable and frozen elements; normalisation statistics are neither. */
export function parameterCounts({ parameters }: TrainerDescription): {
  readonly trainable: number
  readonly frozen: number
} {
  const sum = (frozen: boolean): number =>
    parameters
      .filter((p) => p.role === "param" && p.frozen === frozen)
      .reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0)
  return { trainable: sum(false), frozen: sum(true) }
}
