/**
 * `mdl predict`: one image and one note; the mask, an overlay and heat maps as files.
 *
 * Thin: the work is in runtime/prediction/. Progress and warnings go to stderr.
 */

import { Command, InvalidArgumentError, Option } from "commander"
import pc from "picocolors"
import { writePrediction, type WrittenPrediction } from "../runtime/prediction/write-prediction.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { openRun } from "../runtime/runs/open-run.js"
import { print, printJson } from "./output.js"

interface PredictFlags {
  readonly image: string
  readonly note?: string
  readonly out: string
  readonly checkpoint: CheckpointName
  readonly threshold: number
  readonly json?: boolean
}

/** The `predict` command. */
export function predictCommand(): Command {
  return new Command("predict")
    .description("segment one image by a note; writes the mask, an overlay, and heat maps of what the model looked at")
    .argument("<run>", "folder of a trained run")
    .requiredOption("--image <file>", "the image: PNG, JPEG, TIFF, BMP")
    .option("--note <text>", "the note that says what to segment")
    .requiredOption("-o, --out <file>", "the mask to write, a PNG of the image's own size")
    .addOption(new Option("--checkpoint <name>", "which weights").choices([...CHECKPOINT_NAMES]).default("best"))
    .option("--threshold <p>", "probability above which a pixel is foreground", probability, 0.5)
    .option("--json", "print what was written as JSON and nothing else")
    .action(async (folder: string, flags: PredictFlags) => {
      const { image, note, out, threshold } = flags
      const run = await openRun(folder, { checkpoint: flags.checkpoint })
      try {
        const written = await writePrediction(run, { image, note, out, threshold })
        for (const warning of written.warnings) process.stderr.write(`${pc.yellow("warning")}: ${warning}\n`)
        if (flags.json) {
          const { name, state, sha256 } = run.checkpoint
          printJson({ ...written, checkpoint: { name, step: state.step, sha256 } })
        } else print(formatPrediction(written))
      } finally {
        run.close()
      }
    })
}

/** What was written, as a person reads it. */
export function formatPrediction(written: WrittenPrediction): string {
  const { mask, overlay, heatmaps, size, foreground, threshold, words } = written
  const share = `${(100 * foreground.share).toFixed(2)} % of ${size.width}x${size.height} pixels above ${threshold}`
  const rows = [
    ["mask", `${mask}  (${share})`],
    ["overlay", overlay],
    ...heatmaps.map(({ output, file }) => [output, file]),
    ...words.map(({ output, words: parts }) => [
      output,
      parts.map(({ text, weight }) => `${text} ${pc.dim(`${(100 * weight).toFixed(1)}%`)}`).join("  "),
    ]),
  ] as const
  const width = Math.max(...rows.map(([label]) => label.length))
  return rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join("\n")
}

function probability(text: string): number {
  const value = Number(text)
  if (text.trim() === "" || !(value >= 0 && value < 1)) {
    throw new InvalidArgumentError("give a number from 0 to 1, 1 excluded.")
  }
  return value
}
