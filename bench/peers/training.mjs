// Ours: a whole training run, as `mdl train` makes one.
//
// Takes: a request on stdin (see serve.mjs): a model, a data set, a folder, how many epochs and data workers.
// Gives: for each epoch its steps, and the seconds inside of steps and waiting for batches.
import { train } from "../../dist/src/runtime/training/trainer.js"
import { serve } from "./serve.mjs"

await serve({
  async train({ model, data, run, batch, epochs, size, workers }) {
    const measured = []
    const observer = { epoch: ({ steps, seconds }) => measured.push({ count: steps, ...seconds }) }
    await train({ model, data, run, batch, epochs, size, workers, observer })
    return { epochs: measured }
  },
})
