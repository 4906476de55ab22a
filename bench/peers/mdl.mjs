// Ours: a model's training program, one native call per step, as `mdl train` runs it.
//
// Takes: requests on stdin (see serve.mjs): a model file, a batch size, a seed.
// Gives: parameter count, first weights and batch as a file, steps. A step includes handing the batch over from JavaScript.
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { buildTrainer } from "../../dist/src/compiler/trainer.js"
import { parseReference, requireModel } from "../../dist/src/runtime/model-file.js"
import { loadBackend } from "../../dist/src/runtime/native/backend.js"
import { NativeSession } from "../../dist/src/runtime/session.js"
import { writeTensors } from "../tensors.mjs"
import { serve, timed } from "./serve.mjs"

let session, feeds, parameters

/** A repeatable number in [0, 1) for each call (mulberry32). */
function generator(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Fills every input: images and targets at random, token ids within their vocabulary, every token valid. */
function drawBatch(description, entries) {
  const random = generator(7)
  const batch = {}
  for (const { name, dtype, shape } of entries) {
    const count = shape.reduce((a, b) => a * b, 1)
    const tokens = description.inputs.find((input) => name === `${input.name}_ids`)
    const target = description.inputs.some((input) => input.name === name && input.role === "target")
    if (tokens) {
      const { vocabulary } = tokens.tokenizer.arguments
      batch[name] = { dtype, shape, data: Int32Array.from({ length: count }, () => Math.floor(random() * vocabulary)) }
    } else {
      const value = name.endsWith("_valid") ? () => 1 : target ? () => (random() < 0.3 ? 1 : 0) : random
      batch[name] = { dtype, shape, data: Float32Array.from({ length: count }, value) }
    }
  }
  return batch
}

await serve({
  async open({ model, batch, folder, seed }) {
    const trainer = buildTrainer(requireModel(parseReference(model)).model, { batch })
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "saved_model.pb"), trainer.savedModel)
    session = await NativeSession.open(folder)
    session.init(seed)
    const inputs = session.signatures.get("train_step").inputs
    feeds = drawBatch(trainer.description, inputs)
    parameters = trainer.description.parameters
    const size = ({ shape }) => shape.reduce((a, b) => a * b, 1)
    const trainable = parameters.filter((p) => p.role === "param" && !p.frozen)
    const { tensorflowVersion } = await loadBackend()
    return {
      engine: `TensorFlow ${tensorflowVersion}, one graph`,
      parameters: trainable.reduce((sum, parameter) => sum + size(parameter), 0),
      nodes: trainer.report.nodes,
    }
  },

  /** First weights, normalisation statistics, and the batch: all that another competitor needs. */
  share({ file }) {
    const variables = session.read()
    const tensors = parameters.map(({ name }) => [name, variables.get(name)])
    for (const [name, { shape, data }] of Object.entries(feeds)) {
      tensors.push([`batch/${name}`, { shape, data: Float32Array.from(data) }])
    }
    writeTensors(file, new Map(tensors))
  },

  /** The learning rate is the model's own, which is the other competitors' too. */
  step() {
    const { result, ...times } = timed(() => session.trainStep(feeds))
    return { ...times, loss: result.total }
  },
})
