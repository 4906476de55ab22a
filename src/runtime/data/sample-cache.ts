/**
 * Decoded samples kept in memory that all data workers share.
 *
 * Takes: a sample's pixels and mask once decoded and resized. Gives them back in later epochs, to any worker.
 *
 * Why so: decoding is most of the loader's work and its result never changes. Pixels stay 8-bit (one plane for a grey
 * picture) and masks one bit a pixel: 56 KB for a grey 224x224 case. One SharedArrayBuffer for all workers means that a
 * case is held once, whichever worker gets it next. What does not fit in the budget is decoded again each time. The
 * system commits the memory as it is first written, so a small set costs little.
 */
import type { Pair } from "./augmentations/pair.js"
import type { Size } from "./images.js"

/** The memory of a cache: what a worker is given. */
export interface CacheMemory {
  /** [0]: blocks in use; [1 + i]: 0 unknown, -1 being written or without room, else (block + 1) * 2 + (colour ? 1 : 0). */
  readonly table: SharedArrayBuffer
  readonly bytes: SharedArrayBuffer
}

/** Records start at multiples of this, so that the block number of 64 GB fits in 31 bits. */
const BLOCK = 64

export class SampleCache {
  private readonly table: Int32Array
  private readonly bytes: Uint8Array
  private readonly pixels: number

  /** Memory for `count` samples of a size, at most `budget` bytes; undefined where not one would fit. */
  static memory(count: number, size: Size, budget: number): CacheMemory | undefined {
    const most = Math.min(budget, count * recordLength(3, size.height * size.width))
    const blocks = Math.floor(most / BLOCK)
    if (blocks * BLOCK < recordLength(1, size.height * size.width)) return undefined
    return { table: new SharedArrayBuffer(4 * (1 + count)), bytes: new SharedArrayBuffer(blocks * BLOCK) }
  }

  constructor(
    memory: CacheMemory,
    private readonly size: Size,
  ) {
    this.table = new Int32Array(memory.table)
    this.bytes = new Uint8Array(memory.bytes)
    this.pixels = size.height * size.width
  }

  /** Sample `index`, if it is held. Its pixels are a view of the shared memory: not to be written to. */
  get(index: number): Pair | undefined {
    const entry = Atomics.load(this.table, 1 + index)
    if (entry <= 0) return undefined
    const channels = entry & 1 ? 3 : 1
    const start = ((entry >> 1) - 1) * BLOCK
    const packed = start + channels * this.pixels
    const mask = new Uint8Array(this.pixels)
    for (let i = 0; i < this.pixels; i++) mask[i] = ((this.bytes[packed + (i >> 3)] as number) >> (i & 7)) & 1
    return { image: { ...this.size, channels, data: this.bytes.subarray(start, packed) }, mask }
  }

  /** Keeps sample `index`, if nobody does and there is room. */
  put(index: number, { image, mask }: Pair): void {
    // The claim comes first: two workers that meet one sample at the same time must not both take room for it.
    if (Atomics.compareExchange(this.table, 1 + index, 0, -1) !== 0) return
    const blocks = recordLength(image.channels, this.pixels) / BLOCK
    const block = Atomics.add(this.table, 0, blocks)
    if ((block + blocks) * BLOCK > this.bytes.length) {
      Atomics.sub(this.table, 0, blocks)
      return
    }
    const start = block * BLOCK
    const packed = start + image.data.length
    this.bytes.set(image.data, start)
    for (let i = 0; i < this.pixels; i += 8) {
      let byte = 0
      for (let bit = 0; bit < 8 && i + bit < this.pixels; bit++) byte |= (mask[i + bit] as number) << bit
      this.bytes[packed + (i >> 3)] = byte
    }
    Atomics.store(this.table, 1 + index, (block + 1) * 2 + (image.channels === 3 ? 1 : 0))
  }
}

function recordLength(channels: 1 | 3, pixels: number): number {
  return Math.ceil((channels * pixels + Math.ceil(pixels / 8)) / BLOCK) * BLOCK
}
