/**
 * A run that keeps averages of its weights: what scores, predicts and is exported is the average.
 */
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { exportModel } from "../../../src/runtime/deployment/export-model.js"
import { openExportSource } from "../../../src/runtime/deployment/export-source.js"
import { readCheckpoint } from "../../../src/runtime/runs/checkpoint.js"
import { openRun } from "../../../src/runtime/runs/open-run.js"
import { evaluateRun } from "../../../src/runtime/training/evaluate.js"
import { train } from "../../../src/runtime/training/trainer.js"
import { openWorkshop, type Workshop } from "./tiny.js"

let shop: Workshop
let run: string
beforeAll(async () => {
  shop = await openWorkshop()
  run = shop.run("averaged")
  await train({ model: shop.model("everything"), data: shop.data, run, epochs: 3, workers: 0 })
})
afterAll(() => shop.remove())

test("scores of the best checkpoint are found again, and are not those of the weights themselves", async () => {
  const { summary, checkpoint } = await evaluateRun(run, { split: "valid", workers: 0 })
  const open = await openRun(run)
  try {
    expect(checkpoint.step).toBe(open.checkpoint.state.best!.step)
    expect(summary.dice.mean).toBe(open.checkpoint.state.best!.score)
    const image = new Float32Array(3 * 32 * 32).fill(0.5)
    const { feeds } = open.feedsFor(image, "left lung")
    const own = open.session.predict(feeds)["probability"]!.data
    const variables = open.session.read()
    const names = [...variables.keys()].filter((name) => variables.has(`average/${name}`))
    for (const name of names) variables.set(`average/${name}`, variables.get(name)!)
    open.session.write(variables)
    expect(open.session.predict(feeds)["probability"]!.data).not.toEqual(own)
  } finally {
    open.close()
  }
})

test("the export has the averages, and computes what the trainer predicts", async () => {
  const { variables } = await readCheckpoint(run, "best")
  const { parameters } = await openExportSource(run, { checkpoint: "best" })
  const averaged = [...parameters.keys()].filter((name) => variables.has(`average/${name}`))
  expect(averaged.length).toBeGreaterThan(5)
  for (const [name, data] of parameters) {
    expect(data, name).toEqual((variables.get(`average/${name}`) ?? variables.get(name)!).data)
  }
  const { parity } = await exportModel({ source: run, out: join(shop.folder, "averaged.onnx") })
  expect(parity?.passed).toBe(true)
})
