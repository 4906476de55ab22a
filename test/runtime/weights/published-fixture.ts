/** The published checkpoints of scripts/fixtures/published-weights.py, and models that they fit. */

import { readFileSync } from "node:fs"
import { compileText, elaborated } from "../../compiler/source-host.js"
import type { StoredWeight } from "../../../src/runtime/weights/weights-file.js"

interface Recorded {
  readonly shape: readonly number[]
  readonly values: readonly number[]
}
type Checkpoint = "clip-hugging-face" | "clip-openai" | "bert"

interface Fixture {
  readonly sizes: Readonly<Record<"vocabulary" | "width" | "layers" | "heads" | "T", number>> & {
    readonly lengths: readonly number[]
  }
  readonly ids: readonly (readonly number[])[]
  readonly segments: readonly (readonly number[])[]
  readonly expected: Readonly<Record<"clip" | "bert" | "pooled" | "segmented", Recorded>>
  readonly fullSize: Readonly<Record<Checkpoint, Readonly<Record<string, readonly number[]>>>>
}

const FOLDER = "test/fixtures/published-weights"

export const FIXTURE = JSON.parse(readFileSync(`${FOLDER}/expected.json`, "utf8")) as Fixture

export const checkpointFile = (name: Checkpoint): string => `${FOLDER}/${name}.safetensors`

/** The tensors of a full-size checkpoint, without their values. */
export const fullSize = (name: Checkpoint, type = "f32"): StoredWeight[] =>
  Object.entries(FIXTURE.fullSize[name]).map(([tensor, shape]) => ({
    name: tensor,
    type,
    dtype: "f32",
    shape,
    bytes: shape.reduce((product, size) => product * size, 4),
  }))

const { vocabulary, width, layers, heads, T } = FIXTURE.sizes

const model = (imports: string, lines: string) =>
  elaborated(
    compileText(`${imports}

model Reader() {
  input note: tokens[N, T = ${T}] using words(${vocabulary})
  input segments: i32[N, T]
  encoder language {
${lines}
  }
}`),
  )

/** CLIP's text tower; `positions` rows of its table. */
export const clipModel = (positions = 77) =>
  model(
    `import { ClipText } from "std/clip"`,
    `    let t = ClipText(${layers}, ${width}, ${heads}, note.vocabulary, ${positions})(note.ids, note.valid)
    output features = t`,
  )

export const bertModel = (segmented = false) =>
  model(
    `import { BertPooler, BertText } from "std/bert"`,
    `    let t = BertText(note.vocabulary, ${layers}, ${width}, ${heads}, hidden = ${3 * width}, positions = 20)(
      note.ids,
      note.valid,
      ${segmented ? "segments" : "none"},
    )
    let p = BertPooler()(t)
    output features = t
    output pooled = p`,
  )
