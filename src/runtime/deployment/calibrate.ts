/**
 * What 8-bit weights need to know of a model's values, and what they cost in accuracy.
 *
 * Takes: the f32 model and a data set. Gives: the least and greatest value of everything that is rounded, seen on cases; and
 * how far the rounded model is from the f32 one on cases that were not looked at for it, where the data set has others.
 *
 * Why so: ranges come from running the exported model itself, so they are of the very values that are rounded. Usually the
 * extremes are taken as they are (min-max): nothing that was seen is cut off. Where few values lie far out, the 256 steps are
 * spread over what is hardly there, and cutting a share off (percentile) is nearer; which is better, the report says.
 */

import type { ObservedModel } from "../../compiler/targets/onnx/export.js"
import type { Range, Ranges } from "../../compiler/targets/onnx/quantise.js"
import { type Dataset, openDataset, openRunDataset, samplesOf, SPLITS } from "../data/dataset.js"
import { readMask } from "../data/images.js"
import type { Sample, Split } from "../data/sample.js"
import { caseScores, summarise } from "../metrics/segmentation.js"
import { compareOutputs } from "../onnx/parity.js"
import { type Feeds, openOnnx } from "../onnx/run.js"
import { createTokenizer, type Tokenizer } from "../tokenizers/tokenizer.js"
import { THRESHOLD } from "../training/scoring.js"
import { UserError } from "../user-error.js"
import type { ExportSource } from "./export-source.js"
import { readExported, type ExportedFile } from "./exported-file.js"
import { decodeOnnx } from "./own-onnx.js"
import { caseFeeds } from "./parity-inputs.js"

/** Some cases of a data set. */
export interface CaseChoice {
  /** folder of the data set */
  readonly data: string
  readonly split: Split
  readonly samples: readonly Sample[]
}

/** Calibration is on what was trained on, the measuring on what was not. */
const CALIBRATION_SPLITS = SPLITS
const MEASURING_SPLITS = [...SPLITS].reverse()

/** Cases to calibrate on, and to measure on. */
export interface CalibrationCases {
  readonly calibration: CaseChoice
  readonly measuring: CaseChoice
}

/**
 * Chooses cases, from all over their splits.
 *
 * @param data folder of a data set; that of the run when absent
 * @param most cases of each kind
 * @throws UserError, DataError when there is no data
 */
export async function chooseCases(
  source: Pick<ExportSource, "run">,
  data: string | undefined,
  most: number,
): Promise<CalibrationCases> {
  const own = source.run?.folder.record.data
  if (data === undefined && own === undefined) {
    throw new UserError("int8 weights need cases to see the ranges of values on: name a data set with --calibrate DIR")
  }
  const dataset = own ? await openRunDataset(own, { data }) : await openDataset(data!)
  return { calibration: choice(dataset, CALIBRATION_SPLITS, most), measuring: choice(dataset, MEASURING_SPLITS, most) }
}

function choice(dataset: Dataset, splits: readonly Split[], most: number): CaseChoice {
  const split = splits.find((name) => dataset.samples.some((sample) => sample.split === name)) ?? splits[0]!
  const all = samplesOf(dataset, split)
  const count = Math.min(most, all.length)
  const samples = Array.from({ length: count }, (_, index) => all[Math.floor((index * all.length) / count)]!)
  return { data: dataset.root, split, samples }
}

const THE_MODEL = "the exported model"

/** Makes feeds as an exported model says that it wants them. */
export class CaseFeeder {
  private constructor(
    readonly ports: ExportedFile["ports"],
    private readonly tokenizer: Tokenizer | undefined,
    private readonly inputs: ReadonlySet<string>,
  ) {}

  /** @throws UserError for a model that is not one of an image and a note */
  static async of(onnx: Uint8Array, inputs: readonly { readonly name: string }[]): Promise<CaseFeeder> {
    const { ports, tokenizer } = readExported(decodeOnnx(onnx, THE_MODEL), THE_MODEL)
    const made = tokenizer && (await createTokenizer(tokenizer))
    return new CaseFeeder(ports, made, new Set(inputs.map(({ name }) => name)))
  }

  /** One case, a batch of its own. @throws DataError for an image that cannot be read */
  feeds(sample: Sample): Promise<Feeds> {
    return this.batch([sample])
  }

  /** Some cases, a row each. @throws DataError for an image that cannot be read */
  async batch(samples: readonly Sample[]): Promise<Feeds> {
    const all = await caseFeeds(this.ports, this.tokenizer, samples)
    return Object.fromEntries(Object.entries(all).filter(([name]) => this.inputs.has(name)))
  }
}

/**
 * How a range follows from the values that were seen: their extremes, or those after an equal share of the values was cut
 * off at either end, so that `percentile` per cent are left.
 */
export type Calibration = { readonly kind: "minmax" } | { readonly kind: "percentile"; readonly percentile: number }

/** `minmax`, `percentile=99.99` */
function calibrationText(calibration: Calibration): string {
  return calibration.kind === "minmax" ? "minmax" : `percentile=${calibration.percentile}`
}

/** As many as ONNX Runtime's and TensorRT's calibrators count in: finer than the 256 steps by 8. */
const BINS = 2048

/**
 * The range of every observed value over the cases; it has 0 in it, as padding needs.
 *
 * A percentile is that of ONNX Runtime's `PercentileCalibrater`, from a histogram of `BINS` bins between the extremes; a
 * bin is cut off only when all of it is outside.
 *
 * @throws UserError when a value is not finite: nothing could be rounded by it
 */
export async function observeRanges(
  observed: ObservedModel,
  feeder: Pick<CaseFeeder, "feeds">,
  { samples }: Pick<CaseChoice, "samples">,
  calibration: Calibration = { kind: "minmax" },
): Promise<Ranges> {
  const model = await openOnnx(observed.bytes)
  try {
    const ranges = new Map<string, Range>()
    const eachValue = async (see: (name: string, values: Float32Array, sample: Sample) => void): Promise<void> => {
      for (const sample of samples) {
        const feeds = await feeder.feeds(sample)
        const values = { ...(await model.run(feeds)) }
        for (const name of observed.inputs) values[name] = feeds[name]!
        for (const [name, { data }] of Object.entries(values)) see(name, data as Float32Array, sample)
      }
    }
    await eachValue((name, values, sample) => {
      let { low, high } = ranges.get(name) ?? { low: 0, high: 0 }
      for (const value of values) {
        if (!Number.isFinite(value)) throw new UserError(`${name} is not finite for ${sample.id}: it cannot be int8`)
        if (value < low) low = value
        if (value > high) high = value
      }
      ranges.set(name, { low, high })
    })
    if (calibration.kind === "minmax") return ranges
    const counts = new Map([...ranges.keys()].map((name) => [name, new Float64Array(BINS)]))
    await eachValue((name, values) => count(values, ranges.get(name)!, counts.get(name)!))
    return new Map([...ranges].map(([name, range]) => [name, cut(range, counts.get(name)!, calibration.percentile)]))
  } finally {
    await model.close()
  }
}

/** Adds `values` to the histogram between the ends of `range`. */
function count(values: Float32Array, { low, high }: Range, bins: Float64Array): void {
  const scale = high > low ? bins.length / (high - low) : 0
  for (const value of values) bins[Math.min(bins.length - 1, Math.floor((value - low) * scale))]!++
}

/** The range without the bins at either end that together hold no more than the share to be cut off there. */
function cut({ low, high }: Range, bins: Float64Array, percentile: number): Range {
  const total = bins.reduce((sum, n) => sum + n, 0)
  const spare = (total * (100 - percentile)) / 200
  const width = (high - low) / bins.length
  /** How many whole bins lie before the one in which `spare` is passed. */
  const outside = (ordered: Float64Array): number => {
    let seen = 0
    return ordered.findIndex((n) => (seen += n) > spare)
  }
  return {
    low: Math.min(0, low + width * outside(bins)),
    high: Math.max(0, high - width * outside(bins.toReversed())),
  }
}

/** How far the rounded model is from the f32 one. */
export interface RoundingReport {
  /** what the ranges are from */
  readonly calibration: {
    readonly data: string
    readonly split: Split
    readonly cases: number
    /** `minmax`, or `percentile=99.99` */
    readonly method: string
  }
  /** what the differences are from */
  readonly measured: { readonly split: Split; readonly cases: number }
  readonly outputs: readonly {
    readonly name: string
    readonly maxAbs: number
    readonly meanAbs: number
    /** share of elements on the same side of 0.5; undefined for an output that is no probability */
    readonly agreement: number | undefined
  }[]
  /** mean Dice over the measured cases; undefined when they have no masks */
  readonly dice: { readonly f32: number; readonly int8: number } | undefined
}

/** Runs both models on the cases to measure on. @param int8 the rounded model's bytes, or its path */
export async function measureRounding(
  f32: Uint8Array,
  int8: Uint8Array | string,
  feeder: CaseFeeder,
  { calibration, measuring }: CalibrationCases,
  method: Calibration = { kind: "minmax" },
): Promise<RoundingReport> {
  const totals = new Map<string, { maxAbs: number; sum: number; count: number; agreeing: number | undefined }>()
  const scores: { readonly f32: ReturnType<typeof caseScores>; readonly int8: ReturnType<typeof caseScores> }[] = []
  const [exact, rounded] = [await openOnnx(f32), await openOnnx(int8)]
  try {
    for (const sample of measuring.samples) {
      const feeds = await feeder.feeds(sample)
      const [expected, found] = [await exact.run(feeds), await rounded.run(feeds)]
      for (const { name, maxAbs, agreement } of compareOutputs(found, expected)) {
        const total = totals.get(name) ?? { maxAbs: 0, sum: 0, count: 0, agreeing: 0 }
        const [a, b] = [found[name]!.data, expected[name]!.data]
        for (let i = 0; i < a.length; i++) total.sum += Math.abs(Number(a[i]) - Number(b[i]))
        total.maxAbs = Math.max(total.maxAbs, maxAbs)
        total.count += a.length
        total.agreeing =
          agreement === undefined || total.agreeing === undefined ? undefined : total.agreeing + agreement * a.length
        totals.set(name, total)
      }
      if (sample.maskPath === undefined) continue
      const truth = await readMask(sample.maskPath, feeder.ports.image.size, sample.maskRule)
      const score = (outputs: typeof found): ReturnType<typeof caseScores> =>
        caseScores(outputs[feeder.ports.mask]!.data as Float32Array, truth, { threshold: THRESHOLD })
      scores.push({ f32: score(expected), int8: score(found) })
    }
  } finally {
    await exact.close()
    await rounded.close()
  }
  const dice = (kind: "f32" | "int8"): number => summarise(scores.map((score) => score[kind])).dice.mean
  return {
    calibration: {
      data: calibration.data,
      split: calibration.split,
      cases: calibration.samples.length,
      method: calibrationText(method),
    },
    measured: { split: measuring.split, cases: measuring.samples.length },
    outputs: [...totals].map(([name, { maxAbs, sum, count, agreeing }]) => ({
      name,
      maxAbs,
      meanAbs: sum / count,
      agreement: agreeing === undefined ? undefined : agreeing / count,
    })),
    dice: scores.length === 0 ? undefined : { f32: dice("f32"), int8: dice("int8") },
  }
}
