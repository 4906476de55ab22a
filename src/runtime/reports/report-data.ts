/**
 * What a report shows.
 *
 * Types only: pictures as PNG bytes, scores and curves as numbers, the rest as text. Everything except the model and the
 * scores may be missing, and then its part of the page is not there.
 */

import type { ParityReport } from "../onnx/parity.js"
import type { Size } from "../data/images.js"
import type { WeighedPiece } from "../prediction/interest.js"
import type { Point } from "./charts.js"

export interface ReportData {
  /** when the report was made */
  readonly created: Date
  readonly model: ModelFacts
  readonly dataset?: DatasetFacts
  readonly training?: TrainingFacts
  /** the scores of this run; the first is the one that counts */
  readonly scores: readonly Score[]
  /** what to hold the scores against: ablations, shuffled notes, the best mask that looks at nothing */
  readonly baselines: readonly Score[]
  readonly curves?: Curves
  readonly gallery?: Gallery
  readonly warnings: readonly string[]
  readonly parity?: ParityFacts
  /** label and value, such as TensorFlow's version */
  readonly environment: readonly (readonly [label: string, value: string])[]
  /** the texts of the model by path, the model's own file first */
  readonly sources: readonly { readonly path: string; readonly text: string }[]
}

export interface ModelFacts {
  readonly name: string
  readonly variant: string
  /** as it was asked for: `models/reclmis.mdl#quick` */
  readonly reference: string
  readonly parameters: { readonly trainable: number; readonly frozen: number; readonly state: number }
  readonly sections: readonly { readonly name: string; readonly trainable: number; readonly frozen: number }[]
  /** sizes of the symbols */
  readonly sizes: Readonly<Record<string, number>>
  readonly sourceHash: string
}

export interface DatasetFacts {
  readonly root: string
  readonly counts: Readonly<Record<string, number>>
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

/** Points over epochs. */
export interface Curves {
  readonly xLabel: string
  readonly losses: readonly {
    readonly name: string
    readonly train: readonly Point[]
    readonly valid: readonly Point[]
  }[]
  readonly learningRate: readonly Point[]
  readonly validDice: readonly Point[]
}

export interface Gallery {
  readonly split: string
  readonly cases: readonly GalleryCase[]
}

export interface GalleryCase {
  /** "best", "median", "worst" */
  readonly rank: string
  readonly id: string
  readonly note: string
  readonly noteTruncated: boolean
  readonly dice: number
  readonly iou: number
  readonly image: { readonly png: Uint8Array; readonly size: Size }
  /** at the network's resolution; [H * W] each */
  readonly maps: {
    readonly size: Size
    readonly truth: ArrayLike<number>
    readonly probability: ArrayLike<number>
    readonly threshold: number
  }
  readonly heatmaps: readonly { readonly name: string; readonly caption: string; readonly png: Uint8Array }[]
  /** distributions over the note's words, in the order of the note */
  readonly attention: readonly { readonly name: string; readonly words: readonly WeighedPiece[] }[]
}

export interface ParityFacts {
  /** path of the ONNX file */
  readonly file: string
  readonly opset: number
  readonly bytes: number
  readonly report: ParityReport
}
