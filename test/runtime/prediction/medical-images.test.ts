/** A prediction for a slice or a frame is drawn at the size of that picture. */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import sharp from "sharp"
import { describe, expect, it } from "vitest"
import { drawPrediction } from "../../../src/runtime/prediction/case-pictures.js"

const FOLDER = fileURLToPath(new URL("../../fixtures/images", import.meta.url))

describe("pictures of a prediction", () => {
  it.each([
    ["explicit.dcm", 5, 7],
    ["cine.dcm#frame=2", 5, 7],
    ["ct.nii.gz#axial=1&window=-160:240", 4, 6],
    ["four.bmp", 5, 7],
  ])("of %s have its size", async (path, height, width) => {
    const size = { height: 2, width: 2 }
    const prediction = { size, probability: Float32Array.of(1, 0, 1, 0), interests: [], words: [], tokens: undefined }
    const pictures = await drawPrediction(join(FOLDER, path), prediction, 0.5)
    expect(pictures.size).toEqual({ height, width })
    const mask = await sharp(pictures.mask).toColourspace("b-w").raw().toBuffer({ resolveWithObject: true })
    expect([mask.info.height, mask.info.width]).toEqual([height, width])
    const row = Array.from({ length: width }, (_, x) => (x + 0.5 < width / 2 ? 255 : 0))
    const middle = Math.floor(width / 2)
    for (let y = 0; y < height; y++) {
      const found = [...mask.data.subarray(y * width, (y + 1) * width)]
      if (width % 2 === 1) found[middle] = 0
      expect(found).toEqual(row)
    }
    expect(await sharp(pictures.overlay).metadata()).toMatchObject({ height, width })
  })
})
