/** A small model with everything a trainer package has to carry: image, note, mask, dropout, two losses, a frozen part. */

import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import type { ElaboratedModel } from "../../../src/compiler/elaborate/model.js"
import { trainerPackage } from "../../../src/compiler/package/trainer-package.js"
import { buildTrainer, type Trainer } from "../../../src/compiler/trainer.js"
import { PACKAGE_ROOT } from "../../../src/runtime/model-file.js"
import { compileText, elaborated } from "../source-host.js"

export const TRAIN = `optimizer = adam(lr = 2e-3)
    schedule = cosine_restarts(period = 3, min = 1e-4)
    batch = 4
    epochs = 3`

/** The text of the model, with `train` as its training settings. */
export const modelText = (train = TRAIN): string => `
/// Finds what the note says. /* as in */ the paper.
model Tiny(width: int = 4) {
  input image: f32[N, 3, H = 16, W = 16]
  input note: tokens[N, T = 24] using words(64)
  target mask: f32[N, 1, H, W]

  /// Looks at the picture.
  encoder vision {
    let features = conv2d(image, width, kernel = 3) |> batch_norm() |> relu() |> dropout(0.25)
  }

  frozen encoder language {
    let words = Embedding(note.vocabulary, width)(note.ids)
  }

  decoder {
    let valid = reshape(note.valid, [N, T, 1])
    let told = reshape(mean(words * valid, axes = [1]), [N, width, 1, 1])
    output probability = conv2d(features * told + features, 1) |> sigmoid()
  }

  loss dice = 0.5 * dice_loss(probability, mask)
  loss cross_entropy = 0.5 * bce(probability, mask)

  train {
    ${train}
  }
}
`

/** What a generated trainer exports, as the tests use it. */
export interface GeneratedTrainer {
  readonly BATCH: { readonly train: number; readonly evaluate: number; readonly predict: number }
  readonly INPUTS: Readonly<Record<string, { dtype: string; shape: number[]; below?: number; binary?: boolean }>>
  readonly PREDICT_INPUTS: readonly string[]
  readonly OUTPUTS: Readonly<Record<string, readonly number[]>>
  readonly LOSSES: readonly string[]
  readonly TRAINING: { readonly epochs: number; readonly seed: number; readonly accumulate: number }
  epochOrder(count: number, seed: number, epoch: number): number[]
  randomBatch(n: number, seed: number): Record<string, Float32Array | Int32Array>
  openData(folder: string): { readonly splits: Readonly<Record<string, { readonly count: number }>> }
  readBatch(data: unknown, split: string, cases: readonly number[]): Record<string, Float32Array | Int32Array>
}

/** A folder from which `@tensorflow/tfjs-node-gpu` is found, as it would be beside an installed package. */
export function folderForPackages(): string {
  const cache = join(PACKAGE_ROOT, "node_modules", ".cache")
  mkdirSync(cache, { recursive: true })
  return mkdtempSync(join(cache, "mdl-package-"))
}

/** The files of the package of `model`. */
export async function packageOf(
  model: ElaboratedModel,
  trainer: Trainer = buildTrainer(model, { batch: 4 }),
): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const hash = (content: Uint8Array | string): string => createHash("sha256").update(content).digest("hex")
  const provenance = {
    model: "tiny.mdl",
    sourceHash: hash("tiny"),
    programHash: hash(trainer.savedModel),
    versions: { mdl: "0.0.0" },
  }
  return trainerPackage({ model, trainer, provenance, epochs: 3, seed: 1 })
}

export const tinyModel = (train?: string): ElaboratedModel => elaborated(compileText(modelText(train)))

/** Writes the files and imports the program; TensorFlow is not loaded by that. */
export async function importPackage(
  folder: string,
  files: ReadonlyMap<string, string | Uint8Array>,
): Promise<GeneratedTrainer> {
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return (await import(pathToFileURL(join(folder, "trainer.mjs")).href)) as GeneratedTrainer
}
