/**
 * `mdl predict`: images and notes through a trained run or an exported ONNX file; masks, overlays and heat maps as files.
 *
 * Thin: the work is in runtime/prediction/. Progress, warnings and failures go to stderr. Exit 1 when a case failed; what
 * was written of the others stays.
 */

import { Command, InvalidArgumentError, Option } from "commander"
import pc from "picocolors"
import { FORMATS_IN_WORDS } from "../runtime/data/formats/names.js"
import { type Split, SPLITS } from "../runtime/data/sample.js"
import { type CaseSource, listCases } from "../runtime/prediction/case-list.js"
import { describeSource, openPredictor } from "../runtime/prediction/open-predictor.js"
import { type ManyPredictions, predictMany } from "../runtime/prediction/predict-many.js"
import { NOTE_NOT_USED, writePrediction, type WrittenPrediction } from "../runtime/prediction/write-prediction.js"
import type { Origin } from "../runtime/prediction/predictor.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { UserError } from "../runtime/user-error.js"
import { caseProgress } from "./case-progress.js"
import { print, printJson } from "./output.js"
import { promptOption } from "./prompt-option.js"
import { wholeNumberFrom } from "./whole-number.js"

interface PredictFlags {
  readonly image: readonly string[]
  readonly images?: string
  readonly data?: string
  readonly prompt?: string
  readonly split?: Split
  readonly note?: string
  readonly notes?: string
  readonly out: string
  readonly checkpoint?: CheckpointName
  readonly threshold: number
  readonly batch?: number
  readonly resume?: boolean
  readonly json?: boolean
}

/** What `--json` prints for one image, besides what was written. */
export interface PredictedWith {
  /** undefined for an ONNX file */
  readonly checkpoint: { readonly name: CheckpointName; readonly step: number; readonly sha256: string } | undefined
  /** undefined for a run */
  readonly onnx: { readonly file: string; readonly sha256: string } | undefined
}

/** Cases at once, where there are many. */
const USUAL_BATCH = 8

/** The `predict` command. */
export function predictCommand(): Command {
  return new Command("predict")
    .description(
      "segment images by notes; writes masks, overlays, and heat maps of what the model looked at\n\n" +
        "One --image goes to the file that -o names. Several, a folder (--images) or a split of a data set (--data) go to " +
        "a folder with an index, predictions.jsonl.",
    )
    .argument("<model>", "folder of a trained run, or a file that mdl export wrote")
    .option("--image <file>", `an image (${FORMATS_IN_WORDS}); may be given several times`, collected, [])
    .option("--images <dir>", "all images in a folder and below")
    .option("--data <dir>", "a split of a data set, with its notes; scored by its masks")
    .addOption(new Option("--split <name>", "which cases of --data (default: test)").choices([...SPLITS]))
    .addOption(promptOption("the run's"))
    .option("--note <text>", "the note that says what to segment, for all images")
    .option("--notes <file>", "a note for each image: CSV with the columns image,note or JSONL; also mask, the truth")
    .requiredOption("-o, --out <path>", "the mask to write, a PNG of the image's own size; for many, a folder")
    .addOption(new Option("--checkpoint <name>", "weights of a run (default: best)").choices([...CHECKPOINT_NAMES]))
    .option("--threshold <p>", "probability above which a pixel is foreground", probability, 0.5)
    .option("--batch <n>", `images at once, where there are many (default: ${USUAL_BATCH})`, wholeNumberFrom(1, 9999))
    .option("--resume", "go on with a folder of predictions, leaving out what is done")
    .option("--json", "print what was written as JSON and nothing else")
    .action(async (model: string, flags: PredictFlags) => {
      if (isOne(flags)) await predictOne(model, flags)
      else await predictAll(model, flags)
    })
}

/** Whether one image goes to one file. */
function isOne({ image, images, data }: PredictFlags): boolean {
  if ([image.length > 0, images !== undefined, data !== undefined].filter(Boolean).length !== 1) {
    throw new UserError("give the images in one way: --image FILE, --images DIR, or --data DIR with --split")
  }
  return image.length === 1
}

async function predictOne(model: string, flags: PredictFlags): Promise<void> {
  const { image, note, out, threshold, checkpoint } = flags
  for (const [name, value] of [
    ["--notes", flags.notes],
    ["--split", flags.split],
    ["--prompt", flags.prompt],
    ["--batch", flags.batch],
    ["--resume", flags.resume],
  ] as const) {
    if (value !== undefined)
      throw new UserError(`${name} is for many images; there is one, with --note and -o mask.png`)
  }
  const predictor = await openPredictor(model, { checkpoint, batch: 1 })
  try {
    const written = await writePrediction(predictor, { image: image[0]!, note, out, threshold })
    warn(written.warnings)
    if (flags.json) printJson({ ...written, ...predictedWith(predictor.origin) })
    else print(formatPrediction(written))
  } finally {
    await predictor.close()
  }
}

function predictedWith(origin: Origin): PredictedWith {
  if (origin.kind === "run") return { checkpoint: origin.checkpoint, onnx: undefined }
  return { checkpoint: undefined, onnx: { file: origin.file, sha256: origin.sha256 } }
}

async function predictAll(model: string, flags: PredictFlags): Promise<void> {
  const { out, threshold, checkpoint, batch = USUAL_BATCH } = flags
  const given = sourceOf(flags)
  const { ports, prompt } = await describeSource(model)
  const source = given.kind === "data" ? { ...given, preferredPrompt: prompt } : given
  if (!ports.note && (flags.note ?? flags.notes) !== undefined) warn([NOTE_NOT_USED])
  const cases = await listCases(source, ports.note !== undefined)
  const predictor = await openPredictor(model, { checkpoint, batch })
  const progress = caseProgress("predicting")
  try {
    const result = await predictMany(predictor, {
      cases,
      out,
      threshold,
      resume: flags.resume === true,
      progress: progress.update,
    })
    progress.stop()
    if (flags.json) printJson({ ...result, ...predictedWith(predictor.origin) })
    else print(formatMany(result))
    const { failed } = result
    if (failed.length > 0) {
      throw new UserError(
        `${failed.length} of ${result.cases} cases could not be predicted:\n` +
          failed.map(({ id, problem }) => `  ${id}: ${problem}`).join("\n") +
          `\n  mend these, and go on with --resume`,
      )
    }
  } finally {
    progress.stop()
    await predictor.close()
  }
}

function sourceOf({ image, images, data, prompt, split, note, notes }: PredictFlags): CaseSource {
  if (note !== undefined && notes !== undefined) throw new UserError("give --note or --notes, not both")
  const texts = { ...(note === undefined ? {} : { note }), ...(notes === undefined ? {} : { notes }) }
  if (data !== undefined) {
    if (Object.keys(texts).length > 0) throw new UserError("the cases of --data have notes of their own: drop --note")
    return { kind: "data", root: data, split: split ?? "test", prompt }
  }
  if (prompt !== undefined) throw new UserError("--prompt chooses among the prompts of --data")
  if (split !== undefined) throw new UserError("--split chooses among the cases of --data")
  return images === undefined
    ? { kind: "images", paths: image, ...texts }
    : { kind: "folder", folder: images, ...texts }
}

function warn(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`${pc.yellow("warning")}: ${warning}\n`)
}

/** What was written of one image, as a person reads it. */
export function formatPrediction(written: WrittenPrediction): string {
  const { mask, overlay, heatmaps, size, foreground, threshold, words } = written
  const share = `${(100 * foreground.share).toFixed(2)} % of ${size.width}x${size.height} pixels above ${threshold}`
  return aligned([
    ["mask", `${mask}  (${share})`],
    ["overlay", overlay],
    ...heatmaps.map(({ output, file }) => [output, file] as const),
    ...words.map(
      ({ output, words: parts }) =>
        [
          output,
          parts.map(({ text, weight }) => `${text} ${pc.dim(`${(100 * weight).toFixed(1)}%`)}`).join("  "),
        ] as const,
    ),
  ])
}

/** What was written of many, as a person reads it. */
export function formatMany({ out, index, cases, predicted, kept, failed, scores }: ManyPredictions): string {
  const parts = [
    `${predicted} predicted`,
    ...(kept > 0 ? [`${kept} done before`] : []),
    ...(failed.length > 0 ? [`${failed.length} failed`] : []),
  ]
  return aligned([
    ["cases", `${cases}: ${parts.join(", ")}`],
    ["folder", out],
    ["index", index],
    ...(scores
      ? ([
          ["Dice", `${scores.dice.toFixed(4)}  (mean of ${scores.cases}, convention "${scores.convention}")`],
          ["mIoU", scores.iou.toFixed(4)],
        ] as const)
      : []),
  ])
}

function aligned(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length))
  return rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join("\n")
}

function collected(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

function probability(text: string): number {
  const value = Number(text)
  if (text.trim() === "" || !(value >= 0 && value < 1)) {
    throw new InvalidArgumentError("give a number from 0 to 1, 1 excluded.")
  }
  return value
}
