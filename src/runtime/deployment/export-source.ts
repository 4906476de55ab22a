/**
 * What is exported: a run with its trained weights, or a model text with its first values.
 *
 * Takes: what the user named. Gives: the model's graph, the values of its parameters, and where both come from.
 *
 * Why so: a run is compiled again from the texts it keeps, not from the files they were read from, because those may have
 * been edited since; the result is compared with what the run says its model is.
 */

import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { compile } from "../../compiler/compile.js"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import type { SourceHost } from "../../compiler/resolve/modules.js"
import { averageName } from "../../compiler/targets/tensorflow/average.js"
import type { HostTensor } from "../session.js"
import { ModelError, parseReference, requireModel, sourceHash } from "../model-file.js"
import { checkpointPath, type CheckpointName, readCheckpoint } from "../runs/checkpoint.js"
import { RunFolder, RunFolderError, type RunRecord } from "../runs/run-folder.js"
import type { TokenizerDescription } from "../tokenizers/tokenizer.js"
import { DEFAULTS } from "../training/prepare.js"
import { UserError } from "../user-error.js"
import { initialValues } from "./initial-values.js"

/** Where weights come from, for the file's metadata. */
export type Weights =
  | {
      readonly kind: "trained"
      /** name of the run's folder */
      readonly run: string
      readonly checkpoint: CheckpointName
      readonly step: number
      readonly epoch: number
      /** SHA-256 of the checkpoint's data */
      readonly sha256: string
    }
  | { readonly kind: "initial"; readonly seed: number }

export interface ExportSource {
  readonly model: ElaboratedModel
  /** values by name, in the layout of the language */
  readonly parameters: ReadonlyMap<string, Float32Array | Int32Array>
  readonly weights: Weights
  readonly sources: ReadonlyMap<string, string>
  readonly sourceHash: string
  /** by the name of the input; a vocabulary of words is known only once there are training notes */
  readonly tokenizers: Readonly<Record<string, TokenizerDescription>>
  readonly run: OpenedRun | undefined
  /** the same model at other sizes. @throws ModelError when its text does not allow them */
  readonly resized: (sizes: ReadonlyMap<string, number>) => ElaboratedModel
}

export interface OpenedRun {
  readonly folder: RunFolder
  /** everything the session holds, for `write` */
  readonly variables: ReadonlyMap<string, HostTensor>
}

/** Whether `text` names the folder of a run and not a model. */
export function namesRun(text: string): boolean {
  return existsSync(text) && statSync(text).isDirectory()
}

/**
 * Reads a run or a model.
 *
 * @param text `RUN`, `file.mdl` or `file.mdl#selector`
 * @param options.seed of the first values of an untrained model; its own `seed` setting, else 1
 * @throws UserError, ModelError; CheckpointError for a checkpoint that is damaged
 */
export async function openExportSource(
  text: string,
  options: { readonly checkpoint: CheckpointName; readonly seed?: number | undefined },
): Promise<ExportSource> {
  if (namesRun(text)) return openRunSource(text, options.checkpoint)
  const { path } = parseReference(text)
  if (!existsSync(path) && !path.endsWith(".mdl")) {
    throw new UserError(`there is no run or model ${text}: name the folder of a run, or file.mdl#selector`)
  }
  const { model, result } = requireModel(parseReference(text))
  const seed = options.seed ?? (model.training["seed"] as number | undefined) ?? DEFAULTS.seed
  const tokenizers = Object.fromEntries(
    model.inputs
      .filter((input) => input.tokenizer?.name === "clip")
      .map(({ name }): [string, TokenizerDescription] => [
        name,
        { kind: "clip", vocabulary: "openai/bpe_simple_vocab_16e6", vocabularySize: 49408, cleanup: "none" },
      ]),
  )
  return {
    model,
    parameters: initialValues(model.graph.parameters, seed),
    weights: { kind: "initial", seed },
    sources: result.sources,
    sourceHash: sourceHash(result.sources, model),
    tokenizers,
    run: undefined,
    resized: (sizes) => requireModel(parseReference(text), sizes).model,
  }
}

async function openRunSource(path: string, checkpoint: CheckpointName): Promise<ExportSource> {
  const folder = await RunFolder.open(path)
  const { record } = folder
  const model = compileRun(record)
  const found = await readCheckpoint(folder.path, checkpoint)
  const { state, variables, sha256 } = found
  const problems = model.graph.parameters.flatMap(({ name, shape }) => {
    const tensor = variables.get(name)
    if (!tensor) return [`${name} is missing`]
    return tensor.shape.join() === shape.join()
      ? []
      : [`${name} is [${tensor.shape.join(", ")}] instead of [${shape.join(", ")}]`]
  })
  if (problems.length > 0) {
    const file = checkpointPath(folder.path, checkpoint)
    throw new UserError(`${file} does not hold the weights of this run's model:\n  ${problems.join("\n  ")}`)
  }
  return {
    model,
    parameters: new Map(
      model.graph.parameters.map(({ name }) => {
        // What is deployed is what was scored: the average of the weights, where the run kept one.
        const { data } = variables.get(averageName(name)) ?? variables.get(name)!
        return [name, data as Float32Array | Int32Array]
      }),
    ),
    weights: {
      kind: "trained",
      run: folder.path.split(/[\\/]/).at(-1)!,
      checkpoint,
      step: state.step,
      epoch: state.position.epoch,
      sha256,
    },
    sources: new Map(Object.entries(record.model.sources)),
    sourceHash: record.model.sourceHash,
    tokenizers: record.tokenizers,
    run: { folder, variables },
    resized: (sizes) => compileKept(record, sizes),
  }
}

/**
 * Compiles the texts that a run keeps.
 *
 * @throws RunFolderError when they give another model than the run's, which another version of the compiler may do
 */
export function compileRun(record: RunRecord): ElaboratedModel {
  const model = compileKept(record)
  const outline = (parameters: readonly { readonly name: string; readonly shape: readonly number[] }[]): string =>
    JSON.stringify(parameters.map(({ name, shape }) => [name, shape]))
  if (outline(model.graph.parameters) !== outline(record.description.parameters)) {
    throw new RunFolderError(
      `the model text kept in ${join("RUN", "run.json")} gives other parameters than the run was made with: ` +
        "export with the version of this tool that trained it, or train again",
    )
  }
  return model
}

/** @param sizes in place of those that the run has */
function compileKept({ model: kept, description }: RunRecord, sizes: ReadonlyMap<string, number> = new Map()) {
  const { path, selector } = parseReference(kept.reference)
  const host: SourceHost = {
    read: (name) => (Object.hasOwn(kept.sources, name) ? kept.sources[name] : undefined),
    // The values are in the checkpoints: the run goes on without the files they came from.
    tensor: (file, tensor) => {
      const constant = kept.constants?.find((c) => c.file === file && c.tensor === tensor)
      return constant && { ...constant, load: () => ({ sha256: constant.sha256, values: undefined }) }
    },
  }
  const result = compile(path, host, {
    selector,
    sizes: new Map([...Object.entries(description.sizes), ...sizes]),
  })
  if (!result.output) throw new ModelError(result.diagnostics, result.sources)
  return result.output
}
