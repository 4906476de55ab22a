/**
 * From what the user asks for to a run that can start: model, data, tokenizer, programs, folder.
 *
 * Takes the options of `mdl train`; gives a run folder. Everything that can be wrong with the text, the data or the
 * options is found here, before TensorFlow is loaded and before anything is written.
 */
import { createHash } from "node:crypto"
import { resolve } from "node:path"
import type { CompileResult } from "../../compiler/compile.js"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import type { Precision } from "../../compiler/passes/precision.js"
import { MemoryLimitError } from "../../compiler/passes/rematerialise.js"
import { readSignatures } from "../../compiler/targets/tensorflow/signatures.js"
import { buildTrainer, type Trainer, type TrainerDescription, type TrainerOptions } from "../../compiler/trainer.js"
import { openDataset, samplesOf, type Dataset } from "../data/dataset.js"
import { trainingNotes } from "../data/note-table.js"
import { SPLITS, type Split } from "../data/sample.js"
import { parseReference, requireModel, sourceHash, warningLines } from "../model-file.js"
import { availableMemory } from "../native/available-memory.js"
import { loadBackend } from "../native/backend.js"
import { toolVersion } from "../runs/tool-version.js"
import { type FileOperations, NODE_FILES } from "../runs/atomic-file.js"
import { KEPT } from "../runs/checkpoint.js"
import type { CheckpointInterval } from "../runs/checkpoint-interval.js"
import { requireRoom } from "../runs/disk-space.js"
import { programHash, requireFreeFolder, RUN_FORMAT, RunFolder, type RunData } from "../runs/run-folder.js"
import type { TokenizerDescription } from "../tokenizers/tokenizer.js"
import { sizeText } from "../byte-sizes.js"
import { UserError } from "../user-error.js"
import { readStartWeights, type StartWeights } from "../weights/start-weights.js"
import { planInputs } from "./feeds.js"
import { memoryNeeded, memoryWarning, stateBytes } from "./resources.js"
import { augmentationsOf } from "./split-loader.js"
import { chooseTokenizer } from "./tokenizer-choice.js"
import { trackingOf } from "./tracking.js"

export interface NewRunOptions {
  /** `file.mdl`, `file.mdl#Model` or `file.mdl#ablation` */
  readonly model: string
  /** folder of the data set, or a manifest */
  readonly data: string
  /** which prompt is the note, in a data set that has several for each case */
  readonly prompt?: string | undefined
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
  /** `false`: train to the end, whatever the model's `stop` says */
  readonly earlyStop?: boolean | undefined
  /** default f32 */
  readonly precision?: Precision | undefined
  /** bytes for the activations of a step; no limit when absent */
  readonly memory?: number | undefined
  /** a safetensors file, a checkpoint or the folder of a run: what the weights start from */
  readonly weights?: string | undefined
  /** of the latest checkpoints; default `KEPT` */
  readonly keep?: number | undefined
  /** within an epoch; default `DEFAULT_INTERVAL` */
  readonly checkpointEvery?: CheckpointInterval | undefined
  readonly files?: FileOperations | undefined
}

/** Batch, epochs and seed where neither the options nor the model say. */
export const DEFAULTS = { batch: 8, epochs: 100, seed: 1 } as const

/** A run that can start, and what its program was made of. */
export interface PreparedRun {
  readonly folder: RunFolder
  readonly dataset: Dataset
  readonly model: ElaboratedModel
  readonly building: TrainerOptions
  /** undefined: first values */
  readonly weights: StartWeights | undefined
  /** what the compiler warns of, and what may go wrong on this machine */
  readonly warnings: readonly string[]
}

/** Checks everything and makes the run folder. @throws UserError, ModelError, DataError, BackendUnavailable */
export async function prepareRun(options: NewRunOptions): Promise<PreparedRun> {
  await requireFreeFolder(options.run)
  const { model, result, building, trainer } = buildProgram(options)
  const { training } = model
  const { precision = "f32", memory } = options
  const { batch } = building
  const seed = options.seed ?? (training["seed"] as number | undefined) ?? DEFAULTS.seed
  const plan = planInputs(trainer.description)
  trackingOf(training, plan.scored !== undefined)

  const dataset = await openDataset(options.data, { prompt: options.prompt })
  const trainSamples = samplesOf(dataset, "train")
  samplesOf(dataset, "valid")
  requireBatches(trainer.description, trainSamples.length)
  const tokenizers: Record<string, TokenizerDescription> = {}
  if (plan.note) {
    const notes = trainingNotes(trainSamples, augmentationsOf(trainer.description))
    tokenizers[plan.note.name] = (await chooseTokenizer(plan.note, notes)).describe()
  }
  const weights = options.weights === undefined ? undefined : await readStartWeights(options.weights, model, tokenizers)
  const { tensorflowVersion, bindingVersion } = await loadBackend()
  const { keep, checkpointEvery } = options
  const state = stateBytes(readSignatures(trainer.savedModel))
  await requireRoom(options.run, { size: state, keep: keep ?? KEPT, present: 0 }, options.files ?? NODE_FILES)
  const needed = memoryNeeded(trainer.description, state, trainer.activations)
  const warning = memoryWarning(needed, availableMemory(), batch)
  const warnings = [...warningLines(result), ...(warning === undefined ? [] : [warning])]
  const folder = await RunFolder.create(
    options.run,
    {
      format: RUN_FORMAT,
      created: new Date().toISOString(),
      model: {
        reference: options.model,
        selector: parseReference(options.model).selector,
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
        ...(options.earlyStop === false ? { earlyStop: false } : {}),
        ...(memory === undefined ? {} : { memory }),
        ...(keep === undefined ? {} : { keep }),
        ...(checkpointEvery === undefined ? {} : { checkpointEvery }),
      },
      ...(weights && { weights: weights.record }),
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
  return { folder, dataset, model, building, weights, warnings }
}

/** What decides the programs of a run. */
export type ProgramOptions = Pick<NewRunOptions, "model" | "batch" | "accumulate" | "size" | "precision" | "memory">

/** A model with the programs that a run of it would have. */
export interface BuiltProgram {
  readonly model: ElaboratedModel
  readonly result: CompileResult
  readonly building: TrainerOptions
  readonly trainer: Trainer
}

/** Compiles a model and builds its programs, as `mdl train` does; reads no data. @throws UserError, ModelError */
export function buildProgram(options: ProgramOptions): BuiltProgram {
  const sizes = options.size === undefined ? undefined : imageSizes(options.model, options.size)
  const { model, result } = requireModel(parseReference(options.model), sizes)
  if (model.graph.losses.length === 0) {
    throw new UserError(
      `${model.variant} has no loss, so there is nothing to train: write \`loss NAME = ...\` in the model`,
    )
  }
  const { accumulate, memory, precision = "f32" } = options
  const building: TrainerOptions = {
    batch: options.batch ?? (model.training["batch"] as number | undefined) ?? DEFAULTS.batch,
    precision,
    hoist: true,
    ...(accumulate === undefined ? {} : { accumulate }),
    ...(memory === undefined ? {} : { memory }),
  }
  return { model, result, building, trainer: buildWithin(model, building) }
}

/** @throws UserError when the step does not fit in the memory that was asked for */
function buildWithin(model: ElaboratedModel, building: TrainerOptions): Trainer {
  try {
    return buildTrainer(model, building)
  } catch (error) {
    if (!(error instanceof MemoryLimitError)) throw error
    throw new UserError(
      `a step of batch ${building.batch} does not fit in --memory ${sizeText(error.limit)}: recomputing all that can be ` +
        `recomputed, it still needs about ${sizeText(error.least)}; give more, or a smaller --batch`,
      { cause: error },
    )
  }
}

/**
 * A step of more batches than an epoch has would silently be a smaller one. (Cases that do not fill a single batch are the
 * loader's to refuse.)
 */
function requireBatches({ accumulate, batch }: TrainerDescription, cases: number): void {
  const batches = Math.floor(cases / batch.train)
  if (batches === 0 || accumulate <= batches) return
  throw new UserError(
    `a step takes ${accumulate} batches, but an epoch has only ${batches} (${cases} cases in batches of ${batch.train}): ` +
      "give a smaller --accumulate or --batch",
  )
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
    ...(dataset.prompt === undefined ? {} : { prompt: dataset.prompt }),
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
  for (const { split, id, note, alternatives = [] } of dataset.samples) {
    hash.update(JSON.stringify([split, id, note, ...alternatives]))
  }
  return hash.digest("hex")
}
