/**
 * Loaders of a run's data, set up as its model wants them.
 *
 * Takes a run's record and samples; gives a loader: image size and plane order, tokenizer, batch and augmentation all come
 * from the record, so that training, evaluation and reports read a data set alike.
 */
import type { SettingValue } from "../../compiler/elaborate/values.js"
import type { TrainerDescription } from "../../compiler/trainer.js"
import { AUGMENTATIONS, type Augmentation } from "../data/augment.js"
import { DataError } from "../data/data-error.js"
import type { ChannelOrder } from "../data/images.js"
import { type Loader, openLoader } from "../data/loader.js"
import type { Sample } from "../data/sample.js"
import type { RunRecord } from "../runs/run-folder.js"
import type { InputPlan } from "./feeds.js"

/** A loader of samples as the run wants them: `training` shuffles and augments, else the order is fixed and padded. */
export async function openSplit(
  record: Pick<RunRecord, "description" | "tokenizers" | "options">,
  plan: InputPlan,
  samples: readonly Sample[],
  { training, workers }: { training: boolean; workers: number },
): Promise<Loader> {
  const { description, options } = record
  return openLoader({
    samples,
    batch: training ? description.batch.train : description.batch.evaluate,
    size: plan.size,
    tokenizer: plan.note && record.tokenizers[plan.note.name],
    tokenLength: plan.tokenLength,
    seed: options.seed,
    shuffle: training,
    last: training ? "drop" : "pad",
    workers,
    augment: training ? augmentationsOf(description) : [],
    channels: channelsOf(description),
  })
}

/** The order of the image's planes that the model wants. */
export function channelsOf({ training }: TrainerDescription): ChannelOrder {
  return training["channels"] === "bgr" ? "bgr" : "rgb"
}

function augmentationsOf({ training }: TrainerDescription): readonly Augmentation[] {
  const settings = (training["augment"] ?? []) as readonly SettingValue[]
  return settings.map(({ name }) => {
    const found = AUGMENTATIONS.find((known) => known === name)
    if (found) return found
    throw new DataError({
      what: `the augmentation ${name} is not known`,
      fix: `use some of ${AUGMENTATIONS.map((known) => `${known}()`).join(", ")}`,
    })
  })
}
