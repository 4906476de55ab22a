/**
 * The parts of a generated trainer that are the same for every model.
 *
 * Takes nothing; gives JavaScript text. It is written to be read by a person who has never seen this tool: plain functions,
 * no classes, no dependencies but TensorFlow.js. What differs between models is in `trainer-source.ts`.
 */

/** Imports and places. */
export const IMPORTS = `
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const HERE = dirname(fileURLToPath(import.meta.url))
`

/** Running the programs of the SavedModel. */
export const PROGRAMS = `
/** TensorFlow.js and the programs, once \`load\` has run. */
let tf
let programs

/** Loads TensorFlow, which takes some seconds, and the model. To be called before everything below. */
export async function load() {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2"
  tf = (await import("@tensorflow/tfjs-node-gpu")).default
  programs = {}
  // All programs are entry points of one session: they see the same variables, which live as long as the process.
  for (const name of SIGNATURES) {
    programs[name] = await tf.node.loadSavedModel(join(HERE, "model"), ["serve"], name)
  }
}

/** Runs one program, in one native call: tensors \`{ dtype, shape, data }\` by name in, the same out. */
function run(program, feeds) {
  const entries = Object.entries(feeds)
  const inputs = Object.fromEntries(entries.map(([name, t]) => [name, tf.tensor(t.data, t.shape, t.dtype)]))
  let outputs = {}
  try {
    outputs = programs[program].predict(inputs)
    const read = ([name, t]) => [name, { dtype: t.dtype, shape: t.shape, data: t.dataSync() }]
    return Object.fromEntries(Object.entries(outputs).map(read))
  } finally {
    tf.dispose([inputs, outputs])
  }
}

/** Gives arrays the shapes and types of the inputs \`names\`, for a batch of \`n\`. */
function shaped(names, n, arrays) {
  return Object.fromEntries(
    names.map((name) => {
      const { dtype, shape } = INPUTS[name]
      return [name, { dtype, shape: [n, ...shape], data: arrays[name] }]
    }),
  )
}

/** The one number of each result. */
function numbers(results) {
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data[0]]))
}

/**
 * Gives every variable its first value, the same for the same seed (a 32-bit integer), and sets the step to 0. The
 * learning rate may depend on how many steps an epoch has.
 */
export function init(seed, stepsPerEpoch = 1) {
  const integer = (value) => ({ dtype: "int32", shape: [], data: Int32Array.of(value) })
  run("init", { seed: integer(seed), steps_per_epoch: integer(stepsPerEpoch) })
}
`

/** A step on one batch. */
export const STEP = `
/**
 * One optimiser step on a batch of BATCH.train cases: \`arrays\` holds one typed array for each of INPUTS, row-major.
 * Gives every loss, their \`total\`, the \`step\` (1 after the first), the \`learning_rate\` and the \`gradient_norm\`.
 */
export function trainStep(arrays) {
  return numbers(run("train_step", shaped(Object.keys(INPUTS), BATCH.train, arrays)))
}
`

/** A step on several batches. */
export const ACCUMULATING_STEP = `
/**
 * One optimiser step on the mean gradient of some batches, each of BATCH.train cases and with one typed array for each of
 * INPUTS, row-major. Gives the mean of every loss and of their \`total\`, the \`step\` (1 after the first), the
 * \`learning_rate\` and the \`gradient_norm\`.
 */
export function trainStep(...batches) {
  const names = Object.keys(INPUTS)
  const results = batches.map((arrays) => numbers(run("gradients", shaped(names, BATCH.train, arrays))))
  const mean = (name) => results.reduce((sum, losses) => sum + losses[name], 0) / results.length
  const { accumulated: _, ...step } = numbers(run("apply", {}))
  return { ...Object.fromEntries([...LOSSES, "total"].map((name) => [name, mean(name)])), ...step }
}
`

/** For a plateau schedule. */
export const SCORE = `
/** Tells the schedule how good the model is now; gives how often the learning rate has been reduced. */
export function reportScore(score) {
  return numbers(run("score", { score: { dtype: "float32", shape: [], data: Float32Array.of(score) } })).reductions
}
`

/** What changes nothing. */
export const INFERENCE = `
/** Losses and outputs on a batch of BATCH.evaluate cases, as in use: no dropout, fixed statistics. Changes nothing. */
export function evaluate(arrays) {
  const losses = {}
  const outputs = {}
  for (const [name, value] of Object.entries(run("evaluate", shaped(Object.keys(INPUTS), BATCH.evaluate, arrays)))) {
    if (name.startsWith("loss/")) losses[name.slice("loss/".length)] = value.data[0]
    else outputs[name] = value
  }
  return { losses, outputs }
}

/** The outputs for BATCH.predict cases; \`arrays\` holds one typed array for each of PREDICT_INPUTS. */
export function predict(arrays) {
  return run("predict", shaped(PREDICT_INPUTS, BATCH.predict, arrays))
}
`

/** Checkpoints. */
export const CHECKPOINTS = `
const FILE_TYPES = { float32: "F32", int32: "I32", bool: "BOOL" }
const ARRAYS = { F32: Float32Array, I32: Int32Array, BOOL: Uint8Array }

/**
 * Writes all variables (weights, statistics, the optimiser's moments, step and seed) to a .safetensors file, which
 * PyTorch reads as it is: names and layouts are PyTorch's. The file appears in one piece.
 */
export function save(file) {
  const header = {}
  const values = []
  let offset = 0
  for (const [name, { dtype, shape, data }] of Object.entries(run("read", {}))) {
    header[name] = { dtype: FILE_TYPES[dtype], shape, data_offsets: [offset, offset + data.byteLength] }
    values.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    offset += data.byteLength
  }
  const text = Buffer.from(JSON.stringify(header))
  // The values begin at a multiple of 8 bytes; the header is filled up with blanks.
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  writeFileSync(\`\${file}.partial\`, Buffer.concat([length, padded, ...values]))
  renameSync(\`\${file}.partial\`, file)
}

/** Sets all variables from a file that \`save\` wrote; gives the step it was written at. */
export function restore(file) {
  const bytes = readFileSync(file)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, start).toString("utf8"))
  init(0)
  const tensors = {}
  for (const [name, { dtype, shape }] of Object.entries(run("read", {}))) {
    const entry = header[name]
    if (entry?.dtype !== FILE_TYPES[dtype] || entry.shape.join() !== shape.join()) {
      throw new Error(\`\${file} has no \${name} of \${FILE_TYPES[dtype]} [\${shape}]: it belongs to another model\`)
    }
    const [from, to] = entry.data_offsets
    const own = Uint8Array.from(bytes.subarray(start + from, start + to))
    tensors[name] = { dtype, shape, data: new ARRAYS[entry.dtype](own.buffer) }
  }
  run("write", tensors)
  return tensors.step.data[0]
}
`

/** Batches: from files, or random. */
export const BATCHES = `
/** A repeatable source of numbers in [0, 1): mulberry32. */
function generator(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The cases of an epoch in an order of its own (Fisher and Yates). */
export function epochOrder(count, seed, epoch) {
  const random = generator(Math.imul(seed, 0x9e3779b1) ^ epoch)
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}

/** A batch of \`n\` cases of random numbers, to see the program run: it teaches nothing. */
export function randomBatch(n, seed) {
  const random = generator(seed)
  const batch = {}
  for (const [name, { dtype, shape, below, binary }] of Object.entries(INPUTS)) {
    const array = new (dtype === "float32" ? Float32Array : dtype === "int32" ? Int32Array : Uint8Array)(
      shape.reduce((a, b) => a * b, n),
    )
    batch[name] = array.map(() => (binary ? Number(random() < 0.5) : below ? Math.floor(random() * below) : random()))
  }
  return batch
}

/** Opens the folder that \`mdl compile --data\` wrote; index.json says how a case lies in the files. */
export function openData(folder) {
  const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8"))
  const files = Object.entries(index.splits).map(([split, { file }]) => [split, openSync(join(folder, file), "r")])
  return { ...index, files: Object.fromEntries(files) }
}

/** The cases with the numbers \`cases\` as a batch. */
export function readBatch(data, split, cases) {
  const batch = Object.fromEntries(
    Object.entries(INPUTS).map(([name, { dtype, shape }]) => {
      const length = shape.reduce((a, b) => a * b, cases.length)
      return [name, dtype === "float32" ? new Float32Array(length) : new Int32Array(length)]
    }),
  )
  const bytes = new Uint8Array(data.bytes)
  cases.forEach((number, row) => {
    const read = readSync(data.files[split], bytes, 0, data.bytes, number * data.bytes)
    if (read !== data.bytes) throw new Error(\`the data of \${split} end within case \${number}\`)
    let offset = 0
    for (const { name, stored, divide, shape } of data.fields) {
      const count = shape.reduce((a, b) => a * b, 1)
      const Stored = { u8: Uint8Array, f32: Float32Array, i32: Int32Array }[stored]
      const values = new Stored(bytes.buffer, offset, count)
      offset += values.byteLength
      for (let i = 0; i < count; i++) batch[name][row * count + i] = divide ? values[i] / divide : values[i]
    }
  })
  return batch
}
`

/** The command line. */
export const MAIN = `
/** The mean of every loss over a split. The last batch is filled up with cases from the beginning. */
function evaluateSplit(data, split) {
  const { count } = data.splits[split]
  const batches = Math.ceil(count / BATCH.evaluate)
  const means = {}
  for (let b = 0; b < batches; b++) {
    const cases = Array.from({ length: BATCH.evaluate }, (_, i) => (b * BATCH.evaluate + i) % count)
    for (const [name, loss] of Object.entries(evaluate(readBatch(data, split, cases)).losses)) {
      means[name] = (means[name] ?? 0) + loss / batches
    }
  }
  return means
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      random: { type: "boolean", default: false },
      data: { type: "string", default: join(HERE, "data") },
      epochs: { type: "string", default: String(TRAINING.epochs) },
      steps: { type: "string" },
      seed: { type: "string", default: String(TRAINING.seed) },
      checkpoint: { type: "string", default: join(HERE, "checkpoint.safetensors") },
      resume: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  })
  if (options.help) return console.log(HELP)
  const whole = (name, fallback) => {
    if (options[name] === undefined) return fallback
    if (/^\\d+$/.test(options[name]) && Number(options[name]) < 2 ** 31) return Number(options[name])
    throw new Error(\`--\${name} needs a whole number, not \${options[name]}\`)
  }
  const epochs = whole("epochs")
  const seed = whole("seed")
  const steps = whole("steps", options.random ? 10 : Infinity)
  if (!options.random && !existsSync(join(options.data, "index.json"))) {
    throw new Error(\`\${options.data} has no index.json: compile with --data DIR, or try --random\`)
  }
  await load()
  const show = (what, numbers) => {
    if (options.json) return console.log(JSON.stringify({ what, ...numbers }))
    const text = ([name, value]) => \`\${name} \${Number.isInteger(value) ? value : value.toPrecision(5)}\`
    console.log([what, ...Object.entries(numbers).map(text)].join("  "))
  }
  /** One step; a loss that is no number ends the run, because no later step can mend it. */
  const step = (batches, epoch) => {
    const results = trainStep(...batches)
    show("train", { epoch, ...results })
    const broken = Object.keys(results).filter((name) => !Number.isFinite(results[name]))
    if (broken.length > 0) throw new Error(\`at step \${results.step} not finite: \${broken.join(", ")}\`)
    return results.step
  }

  if (options.random) {
    init(seed)
    const { accumulate } = TRAINING
    const batches = (n) => Array.from({ length: accumulate }, (_, i) => randomBatch(BATCH.train, seed + n * accumulate + i))
    for (let n = 0; n < steps; n++) step(batches(n), 0)
    return
  }
  const data = openData(options.data)
  const { count } = data.splits.train
  const batchesPerEpoch = Math.floor(count / BATCH.train)
  if (batchesPerEpoch === 0) throw new Error(\`\${count} cases do not fill a batch of \${BATCH.train}\`)
  // The last step of an epoch takes the batches that are left.
  const perEpoch = Math.ceil(batchesPerEpoch / TRAINING.accumulate)
  let done = 0
  if (options.resume) done = restore(options.resume)
  else init(seed, perEpoch)
  for (let epoch = Math.floor(done / perEpoch); epoch < epochs && done < steps; epoch++) {
    const order = epochOrder(count, seed, epoch)
    const batch = (b) => readBatch(data, "train", order.slice(b * BATCH.train, (b + 1) * BATCH.train))
    for (let s = done - epoch * perEpoch; s < perEpoch && done < steps; s++) {
      const first = s * TRAINING.accumulate
      const length = Math.min(TRAINING.accumulate, batchesPerEpoch - first)
      done = step(
        Array.from({ length }, (_, i) => batch(first + i)),
        epoch,
      )
    }
    if (data.splits.valid) show("valid", { epoch, ...evaluateSplit(data, "valid") })
    save(options.checkpoint)
  }
  for (const file of Object.values(data.files)) closeSync(file)
}

// Not when another program imports the functions above.
if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await main()
  } catch (error) {
    console.error(\`error: \${error.message}\`)
    process.exitCode = 1
  }
}
`

/** What \`--help\` prints. */
export const HELP = `node trainer.mjs [options]
  --random             train on random numbers, to see the program run
  --data DIR           data set in this package's format (default: data/ beside this file)
  --epochs N           passes over the training cases
  --steps N            at most so many steps
  --seed N             first weights, random masks and order
  --checkpoint FILE    written after each epoch (default: checkpoint.safetensors beside this file)
  --resume FILE        go on from a checkpoint
  --json               one JSON object a line instead of text`
