/**
 * `mdl eval`: how good a run is on held-out cases.
 *
 * Takes the command line. Gives: a table of the worst, middle and best cases and a summary with the convention named, or
 * with --json all cases and nothing else on stdout. Thin: the work is in runtime/training/evaluate.ts, the words about
 * notes are in note-adherence-text.ts.
 */
import { Command, Option } from "commander"
import { type Split, SPLITS } from "../runtime/data/sample.js"
import type { Calibration } from "../runtime/metrics/calibration.js"
import type { MeasureSummaries } from "../runtime/metrics/case-measures.js"
import { type Convention, CONVENTION, CONVENTIONS, type ConventionScores } from "../runtime/metrics/conventions.js"
import type { Spread } from "../runtime/metrics/segmentation.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { type EvaluatedCase, type Evaluation, evaluateRun } from "../runtime/training/evaluate.js"
import { PERMUTATIONS } from "../runtime/training/note-adherence.js"
import { lossText } from "../runtime/training/progress.js"
import { adherenceText } from "./note-adherence-text.js"
import { print, printJson, table } from "./output.js"
import { promptOption } from "./prompt-option.js"
import { positive, wholeNumber } from "./whole-number.js"

interface EvalFlags {
  readonly data?: string
  readonly prompt?: string
  readonly split: Split
  readonly checkpoint: CheckpointName
  readonly convention: Convention
  readonly shuffleNotes?: number | true
  readonly noteAdherence?: number | true
  readonly limit: number
  readonly workers?: number
  readonly json?: boolean
}

const SHUFFLE_SEED = 1

/** The `eval` command. */
export function evalCommand(): Command {
  return new Command("eval")
    .description("score a run: Dice, IoU and more of every case of a split, and whether it reads the notes")
    .argument("<run>", "folder of a run")
    .option("--data <dir>", "folder of the data set, or a manifest (default: what the run was trained on)")
    .addOption(promptOption("the run's"))
    .addOption(new Option("--split <name>", "which cases").choices(SPLITS).default("test"))
    .addOption(new Option("--checkpoint <name>", "which weights").choices(CHECKPOINT_NAMES).default("best"))
    .addOption(
      new Option("--convention <name>", "how Dice and IoU of a case are defined")
        .choices(CONVENTIONS)
        .default(CONVENTION),
    )
    .option(
      "--shuffle-notes [seed]",
      "pair every image with another case's note, to see how much the note matters",
      wholeNumber,
    )
    .option(
      "--note-adherence [n]",
      `read every case with other notes too (the mean of n shufflings, ${PERMUTATIONS} by default; the opposite side; none) ` +
        "and say what the score loses",
      positive,
    )
    .option("--limit <n>", "rows of the table", wholeNumber, 12)
    .option("--workers <n>", "threads that read images ahead", wholeNumber)
    .option("--json", "print all cases as JSON and nothing else on stdout")
    .action(async (run: string, flags: EvalFlags) => {
      const evaluation = await evaluateRun(run, {
        data: flags.data,
        prompt: flags.prompt,
        split: flags.split,
        checkpoint: flags.checkpoint,
        shuffleNotes: flags.shuffleNotes === true ? SHUFFLE_SEED : flags.shuffleNotes,
        noteAdherence: flags.noteAdherence === true ? PERMUTATIONS : flags.noteAdherence,
        convention: flags.convention,
        workers: flags.workers,
      })
      if (flags.json) printJson(evaluation)
      else print(evaluationText(evaluation, flags.limit))
    })
}

/** The evaluation as a person reads it; `limit` rows of cases. */
export function evaluationText(evaluation: Evaluation, limit: number): string {
  const { summary, cases, split, checkpoint, shuffledNotes, truncatedNotes, threshold, losses } = evaluation
  const prompt = evaluation.prompt === null ? "" : `, prompt ${evaluation.prompt}`
  const notes = shuffledNotes
    ? [
        `notes shuffled among cases (seed ${shuffledNotes.seed}): ${shuffledNotes.differing} of ${cases.length} read another text`,
      ]
    : []
  const cut =
    truncatedNotes > 0 ? [`warning: ${truncatedNotes} of ${cases.length} notes were cut to fit the model`] : []
  const rows = chosenCases(cases, limit)
  return [
    `${evaluation.model}: ${cases.length} ${split} cases${prompt}, ${checkpoint.name} checkpoint (step ${checkpoint.step})`,
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
              scored.leftOut ? "-" : scored.dice.toFixed(4),
              scored.leftOut ? "-" : scored.iou.toFixed(4),
              shortened(scored.note, 60),
            ]),
            [2, 3],
          ),
        ]
      : []),
    "",
    summaryTable(evaluation),
    `per case on the foreground, convention "${summary.convention}", threshold ${threshold}; HD95 in pixels`,
    "",
    conventionTable(evaluation.conventions),
    ...(evaluation.calibration ? ["", calibrationText(evaluation.calibration)] : []),
    `losses: ${lossText(losses)}`,
    ...(evaluation.noteAdherence ? ["", adherenceText(evaluation.noteAdherence)] : []),
  ].join("\n")
}

function summaryTable({ summary, measures, cases }: Evaluation): string {
  const row = (name: string, spread: Spread | null, count: number): string[] => {
    const values = spread ? [spread.mean, spread.std, spread.median] : []
    return [
      name,
      ...(spread ? values.map((value) => value.toFixed(4)) : ["-", "-", "-"]),
      `${count} of ${cases.length}`,
    ]
  }
  const measured = (name: string, measure: keyof MeasureSummaries): string[] =>
    row(name, measures[measure].spread, measures[measure].cases)
  return table(
    ["", "mean", "std", "median", "cases"],
    [
      row("Dice", summary.dice, summary.cases),
      row("mIoU", summary.iou, summary.cases),
      measured("precision", "precision"),
      measured("recall", "recall"),
      measured("specificity", "specificity"),
      measured("HD95", "hausdorff95"),
    ],
    [1, 2, 3, 4],
  )
}

function conventionTable(conventions: readonly ConventionScores[]): string {
  const shown = (value: number | null): string => value?.toFixed(4) ?? "-"
  return table(
    ["convention", "Dice", "IoU", "cases", "left out"],
    conventions.map((one) => [one.convention, shown(one.dice), shown(one.iou), `${one.cases}`, `${one.leftOut}`]),
    [1, 2, 3, 4],
  )
}

function calibrationText({ expectedError, brier, bins }: Calibration): string {
  return `calibration over all pixels: expected error ${expectedError.toFixed(4)} (${bins.length} bins), Brier ${brier.toFixed(4)}`
}

/** Worst, middle and best cases by Dice, worst first; about a third of `limit` each. */
export function chosenCases(
  cases: readonly EvaluatedCase[],
  limit: number,
): readonly { readonly rank: string; readonly scored: EvaluatedCase }[] {
  const sorted = [...cases].sort((a, b) => a.dice - b.dice || (a.id < b.id ? -1 : 1))
  if (sorted.length <= limit) return sorted.map((scored) => ({ rank: "", scored }))
  const outer = Math.floor(limit / 3)
  const inner = limit - 2 * outer
  const middle = Math.floor((sorted.length - inner) / 2)
  const part = (rank: string, from: number, count: number): { rank: string; scored: EvaluatedCase }[] =>
    sorted.slice(from, from + count).map((scored) => ({ rank, scored }))
  return [...part("worst", 0, outer), ...part("median", middle, inner), ...part("best", sorted.length - outer, outer)]
}

function shortened(text: string, length: number): string {
  const one = text.replace(/\s+/g, " ").trim()
  return one.length > length ? `${one.slice(0, length - 3)}...` : one
}
