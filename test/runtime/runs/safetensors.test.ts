/**
 * The safetensors format: what was written comes back, and no damaged file does.
 */
import { readFile, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  readSafetensors,
  readSafetensorsHeader,
  SafetensorsError,
  writeSafetensors,
} from "../../../src/runtime/runs/safetensors.js"
import type { HostTensor } from "../../../src/runtime/session.js"
import { temporaryFolder } from "../data/temporary.js"

const ordinary = new Map<string, HostTensor>([
  ["flags", { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ["encoder.weight", { dtype: "f32", shape: [2, 2], data: Float32Array.of(1.5, -0, NaN, Infinity) }],
  ["step", { dtype: "i32", shape: [], data: Int32Array.of(-7) }],
  ["empty", { dtype: "f32", shape: [0, 4], data: new Float32Array(0) }],
])

async function ordinaryFile(): Promise<string> {
  const path = join(await temporaryFolder(), "a.safetensors")
  await writeSafetensors(path, ordinary, new Map([["step", "12"]]))
  return path
}

async function problemOf(path: string): Promise<string> {
  try {
    await readSafetensors(path)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(SafetensorsError)
    expect((thrown as SafetensorsError).message).toContain(path)
    return (thrown as SafetensorsError).problem
  }
  throw new Error("a damaged file was read")
}

/** A file with this header and this data. */
async function fileOf(header: unknown, data: Uint8Array = new Uint8Array(0), length?: bigint): Promise<string> {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(length ?? BigInt(text.length))
  const path = join(await temporaryFolder(), "made.safetensors")
  await writeFile(path, Buffer.concat([size, text, data]))
  return path
}

describe("a round trip", () => {
  test("keeps every tensor, bit for bit, and the metadata", async () => {
    const path = await ordinaryFile()
    const { tensors, metadata } = await readSafetensors(path)
    expect(Object.fromEntries(tensors)).toEqual(Object.fromEntries(ordinary))
    expect(metadata.get("step")).toBe("12")
  })

  test("holds for any names, shapes and values", async () => {
    const folder = await temporaryFolder()
    const values = fc.array(fc.float(), { maxLength: 12 })
    const tensor = fc.oneof(
      values.map((v): HostTensor => ({ dtype: "f32", shape: [1, v.length], data: Float32Array.from(v) })),
      fc
        .array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 9 })
        .map((v): HostTensor => ({ dtype: "i32", shape: [v.length], data: Int32Array.from(v) })),
      fc
        .array(fc.boolean(), { maxLength: 9 })
        .map((v): HostTensor => ({ dtype: "bool", shape: [v.length, 1], data: Uint8Array.from(v, Number) })),
    )
    const name = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("__proto__", "constructor", "7", ""))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, tensor), { maxLength: 6 }), async (entries) => {
        const tensors = new Map(entries)
        const path = join(folder, "any.safetensors")
        await writeSafetensors(path, tensors, new Map())
        const read = (await readSafetensors(path)).tensors
        expect([...read].sort(byName)).toEqual([...tensors].sort(byName))
      }),
      { numRuns: 60 },
    )
  })

  test("equal content in another order gives equal bytes", async () => {
    const folder = await temporaryFolder()
    const [a, b] = [join(folder, "a"), join(folder, "b")]
    await writeSafetensors(a, ordinary, new Map())
    await writeSafetensors(b, new Map([...ordinary].reverse()), new Map())
    expect(await readFile(a)).toEqual(await readFile(b))
  })

  test("the file is laid out as the format says: length, JSON header, values in little-endian order", async () => {
    const path = join(await temporaryFolder(), "one.safetensors")
    await writeSafetensors(
      path,
      new Map([["x", { dtype: "f32", shape: [2], data: Float32Array.of(1, -2) }]]),
      new Map(),
    )
    const bytes = await readFile(path)
    const length = Number(bytes.readBigUInt64LE(0))
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, unknown>
    expect(header["x"]).toEqual({ dtype: "F32", shape: [2], data_offsets: [0, 8] })
    expect((8 + length) % 8).toBe(0)
    expect([...bytes.subarray(8 + length)]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])
  })
})

describe("a damaged file is refused", () => {
  test("cut off at any byte", async () => {
    const path = await ordinaryFile()
    const whole = await readFile(path)
    const length = Number(whole.readBigUInt64LE(0))
    const places = [0, 1, 7, 8, 9, 8 + length - 1, 8 + length, 8 + length + 1, whole.length - 1]
    for (const size of places) {
      await writeFile(path, whole)
      await truncate(path, size)
      expect(await problemOf(path), `cut to ${size} bytes`).toMatch(/cut off/)
    }
  })

  test("with any one bit of its data turned", async () => {
    const path = await ordinaryFile()
    const whole = await readFile(path)
    const start = 8 + Number(whole.readBigUInt64LE(0))
    for (let at = start; at < whole.length; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] = damaged[at]! ^ 0x40
      await writeFile(path, damaged)
      expect(await problemOf(path), `byte ${at}`).toMatch(/is damaged/)
    }
  })

  test("a header of 2^62 bytes is not made room for", async () => {
    expect(await problemOf(await fileOf("{}", undefined, 2n ** 62n))).toMatch(
      /declares a header of 4611686018427387904 bytes/,
    )
    expect(await problemOf(await fileOf("{}", undefined, 50_000_000n))).toMatch(/cut off in its header: 50000008 bytes/)
  })

  test("a tensor of terabytes is not made room for", async () => {
    const dims = [2 ** 20, 2 ** 22]
    const huge = { x: { dtype: "F32", shape: dims, data_offsets: [0, 4 * 2 ** 42] } }
    expect(await problemOf(await fileOf(huge))).toMatch(
      /cut off: its tensors need 17592186044416 bytes and 0 are there/,
    )
  })

  test("sizes that overflow, offsets that overlap, leave gaps or do not fit the shape", async () => {
    const eight = new Uint8Array(8)
    const one = (shape: unknown, offsets: unknown, dtype: unknown = "F32") => ({
      x: { dtype, shape, data_offsets: offsets },
    })
    expect(await problemOf(await fileOf(one([2 ** 40, 2 ** 40], [0, 8]), eight))).toMatch(/needs .* bytes/)
    expect(await problemOf(await fileOf(one([2], [0, 4]), eight))).toMatch(/needs 8 bytes .* has 4/)
    expect(await problemOf(await fileOf(one([1], [4, 8]), eight))).toMatch(/starts at 4, not at 0/)
    expect(await problemOf(await fileOf(one([1], [0, 4]), eight))).toMatch(/4 bytes that belong to no tensor/)
    expect(await problemOf(await fileOf(one([-1], [0, 4]), eight))).toMatch(/has the shape \[-1\]/)
    expect(await problemOf(await fileOf(one([1.5], [0, 6]), eight))).toMatch(/has the shape/)
    expect(await problemOf(await fileOf(one([1], [4, 0]), eight))).toMatch(/needs 4 bytes .* has -4/)
    expect(await problemOf(await fileOf(one([1], "0-4"), eight))).toMatch(/has the offsets/)
    expect(await problemOf(await fileOf(one([1], [0, 4], "F8_E5M2"), eight))).toMatch(/"F8_E5M2"; known types/)
    expect(await problemOf(await fileOf({ x: 3 }, eight))).toMatch(/not described by an object/)
    const both = {
      a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
      b: { dtype: "F32", shape: [1], data_offsets: [4, 8] },
    }
    expect(await problemOf(await fileOf(both, eight))).toMatch(/b starts at 4, not at 8/)
  })

  test("a header that is no JSON object, or metadata that is not text", async () => {
    expect(await problemOf(await fileOf("{oh"))).toMatch(/not JSON/)
    expect(await problemOf(await fileOf("[]"))).toMatch(/not an object/)
    expect(await problemOf(await fileOf({ __metadata__: { a: 1 } }))).toMatch(/"a" is not text/)
  })

  test("a boolean that is neither 0 nor 1", async () => {
    const path = await fileOf({ x: { dtype: "BOOL", shape: [1], data_offsets: [0, 1] } }, Uint8Array.of(2))
    expect(await problemOf(path)).toMatch(/x holds 2/)
  })

  test("a file that is not there", async () => {
    expect(await problemOf(join(await temporaryFolder(), "none.safetensors"))).toBe("does not exist")
  })
})

test("the header alone says what there is", async () => {
  const { entries } = await readSafetensorsHeader(await ordinaryFile())
  expect(entries.map(({ name, dtype }) => `${name} ${dtype}`)).toEqual([
    "empty f32",
    "encoder.weight f32",
    "step i32",
    "flags bool",
  ])
})

test("data that does not fit its shape is not written", async () => {
  const path = join(await temporaryFolder(), "x.safetensors")
  const wrong = new Map<string, HostTensor>([["x", { dtype: "f32", shape: [3], data: new Float32Array(2) }]])
  await expect(writeSafetensors(path, wrong, new Map())).rejects.toThrow(/2 values/)
})

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
