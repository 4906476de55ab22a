/**
 * The part of a report that shows cases: picture, note, truth, prediction and what the model looked at.
 *
 * Takes: cases with PNG pictures and maps at the network's resolution. Gives: markup. Outlines are vectors over the
 * picture, so that they stay thin and smooth at any size. Words are shaded by their share of the attention relative to the
 * word that got most, because shares get smaller as notes get longer.
 */

import { contourPath } from "./contours.js"
import { markup, type Html } from "./html.js"
import type { Gallery, GalleryCase } from "./report-data.js"

/** The section with all cases of a gallery. */
export function gallerySection({ split, cases }: Gallery): Html {
  return markup`<h2>Cases <small>of the ${split} split, by Dice</small></h2><div class="cases">${cases.map(caseCard)}</div>`
}

function caseCard(one: GalleryCase): Html {
  const { rank, id, dice, iou, note, noteTruncated, image, heatmaps, attention } = one
  return markup`<article class="card case">
<div class="case-head"><span class="badge ${rank}">${rank}</span><span class="id">${id}</span><span class="number">Dice ${dice.toFixed(3)}, IoU ${iou.toFixed(3)}</span></div>
<div class="case-body">
<figure><img alt="image ${id}" src="${dataUri(image.png)}"><figcaption>image</figcaption></figure>
<figure>${outlined(one)}<figcaption><span class="key"><i class="swatch truth"></i>truth</span><span class="key"><i class="swatch prediction"></i>prediction</span></figcaption></figure>
${heatmaps.map(({ name, caption, png }) => markup`<figure><img alt="heat map ${name} of ${id}" src="${dataUri(png)}"><figcaption><b>${name}</b>${caption}</figcaption></figure>`)}
<div class="texts">
<p><span class="label">note${noteTruncated && ", cut to the model's length"}</span>${note}</p>
${attention.map(({ name, words }) => markup`<p><span class="label">${name}, ${sharesText(words)}</span>${shaded(words)}</p>`)}
</div>
</div>
</article>`
}

function outlined({ id, image, maps }: GalleryCase): Html {
  const { height, width } = image.size
  const path = (values: ArrayLike<number>, level: number): string =>
    contourPath(values, maps.size.height, maps.size.width, level)
  const scale = `scale(${width / maps.size.width} ${height / maps.size.height})`
  return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="truth and prediction for ${id}"><image href="${dataUri(image.png)}" width="${width}" height="${height}"/><g transform="${scale}"><path class="outline prediction" d="${path(maps.probability, maps.threshold)}"/><path class="outline truth" d="${path(maps.truth, 0.5)}"/></g></svg>`
}

type Words = GalleryCase["attention"][number]["words"]

/** Where all shares are alike, shading says nothing, so their range is told. */
function sharesText(words: Words): string {
  const weights = words.map(({ weight }) => weight)
  return `shares from ${percent(Math.min(...weights))} to ${percent(Math.max(...weights))}`
}

function shaded(words: Words): Html[] {
  const most = Math.max(...words.map(({ weight }) => weight), Number.MIN_VALUE)
  return words.map(({ text, weight, spaced }) => {
    const alpha = (0.75 * Math.max(0, weight / most)).toFixed(3)
    return markup`${spaced && " "}<span class="word" style="background:rgba(var(--word),${alpha})" title="${percent(weight)}">${text}</span>`
  })
}

/** `12.5 %` */
export const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`

const dataUri = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString("base64")}`
