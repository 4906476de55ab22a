/**
 * `mdl train`: train a model on a data set, or go on with a run.
 *
 * Takes the command line. Gives: progress, a run folder, and a summary on stdout (with --json nothing but the JSON there).
 * Thin: the work is in runtime/training/, what a signal does in interruption.ts.
 */
import { Command, InvalidArgumentError, Option } from "commander"
import type { Precision } from "../compiler/passes/precision.js"
import { reportForRun } from "../runtime/reports/report-for-run.js"
import { CHECKPOINT_NAMES, type CheckpointName, KEPT, MOST_KEPT } from "../runtime/runs/checkpoint.js"
import { type CheckpointInterval, parseInterval } from "../runtime/runs/checkpoint-interval.js"
import type { TrainResult } from "../runtime/training/observer.js"
import { bestText, durationText, scoreText } from "../runtime/training/progress.js"
import { progressFor } from "../runtime/training/terminal-view.js"
import { profileTraining } from "../runtime/training/profile.js"
import { resumeTraining, train } from "../runtime/training/trainer.js"
import { parseSize } from "../runtime/byte-sizes.js"
import { UserError } from "../runtime/user-error.js"
import { Interrupted, listenForInterruption } from "./interruption.js"
import { print, printJson } from "./output.js"
import { precisionOption } from "./precision-option.js"
import { promptOption } from "./prompt-option.js"
import { profileText } from "./profile-text.js"
import { positive, seedNumber, wholeNumber, wholeNumberFrom } from "./whole-number.js"

interface TrainFlags {
  readonly data?: string
  readonly prompt?: string
  readonly run?: string
  readonly resume?: string
  readonly checkpoint?: CheckpointName
  readonly steps?: number
  readonly epochs?: number
  readonly batch?: number
  readonly accumulate?: number
  readonly size?: number
  readonly seed?: number
  readonly evalEvery?: number
  readonly earlyStop: boolean
  readonly workers?: number
  readonly precision?: Precision
  readonly memory?: number
  readonly weights?: string
  readonly keep?: number
  readonly checkpointEvery?: CheckpointInterval
  readonly report: boolean
  readonly profile?: boolean
  readonly json?: boolean
}

/** Options that make a run what it is; they cannot change when it goes on. */
const FIXED = [
  "run",
  "prompt",
  "batch",
  "accumulate",
  "size",
  "seed",
  "evalEvery",
  "earlyStop",
  "precision",
  "memory",
  "weights",
] as const

/** Options that say how a run goes, which is nothing to a profile of single steps. */
const OF_A_RUN = [
  "run",
  "resume",
  "checkpoint",
  "steps",
  "epochs",
  "accumulate",
  "evalEvery",
  "earlyStop",
  "workers",
  "weights",
  "keep",
  "checkpointEvery",
] as const

/** The `train` command. */
export function trainCommand(): Command {
  return new Command("train")
    .description("train a model, with checkpoints, scores and a log in a run folder; or go on with a run")
    .argument("[model]", "file.mdl, file.mdl#Model or file.mdl#ablation")
    .option("--data <dir>", "folder of the data set, or a manifest (.csv, .jsonl)")
    .addOption(promptOption())
    .option("--run <dir>", "folder to make for the run")
    .option("--resume <dir>", "go on with the run in this folder, exactly where it was")
    .addOption(new Option("--checkpoint <name>", "with --resume: where to go on from").choices(CHECKPOINT_NAMES))
    .option("--steps <n>", "stop after so many steps (counted from the run's first)", positive)
    .option("--epochs <n>", "stop after so many epochs; replaces the model's own", positive)
    .option("--batch <n>", "cases in a batch; replaces the model's own", positive)
    .option("--accumulate <n>", "batches whose gradients are averaged for one step; replaces the model's own", positive)
    .option("--size <pixels>", "height and width of the images: sets H and W", positive)
    .option("--seed <n>", "of first values, order, dropout and masks", seedNumber)
    .option("--eval-every <steps>", "score the validation split so often, instead of after every epoch", positive)
    .option(
      "--no-early-stop",
      "train to the end: the model's `stop` says which checkpoint is the best, and nothing more",
    )
    .option("--workers <n>", "threads that read images ahead", wholeNumber)
    .addOption(precisionOption())
    .option(
      "--memory <size>",
      "at most so much for a step's activations, as in 2GB: the rest is computed a second time",
      byteSize,
    )
    .option(
      "--weights <file>",
      "start from these: a published or exported .safetensors file, a checkpoint, or the folder of a run",
    )
    .option(
      "--keep <n>",
      `how many of the latest checkpoints to keep, 1 to ${MOST_KEPT} (default: ${KEPT})`,
      wholeNumberFrom(1, MOST_KEPT),
    )
    .option(
      "--checkpoint-every <n>",
      "within an epoch, write a checkpoint after so many steps, or so much time: 500, 90s, 10min, 2h (default: 10min)",
      interval,
    )
    .option("--no-report", "do not write report.html")
    .option("--profile", "train nothing: measure a few steps, and tell how long each line of the model takes")
    .option("--json", "print the result as JSON and nothing else on stdout")
    .action(async (model: string | undefined, flags: TrainFlags) => {
      if (flags.profile) {
        const profile = await profileTraining(profiled(model, flags))
        if (flags.json) printJson(profile)
        else print(profileText(profile))
        return
      }
      const interruption = listenForInterruption()
      try {
        const running = { workers: flags.workers, observer: progressFor(process.stderr), signal: interruption.signal }
        const { steps, epochs, keep, checkpointEvery } = flags
        const result =
          flags.resume === undefined
            ? await train({ ...newRun(model, flags), ...running })
            : await resumeTraining({
                run: resumedRun(model, flags, flags.resume),
                data: flags.data,
                checkpoint: flags.checkpoint,
                steps,
                epochs,
                keep,
                checkpointEvery,
                ...running,
              })
        // The page shows validation cases: looking at test cases after every run would make them part of the training.
        const report =
          flags.report && result.ended !== "interrupted"
            ? (await reportForRun(result.run, { split: "valid" })).file
            : undefined
        if (flags.json) printJson(report === undefined ? result : { ...result, report })
        else if (result.ended !== "interrupted") print(resultText(result, report))
        if (result.ended === "interrupted") {
          const goOn = `go on with: mdl train --resume ${result.run}`
          throw new Interrupted(`stopped at step ${result.step}; ${goOn}`, interruption.received)
        }
      } finally {
        interruption.stop()
      }
    })
}

/** What a new run needs. @throws UserError that names what is missing */
function newRun(model: string | undefined, flags: TrainFlags) {
  const usage = "usage: mdl train MODEL --data DIR --run DIR, or mdl train --resume DIR"
  if (model === undefined) throw new UserError(`name a model to train, or a run to go on with\n  ${usage}`)
  if (flags.data === undefined) throw new UserError(`--data is missing: the folder of a data set\n  ${usage}`)
  if (flags.run === undefined) throw new UserError(`--run is missing: the folder to make for the run\n  ${usage}`)
  if (flags.checkpoint !== undefined) throw new UserError("--checkpoint goes with --resume: a new run has none yet")
  const { data, prompt, run, steps, epochs, batch, accumulate, size, seed, evalEvery, precision, memory, weights } =
    flags
  const { keep, checkpointEvery, earlyStop } = flags
  const program = { model, batch, accumulate, size, precision, memory }
  return { ...program, data, prompt, run, steps, epochs, seed, evalEvery, earlyStop, weights, keep, checkpointEvery }
}

/** What is measured with --profile. @throws UserError for options that are about a run */
function profiled(model: string | undefined, flags: TrainFlags) {
  const usage =
    "usage: mdl train MODEL --data DIR --profile [--batch N --size N --precision TYPE --memory SIZE --seed N --json]"
  if (model === undefined) throw new UserError(`name a model to profile\n  ${usage}`)
  if (flags.data === undefined) throw new UserError(`--data is missing: the folder of a data set\n  ${usage}`)
  const named = OF_A_RUN.find((name) => isGiven(flags, name))
  if (named !== undefined)
    throw new UserError(
      `${optionOf(named)} has no meaning with --profile, which keeps no run: leave it out\n  ${usage}`,
    )
  const { data, prompt, batch, size, seed, precision, memory } = flags
  return { model, data, prompt, batch, size, seed, precision, memory }
}

/** The folder to resume. @throws UserError for what cannot change in a run */
function resumedRun(model: string | undefined, flags: TrainFlags, folder: string): string {
  if (model !== undefined)
    throw new UserError(`--resume goes on with the model of the run, so ${model} is not to be named`)
  const fixed = FIXED.find((name) => isGiven(flags, name))
  if (fixed === undefined) return folder
  throw new UserError(
    `${optionOf(fixed)} cannot change when a run goes on: leave it out, or start a new run\n` +
      "  with --resume there are --steps, --epochs, --data, --checkpoint, --keep,\n" +
      "  --checkpoint-every and --workers",
  )
}

type Flag = (typeof FIXED | typeof OF_A_RUN)[number]

/** Whether an option was on the command line; `earlyStop` is true without one. */
function isGiven(flags: TrainFlags, name: Flag): boolean {
  return name === "earlyStop" ? !flags.earlyStop : flags[name] !== undefined
}

/** `--eval-every` for evalEvery */
function optionOf(flag: Flag): string {
  const dashed = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return flag === "earlyStop" ? `--no-${dashed}` : `--${dashed}`
}

const ENDED: Readonly<Record<TrainResult["ended"], string>> = {
  epochs: "all epochs done",
  steps: "all steps done",
  "early-stop": "no better score for as long as the model waits",
  interrupted: "interrupted",
}

function resultText(result: TrainResult, report: string | undefined): string {
  const { run, ended, step, epochs, best, valid, warnings, seconds } = result
  const time = `${durationText(seconds.total)} (steps ${durationText(seconds.steps)}, waiting for data ${durationText(seconds.data)}, scoring ${durationText(seconds.evaluation)})`
  return [
    `${ended === "early-stop" ? "stopped early" : "finished"}: ${ENDED[ended]}; ${step} steps, ${epochs} epochs, ${time}`,
    ...(valid
      ? [`validation: ${scoreText(valid)}${valid.scores ? ` (convention "${valid.scores.convention}")` : ""}`]
      : []),
    ...(best ? [`best: ${bestText(best)}`] : []),
    ...warnings.map((text) => `warning: ${text}`),
    `run: ${run}`,
    ...(report === undefined ? [] : [`report: ${report}`]),
    `next: mdl eval ${run} --split test`,
  ].join("\n")
}

function byteSize(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined) throw new InvalidArgumentError("give a number with a unit, such as 800MB or 2.5GB.")
  return bytes
}

function interval(text: string): CheckpointInterval {
  const found = parseInterval(text)
  if (found === undefined) throw new InvalidArgumentError("give a number of steps, or a time such as 90s, 10min or 2h.")
  return found
}
