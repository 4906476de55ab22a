/** Files of others: types that the language lacks, shards, pickles, and headers that lie. */

import { mkdir, readFile, writeFile } from "node:fs/promises"
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { WeightSource } from "../../../src/compiler/published-weights.js"
import { writeSafetensors } from "../../../src/runtime/runs/safetensors.js"
import type { HostTensor } from "../../../src/runtime/session.js"
import { assemble } from "../../../src/runtime/weights/assemble.js"
import { openWeights } from "../../../src/runtime/weights/weights-file.js"
import { temporaryFolder } from "../data/temporary.js"

type Stored = readonly [name: string, type: string, shape: readonly number[], bytes: Uint8Array]

/** A safetensors file, written here so that it may have what ours never have. */
async function fileOf(tensors: readonly Stored[], path?: string): Promise<string> {
  let at = 0
  const entries = tensors.map(([name, dtype, shape, { length }]) => {
    const entry = { dtype, shape, data_offsets: [at, at + length] }
    at += length
    return [name, entry] as const
  })
  return rawFile(
    JSON.stringify(Object.fromEntries(entries)),
    Buffer.concat(tensors.map(([, , , bytes]) => bytes)),
    path,
  )
}

async function rawFile(header: string, data: Uint8Array, path?: string, declared?: bigint): Promise<string> {
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(declared ?? BigInt(Buffer.byteLength(header)))
  const file = path ?? join(await temporaryFolder(), "model.safetensors")
  await writeFile(file, Buffer.concat([size, Buffer.from(header), data]))
  return file
}

const bytesOf = (array: Float32Array | Float64Array | Uint16Array | BigInt64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

const problemOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "nothing failed",
    (thrown: unknown) => (thrown as Error).message,
  )

describe("types", () => {
  test("floating-point ones are read as f32; others are listed as they are stored", async () => {
    const path = await fileOf([
      ["half", "F16", [5], bytesOf(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555))],
      ["brain", "BF16", [3], bytesOf(Uint16Array.of(0x3f80, 0xc049, 0x0080))],
      ["double", "F64", [2], bytesOf(Float64Array.of(0.1, -1e-3))],
      ["single", "F32", [1], bytesOf(Float32Array.of(2.5))],
      ["position_ids", "I64", [1, 2], bytesOf(BigInt64Array.of(0n, 1n))],
      ["tiny", "F8_E4M3", [2], Uint8Array.of(1, 2)],
    ])
    const { weights, read } = await openWeights(path)
    expect(weights.map(({ name, type, dtype, bytes }) => [name, type, dtype, bytes])).toEqual([
      ["half", "f16", "f32", 10],
      ["brain", "bf16", "f32", 6],
      ["double", "f64", "f32", 16],
      ["single", "f32", "f32", 4],
      ["position_ids", "i64", undefined, 16],
      ["tiny", "f8_e4m3", undefined, 2],
    ])
    const values = await read(new Set(["half", "brain", "double", "single"]))
    // IEEE 754: 1, -2, the least subnormal, the largest, and 1/3 rounded to 11 bits.
    expect([...values.get("half")!.data]).toEqual([1, -2, 2 ** -24, 65504, 0.333251953125])
    expect([...values.get("brain")!.data]).toEqual([1, -3.140625, 2 ** -126])
    expect([...values.get("double")!.data]).toEqual([Math.fround(0.1), Math.fround(-1e-3)])
    expect(values.get("single")!.data).toEqual(Float32Array.of(2.5))
  })

  test("one that nobody knows is refused with those that are known", async () => {
    const path = await fileOf([["x", "F4", [2], Uint8Array.of(1)]])
    expect(await problemOf(openWeights(path))).toMatch(/holds x as "F4"; known types: F32, F16, BF16, F64, /)
  })
})

describe("shards", () => {
  const one = (name: string, value: number): Stored => [name, "F32", [1], bytesOf(Float32Array.of(value))]

  async function sharded(map: Readonly<Record<string, string>>, files: Readonly<Record<string, readonly Stored[]>>) {
    const folder = await temporaryFolder()
    for (const [name, tensors] of Object.entries(files)) await fileOf(tensors, join(folder, name))
    const path = join(folder, "model.safetensors.index.json")
    await writeFile(path, JSON.stringify({ metadata: { total_size: 8 }, weight_map: map }))
    return path
  }
  const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]

  test("are one file, named by the index or by the folder", async () => {
    const path = await sharded({ a: first, b: second }, { [first]: [one("a", 1)], [second]: [one("b", 2)] })
    for (const named of [path, dirname(path)]) {
      const { weights, read, hash } = await openWeights(named)
      expect(weights.map(({ name }) => name)).toEqual(["a", "b"])
      const values = await read(new Set(["a", "b"]))
      expect(["a", "b"].map((name) => values.get(name)!.data[0])).toEqual([1, 2])
      const all = await Promise.all(
        [path, join(dirname(path), first), join(dirname(path), second)].map((p) => readFile(p)),
      )
      expect(await hash()).toBe(createHash("sha256").update(Buffer.concat(all)).digest("hex"))
    }
  })

  test.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, readonly Stored[]>>, RegExp]>([
    [
      "a file that is not there",
      { a: first, b: second },
      { [first]: [one("a", 1)] },
      /names 1 of 2 files that are not there: model-00002/,
    ],
    [
      "a tensor in two files",
      { a: first, b: second },
      { [first]: [one("a", 1), one("b", 1)], [second]: [one("b", 2)] },
      /b is in model-00001\S+ and in model-00002/,
    ],
    [
      "a tensor in another file",
      { a: second, b: first },
      { [first]: [one("a", 1)], [second]: [one("b", 2)] },
      /a is not in model-00002/,
    ],
    [
      "a file elsewhere",
      { a: "../secret.safetensors" },
      {},
      /a is to be in "\.\.\/secret\.safetensors", which is no safetensors file beside it/,
    ],
    ["a program", { a: "model.bin" }, {}, /which is no safetensors file beside it/],
    ["nothing", {}, {}, /it names no files/],
  ])("with %s are refused", async (_, map, files, message) => {
    expect(await problemOf(openWeights(await sharded(map, files)))).toMatch(message)
  })

  test("whose index is something else are refused", async () => {
    const path = await sharded({}, {})
    for (const [text, message] of [
      ["{", /it is not JSON/],
      ["[]", /it has no weight_map/],
      ['{"weight_map": 3}', /it has no weight_map/],
    ] as const) {
      await writeFile(path, text)
      expect(await problemOf(openWeights(path))).toMatch(message)
    }
  })
})

describe("PyTorch's own files", () => {
  test.each([
    ["model.pth", Buffer.from("PK\x03\x04rest of the archive")],
    ["pytorch_model.bin", Buffer.from([0x80, 0x02, 0x8a, 0x0a, 1, 2, 3])],
    ["renamed.safetensors", Buffer.from("PK\x03\x04rest of the archive")],
  ])("%s is refused with the line that converts it", async (name, content) => {
    const path = join(await temporaryFolder(), "it's", name)
    await mkdir(dirname(path))
    await writeFile(path, content)
    const message = await problemOf(openWeights(path))
    expect(message).toContain("is a file of torch.save, which can run any program when it is opened")
    expect(message).toMatch(
      /python -c 'import torch; [^']*torch\.load\("[^']*it\\x27s[^']*", [^']*weights_only=True\)[^']*\.safetensors"\)'\n/,
    )
  })
})

describe("a header that lies", () => {
  test("about its length, its tensors' sizes or places takes no memory for them", async () => {
    const entry = (shape: readonly number[], offsets: readonly number[]) =>
      JSON.stringify({ x: { dtype: "F32", shape, data_offsets: offsets } })
    const data = new Uint8Array(8)
    const cases: readonly [Promise<string>, RegExp][] = [
      [rawFile("{}", data, undefined, 2n ** 62n), /declares a header of \d+ bytes, the limit is/],
      [rawFile("{}", data, undefined, 50_000_000n), /is cut off in its header/],
      [rawFile(entry([2 ** 40], [0, 2 ** 42]), data), /is cut off: its tensors need \d+ bytes and 8 are there/],
      [rawFile(entry([2 ** 40, 2 ** 40], [0, 8]), data), /needs \S+ bytes for F32\[/],
      [rawFile(entry([1], [4, 8]), data), /x starts at 4, not at 0/],
      [rawFile(entry([-1], [0, 8]), data), /has the shape/],
    ]
    for (const [path, message] of cases) expect(await problemOf(openWeights(await path))).toMatch(message)
  })

  test("and a checksum that does not hold is found although one tensor alone is wanted", async () => {
    const path = join(await temporaryFolder(), "own.safetensors")
    const tensor = (value: number): HostTensor => ({ dtype: "f32", shape: [1], data: Float32Array.of(value) })
    await writeSafetensors(path, new Map([["a", tensor(1)], ["b", tensor(2)]]), new Map()) // prettier-ignore
    const content = await readFile(path)
    content[content.length - 1]! ^= 1
    await writeFile(path, content)
    const { read } = await openWeights(path)
    expect(await problemOf(read(new Set(["a"])))).toContain("is damaged: its data has the checksum")
  })
})

describe("assembling", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
  const product = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1)
  const counting = (shape: readonly number[], from = 0): HostTensor => ({
    dtype: "f32",
    shape,
    data: Float32Array.from({ length: product(shape) }, (_, index) => from + index),
  })
  const at = ({ shape, data }: HostTensor, index: readonly number[]): number =>
    data[index.reduce((offset, position, axis) => offset * shape[axis]! + position, 0)]!
  const indices = (shape: readonly number[]): number[][] =>
    shape.reduce<number[][]>(
      (all, size) => all.flatMap((one) => Array.from({ length: size }, (_, i) => [...one, i])),
      [[]],
    )
  const stored: WeightSource = { kind: "stored", name: "x" }

  test("a transposition has each element where its axes say", () => {
    const drawn = sizes.chain((shape) =>
      fc.tuple(fc.constant(shape), fc.shuffledSubarray([...shape.keys()], { minLength: shape.length })),
    )
    fc.assert(
      fc.property(drawn, ([shape, axes]) => {
        const x = counting(shape)
        const made = assemble({ kind: "transpose", of: stored, axes }, new Map([["x", x]]))
        expect(made.shape).toEqual(axes.map((axis) => shape[axis]))
        for (const index of indices(made.shape)) {
          const from = shape.map((_, axis) => index[axes.indexOf(axis)]!)
          expect(at(made, index)).toBe(at(x, from))
        }
      }),
    )
  })

  test("joined tensors have each element where it was, and rows of them are their parts", () => {
    const drawn = sizes.chain((shape) =>
      fc.tuple(fc.constant(shape), fc.nat(shape.length - 1), fc.integer({ min: 1, max: 3 })),
    )
    fc.assert(
      fc.property(drawn, ([shape, axis, other]) => {
        const x = counting(shape)
        const y = counting(shape.map((size, position) => (position === axis ? other : size)), 1000) // prettier-ignore
        const source: WeightSource = { kind: "concat", parts: [stored, { kind: "stored", name: "y" }], axis }
        const tensors = new Map([["x", x], ["y", y]]) // prettier-ignore
        const made = assemble(source, tensors)
        const border = shape[axis]!
        for (const index of indices(made.shape)) {
          const moved = index.map((position, each) => (each === axis ? position - border : position))
          expect(at(made, index)).toBe(index[axis]! < border ? at(x, index) : at(y, moved))
        }
        if (axis > 0) return
        const rows: WeightSource = { kind: "rows", of: source, from: border, to: border + other }
        expect(assemble(rows, tensors)).toEqual(y)
      }),
    )
  })
})
