/**
 * Loaders of a run's data, set up as its model wants them.
 *
 * Takes a run's record and samples; gives a loader: image size and plane order, tokenizer, batch and augmentation all come
 * from the record, so that training, evaluation and reports read a data set alike.
 */
import type { TrainingSettings } from "../../compiler/elaborate/model.js"
import type { PlainValue, SettingValue } from "../../compiler/elaborate/values.js"
import type { TrainerDescription } from "../../compiler/trainer.js"
import type { Augmentation } from "../data/augment.js"
import type { SigmaRange } from "../data/augmentations/blur.js"
import type { ChannelOrder } from "../data/images.js"
import { type Loader, openLoader } from "../data/loader.js"
import type { Sample } from "../data/sample.js"
import type { RunRecord } from "../runs/run-folder.js"
import { UserError } from "../user-error.js"
import type { InputPlan } from "./feeds.js"

/**
 * A loader of samples as the run wants them: `training` shuffles, augments and draws wordings of notes, else the order is
 * fixed and padded.
 */
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
    drawNotes: training,
    continuous: training,
    channels: channelsOf(description),
  })
}

/** The planes of the image that the model wants. */
export function channelsOf({ inputs, training }: TrainerDescription): ChannelOrder {
  const image = inputs.find((input) => input.role === "input" && input.kind === "tensor")
  return channelsFor(image?.shape[0], training)
}

/** @param planes of the image: C of [N, C, H, W] */
export function channelsFor(planes: number | undefined, training: TrainingSettings): ChannelOrder {
  if (planes === 1) return "gray"
  return training["channels"] === "bgr" ? "bgr" : "rgb"
}

/** The augmentations of a `train` section, whose values were checked when it was compiled (`elaborate/training-settings.ts`). */
export function augmentationsOf({ training }: Pick<TrainerDescription, "training">): readonly Augmentation[] {
  return ((training["augment"] ?? []) as readonly SettingValue[]).map(augmentationOf)
}

/** @throws UserError when a value is not there: the run is older than the setting */
function augmentationOf({ name, arguments: given }: SettingValue): Augmentation {
  const value = (argument: string): PlainValue => {
    const found = given[argument]
    if (found !== undefined) return found
    throw new UserError(
      `the run's augmentation ${name} has no \`${argument}\`: the run was made by an older version of mdl, and other ` +
        "images would be seen from here on; start a new run",
    )
  }
  const number = (argument: string) => value(argument) as number
  const sigma = () => value("sigma") as unknown as SigmaRange
  switch (name) {
    case "photometric":
      return {
        name,
        brightness: number("brightness"),
        contrast: number("contrast"),
        saturation: number("saturation"),
        hue: number("hue"),
        p: number("p"),
      }
    case "flip_rotate":
      return { name, p: number("p"), degrees: number("degrees"), noteAware: value("note_aware") as boolean }
    case "blur":
      return { name, sigma: sigma(), p: number("p") }
    case "row_blur":
      return { name, sigma: sigma(), p: number("p"), rows: number("rows") }
    default:
      throw new Error(`there is no augmentation ${name}`)
  }
}
