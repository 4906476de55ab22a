/**
 * What an exported file says about itself, as ONNX metadata.
 *
 * Takes: what is exported. Gives: texts by key: the model's own text and hash, how images and notes have to be prepared,
 * where the weights come from, what was frozen.
 *
 * Why so: a model is only right with the preprocessing and the tokenizer it was trained with, so they travel with it.
 * Structured values are JSON. The `Image.*` keys are those of ONNX's own list (docs/MetadataProps.md). Nothing depends on
 * the time or the machine, so that equal exports give equal bytes.
 */

import { evaluate } from "../../compiler/ir/dims.js"
import type { ChannelOrder } from "../data/images.js"
import { toolVersion } from "../runs/tool-version.js"
import { channelsFor } from "../training/split-loader.js"
import type { ExportSource } from "./export-source.js"

/** Raised when the same text means something else. */
export const LANGUAGE_VERSION = "0.1"

/** How an image becomes the network's input, apart from the order of its planes. What reads a file compares it with this. */
export const IMAGE_PREPARATION = {
  layout: "NCHW",
  range: [0, 1],
  scale: "value / 255",
  mean: null,
  deviation: null,
  resize: "to the input's size, aspect ratio not kept, triangle filter widened when shrinking",
} as const

/** In the words of ONNX's list. */
const PIXEL_FORMATS: Readonly<Record<ChannelOrder, string>> = { rgb: "Rgb8", bgr: "Bgr8", gray: "Gray8" }

/** The metadata of `source`; keys beginning with `mdl.` are described here. */
export function exportMetadata(source: ExportSource): Record<string, string> {
  const { model, weights, sources, tokenizers } = source
  const images = model.inputs.filter((input) => input.kind === "tensor" && input.role === "input")
  const { layout, ...rest } = IMAGE_PREPARATION
  const prepared = images.map(({ name, type }) => {
    const planes = type.shape[1] && evaluate(type.shape[1], model.graph.sizes)
    return [name, { layout, channels: channelsFor(planes, model.training), ...rest }] as const
  })
  const notes = Object.fromEntries(
    model.inputs
      .filter((input) => input.kind === "tokens")
      .map(({ name, tokenizer }) => [
        name,
        {
          ids: `${name}_ids: token ids, padded with 0`,
          valid: `${name}_valid: 1 for a token, 0 for padding`,
          tokenizer: tokenizers[name] ?? { kind: tokenizer?.name, ...tokenizer?.arguments },
        },
      ]),
  )
  return {
    "mdl.version": toolVersion(),
    "mdl.language": LANGUAGE_VERSION,
    "mdl.model": model.name,
    "mdl.variant": model.variant,
    "mdl.source": JSON.stringify(Object.fromEntries(sources)),
    "mdl.source_sha256": source.sourceHash,
    "mdl.preprocessing": JSON.stringify(Object.fromEntries(prepared)),
    "mdl.notes": JSON.stringify(notes),
    "mdl.weights": JSON.stringify(weights),
    "mdl.frozen_sections": JSON.stringify(model.sections.filter((section) => section.frozen).map(({ name }) => name)),
    "Image.BitmapPixelFormat": PIXEL_FORMATS[prepared[0]?.[1].channels ?? "rgb"],
    "Image.ColorSpaceGamma": "SRGB",
    "Image.NominalPixelRange": "Normalized_0_1",
  }
}
