/**
 * A frozen text encoder in training: it runs once for each distinct note, and every number of the run is the one that the
 * undivided program gives.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { buildTrainer } from "../../../src/compiler/trainer.js"
import { NativeSession, type Feeds } from "../../../src/runtime/session.js"
import { EncodedNotes } from "../../../src/runtime/training/encoded-notes.js"
import { seededUniform } from "../../compiler/ops/case-values.js"
import { compileText, elaborated } from "../../compiler/source-host.js"

const BATCH = 4
const LENGTH = 12
const model = elaborated(
  compileText(`
import { ClipText } from "std/clip"
import { CrossAttention } from "std/conditioned"
model Reader {
  input image: f32[N, 3, H = 16, W = 16]
  input note: tokens[N, T = ${LENGTH}] using words(64)
  target mask: f32[N, 1, H, W]
  frozen encoder language { let t = ClipText(2, 32, 4, note.vocabulary)(note.ids, note.valid) }
  encoder vision { let v = conv2d(image, 32, kernel = 3) |> batch_norm() |> relu() }
  interaction mixed {
    let read = CrossAttention(heads = 4, dropout = 0.1)(query = tokens_of(v), key = t)
    let heard = mean(t * reshape(note.valid, [N, T, 1]), axes = [1])
  }
  decoder {
    let x = grid_of(read, H, W) + reshape(linear(heard, 32), [N, 32, 1, 1])
    output probability = sigmoid(conv2d(x, 1))
  }
  loss overlap = dice_loss(probability, mask)
}`),
)

/** Of one note: the features of its words and, because `heard` is made of nothing else, their mean. */
const NOTE_BYTES = (LENGTH + 1) * 32 * 4

/** Four of six notes, by step; one comes twice in a batch. */
function feedsAt(step: number): Feeds {
  const uniform = seededUniform(`step ${step}`)
  const numbers = (count: number, draw: () => number): Float32Array => Float32Array.from({ length: count }, draw)
  const notes = [0, 1, 2, 2].map((offset) => (step + offset) % 6)
  const ids = notes.flatMap((note) => {
    const word = seededUniform(`note ${note}`)
    return Array.from({ length: LENGTH }, () => Math.floor(64 * word()))
  })
  const valid = notes.flatMap((note) => Array.from({ length: LENGTH }, (_, place) => (place < 4 + note ? 1 : 0)))
  return {
    image: { dtype: "f32", shape: [BATCH, 3, 16, 16], data: numbers(BATCH * 768, uniform) },
    note_ids: { dtype: "i32", shape: [BATCH, LENGTH], data: Int32Array.from(ids) },
    note_valid: { dtype: "f32", shape: [BATCH, LENGTH], data: Float32Array.from(valid) },
    mask: { dtype: "f32", shape: [BATCH, 1, 16, 16], data: numbers(BATCH * 256, () => (uniform() < 0.5 ? 1 : 0)) },
  }
}

const wanted = (session: NativeSession, signature: string, feeds: Feeds): Feeds => {
  const names = new Set(session.signatures.get(signature)!.inputs.map(({ name }) => name))
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => names.has(name)))
}

describe("frozen hoisting", () => {
  let folder: string
  let whole: NativeSession
  let split: NativeSession
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "mdl-hoisting-"))
    const open = async (name: string, hoist: boolean): Promise<NativeSession> => {
      const { savedModel } = buildTrainer(model, { batch: BATCH, hoist })
      const directory = mkdtempSync(join(folder, name))
      writeFileSync(join(directory, "saved_model.pb"), savedModel)
      return NativeSession.open(directory)
    }
    whole = await open("whole", false)
    split = await open("split", true)
  }, 120_000)
  afterAll(() => {
    whole?.close()
    split?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test("twelve steps give the same losses, gradients and weights, bit for bit", () => {
    whole.init(11)
    split.init(11)
    const notes = EncodedNotes.of(split)!
    for (let step = 0; step < 12; step++) {
      const feeds = feedsAt(step)
      const encoded = notes.feeds(wanted(split, "encode", feeds))
      const actual = split.trainStep({ ...wanted(split, "train_step", feeds), ...encoded })
      expect(actual, `step ${step + 1}`).toEqual(whole.trainStep(wanted(whole, "train_step", feeds)))
    }
    expect(split.read()).toEqual(whole.read())
    expect(notes.statistics).toEqual({ calls: 4, notes: 6, bytes: 6 * NOTE_BYTES })
  })

  test("notes that do not fit into the memory are encoded again, to the same values", () => {
    split.init(11)
    const all = EncodedNotes.of(split)!
    const few = EncodedNotes.of(split, 2 * NOTE_BYTES)!
    for (let step = 0; step < 8; step++) {
      const feeds = wanted(split, "encode", feedsAt(step))
      expect(few.feeds(feeds)).toEqual(all.feeds(feeds))
    }
    expect(few.statistics).toEqual({ calls: 8, notes: 2, bytes: 2 * NOTE_BYTES })
  })

  test("a model whose text encoder is trained has nothing to encode ahead", () => {
    expect(EncodedNotes.of(whole)).toBeUndefined()
  })
})
