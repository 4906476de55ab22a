/**
 * The part of a report that shows cases: picture, note, truth, prediction and what the model looked at.
 *
 * Takes: cases with pictures and outlines. Gives: markup. Outlines are vectors over the picture, so that they stay thin and
 * smooth at any size. Words are shaded by their share of the attention relative to the word that got most, because shares
 * get smaller as notes get longer.
 */

import { isAlike } from "../prediction/interest.js"
import { markup, type Html } from "./html.js"
import type { Gallery, GalleryCase, Picture } from "./report-data.js"

/** A note is a sentence or two; of something else in its column the beginning is enough to see it. */
const MOST_NOTE = 4000

/** The section with all cases of a gallery. */
export function gallerySection({ split, readsNotes, cases }: Gallery): Html {
  return markup`<h2>Cases <small>of the ${split} split, by Dice</small></h2><div class="cases">${cases.map((one) => caseCard(one, readsNotes))}</div>`
}

function caseCard(one: GalleryCase, readsNotes: boolean): Html {
  const { rank, id, note, noteTruncated, image, heatmaps, heatmapsLeftOut, attention } = one
  const label = readsNotes ? noteTruncated && ", cut to the model's length" : ", which the model does not read"
  return markup`<article class="card case">
<div class="case-head"><span class="badge ${rank}">${rank}</span><span class="id">${id}</span><span class="number">${scoresText(one)}</span></div>
<div class="case-body">
<figure><img alt="image ${id}" src="${dataUri(image)}"><figcaption>image</figcaption></figure>
<figure>${overlaid(one)}<figcaption><span class="key"><i class="swatch truth"></i>truth</span><span class="key"><i class="swatch prediction"></i>prediction</span></figcaption></figure>
${heatmaps.map(({ name, caption, picture }) => markup`<figure><img alt="heat map ${name} of ${id}" src="${dataUri(picture)}"><figcaption><b>${name}</b>${caption}</figcaption></figure>`)}
${heatmapsLeftOut > 0 && markup`<p class="empty">${heatmapsLeftOut} more heat maps: mdl predict writes all</p>`}
<div class="texts">
<p><span class="label">note${label}</span>${shownNote(note)}</p>
${attention.map(({ name, words }) => markup`<p><span class="label">${name}, ${sharesText(words)}</span>${shaded(words)}</p>`)}
</div>
</div>
</article>`
}

function scoresText({ dice, iou, precision, recall, hausdorff95 }: GalleryCase): string {
  const measured = (name: string, value: number | null, digits: number): string[] =>
    value === null ? [] : [`${name} ${value.toFixed(digits)}`]
  return [
    ...measured("Dice", dice, 3),
    ...measured("IoU", iou, 3),
    ...measured("precision", precision, 3),
    ...measured("recall", recall, 3),
    ...measured("HD95", hausdorff95, 1),
  ].join(", ")
}

function shownNote(note: string): Html {
  if (note.trim() === "") return markup`<i class="empty">no text</i>`
  const rest = note.length - MOST_NOTE
  return markup`${note.slice(0, MOST_NOTE)}${rest > 0 && markup`<i class="empty"> and ${rest} more characters</i>`}`
}

function overlaid({ id, image, overlay }: GalleryCase): Html {
  const label = `truth and prediction for ${id}`
  if (overlay.kind === "picture") return markup`<img alt="${label}" src="${dataUri(overlay.picture)}">`
  const { height, width } = image.size
  const scale = `scale(${width / overlay.size.width} ${height / overlay.size.height})`
  return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}"><image href="${dataUri(image)}" width="${width}" height="${height}"/><g transform="${scale}"><path class="outline prediction" d="${overlay.prediction}"/><path class="outline truth" d="${overlay.truth}"/></g></svg>`
}

type Words = GalleryCase["attention"][number]["words"]

function sharesText(words: Words): string {
  const weights = words.map(({ weight }) => weight)
  if (weights.length === 0) return "no word"
  const [least, most] = [Math.min(...weights), Math.max(...weights)]
  return isAlike(weights) ? `all alike, ${percent(most)} each` : `shares from ${percent(least)} to ${percent(most)}`
}

/** Where all shares are alike, shading would show rounding errors, and there is none. */
function shaded(words: Words): Html[] {
  const weights = words.map(({ weight }) => weight)
  const most = Math.max(...weights, Number.MIN_VALUE)
  const isFlat = words.length > 1 && isAlike(weights)
  return words.map(({ text, weight, spaced }) => {
    const alpha = (isFlat ? 0 : 0.75 * Math.max(0, weight / most)).toFixed(3)
    return markup`${spaced && " "}<span class="word" style="background:rgba(var(--word),${alpha})" title="${percent(weight)}">${text}</span>`
  })
}

/** `12.5 %` */
export const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`

const dataUri = ({ type, bytes }: Picture): string => `data:${type};base64,${Buffer.from(bytes).toString("base64")}`
