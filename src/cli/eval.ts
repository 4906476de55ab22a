/**
 * `mdl eval`: how good a run is on held-out cases.
 *
 * Takes the command line. Gives: a table of the worst, middle and best cases and a summary with the convention named, or
 * with --json all cases and nothing else on stdout. Thin: the work is in runtime/training/evaluate.ts.
 */
import { Command, InvalidArgumentError, Option } from "commander"
import { type Split, SPLITS } from "../runtime/data/sample.js"
import type { Spread } from "../runtime/metrics/segmentation.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { type Evaluation, evaluateRun } from "../runtime/training/evaluate.js"
import { lossText } from "../runtime/training/progress.js"
import type { ScoredCase } from "../runtime/training/scoring.js"
import { print, printJson, table } from "./output.js"

interface EvalFlags {
  readonly data?: string
  readonly split: Split
  readonly checkpoint: CheckpointName
  readonly shuffleNotes?: number | true
  readonly limit: number
  readonly workers?: number
  readonly json?: boolean
}

const SHUFFLE_SEED = 1

/** The `eval` command. */
export function evalCommand(): Command {
  return new Command("eval")
    .description("score a run: Dice and IoU of every case of a split")
    .argument("<run>", "folder of a run")
    .option("--data <dir>", "folder of the data set (default: the one the run was trained on)")
    .addOption(new Option("--split <name>", "which cases").choices(SPLITS).default("test"))
    .addOption(new Option("--checkpoint <name>", "which weights").choices(CHECKPOINT_NAMES).default("best"))
    .option(
      "--shuffle-notes [seed]",
      "pair every image with another case's note, to see how much the note matters",
      whole,
    )
    .option("--limit <n>", "rows of the table", whole, 12)
    .option("--workers <n>", "threads that read images ahead", whole)
    .option("--json", "print all cases as JSON and nothing else on stdout")
    .action(async (run: string, flags: EvalFlags) => {
      const evaluation = await evaluateRun(run, {
        data: flags.data,
        split: flags.split,
        checkpoint: flags.checkpoint,
        shuffleNotes: flags.shuffleNotes === true ? SHUFFLE_SEED : flags.shuffleNotes,
        workers: flags.workers,
      })
      if (flags.json) printJson(evaluation)
      else print(evaluationText(evaluation, flags.limit))
    })
}

/** The evaluation as a person reads it; `limit` rows of cases. */
export function evaluationText(evaluation: Evaluation, limit: number): string {
  const { summary, cases, split, checkpoint, shuffledNotes, truncatedNotes, threshold, losses } = evaluation
  const spread = ({ mean, std, median }: Spread): string[] => [mean, std, median].map((value) => value.toFixed(4))
  const notes = shuffledNotes
    ? [
        `notes shuffled among cases (seed ${shuffledNotes.seed}): ${shuffledNotes.differing} of ${cases.length} read another text`,
      ]
    : []
  const cut =
    truncatedNotes > 0 ? [`warning: ${truncatedNotes} of ${cases.length} notes were cut to fit the model`] : []
  const rows = chosenCases(cases, limit)
  return [
    `${evaluation.model}: ${cases.length} ${split} cases, ${checkpoint.name} checkpoint (step ${checkpoint.step})`,
    ...notes,
    ...cut,
    ...(rows.length > 0
      ? [
          "",
          table(
            ["", "case", "Dice", "IoU", "note"],
            rows.map(({ rank, scored }) => [
              rank,
              scored.id,
              scored.dice.toFixed(4),
              scored.iou.toFixed(4),
              shortened(scored.note, 60),
            ]),
            [2, 3],
          ),
        ]
      : []),
    "",
    table(
      ["", "mean", "std", "median"],
      [
        ["Dice", ...spread(summary.dice)],
        ["mIoU", ...spread(summary.iou)],
      ],
      [1, 2, 3],
    ),
    `per case on the foreground, convention "${summary.convention}", threshold ${threshold}`,
    `losses: ${lossText(losses)}`,
  ].join("\n")
}

/** Worst, middle and best cases by Dice, worst first; about a third of `limit` each. */
export function chosenCases(
  cases: readonly ScoredCase[],
  limit: number,
): readonly { readonly rank: string; readonly scored: ScoredCase }[] {
  const sorted = [...cases].sort((a, b) => a.dice - b.dice || (a.id < b.id ? -1 : 1))
  if (sorted.length <= limit) return sorted.map((scored) => ({ rank: "", scored }))
  const outer = Math.floor(limit / 3)
  const inner = limit - 2 * outer
  const middle = Math.floor((sorted.length - inner) / 2)
  const part = (rank: string, from: number, count: number): { rank: string; scored: ScoredCase }[] =>
    sorted.slice(from, from + count).map((scored) => ({ rank, scored }))
  return [...part("worst", 0, outer), ...part("median", middle, inner), ...part("best", sorted.length - outer, outer)]
}

function shortened(text: string, length: number): string {
  const one = text.replace(/\s+/g, " ").trim()
  return one.length > length ? `${one.slice(0, length - 3)}...` : one
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("give a whole number.")
  return Number(text)
}
