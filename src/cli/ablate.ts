/**
 * `mdl ablate`: train and compare a model with its ablations.
 *
 * Takes the command line. Gives: progress, a sweep folder, and the conclusion on stdout (with --json nothing but the JSON
 * there). Thin: the work is in runtime/ablation/. With `--task` it is the process that an engine starts for one member.
 */
import { join } from "node:path"
import { Command, InvalidArgumentError, Option } from "commander"
import type { Precision } from "../compiler/passes/precision.js"
import { splitOutside } from "../compiler/elaborate/selectors.js"
import type { EngineWatch, TaskEnd } from "../runtime/ablation/engine.js"
import { runMember } from "../runtime/ablation/member.js"
import { readPlan } from "../runtime/ablation/plan.js"
import type { AblationResult } from "../runtime/ablation/result.js"
import { concludeSweep, prepareSweep, runSweep, type SweepRequest } from "../runtime/ablation/sweep.js"
import { budgetText, findings, NUMERIC, remarks, TABLE_HEAD, tableRows } from "../runtime/ablation/words.js"
import { CONCLUSION } from "../runtime/ablation/write-conclusion.js"
import { type Split, SPLITS } from "../runtime/data/sample.js"
import type { BestScore } from "../runtime/runs/checkpoint.js"
import type { EvaluationEntry } from "../runtime/runs/run-log.js"
import type { TrainingStart } from "../runtime/training/observer.js"
import { LineProgress } from "../runtime/training/progress.js"
import { UserError } from "../runtime/user-error.js"
import {
  addEngineOptions,
  engineFor,
  type EngineFlags,
  leftText,
  requireEngineFlags,
  type SubmittedSweep,
} from "./ablate-engine.js"
import { Interrupted, type Interruption, listenForInterruption } from "./interruption.js"
import { print, printJson, table } from "./output.js"
import { precisionOption } from "./precision-option.js"
import { promptOption } from "./prompt-option.js"
import { positive, wholeNumber } from "./whole-number.js"

interface AblateFlags extends EngineFlags {
  readonly data?: string
  readonly prompt?: string
  readonly run?: string
  readonly seeds: readonly number[]
  readonly only?: readonly string[]
  readonly ablations: boolean
  readonly with?: readonly string[]
  readonly product?: boolean
  readonly epochs?: number
  readonly steps?: number
  readonly batch?: number
  readonly size?: number
  readonly precision?: Precision
  readonly evalEvery?: number
  readonly earlyStop?: boolean
  readonly split: Split
  readonly workers?: number
  readonly task?: string
  readonly conclude?: boolean
  readonly json?: boolean
}

/** Some members failed, and the others are done. */
class MembersFailed extends Error {
  override readonly name = "MembersFailed"
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message)
  }
}

const USAGE = "usage: mdl ablate MODEL --data DIR --run DIR [--seeds N]"

/** The `ablate` command. */
export function ablateCommand(): Command {
  const command = new Command("ablate")
    .description("train a model and its ablations with several seeds, at equal budgets, and compare them")
    .argument("[model]", "the base: file.mdl, file.mdl#Model or file.mdl#ablation")
    .option("--data <dir>", "folder of the data set")
    .addOption(promptOption())
    .option("--run <dir>", "folder of the sweep; one that was begun goes on with what is missing")
    .option("--seeds <seeds>", "how many seeds (1, 2, ...), or which: 7,8,9", seedList, [1, 2, 3])
    .option(
      "--only <ablations>",
      "ablations to compare, as in no_text,no_cvr+no_clr; all of the model when absent",
      names,
    )
    .option("--no-ablations", "compare the base with the models of --with alone")
    .option("--with <model...>", "further models to compare with the base, at the same budget")
    .option("--product", "every combination of the values of a `vary`, not one factor at a time")
    .option("--epochs <n>", "epochs for every member; the base's own when absent", positive)
    .option("--steps <n>", "at most so many steps for every member", positive)
    .option("--batch <n>", "cases in a batch; the base's own when absent", positive)
    .option("--size <pixels>", "height and width of the images: sets H and W", positive)
    .option("--eval-every <steps>", "score the validation split so often, instead of after every epoch", positive)
    .option("--early-stop", "let members stop as their models' `stop` says; without it all train to the end")
    .addOption(precisionOption())
    .addOption(new Option("--split <name>", "which cases the models are compared on").choices(SPLITS).default("test"))
    .option("--workers <n>", "threads of each member that read images ahead", wholeNumber)
    .option("--conclude", "train nothing: conclude from the members that are done")
    .option("--task <member>", "run one member of the sweep's plan and nothing else: what engines start")
    .option("--json", "print the conclusion as JSON and nothing else on stdout")
  return addEngineOptions(command).action(async (model: string | undefined, flags: AblateFlags) => {
    if (flags.conclude) return concludeOnly(model, flags)
    requireEngineFlags(flags)
    const leaves = flags.engine === "slurm" && flags.task === undefined
    const interruption = listenForInterruption(leaves ? { stopping: "leaving the jobs to Slurm" } : {})
    try {
      if (flags.task !== undefined) await runTask(flags.task, model, flags, interruption)
      else await runWhole(request(model, flags), flags, interruption)
    } finally {
      interruption.stop()
    }
  })
}

/** @throws UserError that names what is missing */
function request(model: string | undefined, flags: AblateFlags): SweepRequest {
  if (model === undefined) throw new UserError(`name the model whose ablations are to be compared\n  ${USAGE}`)
  if (flags.data === undefined) throw new UserError(`--data is missing: the folder of a data set\n  ${USAGE}`)
  if (flags.run === undefined) throw new UserError(`--run is missing: the folder of the sweep\n  ${USAGE}`)
  const { data, prompt, run, seeds, product, epochs, steps, batch, size, precision, split, workers } = flags
  const { evalEvery, earlyStop } = flags
  return {
    model,
    data,
    prompt,
    run,
    seeds,
    only: flags.ablations ? flags.only : [],
    others: flags.with,
    product,
    epochs,
    steps,
    batch,
    size,
    precision,
    evalEvery,
    earlyStop,
    split,
    workers,
  }
}

async function runWhole(asked: SweepRequest, flags: AblateFlags, interruption: Interruption): Promise<void> {
  const { signal } = interruption
  const prepared = await prepareSweep(asked)
  const { plan, tasks, done } = prepared
  const { engine, slurm, atOnce } = engineFor(prepared, flags)
  const variants = plan.variants.filter(({ sameAs }) => sameAs === null).length
  say(
    `${variants} models x ${plan.seeds.length} seeds: ${done.size} members done, ${tasks.length} to do` +
      (tasks.length > 0 && atOnce !== null ? `, ${Math.min(atOnce, tasks.length)} at once` : ""),
  )
  const { result, ends } = await runSweep(prepared, engine, {
    ...teller(done.size, done.size + tasks.length),
    signal,
  }).finally(() => {
    const left = leftText(slurm?.left() ?? [])
    if (left !== undefined) say(left)
  })
  const left = slurm?.left() ?? []
  if (!flags.wait && left.length > 0) {
    if (flags.json) printJson({ jobs: left } satisfies SubmittedSweep)
    return
  }
  if (result && flags.json) printJson(result)
  else if (result) print(resultText(result, asked.run))
  if (signal.aborted) {
    const where = slurm ? "no longer watching" : "stopped; the same command goes on where it was"
    throw new Interrupted(where, interruption.received)
  }
  const failed = ends.filter(({ outcome }) => outcome === "failed")
  if (failed.length > 0) throw new MembersFailed(failureText(failed), failed.every(({ code }) => code === 1) ? 1 : 2)
}

function failureText(failed: readonly TaskEnd[]): string {
  const named = failed.map(({ name, message = "" }) => `${name}\n${message.replace(/^/gm, "    ")}`)
  return `${failed.length} of the members failed; the same command tries them again\n  ${named.join("\n  ")}`
}

/** Concludes from what is there: of a sweep that was stopped, or whose engine is elsewhere. */
async function concludeOnly(model: string | undefined, { run, json }: AblateFlags): Promise<void> {
  const { folder, plan } = await plannedSweep("--conclude", model, run)
  const result = await concludeSweep(folder, plan)
  if (json) printJson(result)
  else print(resultText(result, folder))
}

/** One member: the process that an engine starts. */
async function runTask(
  name: string,
  model: string | undefined,
  { run, workers }: AblateFlags,
  interruption: Interruption,
): Promise<void> {
  const { folder, plan } = await plannedSweep("--task", model, run)
  const signal = AbortSignal.any([interruption.signal, channelClosed()])
  const observer = new TaskProgress(process.stderr)
  const record = await runMember({ sweep: folder, plan, name, workers, observer, signal })
  if (!record)
    throw new Interrupted(`${name} stopped; it goes on where it was when it is run again`, interruption.received)
}

/** The sweep that is in the folder. @throws UserError when none is, or a model is named, which the plan does */
async function plannedSweep(option: string, model: string | undefined, folder: string | undefined) {
  if (folder === undefined) throw new UserError(`${option} goes with --run: the folder of a sweep`)
  if (model !== undefined)
    throw new UserError(`${option} goes with the models of the plan, so ${model} is not to be named`)
  const plan = await readPlan(folder)
  if (!plan) throw new UserError(`${folder} holds no sweep: it has no plan.json`)
  return { folder, plan }
}

/** Aborts when the process that started this one is gone, so that no member goes on without its sweep. */
function channelClosed(): AbortSignal {
  const controller = new AbortController()
  process.once("disconnect", () => controller.abort())
  // The channel is for messages; it must not keep the process from ending.
  process.channel?.unref()
  return controller.signal
}

/** Lines for the log, and messages for the engine that started this process. */
class TaskProgress extends LineProgress {
  private epochs = 0

  override started(start: TrainingStart): void {
    super.started(start)
    this.epochs = start.epochs
  }

  override evaluated(entry: EvaluationEntry, best: BestScore | null): void {
    super.evaluated(entry, best)
    const { epoch, step, scores } = entry
    const dice = scores ? `, valid Dice ${scores.dice.mean.toFixed(4)}` : ""
    if (process.connected) process.send?.(`epoch ${epoch + 1} of ${this.epochs}, step ${step}${dice}`)
  }
}

/** A line for each start and end, and now and then one for how far a member is. */
function teller(before: number, all: number): EngineWatch {
  const EVERY = 15_000
  const told = new Map<string, number>()
  let ended = before
  return {
    started: (name) => say(`${name}: started`),
    said: say,
    progress: (name, text) => {
      const now = performance.now()
      if (now - (told.get(name) ?? -EVERY) < EVERY) return
      told.set(name, now)
      say(`${name}: ${text}`)
    },
    ended: ({ name, outcome, message }) => {
      if (outcome !== "stopped") ended++
      say(
        `${name}: ${outcome} (${ended} of ${all})${message === undefined ? "" : `\n${message.replace(/^/gm, "    ")}`}`,
      )
    },
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

function resultText(result: AblationResult, run: string): string {
  const listed = findings(result)
  return [
    `${result.base}: ${budgetText(result)}`,
    "",
    table(TABLE_HEAD, tableRows(result), NUMERIC),
    ...remarks(result),
    ...(listed.length > 0 ? ["", "what matters, the most first:", ...listed.map((text) => `  ${text}`)] : []),
    "",
    `page: ${join(run, CONCLUSION.page)}`,
  ].join("\n")
}

const MOST_SEEDS = 100

function seedList(text: string): readonly number[] {
  const numbers = text.split(",").map((part) => part.trim())
  if (!numbers.every((part) => /^\d{1,9}$/.test(part)))
    throw new InvalidArgumentError("give a number of seeds, or seeds separated by commas.")
  const seeds = numbers.map(Number)
  if (new Set(seeds).size < seeds.length) throw new InvalidArgumentError("a seed is there twice.")
  if (seeds.length > 1) return seeds
  const [count] = seeds as [number]
  if (count < 1 || count > MOST_SEEDS) throw new InvalidArgumentError(`give 1 to ${MOST_SEEDS} seeds.`)
  return Array.from({ length: count }, (_, index) => index + 1)
}

function names(text: string): readonly string[] {
  const parts = splitOutside(text, ",").map((part) => part.trim().replace(/^#/, ""))
  if (parts.some((part) => part === "")) throw new InvalidArgumentError("give names separated by commas.")
  return parts
}
