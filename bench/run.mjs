#!/usr/bin/env node
// Side-by-side benchmark: ours against others, in one run.
//
// Takes: --only PART,... (unet, reclmis, memory, encoder, compile, editor, loader; all of them), --rounds N (25), --threads N
//        (all cores), --precision f32,bf16, --without NAME (torch, tfjs; repeatable), --json FILE.
// Gives: tables on stdout, and last the ratios beside their targets; with --json also all samples and the machine. Exit 1 when
//        competitors do not compute the same thing: unequal parameter counts, or different losses from the same weights.
// Why so: see bench/parts. A target that is missed is told and is no error: the figures depend on the machine.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { arch, availableParallelism, cpus, loadavg, platform, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { models } from "./models.mjs"
import { compilePart } from "./parts/compile.mjs"
import { deployPart } from "./parts/deploy.mjs"
import { editorPart } from "./parts/editor.mjs"
import { encoderPart } from "./parts/encoder.mjs"
import { loaderPart } from "./parts/loader.mjs"
import { memoryPart } from "./parts/memory.mjs"
import { stepPart } from "./parts/steps.mjs"
import { printTable, say } from "./print.mjs"
import { pythonWithTorch } from "./python.mjs"

const PRECISIONS = ["f32", "bf16"]
/** Most that ours may take of PyTorch's time. */
const STEP_TARGETS = { unet: { f32: 0.85, bf16: 0.85 }, reclmis: { f32: 0.75, bf16: 0.85 } }

const PARTS = {
  unet: (setting, { unet }) =>
    each(setting, (precision) => stepPart(setting, "unet", unet, precision, STEP_TARGETS.unet[precision])),
  reclmis: (setting, { reclmis }) =>
    each(setting, (precision) => stepPart(setting, "reclmis", reclmis, precision, STEP_TARGETS.reclmis[precision])),
  memory: async (setting, { unet, reclmis }) => [
    ...(await memoryParts(setting, "unet", unet)),
    ...(await memoryParts(setting, "reclmis", reclmis)),
  ],
  encoder: async (setting, { reclmis }) => [await encoderPart(setting, reclmis)],
  compile: async (setting) => [await compilePart(setting)],
  editor: async (setting) => [await editorPart(setting)],
  loader: async (setting, { fromFiles }) => {
    const results = []
    for (const model of fromFiles) results.push(await loaderPart(setting, model))
    return results
  },
  deploy: async (setting, { deployed }) => {
    const results = []
    for (const network of deployed) results.push(await deployPart(setting, network))
    return results
  },
}

/** Parts that PyTorch takes part in. */
const WITH_TORCH = ["unet", "reclmis", "memory", "deploy"]
/** What PyTorch's exporters need besides. */
const FOR_EXPORT = ["onnx", "onnxscript"]

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(PARTS).join() },
    rounds: { type: "string", default: "25" },
    threads: { type: "string", default: String(availableParallelism()) },
    precision: { type: "string", default: PRECISIONS.join() },
    without: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
  },
})
const rounds = wholeNumber("rounds")
const threads = wholeNumber("threads")
const only = chosen("--only", options.only.split(","), Object.keys(PARTS))
const precisions = chosen("--precision", options.precision.split(","), PRECISIONS)
const without = chosen("--without", options.without, ["torch", "tfjs"])

const scratch = mkdtempSync(join(tmpdir(), "mdl-bench-"))
try {
  process.exitCode = await main()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function main() {
  const needsPython = !without.includes("torch") && only.some((part) => WITH_TORCH.includes(part))
  const python = needsPython ? await pythonWithTorch(say, only.includes("deploy") ? FOR_EXPORT : []) : undefined
  const load = loadavg()[0]
  if (load > 0.5) {
    say(`other programs are running (load ${load.toFixed(1)}): the ratios below are worth little`)
    // PyTorch's threads wait for each other actively, and wait in vain while others have the cores.
    if (python && !process.env.OMP_WAIT_POLICY) say("OMP_WAIT_POLICY=passive makes PyTorch suffer less from that")
  }
  const setting = { python, rounds, threads, precisions, scratch, withTfjs: !without.includes("tfjs") }
  const measured = models(scratch)
  const parts = []
  for (const part of only) parts.push(...(await PARTS[part](setting, measured)))

  const targets = parts.flatMap((part) => part.targets)
  if (targets.length > 0) printTargets(targets)
  if (options.json) {
    const machine = {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: availableParallelism(),
      platform: platform(),
      arch: arch(),
    }
    const waitPolicy = process.env.OMP_WAIT_POLICY ?? "default"
    // `load` is of the last minute before anything was started.
    const result = { rounds, threads, machine, load, waitPolicy, node: process.versions.node, targets, parts }
    mkdirSync(dirname(options.json), { recursive: true })
    writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`)
  }
  const wrong = parts.flatMap((part) => part.wrong ?? [])
  for (const line of wrong) process.stderr.write(`${line}\n`)
  return wrong.length === 0 ? 0 : 1
}

/** A part for each precision, one after the other. */
async function each({ precisions }, part) {
  const results = []
  for (const precision of precisions) results.push(await part(precision))
  return results
}

/** Memory at each of the model's batches. */
async function memoryParts(setting, name, model) {
  const results = []
  for (const batch of model.memoryBatches) {
    results.push(...(await each(setting, (precision) => memoryPart(setting, name, { ...model, batch }, precision))))
  }
  return results
}

function printTargets(targets) {
  const rows = targets.map(({ what, of, ratio, target }) => [
    `${what} (${of})`,
    ratio.toFixed(2),
    target.toFixed(2),
    ratio <= target ? "met" : "missed",
  ])
  printTable("Targets: at most", ["", "measured", "target", ""], rows)
}

function chosen(flag, names, known) {
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) fail(`${flag} knows ${known.join(", ")}, not ${unknown.join(", ")}`)
  return names
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function wholeNumber(name) {
  if (!/^[1-9]\d*$/.test(options[name])) fail(`--${name} needs a whole number above 0, not ${options[name]}`)
  return Number(options[name])
}
