/**
 * Every tensor of the official LViT class has one place in our model, and every place one tensor: what an import of its
 * `state_dict` will go by. The class's names stand here as rules; only fused projections are split.
 */

import { expect, test } from "vitest"
import { sizeOf } from "../../src/compiler/ops/ndarray.js"
import { zoo } from "../compiler/source-host.js"

const parameters = zoo("lvit").graph.parameters
const sizes = new Map(parameters.map(({ name, shape }) => [name, sizeOf(shape)] as const))

/** Names of tensors under a layer's own, by the kind of the layer. */
const LINEAR = ["weight", "bias"]
const NORM = [...LINEAR, "running_mean", "running_var"]

/** [official layer, our layers, its tensors]; a layer with several of ours is fused from them, row by row. */
type Rule = readonly [official: string, ours: readonly string[], tensors: readonly string[]]

const convNorm = (official: string, ours: string): readonly Rule[] => [
  [`${official}.conv`, [`${ours}.conv`], LINEAR],
  [`${official}.norm`, [`${ours}.norm`], NORM],
]

const pixels = (official: string, ours: string): readonly Rule[] => [
  [`${official}.conv_avg`, [`${ours}.average_conv`], ["weight"]],
  [`${official}.conv_max`, [`${ours}.max_conv`], ["weight"]],
  [`${official}.bottleneck.0`, [`${ours}.hidden`], LINEAR],
  [`${official}.bottleneck.2`, [`${ours}.map`], LINEAR],
  [`${official}.conv_sig.0`, [`${ours}.unused`], LINEAR],
]

/** A level of the transformer branch; `called` says which of its parts are in use. */
function level(official: string, ours: string, called: readonly ("embeds" | "reads" | "narrows" | "joins")[]) {
  const at = (part: (typeof called)[number], name: string, used = name): string =>
    called.includes(part) ? `${ours}.${used}` : `${ours}.unused.${name}`
  const embedded = at("embeds", "embedded")
  const block = `${official}.Encoder_blocks.0`
  const rules: readonly Rule[] = [
    [`${official}.embeddings.patch_embeddings`, [`${embedded}.patches`], LINEAR],
    [`${official}.embeddings`, [`${embedded}.placed`], ["position"]],
    [`${block}.norm1`, [`${ours}.layer.norm1`], LINEAR],
    [`${block}.attn.qkv`, ["q", "k", "v"].map((part) => `${ours}.layer.attn.${part}`), LINEAR],
    [`${block}.attn.proj`, [`${ours}.layer.attn.out`], LINEAR],
    [`${block}.norm2`, [`${ours}.layer.norm2`], LINEAR],
    [`${block}.mlp.fc1`, [`${ours}.layer.mlp.fc1`], LINEAR],
    [`${block}.mlp.fc2`, [`${ours}.layer.mlp.fc2`], LINEAR],
    [`${official}.norm`, [`${ours}.unused.norm`], LINEAR],
    [`${official}.head`, [`${ours}.unused.head`], LINEAR],
    ...convNorm(`${official}.CTBN`, at("narrows", "narrow")),
    ...convNorm(`${official}.CTBN2`, at("joins", "joined")),
    ...convNorm(`${official}.CTBN3`, at("reads", "read.mixed", "told.mixed")),
  ]
  return rules
}

const SCALES = [1, 2, 3, 4] as const

/** The official class counts its levels from nothing: downVit, downVit1, downVit2, downVit3. */
const counted = (name: string, scale: number): string => (scale === 1 ? name : `${name}${scale - 1}`)

const RULES: readonly Rule[] = [
  ...convNorm("inc", "vision.inc"),
  ["outc", ["decoder.probability.head"], LINEAR],
  ...SCALES.flatMap((scale): readonly Rule[] => [
    ...convNorm(`down${scale}.nConvs.0`, `vision.down${scale}.conv1`),
    ...convNorm(`down${scale}.nConvs.1`, `vision.down${scale}.conv2`),
    ...pixels(`up${scale}.pixModule`, `decoder.probability.up${scale}.attended`),
    ...convNorm(`up${scale}.nConvs.0`, `decoder.probability.up${scale}.conv1`),
    ...convNorm(`up${scale}.nConvs.1`, `decoder.probability.up${scale}.conv2`),
    ...level(counted("downVit", scale), `hybrid.down${scale}`, ["embeds", scale === 1 ? "reads" : "narrows"]),
    ...level(counted("upVit", scale), `hybrid.up${scale}`, scale === 4 ? [] : ["joins"]),
    ...convNorm(`reconstruct${scale}`, `hybrid.fused${scale}`),
    ...pixels(`pix_module${scale}`, `hybrid.unused.${scale - 1}`),
    [`text_module${scale}`, [`language.text${scale}`], LINEAR],
  ]),
]

const places = RULES.flatMap(([, ours, tensors]) =>
  ours.flatMap((layer) => tensors.map((tensor) => `${layer}.${tensor}`)),
)

test("every tensor of the official class has a place, and every place one tensor", () => {
  expect(new Set(places).size).toBe(places.length)
  expect([...places].sort()).toEqual([...sizes.keys()].sort())
})

test("sizes agree with those of the official layers", () => {
  const official = new Map(RULES.map(([name, ours, tensors]) => [name, [ours, tensors]] as const))
  const elements = (name: string): number => {
    const [ours, tensors] = official.get(name)!
    return ours.flatMap((layer) => tensors.map((tensor) => sizes.get(`${layer}.${tensor}`)!)).reduce((a, b) => a + b, 0)
  }
  expect(elements("upVit3.embeddings.patch_embeddings")).toBe(512 * 512 * 2 * 2 + 512)
  expect(elements("downVit.embeddings")).toBe(196 * 64)
  expect(elements("downVit2.Encoder_blocks.0.attn.qkv")).toBe(3 * (256 * 256 + 256))
  expect(elements("upVit1.CTBN2.conv")).toBe(128 * 256 * 3 + 128)
  expect(elements("downVit3.CTBN3.conv")).toBe(196 * 10 * 3 + 196)
  expect(elements("text_module4")).toBe(512 * 768 * 3 + 512)
  expect(elements("pix_module2.conv_sig.0")).toBe(128 * 128 + 128)
})
