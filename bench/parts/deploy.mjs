// A deployed network, ours against PyTorch's file of the same network: latency, nodes, bytes; and what 8-bit weights give.
//
// Takes: the setting of the run, a network: its model, how PyTorch builds it, and whether it is small enough to be trained.
// Gives: tables and their numbers, the ratios of ours to the best of PyTorch's files in each figure, and what the files do not
//        agree on.
// Why so: every file runs in the same ONNX Runtime with the same threads and options, in turns, batch 1, best of many. PyTorch
//        has two exporters, and its files can have a free batch, as ours have, or none: the best of the four counts for each
//        figure, so that ours must be ahead of each. All files are made from the same weights and must give the same outputs.
//        Our file carries the model's text (for `mdl diff` and for people); bytes are also compared without it.
import { statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { Competitors } from "../competitors.mjs"
import { milliseconds, printTable, progress, say } from "../print.mjs"
import { generator } from "../random.mjs"
import { writeTensors } from "../tensors.mjs"

const WARM_UP = 3
/** Lets threads that spin after their work go to sleep, so that they do not slow the next competitor. */
const PAUSE_MS = 20
/** Largest difference of outputs, which are probabilities. */
const AGREEMENT = 1e-4
/** Phantoms to learn from, to choose by, to measure on. */
const PHANTOMS = { train: 256, valid: 32, test: 64 }
const CALIBRATION_CASES = 32
const EPOCHS = 10
const WAYS = [
  { label: "PyTorch, TorchScript", dynamo: false, freeBatch: true },
  { label: "PyTorch, TorchScript, batch 1", dynamo: false, freeBatch: false },
  { label: "PyTorch, torch.export", dynamo: true, freeBatch: true },
  { label: "PyTorch, torch.export, batch 1", dynamo: true, freeBatch: false },
]

/** @returns {Promise<object>} */
export async function deployPart(setting, network) {
  const competitors = new Competitors(setting)
  const { title } = network
  try {
    const trained = network.phantoms ? await train(competitors, setting, network) : undefined
    const { openExportSource } = await import("../../dist/src/runtime/deployment/export-source.js")
    const { toOnnx } = await import("../../dist/src/runtime/deployment/export-model.js")
    const source = await openExportSource(trained?.run ?? network.model, { checkpoint: "last", seed: 1 })
    const ours = toOnnx(source)
    const draw = generator(7)
    const cases = drawFeeds(ours.inputs, network, draw)
    const { exportMetadata } = await import("../../dist/src/runtime/deployment/metadata.js")
    const text = Buffer.byteLength(exportMetadata(source)["mdl.source"])
    const file = join(setting.scratch, `${network.name}.onnx`)
    writeFileSync(file, ours.bytes)
    const files = [{ label: "MDL", file, nodes: ours.nodes, feeds: cases, text }]
    const rounded = trained && (await eightBits(trained, `${file}.int8.onnx`))
    if (rounded)
      files.push({ label: "MDL, int8", file: rounded.file, nodes: rounded.nodes, feeds: cases, text, rounds: true })
    if (setting.python) files.push(...(await peers(competitors, network, source, file, cases)))
    const rows = await race(files, title, setting)
    print(title, rows, rounded, setting)
    return {
      name: "deploy",
      title,
      rows,
      rounding: rounded?.rounding,
      wrong: disagreements(rows),
      targets: targetsOf(title, rows),
    }
  } finally {
    await competitors.close()
  }
}

/** A run on phantoms, so that masks mean something. */
async function train(competitors, { scratch }, { name, model, batch, phantoms: size }) {
  progress(`${name}: training on phantoms`)
  const { synthesise } = await import("../../dist/src/runtime/data/phantom.js")
  const data = join(scratch, `phantoms-${name}`)
  await synthesise({ root: data, counts: PHANTOMS, size, seed: 1 })
  const run = join(scratch, `trained-${name}`)
  const { peer } = competitors.trainer()
  await peer.ask("train", { model, data, run, batch, epochs: EPOCHS, workers: 1 })
  await competitors.close()
  return { run, data }
}

/** Our file with weights of 8 bits, calibrated on what was trained on, and what it costs in accuracy on the rest. */
async function eightBits({ run, data }, file) {
  const { exportModel } = await import("../../dist/src/runtime/deployment/export-model.js")
  const request = { source: run, out: file, weights: "int8", calibrate: data, cases: CALIBRATION_CASES, parity: false }
  const { nodes, rounding } = await exportModel({ ...request, checkpoint: "last" })
  return { file, nodes, rounding }
}

/** PyTorch's files of the same weights. A way that PyTorch itself fails at is told and left out. */
async function peers(competitors, { name, torch }, { model, parameters }, path, cases) {
  const weights = `${path}.safetensors`
  const tensors = model.graph.parameters.map(({ name, shape }) => [name, { shape, data: parameters.get(name) }])
  writeTensors(weights, new Map(tensors))
  const peer = competitors.start("PyTorch", competitors.setting.python, "export_torch.py")
  const [, , ...size] = cases.image.shape
  const tokens = cases.note_ids?.shape[1] ?? 0
  await peer.ask("open", { network: torch.network, sizes: torch.sizes, weights, size, tokens })
  const files = []
  for (const { label, dynamo, freeBatch } of WAYS) {
    progress(`${name}: ${label}`)
    const file = `${path}.${dynamo ? "export" : "script"}-${freeBatch ? "free" : "one"}.onnx`
    try {
      const { nodes } = await peer.ask("write", { file, dynamo, free_batch: freeBatch })
      files.push({ label, file, nodes, feeds: asPyTorch(cases) })
    } catch (error) {
      say(`${label} cannot export ${name}: ${error.message.split("\n")[0]}`)
    }
  }
  return files
}

/** Inputs of our file. */
function drawFeeds(inputs, { torch }, draw) {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const sizes = [1, ...shape.slice(1)]
      const count = sizes.reduce((a, b) => a * b, 1)
      const value = name === "note_valid" ? (_, at) => (at < 0.6 * count ? 1 : 0) : draw
      const id = () => Math.floor(draw() * torch.sizes.vocabulary)
      const data =
        dtype === "i32" ? Int32Array.from({ length: count }, id) : Float32Array.from({ length: count }, value)
      return [name, { dtype, shape: sizes, data }]
    }),
  )
}

/** The same in the types that PyTorch's network takes. */
function asPyTorch({ note_ids: ids, note_valid: valid, ...rest }) {
  if (!ids) return rest
  return {
    ...rest,
    note_ids: { ...ids, dtype: "i64", data: BigInt64Array.from(ids.data, BigInt) },
    note_valid: { ...valid, dtype: "bool", data: Uint8Array.from(valid.data) },
  }
}

/** Turns of one run each; the first runs warm up. */
async function race(files, title, { rounds, threads }) {
  const { openOnnx } = await import("../../dist/src/runtime/onnx/run.js")
  const entries = []
  for (const entry of files) entries.push({ ...entry, model: await openOnnx(entry.file, { threads }), seconds: [] })
  try {
    for (let round = 0; round < WARM_UP + rounds; round++) {
      progress(`${title}: round ${round + 1} of ${WARM_UP + rounds}`)
      for (const entry of entries) {
        const started = process.hrtime.bigint()
        entry.outputs = await entry.model.run(entry.feeds)
        const seconds = Number(process.hrtime.bigint() - started) / 1e9
        if (round >= WARM_UP) entry.seconds.push(seconds)
        await pause(PAUSE_MS)
      }
    }
  } finally {
    for (const { model } of entries) await model.close()
  }
  progress("")
  return entries.map(({ label, file, nodes, text = 0, seconds, outputs, rounds: inWholeNumbers }) => ({
    label,
    nodes,
    bytes: statSync(file).size,
    bytesWithoutText: statSync(file).size - text,
    best: Math.min(...seconds),
    median: [...seconds].sort((a, b) => a - b)[Math.floor(seconds.length / 2)],
    seconds,
    difference: largestDifference(outputs, entries[0].outputs),
    rounds: inWholeNumbers ?? false,
  }))
}

function largestDifference(outputs, reference) {
  let largest = 0
  for (const [name, { data }] of Object.entries(reference)) {
    const other = outputs[name]?.data
    if (other?.length !== data.length) return Infinity
    data.forEach((value, index) => (largest = Math.max(largest, Math.abs(value - other[index]))))
  }
  return largest
}

const disagreements = (rows) =>
  rows
    .filter(({ difference, rounds }) => !rounds && !(difference <= AGREEMENT))
    .map(({ label, difference }) => `${label} gives other outputs than MDL, by ${difference}, from the same weights`)

/** Ours beside the best of PyTorch's in each figure; 8 bits beside our own f32. */
function targetsOf(title, rows) {
  const [ours] = rows
  const theirs = rows.filter(({ label }) => label.startsWith("PyTorch"))
  const int8 = rows.find(({ rounds }) => rounds)
  const target = (of, ratio) => ({ what: title, of, ratio, target: 1 })
  const figures = { best: "latency", nodes: "nodes", bytes: "bytes", bytesWithoutText: "bytes without its text" }
  return [
    ...(theirs.length === 0 ? [] : Object.entries(figures)).map(([figure, of]) =>
      target(`${of}, ours / best of PyTorch's`, ours[figure] / Math.min(...theirs.map((row) => row[figure]))),
    ),
    ...(int8 ? [target("latency, int8 / f32", int8.best / ours.best)] : []),
  ]
}

function print(title, rows, rounded, { rounds, threads }) {
  const head = ["", `best of ${rounds}`, "median", "MDL / it", "nodes", "bytes", "differs by", "engine"]
  const cells = rows.map((row) => [
    row.label,
    milliseconds(row.best),
    milliseconds(row.median),
    (rows[0].best / row.best).toFixed(2),
    String(row.nodes),
    String(row.bytes),
    // how far 8 bits are off is measured on phantoms, below
    row.rounds ? "" : row.difference.toExponential(1),
    "ONNX Runtime",
  ])
  printTable(`${title}, batch 1; ${threads} threads`, head, cells)
  if (!rounded) return
  const { dice, outputs, measured } = rounded.rounding
  const agreement = outputs.find(({ agreement }) => agreement !== undefined)?.agreement
  const same = agreement === undefined ? "" : `; ${(100 * agreement).toFixed(2)}% of pixels on the same side of 0.5`
  const scores = dice ? `Dice ${dice.f32.toFixed(4)} in f32, ${dice.int8.toFixed(4)} in int8` : "no Dice"
  process.stdout.write(`int8 on ${measured.cases} phantoms of ${measured.split}: ${scores}${same}\n`)
}
