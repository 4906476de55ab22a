/** Every format against the library that reads it in Python (cases of scripts/fixtures/medical-images.py). */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { ImageFile, readImageHeader, readPixels } from "../../../../src/runtime/data/images.js"

interface Case {
  readonly path: string
  readonly kind: "pixels" | "mask"
  readonly shape: readonly number[]
  readonly tolerance?: number
  readonly data: readonly number[]
}

const FOLDER = fileURLToPath(new URL("../../../fixtures/images", import.meta.url))
const CASES = JSON.parse(await readFile(join(FOLDER, "expected.json"), "utf8")) as Case[]

const of = (kind: Case["kind"]) => CASES.filter((one) => one.kind === kind).map((one) => [one.path, one] as const)

describe("pictures", () => {
  it.each(of("pixels"))("%s is what the format's own library reads", async (path, { shape, data, tolerance = 0 }) => {
    const pixels = await readPixels(join(FOLDER, path))
    const [height, width, channels = 1] = shape
    expect([pixels.height, pixels.width, pixels.channels]).toEqual([height, width, channels])
    const apart = data.map((value, i) => Math.abs(value - (pixels.data[i] as number)))
    if (Math.max(...apart) > tolerance) expect([...pixels.data]).toEqual(data)
    expect(await readImageHeader(join(FOLDER, path))).toMatchObject({ height, width, channels })
  })
})

describe("masks", () => {
  it.each(of("mask"))("%s has the values that the format's own library reads", async (path, { shape, data }) => {
    const file = await ImageFile.open(join(FOLDER, path))
    const { height, width, values } = await file.maskValues()
    expect([height, width]).toEqual(shape)
    expect(Array.from(values)).toEqual(data)
    expect([...(await file.mask()).data]).toEqual(data.map((value) => (value === 0 ? 0 : 1)))
  })
})
