// Ours: a model's training program, one native call per step, as `mdl train` runs it.
//
// Takes: requests on stdin (see serve.mjs): a model file, a batch size, a seed, options of the program.
// Gives: parameter count, first weights and batch as a file, steps, memory. A step includes handing the batch over from
//        JavaScript.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { buildTrainer } from "../../dist/src/compiler/trainer.js"
import { MemoryLimitError } from "../../dist/src/compiler/passes/rematerialise.js"
import { parseReference, requireModel } from "../../dist/src/runtime/model-file.js"
import { loadBackend } from "../../dist/src/runtime/native/backend.js"
import { NativeSession } from "../../dist/src/runtime/session.js"
import { EncodedNotes } from "../../dist/src/runtime/training/encoded-notes.js"
import { writeTensors } from "../tensors.mjs"
import { generator } from "../random.mjs"
import { serve, timed } from "./serve.mjs"

/** Steps of an epoch. */
const LONG_EPOCH = 2 ** 20

let opened, session, feeds, encoded, parameters

/** Fills every input: images and targets at random, token ids within their vocabulary, notes of different lengths. */
function drawBatch(description, batch) {
  const random = generator(7)
  const feeds = {}
  for (const { name, role, kind, shape, tokenizer } of description.inputs) {
    const sizes = [batch, ...shape]
    const count = sizes.reduce((a, b) => a * b, 1)
    if (kind === "tokens") {
      const [tokens] = shape
      const { vocabulary } = tokenizer.arguments
      const lengths = Array.from({ length: batch }, () => Math.ceil(tokens * (0.5 + 0.5 * random())))
      const valid = (_, index) => (index % tokens < lengths[Math.floor(index / tokens)] ? 1 : 0)
      const ids = () => Math.floor(random() * vocabulary)
      feeds[`${name}_ids`] = { dtype: "i32", shape: sizes, data: Int32Array.from({ length: count }, ids) }
      feeds[`${name}_valid`] = { dtype: "f32", shape: sizes, data: Float32Array.from({ length: count }, valid) }
    } else {
      const value = role === "target" ? () => (random() < 0.3 ? 1 : 0) : random
      feeds[name] = { dtype: "f32", shape: sizes, data: Float32Array.from({ length: count }, value) }
    }
  }
  return feeds
}

/** @param request `memoryShare`: of what the step needs without a limit; where less is not possible, the least there is */
function build(reference, { batch, options, memoryShare }) {
  const { model } = requireModel(parseReference(reference))
  const within = (memory) => buildTrainer(model, { batch, ...options, memory })
  if (memoryShare === undefined) return buildTrainer(model, { batch, ...options })
  const needed = within(Number.MAX_SAFE_INTEGER).report.memory.before
  try {
    return within(Math.floor(needed * memoryShare))
  } catch (error) {
    if (!(error instanceof MemoryLimitError)) throw error
    return within(error.least)
  }
}

const PROGRAM = "program.json"

/** Writes a program as a trainer package has it: the SavedModel and what is to be known about it. */
function write(folder, { savedModel, description, report }) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "saved_model.pb"), savedModel)
  writeFileSync(join(folder, PROGRAM), JSON.stringify({ description, report }))
}

/** What a signature takes of the batch, and what takes the place of notes where they are encoded outside of the step. */
function chosen(session, signature, encoded) {
  const wanted = session.signatures.get(signature).inputs.map(({ name }) => name)
  const of = (names) => Object.fromEntries(names.filter((name) => feeds[name]).map((name) => [name, feeds[name]]))
  if (!encoded) return of(wanted)
  const notes = session.signatures.get("encode").inputs.map(({ name }) => name)
  return { ...of(wanted), ...encoded.feeds(of(notes)) }
}

await serve({
  /** Compiles a model, for `open` here or in another process. */
  compile(request) {
    write(request.folder, build(request.model, request))
  },

  /** Loads what was compiled into the folder. */
  async open(request) {
    const { batch, folder, options } = request
    session = await NativeSession.open(folder)
    opened = request
    const { description, report } = JSON.parse(readFileSync(join(folder, PROGRAM), "utf8"))
    feeds = drawBatch(description, batch)
    parameters = description.parameters
    const size = ({ shape }) => shape.reduce((a, b) => a * b, 1)
    const trainable = parameters.filter((p) => p.role === "param" && !p.frozen)
    const { tensorflowVersion } = await loadBackend()
    return {
      engine: `TensorFlow ${tensorflowVersion}, one graph${options?.precision === "bf16" ? ", bf16" : ""}`,
      parameters: trainable.reduce((sum, parameter) => sum + size(parameter), 0),
      nodes: report.nodes,
      sections: sectionsOf(report.timing),
      memory: report.memory,
    }
  },

  /** Gives the variables their first values. Apart from `open`, because weights and moments are memory of the training. */
  init() {
    // The schedule goes by epochs: PyTorch has none, so this one must not end.
    session.init(opened.seed, LONG_EPOCH)
    encoded = EncodedNotes.of(session)
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

  /** The loss of the first weights as another variant of the model has it, e.g. one without dropout. */
  async check({ model, folder }) {
    write(folder, build(model, opened))
    const other = await NativeSession.open(folder)
    other.init(opened.seed)
    const { total } = other.trainStep(chosen(other, "train_step", EncodedNotes.of(other)))
    other.close()
    return { loss: total }
  },

  /** The learning rate is the model's own, which is the other competitors' too. */
  step() {
    const { result, ...times } = timed(() => session.trainStep(chosen(session, "train_step", encoded)))
    return { ...times, loss: result.total, encoded: encoded?.statistics.calls ?? 0 }
  },

  /** Memory from here on is that of steps. */
  idle() {
    globalThis.gc()
    writeFileSync("/proc/self/clear_refs", "5")
    return { bytes: status("VmRSS") }
  },

  peak() {
    return { bytes: status("VmHWM") }
  },
})

/** A line of /proc/self/status, in bytes. */
function status(key) {
  const line = new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8"))
  if (!line) throw new Error(`/proc/self/status has no ${key}`)
  return Number(line[1]) * 1024
}

/** How many nodes of a timed step come from each section. */
function sectionsOf(timing) {
  const counts = {}
  for (const { origin } of timing?.nodes ?? []) {
    if (origin) counts[origin.section] = (counts[origin.section] ?? 0) + 1
  }
  return counts
}
