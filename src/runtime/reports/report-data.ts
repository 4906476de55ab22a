/**
 * What a report shows.
 *
 * Types only: pictures as the bytes of files, scores and curves as numbers, the rest as text. Everything except the model
 * and the scores may be missing, and then its part of the page is not there.
 */

import type { Size } from "../data/images.js"
import type { ParityReport } from "../onnx/parity.js"
import type { WeighedPiece } from "../prediction/interest.js"
import type { Evaluation } from "../training/evaluate.js"
import type { Point } from "./charts.js"
import type { LossCheck } from "./loss-checks.js"

export interface ReportData {
  /** when the report was made */
  readonly created: Date
  readonly model: ModelFacts
  readonly dataset?: DatasetFacts
  readonly training?: TrainingFacts
  /** the scores of this run; the first is the one that counts; none for a model that gives no mask */
  readonly scores: readonly Score[]
  /** what to hold the scores against: ablations, shuffled notes, the best mask that looks at nothing */
  readonly baselines: readonly Score[]
  /** everything that was measured on the split of the first score */
  readonly measured?: Measured
  readonly curves?: Curves
  /** how each term of the loss behaved, in the order of the model */
  readonly lossChecks?: readonly LossCheck[]
  readonly gallery?: Gallery
  readonly warnings: readonly ReportWarning[]
  readonly parity?: ParityFacts
  /** label and value, such as TensorFlow's version */
  readonly environment: readonly Fact[]
  /** the texts of the model by path, the model's own file first */
  readonly sources: readonly { readonly path: string; readonly text: string }[]
}

export type Fact = readonly [label: string, value: string]

/** Something that a person should look at before trusting a number of the page. */
export interface ReportWarning {
  readonly about: "losses" | "notes" | "data" | "training" | "report"
  readonly text: string
}

export interface ModelFacts {
  readonly name: string
  readonly variant: string
  /** as it was asked for: `models/reclmis.mdl#quick` */
  readonly reference: string
  readonly parameters: { readonly trainable: number; readonly frozen: number; readonly state: number }
  readonly sections: readonly SectionFacts[]
  /** multiply-accumulates of the inference and of the training program for one image; absent where they are not known */
  readonly macs?: { readonly inference: number; readonly training: number }
  /** sizes of the symbols */
  readonly sizes: Readonly<Record<string, number>>
  readonly sourceHash: string
}

export interface SectionFacts {
  readonly name: string
  readonly trainable: number
  readonly frozen: number
  /** normalisation statistics and the like */
  readonly state: number
  /** what compiling the text again tells; absent where that is not possible */
  readonly cost?: {
    /** `encoder`, `decoder`; "" for what is outside of any section */
    readonly role: string
    /** of the inference program for one image */
    readonly macs: number
    readonly trainingOnly: boolean
  }
}

export interface DatasetFacts {
  readonly root: string
  readonly layout: string
  /** which prompt the notes are, where there are several for each case */
  readonly prompt: string | undefined
  /** SHA-256 over splits, names and notes */
  readonly fingerprint: string
  readonly splits: readonly SplitFacts[]
}

export interface SplitFacts {
  readonly name: string
  readonly cases: number
  readonly distinctNotes: number
  /** words of a note; undefined without a case */
  readonly noteWords: { readonly least: number; readonly median: number; readonly most: number } | undefined
  /** undefined where no case names one */
  readonly subjects: number | undefined
  /** of the masks at the network's size; only of the split that was scored */
  readonly masks?: {
    readonly empty: number
    /** mean share of foreground, 0 to 1 */
    readonly foreground: number
  }
}

export interface TrainingFacts {
  readonly seed: number
  readonly batch: number
  readonly epochs: number
  readonly steps: number
  /** wall-clock time of training */
  readonly seconds: number | undefined
  readonly optimizer: string
  readonly schedule: string | undefined
  /** why training ended */
  readonly ended: string | undefined
  /** the weights that the page is about, such as `best, step 40` */
  readonly checkpoint?: string
  /** what trains the same model on the same data again */
  readonly command?: string
}

export interface Score {
  readonly name: string
  /** what it was measured on, and how */
  readonly detail: string
  readonly cases: number
  readonly dice: number
  readonly diceDeviation?: number
  /** mean IoU of the foreground; absent where it was not measured */
  readonly iou?: number
  readonly convention: string
  readonly threshold: number
}

/** An evaluation without what the page shows elsewhere. */
export interface Measured extends Pick<
  Evaluation,
  "split" | "threshold" | "summary" | "conventions" | "measures" | "calibration" | "noteAdherence"
> {
  /** Dice of every case that is scored, in any order */
  readonly dice: readonly number[]
  /** cases of the split */
  readonly cases: number
}

/** Points over epochs. */
export interface Curves {
  readonly xLabel: string
  readonly losses: readonly {
    readonly name: string
    readonly train: readonly Point[]
    readonly valid: readonly Point[]
  }[]
  readonly learningRate: readonly Point[]
  /** of all parameters together, before clipping */
  readonly gradientNorm: readonly Point[]
  readonly validDice: readonly Point[]
  readonly validIou: readonly Point[]
  /** where epochs ended, on the axis of the curves */
  readonly epochEnds: readonly number[]
  /** where the best checkpoint is; undefined before the first evaluation */
  readonly bestAt: number | undefined
}

export interface Gallery {
  readonly split: string
  /** false: the model has no note, and the note of a case is there for the reader alone */
  readonly readsNotes: boolean
  readonly cases: readonly GalleryCase[]
}

/** A file that a browser shows. */
export interface Picture {
  readonly type: "image/png" | "image/jpeg"
  readonly bytes: Uint8Array
}

export interface GalleryCase {
  /** "best", "median", "worst" */
  readonly rank: string
  readonly id: string
  readonly note: string
  readonly noteTruncated: boolean
  readonly dice: number
  readonly iou: number
  /** null: undefined for this case */
  readonly precision: number | null
  readonly recall: number | null
  readonly hausdorff95: number | null
  readonly image: Picture & { readonly size: Size }
  readonly overlay: Overlay
  readonly heatmaps: readonly { readonly name: string; readonly caption: string; readonly picture: Picture }[]
  /** how many more distributions over patches the model has */
  readonly heatmapsLeftOut: number
  /** distributions over the note's words, in the order of the note */
  readonly attention: readonly { readonly name: string; readonly words: readonly WeighedPiece[] }[]
}

/** Truth and prediction: outlines to draw over the image, or a picture where outlines would be too many. */
export type Overlay =
  | {
      readonly kind: "outlines"
      /** of the arrays that the paths were traced in */
      readonly size: Size
      /** the `d` of SVG paths, see `contourPath` */
      readonly truth: string
      readonly prediction: string
    }
  | { readonly kind: "picture"; readonly picture: Picture }

export interface ParityFacts {
  /** path of the ONNX file */
  readonly file: string
  readonly opset: number
  readonly bytes: number
  readonly report: ParityReport
}
