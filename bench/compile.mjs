#!/usr/bin/env node
// How long compiling takes: full-size RecLMIS stage by stage, and a generated chain of blocks at growing sizes.
//
// Takes: --rounds N (15), --most NODES (100000: the largest generated model), --json FILE. Needs `npm run build`.
// Gives: a table on stdout; with --json also the numbers and the machine.
// Why so: the process is warm (one round is thrown away) and the best round counts, because other programs only ever add
//         time. Time per node is also told without what every text pays (the standard library is read and parsed), so that
//         a small model does not look slow and hide a large one that is.
import { mkdirSync, writeFileSync } from "node:fs"
import { arch, availableParallelism, cpus, loadavg, platform } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..")
const from = (path) => import(join(ROOT, "dist", "src", path))
const { compile } = await from("compiler/compile.js")
const { loadModules } = await from("compiler/resolve/modules.js")
const { trainProgram, predictProgram } = await from("compiler/passes/programs.js")
const { optimise } = await from("compiler/passes/pipelines.js")
const { buildTrainer } = await from("compiler/trainer.js")
const { fileHost } = await from("runtime/model-file.js")

/** Milliseconds in which full-size RecLMIS is to be parsed, checked and lowered to its programs. */
const TARGET = 150
/** How much longer a node of the largest model may take than one of the model with about 1,000. */
const GROWTH = 1.5
/** Nodes of one block of the generated model. */
const PER_BLOCK = 8

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "15" },
    most: { type: "string", default: "100000" },
    json: { type: "string" },
  },
})
const rounds = wholeNumber("rounds")
const most = wholeNumber("most")

/** A chain of `depth` blocks, each with parameters of its own. */
const chain = (depth) => `
block Residual(hidden: int)(x: f32[N, C]) -> f32[N, C] {
  let wide = linear(x, hidden) |> relu
  return x + 0.5 * tanh(linear(wide, C))
}
model Chain(depth: int = ${depth}) {
  input x: f32[N, 8]
  target y: f32[N, 8]
  let z = fold h = x for i in 0..depth => Residual(4)(h)
  output last = z
  loss error = mse(z, y)
}`

/** Times of stages, by name. */
class Watch {
  times = {}

  stage(name, work) {
    const start = performance.now()
    const result = work()
    this.times[name] = performance.now() - start
    return result
  }
}

const models = fileHost(join(ROOT, "models"))
const path = join(ROOT, "models", "reclmis.mdl")
const reclmis = best(rounds, () => {
  const watch = new Watch()
  watch.stage("parse", () => loadModules(path, models))
  // Checking differentiates, and keeps the program that it made. What is parsed twice is told once.
  const { output } = watch.stage("check", () => compile(path, models))
  const training = watch.stage("lower", () => {
    optimise("prediction", predictProgram(output))
    return optimise("training", trainProgram(output)).program
  })
  watch.times.check -= watch.times.parse
  const total = watch.times.parse + watch.times.check + watch.times.lower
  watch.stage("write", () => buildTrainer(output, { batch: 8 }))
  return { total, ...watch.times, nodes: training.graph.nodes.length }
})

const sizes = [1000, 10_000, 100_000].filter((size) => size <= most)
if (!sizes.includes(most)) sizes.push(most)
const fixed = best(rounds, () => compileChain(1)).milliseconds
const growing = sizes.map((size) => {
  const result = best(size > 20_000 ? 3 : rounds, () => compileChain(Math.round(size / PER_BLOCK)))
  const own = result.milliseconds - fixed
  return {
    ...result,
    microsecondsPerNode: (1000 * result.milliseconds) / result.nodes,
    microsecondsPerNodeWithoutFixed: (1000 * own) / result.nodes,
  }
})
const growth = growing.at(-1).microsecondsPerNode / growing[0].microsecondsPerNode
const strictGrowth = growing.at(-1).microsecondsPerNodeWithoutFixed / growing[0].microsecondsPerNodeWithoutFixed

say(`full-size RecLMIS, ${reclmis.nodes} nodes in a training step, best of ${rounds}`)
for (const stage of ["parse", "check", "lower"]) say(`  ${stage.padEnd(6)} ${milliseconds(reclmis[stage])}`)
say(`  ${"all".padEnd(6)} ${milliseconds(reclmis.total)}   target ${TARGET} ms`)
say(`  ${"write".padEnd(6)} ${milliseconds(reclmis.write)}   the SavedModel of all programs, for comparison`)
say(`a chain of blocks, parsed, checked and lowered; ${fixed.toFixed(1)} ms of it are the same for every text`)
for (const { nodes, milliseconds: time, microsecondsPerNode, microsecondsPerNodeWithoutFixed } of growing) {
  const perNode = `${microsecondsPerNode.toFixed(1)} us a node, ${microsecondsPerNodeWithoutFixed.toFixed(1)} of its own`
  say(`  ${String(nodes).padStart(6)} nodes ${milliseconds(time)}   ${perNode}`)
}
say(`  a node of the largest takes ${growth.toFixed(2)} times as long as one of the smallest, target ${GROWTH}`)

if (options.json) {
  mkdirSync(dirname(options.json), { recursive: true })
  const machine = {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    platform: platform(),
    arch: arch(),
  }
  const result = {
    rounds,
    machine,
    load: loadavg()[0],
    node: process.versions.node,
    reclmis,
    fixed,
    growing,
    growth,
    strictGrowth,
  }
  writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`)
}

function compileChain(depth) {
  const text = chain(depth)
  const standard = fileHost(ROOT)
  const host = { read: (name) => (name === "chain.mdl" ? text : standard.read(name)) }
  const start = performance.now()
  const { output, diagnostics } = compile("chain.mdl", host)
  if (!output) throw new Error(diagnostics.map((d) => d.message).join("\n"))
  optimise("training", trainProgram(output))
  return { milliseconds: performance.now() - start, nodes: output.graph.nodes.length }
}

/** The round with the least time, after one that warms up. */
function best(count, round) {
  const timeOf = (result) => result.total ?? result.milliseconds
  round()
  let found = round()
  for (let index = 1; index < count; index++) {
    const next = round()
    if (timeOf(next) < timeOf(found)) found = next
  }
  return found
}

function wholeNumber(name) {
  if (!/^[1-9]\d{0,6}$/.test(options[name])) {
    process.stderr.write(`--${name} takes a whole number above 0\n`)
    process.exit(1)
  }
  return Number(options[name])
}

function milliseconds(time) {
  return `${time.toFixed(1).padStart(8)} ms`
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
