/**
 * One picture of a page: its drawings as templates, the place where one is shown, facts and source beside it.
 *
 * Takes a model with its text; gives markup that `page/side.ts` brings to life. All layouts are made here, so that a page
 * needs no layout engine.
 */

import { resolve } from "node:path"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { LayoutEngine } from "../../compiler/picture/layout.js"
import { type Drawing, drawModel, type ModelText, type Picture } from "../../compiler/picture/picture.js"
import { type Html, markup } from "../reports/html.js"
import { sourceLines } from "./source-text.js"
import { captionOf, svgDrawing } from "./svg.js"

/** Editors that a page can link to, with how their links begin. */
export const EDITORS = { vscode: "vscode://file", cursor: "cursor://file", zed: "zed://file" } as const
export type Editor = keyof typeof EDITORS

/** A model with its picture and its texts. */
export interface Drawn extends Drawing {
  /** as people call it here */
  readonly label: string
  readonly model: ElaboratedModel
  readonly text: ModelText
}

/** Draws a model. @param label its variant when absent */
export function drawn({ model, text }: Pick<Drawn, "model" | "text">, label: string = model.variant): Drawn {
  return { model, text, label, ...drawModel(model, text) }
}

/**
 * The element of a side.
 *
 * @param number counts from 0
 * @param hint stands where facts come
 * @param editor with it, links that open the file there
 */
export async function sideMarkup(
  { label, picture, text: { modules } }: Drawn,
  { number, hint, editor }: { readonly number: number; readonly hint: string; readonly editor?: Editor | undefined },
): Promise<Html> {
  const texts = filesOf(picture).flatMap((file) => {
    const module = modules.modules.get(file)
    if (!module) return []
    const isOwn = !module.isStandard
    const link = editor && isOwn && markup` data-editor="${EDITORS[editor]}${resolve(file)}"`
    return [
      markup`<section data-text="${file}"${link}${file !== modules.root.path && markup` hidden`}><h3>${file}</h3><pre>${sourceLines(module, modules)}</pre></section>`,
    ]
  })
  return markup`<section class="side" data-side="${number}" aria-label="${label}">
<nav class="crumbs" aria-label="Where you are" data-model="${label}"></nav>
<div class="frame">
<div class="stage" tabindex="0" role="application" aria-label="Picture of ${label}: arrows move it, + and - enlarge and shrink it, 0 shows all of it"></div>
<div class="tip" role="status" hidden></div>
</div>
<aside class="panel">
<div class="facts" data-hint="${hint}" aria-live="polite"></div>
<div class="source" tabindex="0" aria-label="The model's text">${texts}</div>
</aside>
${await drawings(picture)}
</section>`
}

/** Every view as a template. */
async function drawings(picture: Picture): Promise<Html> {
  const engine = new LayoutEngine()
  const caption = captionOf(picture)
  const templates = [
    markup`<template data-view="root">${svgDrawing(await engine.layOut(picture.root, picture.sections), caption)}</template>\n`,
  ]
  for (const [key, view] of Object.entries(picture.views)) {
    templates.push(markup`<template data-view="${key}">${svgDrawing(await engine.layOut(view), caption)}</template>\n`)
  }
  return markup`${templates}`
}

/** The files that something in the picture comes from, in the order of their first use. */
function filesOf({ root, views, sections }: Picture): readonly string[] {
  const boxes = [root, ...Object.values(views)].flatMap((view) => view.boxes)
  return [...new Set([...sections, ...boxes].flatMap(({ source }) => source?.file ?? []))]
}
