/**
 * The elements of the page, by their ids in page-html.ts.
 */

/** @throws Error when the page has no such element */
function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${kind.name} called ${id}`)
}

export const elements = {
  model: element("model", HTMLElement),
  weights: element("weights", HTMLElement),
  stage: element("stage", HTMLElement),
  drop: element("drop", HTMLLabelElement),
  file: element("file", HTMLInputElement),
  partRow: element("part-row", HTMLElement),
  part: element("part", HTMLInputElement),
  picture: element("picture", HTMLCanvasElement),
  heat: element("heat", HTMLCanvasElement),
  mask: element("mask", HTMLCanvasElement),
  noteRow: element("note-row", HTMLElement),
  note: element("note", HTMLTextAreaElement),
  noteState: element("note-state", HTMLElement),
  words: element("words", HTMLElement),
  threshold: element("threshold", HTMLInputElement),
  thresholdValue: element("threshold-value", HTMLOutputElement),
  showMask: element("show-mask", HTMLInputElement),
  heatRow: element("heat-row", HTMLElement),
  heatChoice: element("heat-choice", HTMLSelectElement),
  area: element("area", HTMLElement),
  score: element("score", HTMLElement),
  scoreRow: element("score-row", HTMLElement),
  download: element("download", HTMLButtonElement),
  status: element("status", HTMLElement),
  problem: element("problem", HTMLElement),
  examples: element("examples", HTMLElement),
  exampleList: element("example-list", HTMLElement),
} as const
