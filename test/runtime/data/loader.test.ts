import { existsSync } from "node:fs"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it, onTestFinished } from "vitest"
import { openDataset } from "../../../src/runtime/data/dataset.js"
import { readImage, readMask } from "../../../src/runtime/data/images.js"
import {
  type Batch,
  epochOrder,
  type Loader,
  type LoaderOptions,
  openLoader,
} from "../../../src/runtime/data/loader.js"
import type { Sample } from "../../../src/runtime/data/sample.js"
import { workerFile } from "../../../src/runtime/data/worker-pool.js"
import { WordsTokenizer } from "../../../src/runtime/tokenizers/words.js"
import { NOTE_AWARE, PHOTOMETRIC, PUBLISHED } from "./published.js"
import { dataErrorOf, greyPng, temporaryFolder, writeTinySet } from "./temporary.js"

const NOTES = ["left lung", "right lung", "upper left lung, lower right lung"]
const tokenizer = WordsTokenizer.fromNotes(NOTES).describe()
const built = existsSync(new URL("../../../dist/src/runtime/data/worker.js", import.meta.url))

async function tinySamples(count: number): Promise<readonly Sample[]> {
  const root = await temporaryFolder()
  const cases = await Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      split: "train",
      name: `case${String(i).padStart(2, "0")}.png`,
      note: NOTES[i % 3] as string,
      image: await greyPng({ height: 8, width: 8 }, (y, x) => (i * 20 + y * 8 + x) % 256),
      mask: await greyPng({ height: 8, width: 8 }, (y) => (y < 1 + (i % 7) ? 255 : 0)),
    })),
  )
  await writeTinySet(root, cases)
  return (await openDataset(root)).samples
}

const base = (samples: readonly Sample[]): LoaderOptions => ({
  samples,
  batch: 3,
  size: { height: 8, width: 8 },
  tokenizer,
  tokenLength: 4,
  seed: 5,
  shuffle: true,
  last: "pad",
  workers: 0,
  channels: "rgb",
})

async function open(options: LoaderOptions): Promise<Loader> {
  const loader = await openLoader(options)
  onTestFinished(() => loader.close())
  return loader
}

async function collect(loader: Loader, epoch: number, from = 0): Promise<Batch[]> {
  const batches: Batch[] = []
  for await (const batch of loader.epoch(epoch, { from })) batches.push(batch)
  return batches
}

describe("epochOrder", () => {
  it("is a permutation keyed by seed and epoch", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(1000), (count, seed, epoch) => {
        const order = epochOrder(count, seed, epoch)
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
        expect(epochOrder(count, seed, epoch)).toEqual(order)
      }),
    )
    expect(epochOrder(50, 1, 0)).not.toEqual(epochOrder(50, 1, 1))
    expect(epochOrder(50, 1, 0)).not.toEqual(epochOrder(50, 2, 0))
  })
})

describe("openLoader in one thread", () => {
  it("gives each sample once per epoch, with its image, mask and note", async () => {
    const samples = await tinySamples(7)
    const loader = await open(base(samples))
    expect(loader.batchesPerEpoch).toBe(3)
    const batches = await collect(loader, 0)
    expect(batches.flatMap((batch) => batch.ids).sort()).toEqual(samples.map((sample) => sample.id))
    const size = { height: 8, width: 8 }
    for (const batch of batches) {
      expect([batch.image.length, batch.mask.length, batch.note_ids.length]).toEqual([3 * 192, 3 * 64, 12])
      for (const [row, id] of batch.ids.entries()) {
        const sample = samples.find((one) => one.id === id) as Sample
        expect(batch.image.slice(row * 192, row * 192 + 192)).toEqual(await readImage(sample.imagePath, size, "rgb"))
        expect(batch.mask.slice(row * 64, row * 64 + 64)).toEqual(await readMask(sample.maskPath as string, size))
        const note = loader.notes[batch.note_index[row] as number]
        expect(note?.note).toBe(sample.note)
        expect(batch.note_ids.slice(row * 4, row * 4 + 4)).toEqual(note?.ids)
        expect([...batch.note_valid.slice(row * 4, row * 4 + 4)]).toEqual(
          [0, 1, 2, 3].map((t) => (t < (note?.valid ?? 0) ? 1 : 0)),
        )
      }
    }
  })

  it("pads the last batch with its first sample, keeps it short, or drops it", async () => {
    const samples = await tinySamples(7)
    const padded = (await collect(await open(base(samples)), 0))[2] as Batch
    expect([padded.count, padded.ids.length, padded.mask.length]).toEqual([1, 1, 3 * 64])
    expect(padded.image.slice(192, 384)).toEqual(padded.image.slice(0, 192))
    expect(padded.note_ids.slice(8, 12)).toEqual(padded.note_ids.slice(0, 4))
    const kept = await collect(await open({ ...base(samples), last: "keep" }), 0)
    expect(kept.map((batch) => [batch.count, batch.mask.length])).toEqual([
      [3, 192],
      [3, 192],
      [1, 64],
    ])
    expect(await collect(await open({ ...base(samples), last: "drop" }), 0)).toHaveLength(2)
  })

  it("keeps the given order without shuffling, and changes it each epoch with", async () => {
    const samples = await tinySamples(6)
    const ids = async (loader: Loader, epoch: number) => (await collect(loader, epoch)).flatMap((batch) => batch.ids)
    const plain = await open({ ...base(samples), shuffle: false })
    expect(await ids(plain, 3)).toEqual(samples.map((sample) => sample.id))
    const shuffled = await open(base(samples))
    expect(await ids(shuffled, 0)).not.toEqual(await ids(shuffled, 1))
    expect(await ids(shuffled, 1)).toEqual(await ids(await open({ ...base(samples), augment: [PHOTOMETRIC] }), 1))
  })

  it("goes on from any batch exactly as it would have", async () => {
    const loader = await open({ ...base(await tinySamples(8)), augment: PUBLISHED })
    const whole = await collect(loader, 2)
    expect(await collect(loader, 2, 1)).toEqual(whole.slice(1))
    expect(await collect(loader, 2, 3)).toEqual([])
    await expect(collect(loader, 2, 4)).rejects.toThrow(/batch 4 of epoch 2: there are 3/)
  })

  it("gives the same batches where the next epoch is begun ahead, and does begin it", async () => {
    const samples = await tinySamples(8)
    const options = { ...base(samples), augment: PUBLISHED, cacheBytes: 0 }
    const [plain, ahead] = [await open(options), await open({ ...options, continuous: true })]
    for (const epoch of [0, 1, 2, 5, 5]) expect(await collect(ahead, epoch)).toEqual(await collect(plain, epoch))
    // Left in the middle, and taken up again somewhere else.
    for await (const batch of ahead.epoch(6, { from: 2 })) expect(batch.count).toBe(2)
    expect(await collect(ahead, 7, 1)).toEqual(await collect(plain, 7, 1))
    // Files that are gone after an epoch were read before its end: the first batches of the next one are there.
    const whole = await collect(plain, 9)
    await collect(ahead, 8)
    // What was begun ahead is read before what is asked for now: files are read in the order of asking.
    for (let round = 0; round < 3; round++) await collect(plain, round)
    for (const sample of samples) await writeFile(sample.imagePath, "gone")
    expect((await ahead.epoch(9).next()).value).toEqual(whole[0])
    await expect(plain.epoch(9).next()).rejects.toThrow(/cannot be read as an image/)
  })

  it("says where it has got to", async () => {
    const loader = await open(base(await tinySamples(6)))
    const seen: unknown[] = [loader.position]
    for await (const batch of loader.epoch(4)) seen.push([batch.count, loader.position])
    expect(seen).toEqual([{ epoch: 0, batch: 0 }, [3, { epoch: 4, batch: 1 }], [3, { epoch: 5, batch: 0 }]])
  })

  it("can be stopped early and asked again", async () => {
    const loader = await open(base(await tinySamples(8)))
    for await (const batch of loader.epoch(0)) {
      expect(batch.count).toBe(3)
      break
    }
    expect(await collect(loader, 0)).toHaveLength(3)
  })

  it("counts the notes that were cut", async () => {
    const loader = await open(base(await tinySamples(6)))
    expect(loader.truncatedNotes).toBe(2)
    expect((await collect(loader, 0)).reduce((sum, batch) => sum + batch.truncatedNotes, 0)).toBe(2)
    expect(loader.notes).toHaveLength(3)
  })

  it("has no note columns without a tokenizer", async () => {
    const loader = await open({ ...base(await tinySamples(3)), tokenizer: undefined })
    const [batch] = await collect(loader, 0)
    expect([batch?.note_ids.length, batch?.note_valid.length, loader.truncatedNotes]).toEqual([0, 0, 0])
  })

  it("gives the same bytes with and without the cache, in later epochs too", async () => {
    const samples = await tinySamples(5)
    const options = { ...base(samples), size: { height: 6, width: 9 }, augment: [PHOTOMETRIC] }
    // 64 bytes a record: room for two of the five.
    const loaders = [
      await open(options),
      await open({ ...options, cacheBytes: 0 }),
      await open({ ...options, cacheBytes: 150 }),
    ]
    for (const epoch of [0, 1, 2]) {
      const [a, b, c] = [
        await collect(loaders[0]!, epoch),
        await collect(loaders[1]!, epoch),
        await collect(loaders[2]!, epoch),
      ]
      expect(b).toEqual(a)
      expect(c).toEqual(a)
    }
  })

  it("does not read the files again in later epochs", async () => {
    const samples = await tinySamples(3)
    const loader = await open(base(samples))
    const before = await collect(loader, 0)
    for (const sample of samples) await writeFile(sample.imagePath, "gone")
    expect((await collect(loader, 0))[0]?.image).toEqual(before[0]?.image)
  })

  it("mirrors a note with its picture, and only then", async () => {
    const samples = (await tinySamples(9)).map((sample, i) => ({ ...sample, note: NOTES[i % 2]! }))
    const still = await open({ ...base(samples), size: { height: 8, width: 8 }, shuffle: false })
    const aware = await open({ ...base(samples), shuffle: false, augment: [{ ...NOTE_AWARE, degrees: 0 }] })
    const row = (batch: Batch, i: number) => batch.image.slice(i * 192, i * 192 + 8)
    const noteOf = (loader: Loader, batch: Batch, i: number) => loader.notes[batch.note_index[i]!]!.note
    const outcomes = new Set<string>()
    for (const epoch of [0, 1, 2]) {
      const [plain, changed] = [await collect(still, epoch), await collect(aware, epoch)]
      plain.forEach((before, b) => {
        for (let i = 0; i < before.count; i++) {
          const after = changed[b]!
          const mirrored = row(after, i)[0] !== row(before, i)[0]
          expect([...row(after, i)]).toEqual(mirrored ? [...row(before, i)].reverse() : [...row(before, i)])
          const [was, is] = [noteOf(still, before, i), noteOf(aware, after, i)]
          expect(is).toBe(mirrored ? (was === "left lung" ? "right lung" : "left lung") : was)
          outcomes.add(`${was}, ${mirrored}`)
        }
      })
    }
    expect(outcomes.size).toBe(4)
    // Two texts, and each is the other's mirror image: nothing is encoded twice.
    expect(aware.notes.map(({ note }) => note)).toEqual(["left lung", "right lung"])
  })

  it("draws one of several wordings in each epoch when it is asked to, and takes the note otherwise", async () => {
    const wordings = ["left lung", "lung", "right"]
    const samples = (await tinySamples(8)).map((sample) => ({ ...sample, note: "lung", alternatives: wordings }))
    const [drawing, fixed] = [await open({ ...base(samples), drawNotes: true }), await open(base(samples))]
    const notesOf = async (loader: Loader, epoch: number) =>
      Object.fromEntries(
        (await collect(loader, epoch)).flatMap((batch) =>
          batch.ids.map((id, i) => [id, loader.notes[batch.note_index[i]!]!.note]),
        ),
      )
    expect(new Set(Object.values(await notesOf(fixed, 0)))).toEqual(new Set(["lung"]))
    const [first, second] = [await notesOf(drawing, 0), await notesOf(drawing, 1)]
    expect(new Set([...Object.values(first), ...Object.values(second)])).toEqual(new Set(wordings))
    expect(second).not.toEqual(first)
    expect(await notesOf(drawing, 0)).toEqual(first)
    expect(drawing.notes.map(({ note }) => note)).toEqual(wordings)
    // The order of the batches and where an epoch begins change nothing.
    const rest = await collect(drawing, 0, 2)
    expect(rest[0]!.ids.map((id, i) => [id, drawing.notes[rest[0]!.note_index[i]!]!.note])).toEqual(
      rest[0]!.ids.map((id) => [id, first[id]]),
    )
    expect(
      Object.entries(await notesOf(await open({ ...base(samples), drawNotes: true, batch: 5 }), 0)).sort(),
    ).toEqual(Object.entries(first).sort())
  })

  it("reads a mask by its sample's own rule", async () => {
    const [sample] = await tinySamples(1)
    await writeFile(sample!.maskPath!, await greyPng({ height: 8, width: 8 }, (y) => (y < 4 ? 255 : 3)))
    const area = async (rule?: "any" | "half") => {
      const loader = await open(base([rule === undefined ? sample! : { ...sample!, maskRule: rule }]))
      return (await collect(loader, 0))[0]!.mask.slice(0, 64).reduce((a, b) => a + b)
    }
    expect([await area(), await area("any"), await area("half")]).toEqual([64, 64, 32])
  })

  it("refuses what cannot work", async () => {
    const samples = await tinySamples(2)
    const what = async (change: Partial<LoaderOptions>) =>
      (await dataErrorOf(openLoader({ ...base(samples), ...change }))).what
    expect(await what({ samples: [] })).toBe("there is no sample to load")
    expect(await what({ last: "drop" })).toBe("a batch of 3 cannot be filled from 2 samples")
    expect(await what({ batch: 0 })).toBe("the batch size is 0")
    expect(await what({ prefetch: 1 })).toBe("the number of batches made ahead is 1")
    expect(await what({ samples: [{ ...samples[0]!, maskPath: undefined }] })).toBe("the sample case00 has no mask")
  })

  it("cannot be used when it is closed", async () => {
    const loader = await openLoader(base(await tinySamples(3)))
    await loader.close()
    await expect(collect(loader, 0)).rejects.toThrow("the loader is closed")
  })
})

describe.skipIf(!built)("openLoader with workers (skipped where dist/ has not been built)", () => {
  it("gives the same batches in the same order as one thread does", async () => {
    const samples = (await tinySamples(11)).map((sample, i) => (i % 2 ? { ...sample, alternatives: NOTES } : sample))
    const options = { ...base(samples), augment: [...PUBLISHED, NOTE_AWARE], drawNotes: true }
    const alone = await open(options)
    for (const workers of [1, 2]) {
      const pool = await open({ ...options, workers })
      for (const epoch of [0, 1]) expect(await collect(pool, epoch)).toEqual(await collect(alone, epoch))
    }
  })

  it("augments a sample alike in whichever batch, order and worker it comes", async () => {
    const samples = (await tinySamples(10)).map((sample) => ({ ...sample, alternatives: NOTES }))
    const options = { ...base(samples), augment: [...PUBLISHED, NOTE_AWARE], drawNotes: true }
    const casesOf = async (loader: Loader, epoch: number) => {
      const area = 64
      return new Map(
        (await collect(loader, epoch)).flatMap((batch) =>
          batch.ids.map((id, i) => [
            id,
            {
              image: batch.image.slice(i * 3 * area, (i + 1) * 3 * area),
              mask: batch.mask.slice(i * area, (i + 1) * area),
              note: loader.notes[batch.note_index[i]!]!.note,
            },
          ]),
        ),
      )
    }
    const reference = await open(options)
    const expected = [await casesOf(reference, 0), await casesOf(reference, 1)]
    expect(expected[1]).not.toEqual(expected[0])
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 1, max: 10 }),
        fc.boolean(),
        fc.shuffledSubarray([...samples], { minLength: 10 }),
        fc.constantFrom(0, 1),
        async (workers, batch, shuffle, order, epoch) => {
          const loader = await openLoader({ ...options, samples: order, workers, batch, shuffle })
          try {
            expect(await casesOf(loader, epoch)).toEqual(expected[epoch])
          } finally {
            await loader.close()
          }
        },
      ),
      { numRuns: 8 },
    )
  })

  it("uses the arrays of a released batch again, with the right content", async () => {
    const samples = await tinySamples(10)
    const expected = await collect(await open(base(samples)), 0)
    const pool = await open({ ...base(samples), workers: 2 })
    for (let round = 0; round < 3; round++) {
      let index = 0
      for await (const batch of pool.epoch(0)) {
        expect(batch).toEqual(expected[index++])
        pool.release(batch)
      }
    }
  })

  it("brings a broken file to the consumer with the message that one thread gives", async () => {
    const samples = await tinySamples(9)
    const broken = samples[4] as Sample
    const bytes = await readFile(broken.imagePath)
    await writeFile(broken.imagePath, bytes.subarray(0, bytes.length - 30))
    const alone = await dataErrorOf(collect(await open(base(samples)), 0))
    const pool = await open({ ...base(samples), workers: 2 })
    const pooled = await dataErrorOf(collect(pool, 0))
    expect(pooled.message).toBe(alone.message)
    expect(pooled.what).toContain(broken.imagePath)
    // The pool lives on: the batches before the broken one can be had again.
    const first = await pool.epoch(0).next()
    expect(first.done).toBe(false)
  })

  it("ends its workers while batches are still being made", async () => {
    const loader = await openLoader({ ...base(await tinySamples(12)), workers: 2, prefetch: 4 })
    for await (const batch of loader.epoch(0)) {
      expect(batch.count).toBe(3)
      break
    }
    await loader.close()
    await loader.close()
    await expect(collect(loader, 1)).rejects.toThrow("the loader is closed")
  })
})

describe("workerFile", () => {
  it("says what to do when the worker has not been built", async () => {
    const nowhere = `file://${join(await temporaryFolder(), "src/runtime/data/worker-pool.ts")}`
    expect(() => workerFile(nowhere)).toThrow(/run `npm run setup`/)
  })
})
