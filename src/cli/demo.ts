/**
 * `mdl demo`: the whole path once, on a small phantom data set: make data, train, evaluate, export, compare, report.
 *
 * It is what `npm start` does, so it can be repeated at any time: the data set is used again when it is the same, and an
 * earlier run is moved aside and removed only when the new one is complete. Nothing but what an earlier demo made is
 * touched in its folder.
 */

import { existsSync } from "node:fs"
import { mkdir, readFile, rename, rm } from "node:fs/promises"
import { isAbsolute, join, relative, resolve } from "node:path"
import { Command } from "commander"
import pc from "picocolors"
import { openDataset } from "../runtime/data/dataset.js"
import { synthesise, VERSION as PHANTOM_VERSION } from "../runtime/data/phantom.js"
import { exportModel } from "../runtime/deployment/export-model.js"
import { PACKAGE_ROOT } from "../runtime/model-file.js"
import { fixedMaskScore } from "../runtime/reports/fixed-mask.js"
import { reportForOpenRun } from "../runtime/reports/report-for-run.js"
import { openRun } from "../runtime/runs/open-run.js"
import { RunFolder } from "../runtime/runs/run-folder.js"
import { evaluateOpenRun } from "../runtime/training/evaluate.js"
import { durationText } from "../runtime/training/progress.js"
import { progressFor } from "../runtime/training/terminal-view.js"
import { train } from "../runtime/training/trainer.js"
import { UserError } from "../runtime/user-error.js"
import { printJson } from "./output.js"
import { positive } from "./whole-number.js"

/** What `mdl demo --json` prints. Scores are mean Dice of the foreground over the test cases. */
export interface DemoSummary {
  readonly run: string
  readonly onnx: string
  readonly report: string
  readonly cases: number
  readonly dice: number
  readonly iou: number
  readonly diceShuffledNotes: number
  readonly diceFixedMask: number
  readonly parity: { readonly passed: boolean; readonly tolerance: number; readonly largestDifference: number }
  readonly seconds: { readonly training: number; readonly total: number }
}

interface DemoFlags {
  readonly dir: string
  readonly epochs?: number
  readonly json?: boolean
}

const MODEL = "models/reclmis.mdl#quick"
/** With fewer cases the model learns them by heart before it learns to read the notes. */
const DATA = { counts: { train: 1200, valid: 60, test: 120 }, size: 96, seed: 1 } as const
const SHUFFLE_SEED = 1

/** Ctrl-C during training. */
class DemoInterrupted extends Error {
  override readonly name = "DemoInterrupted"
  /** 128 + SIGINT, as shells have it */
  readonly exitCode = 130
}

/** The `demo` command. */
export function demoCommand(): Command {
  return new Command("demo")
    .description("the whole path on a small phantom data set: train, evaluate, export, check, report")
    .option("--dir <dir>", "folder for everything it makes", "runs/demo")
    .option("--epochs <n>", "training epochs; replaces the model's own", positive)
    .option("--json", "print the result as JSON and nothing else on stdout")
    .action(async (flags: DemoFlags) => {
      const summary = await runDemo(flags.dir, flags.epochs)
      if (flags.json) printJson(summary)
      else process.stdout.write(formatSummary(summary))
    })
}

/** Runs the demo in `dir`; `epochs` replaces the model's own number. */
export async function runDemo(dir: string, epochs?: number): Promise<DemoSummary> {
  const began = performance.now()
  const root = resolve(dir)
  await mkdir(root, { recursive: true })
  const data = join(root, "data")
  say("1/5", "phantom data set", await makeData(data))

  const run = join(root, "run")
  const previous = await moveAside(run)
  say("2/5", "train", MODEL)
  const trained = await trainQuick(data, run, epochs)

  say("3/5", "evaluate", "on unseen cases, and with each other's notes")
  const opened = await openRun(run)
  try {
    const evaluation = await evaluateOpenRun(opened, { split: "test" })
    const shuffled = await evaluateOpenRun(opened, { split: "test", shuffleNotes: SHUFFLE_SEED })
    const fixed = await fixedMaskScore(await openDataset(data), opened.plan.size, "test")

    say("4/5", "export", "ONNX, compared with the trainer")
    const exported = await exportModel({ source: run, out: join(root, "reclmis-quick.onnx") })
    const { parity } = exported
    if (!parity) throw new Error("the export was not compared with the trainer")

    say("5/5", "report")
    const onnx = shortPath(exported.file)
    const { file: report } = await reportForOpenRun(opened, {
      evaluation,
      shuffled,
      baselines: [fixed],
      parity: { file: onnx, opset: exported.opset, bytes: exported.bytes, report: parity },
      out: join(root, "report.html"),
    })
    await rm(previous, { recursive: true, force: true })
    const differences = parity.cases.flatMap(({ outputs }) => outputs.map((output) => output.maxAbs))
    return {
      run,
      onnx: exported.file,
      report,
      cases: evaluation.cases.length,
      dice: evaluation.summary.dice.mean,
      iou: evaluation.summary.iou.mean,
      diceShuffledNotes: shuffled.summary.dice.mean,
      diceFixedMask: fixed.dice,
      parity: { passed: parity.passed, tolerance: parity.tolerance, largestDifference: Math.max(...differences) },
      seconds: { training: trained.seconds.total, total: (performance.now() - began) / 1000 },
    }
  } finally {
    opened.close()
  }
}

async function trainQuick(data: string, run: string, epochs: number | undefined) {
  const controller = new AbortController()
  const interrupt = (): void => controller.abort()
  process.once("SIGINT", interrupt)
  try {
    const observer = progressFor(process.stderr)
    const result = await train({ model: modelReference(), data, run, epochs, observer, signal: controller.signal })
    if (result.ended === "interrupted") {
      throw new DemoInterrupted(`stopped at step ${result.step}; \`mdl demo\` starts again with the same data`)
    }
    return result
  } finally {
    process.removeListener("SIGINT", interrupt)
  }
}

/** The model that comes with the tool, by a short path where there is one. */
function modelReference(): string {
  return shortPath(join(PACKAGE_ROOT, MODEL))
}

/** Relative to the current folder for what lies in it. */
function shortPath(path: string): string {
  const short = relative(process.cwd(), path)
  return short === "" || short.startsWith("..") || isAbsolute(short) ? path : short
}

/** Makes the data set unless it is there already, made by the same generator with the same options. */
async function makeData(root: string): Promise<string> {
  const { counts, size, seed } = DATA
  const what = `${counts.train} train, ${counts.valid} valid, ${counts.test} test cases, ${size}x${size}`
  if (await isSameData(join(root, "phantom.json"))) return `${what} (made earlier)`
  await synthesise({ root, ...DATA, counts: { ...counts } })
  return `${what}, seed ${seed}`
}

async function isSameData(marker: string): Promise<boolean> {
  if (!existsSync(marker)) return false
  let found: unknown
  try {
    found = JSON.parse(await readFile(marker, "utf8"))
  } catch (error) {
    // A marker that cannot be read describes nothing: whether the folder may be replaced is decided by `synthesise`.
    if (error instanceof SyntaxError) return false
    throw error
  }
  const { version, counts, size, seed } = found as Record<string, unknown>
  const same = JSON.stringify([version, counts, size, seed])
  return same === JSON.stringify([PHANTOM_VERSION, DATA.counts, DATA.size, DATA.seed])
}

/**
 * Makes room for a new run: moves an earlier one to `PATH.previous`, which is where it stays until the new one is complete.
 * With a previous one there already, the one in place was never completed, and gives way.
 *
 * @returns the path of the previous run, whether there is one or not
 * @throws UserError when what is there is not a run
 */
async function moveAside(run: string): Promise<string> {
  const previous = `${run}.previous`
  if (!existsSync(run)) return previous
  if (!existsSync(join(run, "run.json"))) {
    throw new UserError(`${run} is in the way and is not a run of an earlier demo: move it, or name another --dir`)
  }
  if (existsSync(previous)) {
    // Opening tells a run from anything else that may have been put there.
    await RunFolder.open(previous)
    await rm(run, { recursive: true })
  } else await rename(run, previous)
  return previous
}

function say(step: string, title: string, detail = ""): void {
  process.stderr.write(`${pc.dim(step)} ${pc.bold(title)}${detail && `: ${detail}`}\n`)
}

/** The closing lines. */
export function formatSummary(summary: DemoSummary): string {
  const { run, onnx, report, cases, dice, iou, diceShuffledNotes, diceFixedMask, parity, seconds } = summary
  const rows = [
    [`Dice on ${cases} unseen cases`, `${pc.bold(dice.toFixed(3))}   mIoU ${iou.toFixed(3)}`],
    ["  with other cases' notes", diceShuffledNotes.toFixed(3)],
    ["  best fixed mask", diceFixedMask.toFixed(3)],
    ["ONNX", `${shortPath(onnx)}   parity passed, largest difference ${parity.largestDifference.toExponential(1)}`],
    ["run", `${shortPath(run)}   trained in ${durationText(seconds.training)}, all in ${durationText(seconds.total)}`],
    ["report", pc.bold(report)],
  ] as const
  return `\n${rows.map(([label, value]) => `${label.padEnd(26)}${value}`).join("\n")}\n`
}
