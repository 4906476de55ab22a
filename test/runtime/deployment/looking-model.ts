/**
 * A small model that says what it looks at, and phantoms for it.
 *
 * Takes nothing. Gives a folder with `looking.mdl` and a phantom set; the caller removes it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { synthesise } from "../../../src/runtime/data/phantom.js"
import { train } from "../../../src/runtime/training/trainer.js"

export const LOOKING = `
import { Interest } from "std/conditioned"

/// Looks at patches and words.
model Looking(note_counts: bool = true) {
  input image: f32[N, 3, H = 32, W = 32]
  input note: tokens[N, T = 12] using words(64)
  target mask: f32[N, 1, H, W]

  encoder vision {
    let v = conv2d(image, 6, kernel = 3) |> batch_norm() |> relu()
    output poi = Interest()(tokens_of(max_pool(v, 8)))
  }
  frozen encoder language {
    let t = Embedding(note.vocabulary, 6)(note.ids)
    output woi = Interest()(t, valid = note.valid)
  }
  decoder {
    let said = linear(sum(t * reshape(note.valid, [N, T, 1]), axes = [1]), 6)
    output probability = v + reshape(said, [N, 6, 1, 1]) |> dropout(0.1) |> conv2d(1, kernel = 3) |> sigmoid()
  }
  loss cross_entropy = bce(probability, mask)

  train {
    optimizer = adam(lr = 0.01)
    batch = 4
    epochs = 1
    channels = "bgr"
  }
}

model Blind {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]
  decoder { output probability = conv2d(image, 1, kernel = 3) |> sigmoid() }
  loss cross_entropy = bce(probability, mask)
  train { batch = 4  epochs = 1 }
}
`

export interface Workshop {
  readonly folder: string
  readonly data: string
  readonly model: string
  readonly remove: () => void
}

/** The texts and the data, untrained. */
export async function openWorkshop(): Promise<Workshop> {
  const folder = mkdtempSync(join(tmpdir(), "mdl-looking-"))
  const model = join(folder, "looking.mdl")
  writeFileSync(model, LOOKING)
  const data = join(folder, "data")
  await synthesise({ root: data, counts: { train: 8, valid: 4, test: 5 }, size: 40, seed: 3 })
  return { folder, data, model, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Trains one epoch (two steps) and gives the folder of the run. */
export async function trainLooking({ folder, data, model }: Workshop, selector = "Looking"): Promise<string> {
  const run = join(folder, `run-${selector}`)
  await train({ model: `${model}#${selector}`, data, run, workers: 0 })
  return run
}
