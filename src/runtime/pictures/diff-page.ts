/**
 * The page of a difference: both models side by side, what changed lit in both.
 *
 * Takes a difference and both models with their pictures; gives the text of a file that needs nothing else. What is lit
 * comes from the difference itself, as `mdl diff --json` prints it.
 */

import type { ModelDiff } from "../../compiler/diff/diff.js"
import { type PlacedChange, placedChanges, SIGNS } from "../../compiler/picture/lights.js"
import { documentText } from "../reports/document.js"
import { type Html, markup, type Part } from "../reports/html.js"
import { amount, grouped } from "../reports/numbers.js"
import { lightsData, type PageOptions, toolbar } from "./graph-page.js"
import { pageScript } from "./page-script.js"
import { PAGE_STYLE } from "./page-style.js"
import { type Drawn, sideMarkup } from "./side.js"

/** What the lists of a difference are called. */
const TITLES: Readonly<Record<PlacedChange["of"], string>> = {
  renames: "Renamed",
  sections: "Sections",
  inputs: "Inputs",
  outputs: "Outputs",
  losses: "Losses",
  operations: "Operations",
  parameters: "Parameters",
  training: "Training",
  sizes: "Sizes",
}

export interface DiffPageOptions extends PageOptions {
  /** a further line, such as whether the weights of two exported files differ */
  readonly note?: string | undefined
}

/** The page, as UTF-8 text. */
export async function diffPage(
  diff: ModelDiff,
  before: Drawn,
  after: Drawn,
  { note, editor, readModule }: DiffPageOptions = {},
): Promise<string> {
  const changes = placedChanges(diff, before.index, after.index)
  const hints = ["before", "after"].map((when) => `${when}: choose a part, or a change in the list above`)
  const sides = await Promise.all(
    [before, after].map((side, number) => sideMarkup(side, { number, hint: hints[number]!, editor })),
  )
  const title = `${before.label} → ${after.label}`
  const body = markup`<div class="page two"><header><div>
<h1>${title}</h1>
<p>${summaryText(diff, changes)}${note !== undefined && ` · ${note}`}</p>
</div>${toolbar()}</header>
${tiles(diff)}
${list(changes)}
<div class="sides">${sides}</div>
</div>${lightsData(changes)}`
  return documentText(`${title} · MDL diff`, PAGE_STYLE, body, await pageScript(readModule))
}

function summaryText(diff: ModelDiff, changes: readonly PlacedChange[]): string {
  if (diff.isEmpty) return "the same model"
  const { fits, missing, extra, misshaped } = diff.checkpoint
  const checkpoint = `of a checkpoint before, ${fits} tensors fit, ${misshaped.length} have another shape, ${missing.length} are missing, ${extra.length} are left over`
  const common = diff.haveCommonPart ? "" : "no part in common · "
  return `${common}${changes.length} ${changes.length === 1 ? "change" : "changes"} · ${checkpoint}`
}

/** Amounts before and after. */
function tiles({ before, after, stepTime }: ModelDiff): Html {
  const tile = (name: string, old: number, fresh: number, show: (value: number) => string): Html => {
    const change = old === fresh ? "unchanged" : `${show(old)} before${old > 0 ? `, ${percent(fresh / old - 1)}` : ""}`
    return markup`<div><dt>${name}</dt><dd>${show(fresh)}<small>${change}</small></dd></div>`
  }
  const bytes = (value: number): string => `${amount(value)}B`.replace(/(\d)B$/, "$1 B")
  const { before: oldStep, after: newStep } = stepTime
  const time = (value: number): string => (value < 1000 ? `${value} ms` : `${Number((value / 1000).toPrecision(3))} s`)
  return markup`<dl class="tiles">
${tile("trainable parameters", before.parameters.trainable, after.parameters.trainable, grouped)}
${tile("frozen parameters", before.parameters.frozen, after.parameters.frozen, grouped)}
${tile("MACs, one image", before.macs.inference, after.macs.inference, amount)}
${tile("memory at once, training", before.peak.training, after.peak.training, bytes)}
${oldStep !== null && newStep !== null && tile("training step, estimate", oldStep.milliseconds, newStep.milliseconds, time)}
</dl>`
}

const percent = (share: number): string =>
  `${share > 0 ? "+" : "−"}${Math.abs(100 * share).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} %`

/** Every change, by list; what stands in a picture leads there. */
function list(changes: readonly PlacedChange[]): Part {
  if (changes.length === 0) return undefined
  const groups = (Object.keys(TITLES) as PlacedChange["of"][]).map((of) => {
    const items = changes.flatMap((change, i) => (change.of === of ? [itemOf(change, i)] : []))
    return items.length > 0 && markup`<h2>${TITLES[of]}</h2><ol>${items}</ol>`
  })
  return markup`<section class="changes" tabindex="0" aria-label="Changes">${groups}</section>`
}

function itemOf({ kind, name, detail, places }: PlacedChange, i: number): Html {
  const words = markup`<span class="sign" aria-hidden="true">${SIGNS[kind]}</span><span><strong>${name}</strong> ${kind}${detail !== "" && `: ${detail}`}</span>`
  const isPlaced = places.some((paths) => paths.length > 0)
  const what = kind.replace(" ", "-")
  return isPlaced
    ? markup`<li data-kind="${what}"><button type="button" data-change="${i}">${words}</button></li>`
    : markup`<li data-kind="${what}"><div data-listed="${i}">${words}</div></li>`
}
