/**
 * The page of one model's picture.
 *
 * Takes a model with its picture; gives the text of a file that needs nothing else. Its script is part of it and is named
 * in its policy by hash, so that nothing else in it can run.
 */

import { type PlacedChange, SIGNS } from "../../compiler/picture/lights.js"
import type { Picture } from "../../compiler/picture/picture.js"
import { documentText } from "../reports/document.js"
import { Html, markup } from "../reports/html.js"
import { amount } from "../reports/numbers.js"
import { pageScript, type PictureModuleReader } from "./page-script.js"
import { PAGE_STYLE } from "./page-style.js"
import { type Drawn, type Editor, sideMarkup } from "./side.js"

export interface PageOptions {
  /** links open the text in this editor; they name folders of this machine, so a page for others should have none */
  readonly editor?: Editor | undefined
  /** the JavaScript of the page's modules; as compiled when absent */
  readonly readModule?: PictureModuleReader
}

/** The page, as UTF-8 text. */
export async function graphPage(side: Drawn, { editor, readModule }: PageOptions = {}): Promise<string> {
  const { model, variant, doc } = side.picture
  const hint = "Choose a part to see what it is and where it is written. + or a double click shows what is inside."
  const body = markup`<div class="page"><header><div>
<h1>${model}${variant !== model && markup`<small>${variant}</small>`}</h1>
<p>${countsText(side.picture)}</p>${doc !== null && markup`<p>${doc}</p>`}
</div>${toolbar()}</header>
<div class="sides">${await sideMarkup(side, { number: 0, hint, editor })}</div>
</div>${lightsData([])}`
  return documentText(`${variant} · MDL graph`, PAGE_STYLE, body, await pageScript(readModule))
}

function countsText({ parameters, frozenParameters, macs, sizes }: Picture): string {
  const at = Object.entries(sizes).map(([name, size]) => `${name} = ${size}`)
  return [
    `${amount(parameters - frozenParameters)} trainable parameters`,
    ...(frozenParameters > 0 ? [`${amount(frozenParameters)} frozen`] : []),
    `${amount(macs)} MACs for one image`,
    ...(at.length > 0 ? [at.join(", ")] : []),
  ].join(" · ")
}

/** Buttons and search; their ids are those of page/main.ts. */
export const toolbar = (): Html => markup`<div class="tools" role="toolbar" aria-label="The picture">
<input id="search" type="search" placeholder="Find a part ( / )" aria-label="Find a part" autocomplete="off" spellcheck="false">
<button id="zoom-out" type="button" aria-label="Smaller">−</button>
<button id="fit" type="button">Fit</button>
<button id="zoom-in" type="button" aria-label="Larger">+</button>
<button id="shapes" type="button" aria-pressed="false">Shapes</button>
<div id="results" aria-label="Found" hidden></div>
</div>`

/** What is lit, as data that the page's script reads. */
export const lightsData = (changes: readonly PlacedChange[]): Html =>
  // `<` is written so that no text in it can end the element.
  markup`<script type="application/json" id="lights">${new Html(JSON.stringify(changes.map(({ kind, places }) => ({ kind, sign: SIGNS[kind], places }))).replaceAll("<", "\\u003c"))}</script>`
