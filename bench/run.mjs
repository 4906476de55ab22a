#!/usr/bin/env node
// Side-by-side benchmark: one training step, ours against others, in one run.
//
// Takes: --rounds N (25), --threads N (all cores), --without NAME (torch, tfjs; repeatable), --json FILE.
// Gives: a table on stdout; with --json also all samples and the machine. Exit 1 when the competitors do not compute the
//         same thing: unequal parameter counts, or first losses from the same weights that differ by more than 1e-4.
// Why so: timings on shared machines are noisy, so competitors take turns, each step by step (A B C A B C ...), and the best
//         of many counts; ratios are only ever formed within one run. Every competitor is a process of its own with the
//         same number of threads, and measures its own step.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { arch, availableParallelism, cpus, loadavg, platform, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Peer } from "./peer.mjs"
import { pythonWithTorch } from "./python.mjs"

const HERE = dirname(fileURLToPath(import.meta.url))
const RATE = 1e-3
const SEED = 3407
const WARM_UP = 3
const AGREEMENT = 1e-4
/** Lets threads that spin after their work go to sleep, so that they do not slow the next competitor. */
const PAUSE_MS = 20

const UNET = { model: join(HERE, "unet-bench.mdl"), batch: 2, widths: [16, 32, 64, 128] }
const RECLMIS = { model: `${join(HERE, "..", "models", "reclmis.mdl")}#quick`, batch: 8 }

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "25" },
    threads: { type: "string", default: String(availableParallelism()) },
    without: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
  },
})
const rounds = wholeNumber("rounds")
const threads = wholeNumber("threads")
const unknown = options.without.filter((name) => name !== "torch" && name !== "tfjs")
if (unknown.length > 0) fail(`--without knows torch and tfjs, not ${unknown.join(", ")}`)

const scratch = mkdtempSync(join(tmpdir(), "mdl-bench-"))
const peers = []
try {
  process.exitCode = await main()
} finally {
  for (const peer of peers) peer.close()
  rmSync(scratch, { recursive: true, force: true })
}

async function main() {
  const python = options.without.includes("torch") ? undefined : await pythonWithTorch(say)
  const shared = join(scratch, "unet.safetensors")
  const load = loadavg()[0]
  if (load > 0.5) {
    say(`other programs are running (load ${load.toFixed(1)}): the ratios below are worth little`)
    // PyTorch's threads wait for each other actively, and wait in vain while others have the cores.
    if (python && !process.env.OMP_WAIT_POLICY) say("OMP_WAIT_POLICY=passive makes PyTorch suffer less from that")
  }
  say(`starting the competitors, ${threads} threads each`)

  const ours = start("mdl", "MDL", process.execPath, "mdl.mjs")
  const unet = await open(ours, { model: UNET.model, batch: UNET.batch, folder: join(scratch, "unet"), seed: SEED })
  await ours.peer.ask("share", { file: shared })
  const race = [unet]
  if (python) {
    const { widths } = UNET
    const torch = start("torch", "PyTorch", python, "unet_torch.py")
    race.push(await open(torch, { shared, rate: RATE, threads, widths }))
    const tuned = start("torch-tuned", "PyTorch, channels last, fused Adam", python, "unet_torch.py")
    race.push(await open(tuned, { shared, rate: RATE, threads, widths, tuned: true }))
  }
  if (!options.without.includes("tfjs")) {
    race.push(await open(start("tfjs", "eager tfjs", process.execPath, "tfjs-eager.mjs"), { shared, rate: RATE }))
  }
  const reclmis = await open(start("mdl-reclmis", "MDL", process.execPath, "mdl.mjs"), {
    ...RECLMIS,
    folder: join(scratch, "reclmis"),
    seed: SEED,
  })

  const result = {
    rounds,
    threads,
    machine: { cpu: cpus()[0]?.model ?? "unknown", cores: availableParallelism(), platform: platform(), arch: arch() },
    /** of the last minute, before anything was started */
    load,
    waitPolicy: process.env.OMP_WAIT_POLICY ?? "default",
    node: process.versions.node,
    unet: await measure("U-Net training step, 96x96, batch 2, widths 16-32-64-128, Adam", race),
    reclmis: await measure("RecLMIS quick training step, 64x64, batch 8, Adam (ours alone)", [reclmis]),
  }
  if (options.json) {
    mkdirSync(dirname(options.json), { recursive: true })
    writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`)
  }
  const wrong = disagreements(result.unet)
  for (const line of wrong) process.stderr.write(`${line}\n`)
  return wrong.length === 0 ? 0 : 1
}

function start(key, label, command, program) {
  const bound = String(threads)
  const env = {
    ...process.env,
    MDL_THREADS: bound,
    TF_NUM_INTRAOP_THREADS: bound,
    TF_NUM_INTEROP_THREADS: bound,
    OMP_NUM_THREADS: bound,
    TF_CPP_MIN_LOG_LEVEL: "2",
  }
  const peer = new Peer(label, command, [join(HERE, "peers", program)], env)
  peers.push(peer)
  return { key, label, peer }
}

async function open(competitor, request) {
  return { ...competitor, ...(await competitor.peer.ask("open", request)) }
}

/** Turns of one step each; the first steps warm up, and the very first tells whether all compute the same. */
async function measure(title, race) {
  const entries = race.map((competitor) => ({ competitor, losses: [], seconds: [], cpu: [] }))
  const live = process.stderr.isTTY === true
  for (let round = 0; round < WARM_UP + rounds; round++) {
    if (live) process.stderr.write(`\r\u001b[2K${title}: round ${round + 1} of ${WARM_UP + rounds}`)
    for (const { competitor, losses, seconds, cpu } of entries) {
      const step = await competitor.peer.ask("step", {})
      losses.push(step.loss)
      if (round >= WARM_UP) {
        seconds.push(step.seconds)
        cpu.push(step.cpu)
      }
      await pause(PAUSE_MS)
    }
  }
  if (live) process.stderr.write("\r\u001b[2K")
  const best = Math.min(...entries[0].seconds)
  const rows = entries.map(({ competitor: { key, label, engine, parameters }, losses, seconds, cpu }) => ({
    key,
    label,
    engine,
    parameters,
    best: Math.min(...seconds),
    median: [...seconds].sort((a, b) => a - b)[Math.floor(seconds.length / 2)],
    /** processor time of all threads, best: what is left to compare on a machine that others use too */
    bestCpu: Math.min(...cpu),
    /** best time over ours */
    ratio: Math.min(...seconds) / best,
    firstLoss: losses[0],
    lastLoss: losses.at(-1),
    seconds,
    cpu,
  }))
  print(title, rows)
  return { title, rows }
}

function disagreements({ rows: [ours, ...others] }) {
  return others.flatMap(({ label, parameters, firstLoss }) => [
    ...(parameters === ours.parameters ? [] : [`${label} has ${parameters} parameters, ours ${ours.parameters}`]),
    ...(Math.abs(firstLoss - ours.firstLoss) <= AGREEMENT
      ? []
      : [`${label} starts with the loss ${firstLoss}, ours with ${ours.firstLoss}, from the same weights`]),
  ])
}

function print(title, rows) {
  const cells = rows.map((row) => [
    row.label,
    `${(row.best * 1e3).toFixed(1)} ms`,
    `${(row.median * 1e3).toFixed(1)} ms`,
    row.ratio.toFixed(2),
    `${(row.bestCpu * 1e3).toFixed(1)} ms`,
    String(row.parameters),
    row.firstLoss.toFixed(6),
    row.lastLoss.toFixed(6),
    row.engine,
  ])
  const head = [
    "",
    `best of ${rounds}`,
    "median",
    "ratio",
    "processor",
    "parameters",
    "first loss",
    "last loss",
    "engine",
  ]
  const widths = head.map((name, column) => Math.max(name.length, ...cells.map((row) => row[column].length)))
  const numeric = (column) => column > 0 && column < head.length - 1
  const line = (row) =>
    row.map((cell, i) => (numeric(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ")
  process.stdout.write(
    `\n${title}; ${threads} threads\n${[head, ...cells].map((row) => line(row).trimEnd()).join("\n")}\n`,
  )
}

function say(text) {
  process.stderr.write(`bench: ${text}\n`)
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function wholeNumber(name) {
  if (!/^[1-9]\d*$/.test(options[name])) fail(`--${name} needs a whole number above 0, not ${options[name]}`)
  return Number(options[name])
}
