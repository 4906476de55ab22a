/**
 * A model whose image has one plane, the whole way: trained, scored, exported, and the two predictors on the same picture.
 */
import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { exportModel } from "../../../src/runtime/deployment/export-model.js"
import { readOwnOnnx } from "../../../src/runtime/deployment/own-onnx.js"
import { openPredictor } from "../../../src/runtime/prediction/open-predictor.js"
import { predictCase, prepareCase } from "../../../src/runtime/prediction/predict-case.js"
import { evaluateRun } from "../../../src/runtime/training/evaluate.js"
import { train } from "../../../src/runtime/training/trainer.js"
import { COUNTS, openWorkshop, runOptions, TINY, type Workshop } from "./tiny.js"

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
  await writeFile(join(shop.folder, "grey.mdl"), TINY.replace("f32[N, 3,", "f32[N, 1,"))
})
afterAll(() => shop.remove())

test("a grey image trains, is scored and exported, and is predicted the same by the run and by the file", async () => {
  const run = shop.run("grey")
  await train(runOptions(shop, "grey", { model: join(shop.folder, "grey.mdl"), steps: 3 }))
  expect((await evaluateRun(run, { workers: 0 })).cases).toHaveLength(COUNTS.test)

  const out = join(shop.folder, "grey.onnx")
  const { parity } = await exportModel({ source: run, out })
  expect(parity).toMatchObject({ passed: true })
  const metadata = new Map((await readOwnOnnx(out)).model.metadata)
  expect(metadata.get("Image.BitmapPixelFormat")).toBe("Gray8")
  expect(JSON.parse(metadata.get("mdl.preprocessing")!)).toMatchObject({ image: { channels: "gray" } })

  const images = join(shop.data, "test", "images")
  const picture = join(images, (await readdir(images))[0]!)
  const predicted: number[][] = []
  for (const source of [run, out]) {
    const predictor = await openPredictor(source, { batch: 1 })
    try {
      expect((await prepareCase(predictor, picture, "a note")).image).toHaveLength(32 * 32)
      predicted.push([...(await predictCase(predictor, picture, "a note")).probability])
    } finally {
      await predictor.close()
    }
  }
  predicted[0]!.forEach((value, index) => expect(value).toBeCloseTo(predicted[1]![index]!, 5))
})
