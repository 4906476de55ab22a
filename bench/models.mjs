// What is measured: the models, and how PyTorch's peers are told their sizes.
//
// Takes: a folder for files that are made.
// Gives: for each model its reference, batch and peers, and `still`: the same model without anything random, on which all
//        competitors must give the same first loss. Memory is measured at a second, larger batch too, where it is that of
//        activations and not of what every process needs.
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = join(HERE, "..")

const AUGMENTED = "set train.augment = [row_blur(), photometric(), flip_rotate()]"
/** Variants of models/reclmis.mdl that only the benchmark needs. */
const RECLMIS_VARIANTS = `
/// Nothing random: no dropout, and every token is hidden.
ablation still of RecLMIS { set dropout = 0.0  set mask_image = 1.0  set mask_text = 1.0 }
/// The text encoder as the published model has it: fixed.
ablation fixed_text of RecLMIS { freeze language }
/// The published augmentations, which \`quick\` leaves out.
ablation augmented of RecLMIS { ${AUGMENTED} }
`

const UNET_WIDTHS = [16, 32, 64, 128]
/** `quick` of models/reclmis.mdl: a size that differs is found when its weights are loaded. */
const QUICK = {
  dim: 64,
  widths: [16, 24, 32, 48],
  layers: 1,
  text_layers: 2,
  text_heads: 2,
  vocabulary: 128,
  patches: 16,
  dropout: 0.1,
  contrast_scale: 10,
  detach_targets: true,
  surplus: true,
}
/** The published model, as models/reclmis.mdl has it. */
const FULL = {
  ...QUICK,
  dim: 512,
  widths: [64, 128, 256, 512],
  layers: 4,
  text_layers: 12,
  text_heads: 8,
  vocabulary: 49408,
  patches: 196,
  contrast_scale: 100,
  detach_targets: false,
}

/** @param {string} scratch */
export function models(scratch) {
  const reclmis = join(scratch, "reclmis.mdl")
  writeFileSync(reclmis, readFileSync(join(ROOT, "models", "reclmis.mdl"), "utf8") + RECLMIS_VARIANTS)
  const unet = join(HERE, "unet-bench.mdl")
  const augmented = join(scratch, "augmented.mdl")
  writeFileSync(augmented, `${readFileSync(unet, "utf8")}\nablation augmented of UNetBench { ${AUGMENTED} }\n`)
  return {
    unet: {
      title: "U-Net 96x96, widths 16-32-64-128",
      model: unet,
      still: unet,
      batch: 2,
      memoryBatches: [2, 8],
      torch: { program: "unet_torch.py", rate: 1e-3, sizes: { widths: UNET_WIDTHS } },
      tfjs: { program: "tfjs-eager.mjs", rate: 1e-3 },
    },
    reclmis: {
      title: "RecLMIS quick, 64x64, 24 tokens",
      model: `${reclmis}#quick`,
      still: `${reclmis}#quick+still`,
      fixedText: `${reclmis}#quick+fixed_text`,
      batch: 8,
      memoryBatches: [8, 32],
      torch: {
        program: "reclmis_torch.py",
        rate: 1e-3,
        sizes: QUICK,
      },
    },
    /** for the part that trains from files */
    fromFiles: [
      { title: "U-Net 96x96, widths 16-32-64-128", model: `${augmented}#augmented`, size: undefined, batch: 2 },
      { title: "RecLMIS quick, 96x96, 24 tokens", model: `${reclmis}#quick+augmented`, size: 96, batch: 16 },
      { title: "U-Net of LViT, 224x224", model: join(ROOT, "models", "unet.mdl"), size: 224, batch: 2 },
    ],
    /** for the part that exports; `phantoms`: the size of pictures that it is trained on before */
    deployed: [
      {
        name: "unet",
        title: "U-Net 96x96, widths 16-32-64-128",
        model: unet,
        phantoms: 96,
        batch: 8,
        torch: { network: "unet", sizes: { widths: UNET_WIDTHS } },
      },
      {
        name: "quick",
        title: "RecLMIS quick, 64x64, 24 tokens",
        model: `${reclmis}#quick`,
        phantoms: 64,
        batch: 16,
        torch: { network: "reclmis", sizes: QUICK },
      },
      {
        name: "full",
        title: "RecLMIS, 224x224, 18 tokens",
        model: reclmis,
        torch: { network: "reclmis", sizes: FULL },
      },
    ],
  }
}
