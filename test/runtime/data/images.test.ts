import { existsSync } from "node:fs"
import { symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import sharp from "sharp"
import { describe, expect, it } from "vitest"
import { readImage, readImageHeader, readMask, readMaskPixels, readPixels } from "../../../src/runtime/data/images.js"
import { heatmapPng, maskPng, overlayPng, pngOf } from "../../../src/runtime/data/pictures.js"
import { dataErrorOf, greyPng, REAL_QATA, temporaryFolder } from "./temporary.js"

async function fileOf(bytes: Buffer): Promise<string> {
  const file = join(await temporaryFolder(), "picture.png")
  await writeFile(file, bytes)
  return file
}

/** 2 x 2: red, green / blue, white. */
const colours = () =>
  pngOf({ height: 2, width: 2, channels: 3, data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255) })
const two = { height: 2, width: 2 }

describe("readImage", () => {
  it("gives planes in NCHW order, divided by 255 only", async () => {
    const file = await fileOf(await greyPng({ height: 2, width: 3 }, (y, x) => 10 * (3 * y + x)))
    const planes = await readImage(file, { height: 2, width: 3 }, "rgb")
    const plane = [0, 10, 20, 30, 40, 50].map((value) => Math.fround(value / 255))
    expect([...planes]).toEqual([...plane, ...plane, ...plane])
  })

  it("orders the channels as asked", async () => {
    const file = await fileOf(await colours())
    const [red, green, blue] = [
      [1, 0, 0, 1],
      [0, 1, 0, 1],
      [0, 0, 1, 1],
    ]
    expect([...(await readImage(file, two, "rgb"))]).toEqual([red, green, blue].flat())
    expect([...(await readImage(file, two, "bgr"))]).toEqual([blue, green, red].flat())
    const grey = [76, 150, 29, 255].map((value) => Math.fround(value / 255))
    expect([...(await readImage(file, two, "gray"))]).toEqual(grey)
  })

  it("resizes without regard to the aspect ratio, averaging when it shrinks", async () => {
    const file = await fileOf(await greyPng({ height: 8, width: 16 }, (_, x) => (x % 2 === 0 ? 0 : 200)))
    const small = await readPixels(file, { height: 4, width: 4 })
    expect([small.height, small.width, small.channels]).toEqual([4, 4, 1])
    for (const value of small.data) expect(Math.abs(value - 100)).toBeLessThan(30)
  })

  it("drops an alpha channel and scales 16-bit values to 8", async () => {
    const rgba = await sharp({
      create: { width: 2, height: 2, channels: 4, background: { r: 9, g: 20, b: 30, alpha: 0.5 } },
    })
      .png()
      .toBuffer()
    expect([...(await readPixels(await fileOf(rgba))).data.slice(0, 3)]).toEqual([9, 20, 30])
    const deep = await sharp(Uint16Array.of(0, 0x1234, 0x8000, 0xffff), { raw: { width: 2, height: 2, channels: 1 } })
      .toColourspace("grey16")
      .png()
      .toBuffer()
    expect([...(await readPixels(await fileOf(deep))).data]).toEqual([0, 0x12, 0x80, 0xff])
  })

  it.each([0.3, 0.6, 0.97])("refuses a PNG that is cut off at %f of its length, naming it", async (share) => {
    const whole = await greyPng({ height: 64, width: 64 }, (y, x) => (y * 37 + x * 91) % 256)
    const file = await fileOf(whole.subarray(0, Math.floor(whole.length * share)))
    const error = await dataErrorOf(readPixels(file))
    expect(error.what).toBe(`${file} cannot be read as an image: it is cut off or damaged`)
    expect(error.fix).toContain("cut off")
  })

  it("refuses a missing file and one that is not an image", async () => {
    const file = await fileOf(Buffer.from("not an image"))
    expect((await dataErrorOf(readPixels(file))).what).toContain("it is not in a known image format")
    expect((await dataErrorOf(readImageHeader(file + "x"))).what).toBe(`${file}x does not exist`)
  })

  it("refuses a header that declares too many pixels before it decodes them", async () => {
    const bytes = await greyPng({ height: 4, width: 4 }, 0)
    // A PNG's width and height are the big-endian words at 16 and 20; the check sum of that chunk is at 29.
    bytes.writeUInt32BE(60_000, 16)
    bytes.writeUInt32BE(60_000, 20)
    const { crc32 } = await import("node:zlib").then((zlib) => zlib as unknown as { crc32?: (data: Buffer) => number })
    bytes.writeUInt32BE(crc32 ? crc32(bytes.subarray(12, 29)) : slowCrc(bytes.subarray(12, 29)), 29)
    const error = await dataErrorOf(readPixels(await fileOf(bytes)))
    expect(error.what).toContain("pixel limit")
  })
})

/** CRC-32 of PNG chunks, for Node versions whose zlib has none. */
function slowCrc(data: Buffer): number {
  let crc = 0xffffffff
  for (const byte of data) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

describe("readMask", () => {
  it("takes every value above 0, as published, or those of one half and more", async () => {
    const file = await fileOf(await greyPng({ height: 1, width: 4 }, (_, x) => [0, 1, 127, 128][x] as number))
    expect([...(await readMask(file, { height: 1, width: 4 }))]).toEqual([0, 1, 1, 1])
    expect([...(await readMask(file, { height: 1, width: 4 }, "half"))]).toEqual([0, 0, 0, 1])
  })

  it("dilates with the published rule and keeps the area with the other", async () => {
    const file = await fileOf(
      await greyPng({ height: 40, width: 40 }, (y, x) => (y >= 9 && y < 31 && x >= 9 && x < 31 ? 255 : 0)),
    )
    const area = async (rule: "any" | "half") =>
      (await readMaskPixels(file, { height: 10, width: 10 }, rule)).data.reduce((a, b) => a + b)
    expect(await area("any")).toBeGreaterThan(await area("half"))
    expect(await area("half")).toBeCloseTo(5.5 * 5.5, -1) // 22 of 40 pixels a side are 5.5 of 10
  })

  it("treats a coloured mask by its brightest channel", async () => {
    expect([...(await readMask(await fileOf(await colours()), two, "half"))]).toEqual([1, 1, 1, 1])
  })
})

describe("pictures for reports", () => {
  const size = { height: 16, width: 12 }
  const image = new Float32Array(3 * 16 * 12).fill(0.5)
  const mask = Float32Array.from({ length: 16 * 12 }, (_, i) => (i % 12 < 6 ? 1 : 0))
  const pixelsOf = async (png: Buffer) => sharp(png).raw().toBuffer({ resolveWithObject: true })

  it("writes a mask that reads back the same", async () => {
    const file = join(await temporaryFolder(), "mask.png")
    await writeFile(file, await maskPng(mask, size))
    expect(await readMask(file, size)).toEqual(mask)
  })

  it("tints the prediction and outlines the truth", async () => {
    const { data, info } = await pixelsOf(
      await overlayPng({ image, size, prediction: mask, truth: mask.map((v) => 1 - v) }),
    )
    expect([info.width, info.height, info.channels]).toEqual([12, 16, 3])
    const at = (y: number, x: number) => [...data.subarray(3 * (y * 12 + x), 3 * (y * 12 + x) + 3)]
    const [red, , blue] = at(8, 3) as [number, number, number]
    expect(red).toBeGreaterThan(blue)
    expect(at(8, 9)).toEqual([128, 128, 128])
    const [edgeRed, , edgeBlue] = at(8, 6) as [number, number, number]
    expect(edgeBlue).toBeGreaterThan(edgeRed)
  })

  it("draws a heat map over the image, hotter where the values are greater", async () => {
    const values = Float32Array.from([0, 0, 0, 1])
    const { data } = await pixelsOf(await heatmapPng({ values, grid: two, over: image, size }))
    expect(data[3 * (15 * 12 + 11)] as number).toBeGreaterThan(data[0] as number)
    await expect(heatmapPng({ values: [NaN, 0, 0, 0], grid: two, over: image, size })).rejects.toThrow(/value 0 is NaN/)
    await expect(heatmapPng({ values: [1], grid: two, over: image, size })).rejects.toThrow(/its size wants 4/)
  })

  it("gives the same bytes for the same picture", async () => {
    expect(await overlayPng({ image, size, prediction: mask })).toEqual(
      await overlayPng({ image, size, prediction: mask }),
    )
  })
})

describe.skipIf(!existsSync(REAL_QATA))("images of QaTa-COV19 (skipped where the data is not present)", () => {
  it("are read unchanged at their own size, and their masks are binary", async () => {
    const file = join(REAL_QATA, "train/images/covid_101.png")
    const header = await readImageHeader(file)
    expect(header).toMatchObject({ height: 224, width: 224, channels: 1, format: "png" })
    const raw = await sharp(file).toColourspace("b-w").raw().toBuffer()
    expect(raw.equals((await readPixels(file, { height: 224, width: 224 })).data)).toBe(true)
    const mask = await readMaskPixels(join(REAL_QATA, "train/masks/mask_covid_101.png"))
    expect(mask.data.reduce((a, b) => a + b)).toBeGreaterThan(0)
  })
})

// Its size is said to be 0, and it has zeros without end.
const DEVICE = "/dev/zero"

it.runIf(existsSync(DEVICE))("a device under the name of an image is not read", async () => {
  const path = join(await temporaryFolder(), "picture.png")
  await symlink(DEVICE, path)
  expect((await dataErrorOf(readImageHeader(path))).what).toBe(`${path} is no file`)
})
