/**
 * What a frozen text encoder gave for each note, kept while a run goes on.
 *
 * Takes a session whose training program was split by frozen hoisting (`passes/hoist.ts`); gives, for a batch, the inputs
 * `encoded/...` of `train_step`. A note is encoded when it is first met; from the second epoch on nothing is.
 *
 * Why so: encoding goes by distinct token ids, so equal notes of different cases share one entry. A batch of notes that are
 * not known yet is filled up with the first of them, because programs have a fixed batch. When the notes do not fit into
 * the memory that is allowed, the ones met first stay and the others are encoded each time: slower, and the same numbers.
 */
import { sizeOf } from "../../compiler/ops/ndarray.js"
import type { SignatureEntry } from "../../compiler/targets/tensorflow/signatures.js"
import type { Feeds, HostTensor, NativeSession } from "../session.js"

/** Bytes of encoded notes that are kept. */
const LIMIT = 2 ** 30

interface Entry {
  /** one row for each output of `encode`, in its order */
  readonly rows: readonly Float32Array[]
}

export class EncodedNotes {
  private readonly known = new Map<string, Entry>()
  private bytes = 0
  private calls = 0

  private constructor(
    private readonly session: NativeSession,
    private readonly inputs: readonly SignatureEntry[],
    private readonly outputs: readonly SignatureEntry[],
    private readonly limit: number,
  ) {}

  /** @returns undefined when the session has no `encode`: nothing in the model is frozen and reads notes only */
  static of(session: NativeSession, limit: number = LIMIT): EncodedNotes | undefined {
    const signature = session.signatures.get("encode")
    return signature && new EncodedNotes(session, signature.inputs, signature.outputs, limit)
  }

  /** How often the encoder ran, how many distinct notes are kept, and in how many bytes. */
  get statistics(): { readonly calls: number; readonly notes: number; readonly bytes: number } {
    return { calls: this.calls, notes: this.known.size, bytes: this.bytes }
  }

  /**
   * The encoded inputs of a batch.
   *
   * @param feeds hold the inputs of `encode`, N rows each
   */
  feeds(feeds: Feeds): Feeds {
    const batch = this.inputs[0]!.shape[0]!
    const keys = Array.from({ length: batch }, (_, row) => this.key(feeds, row))
    const missing = [...new Map(keys.map((key, row) => [key, row])).entries()].filter(([key]) => !this.known.has(key))
    const fresh = this.encode(feeds, missing, batch)
    const entries = keys.map((key) => (this.known.get(key) ?? fresh.get(key))!)
    return Object.fromEntries(
      this.outputs.map(({ name, shape }, output): [string, HostTensor] => {
        const data = new Float32Array(sizeOf(shape))
        entries.forEach(({ rows }, row) => data.set(rows[output]!, row * rows[output]!.length))
        return [name, { dtype: "f32", shape, data }]
      }),
    )
  }

  private encode(
    feeds: Feeds,
    missing: readonly (readonly [key: string, row: number])[],
    batch: number,
  ): ReadonlyMap<string, Entry> {
    if (missing.length === 0) return new Map()
    this.calls++
    const rows = Array.from({ length: batch }, (_, row) => (missing[row] ?? missing[0]!)[1])
    const chosen = Object.fromEntries(this.inputs.map(({ name }) => [name, pickRows(feeds[name]!, rows)]))
    const results = this.session.call("encode", chosen)
    return new Map(
      missing.map(([key], row) => {
        const entry: Entry = {
          rows: this.outputs.map(({ name }) => Float32Array.from(rowOf(results.get(name)!, row))),
        }
        const size = entry.rows.reduce((sum, { byteLength }) => sum + byteLength, 0)
        if (this.bytes + size <= this.limit) {
          this.known.set(key, entry)
          this.bytes += size
        }
        return [key, entry]
      }),
    )
  }

  /** The bytes of a row of all inputs, as text. */
  private key(feeds: Feeds, row: number): string {
    return this.inputs
      .map(({ name }) => {
        const part = rowOf(feeds[name]!, row)
        return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString("latin1")
      })
      .join("|")
  }
}

/** One row along the first axis: a view, not a copy. */
function rowOf({ shape, data }: Pick<HostTensor, "shape" | "data">, row: number): HostTensor["data"] {
  const width = data.length / shape[0]!
  return data.subarray(row * width, (row + 1) * width)
}

/** The named rows of a tensor, as many as it has, in order. */
function pickRows(tensor: HostTensor, rows: readonly number[]): HostTensor {
  const data = tensor.data.slice()
  rows.forEach((row, place) => data.set(rowOf(tensor, row), (place * data.length) / rows.length))
  return { ...tensor, data }
}
