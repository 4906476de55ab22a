/**
 * The style of picture pages.
 *
 * Gives: one style sheet, light and dark as the system has it. A picture fills the window beside its facts; on narrow
 * screens and on paper all stands below one another, and only the picture itself can be moved. Kinds of changes have a
 * colour, a sign and a form of line each.
 */

import { PICTURE_STYLE } from "./palette.js"

/** Lines and discs of changed parts. */
const CHANGES: readonly (readonly [kinds: readonly string[], light: string, dark: string, dash: string])[] = [
  [["added"], "#12804a", "#4ade80", "none"],
  [["removed"], "#c0322b", "#f87171", "7 4"],
  [["changed", "first-value", "other-role"], "#b45309", "#fbbf24", "2 3"],
  [["rewired"], "#7c3aed", "#b794ff", "10 3 2 3"],
  [["resized"], "#0f6fc5", "#6cb6ff", "5 2"],
  [["frozen", "unfrozen"], "#0e8090", "#5fd3e0", "1 3"],
  [["re-weighted"], "#be1868", "#f472b6", "3 2"],
  [["renamed"], "#5b6372", "#c0c8d6", "12 3"],
]

const changeRules = (surface: 1 | 2): string =>
  CHANGES.map(([kinds, ...rest]) => {
    const colour = rest[surface - 1]!
    const [, , dash] = rest
    return kinds
      .map(
        (
          kind,
        ) => `.picture .is-${kind} > .face, .picture .group.is-${kind} > rect { stroke: ${colour}; stroke-width: 3; stroke-dasharray: ${dash}; }
.picture .is-${kind} .badge rect { fill: ${colour}; } [data-kind="${kind}"] .sign { background: ${colour}; }`,
      )
      .join("\n")
  }).join("\n")

/** The whole style. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f4f5f8; --card: #ffffff; --text: #171b24; --soft: #566072; --line: #d9dee6; --accent: #2563c9; --here: #fff3c4; --badge: #ffffff;
  --hc: #647080; --hs: #15703a; --hn: #9a4a00; --hk: #6b3fc4; --sc: #0b6b77; --sf: #1d5fb8; --ss: #a3386c; --st: #8a5a00; --sv: #2c3342;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0c0e13; --card: #11141a; --text: #eceff5; --soft: #a3adbd; --line: #2d333f; --accent: #7db0ff; --here: #3b3413; --badge: #0c0e13;
    --hc: #8a94a6; --hs: #7fd69b; --hn: #ffb26b; --hk: #b9a0ff; --sc: #66d5e0; --sf: #82b4ff; --ss: #f093bf; --st: #e2b75c; --sv: #d5dbe6;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 14px/1.45 Inter, "Helvetica Neue", Helvetica, Arial, sans-serif; }
.page { display: flex; flex-direction: column; height: 100vh; min-height: 560px; padding: 14px 16px 16px; gap: 12px; }
.page.two { height: auto; }
header { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: flex-end; justify-content: space-between; }
h1 { font-size: 21px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h1 small { font-size: 15px; font-weight: 500; color: var(--soft); margin-left: 6px; }
header p { margin: 3px 0 0; color: var(--soft); overflow-wrap: anywhere; }
.tools { display: flex; flex-wrap: wrap; gap: 6px; position: relative; max-width: 100%; }
button, .tools input, .facts a { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 5px 11px; min-height: 32px; }
button { cursor: pointer; } button:disabled { cursor: default; }
button:hover:not(:disabled), button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.tools input { width: 190px; min-width: 0; flex: 1 1 120px; }
#results { position: absolute; z-index: 5; top: 100%; left: 0; width: min(420px, calc(100vw - 32px)); max-height: 60vh; overflow: auto; margin-top: 4px; padding: 6px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; box-shadow: 0 8px 30px rgb(0 0 0 / 0.16); color: var(--soft); }
#results button { display: block; width: 100%; border: 0; text-align: left; color: var(--text); overflow-wrap: anywhere; }
#results small { display: block; color: var(--soft); }
.sides { flex: 1; display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; min-height: 0; }
.two .sides { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.side { display: grid; grid-template: auto minmax(0, 1fr) / minmax(0, 1fr) minmax(280px, 27vw); gap: 8px 14px; min-height: 0; min-width: 0; }
.two .side { grid-template: auto minmax(420px, 66vh) auto / minmax(0, 1fr); align-content: start; }
.crumbs { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 2px; align-items: center; }
.crumbs button { border: 0; background: none; padding: 2px 6px; min-height: 26px; color: var(--accent); overflow-wrap: anywhere; text-align: left; }
.crumbs button:disabled { color: var(--text); font-weight: 650; }
.crumbs button + button::before { content: "/"; margin-right: 8px; color: var(--soft); font-weight: 400; }
.frame { position: relative; min-height: 0; min-width: 0; }
.stage { position: absolute; inset: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; touch-action: none; cursor: grab; user-select: none; }
.stage:active { cursor: grabbing; }
.stage svg { display: block; width: 100%; height: 100%; }
.stage .surface { fill: none; }
.tip { position: absolute; z-index: 3; left: 0; top: 0; max-width: min(360px, 90%); padding: 7px 10px; background: var(--text); color: var(--card); border-radius: 8px; font-size: 12.5px; white-space: pre-line; pointer-events: none; overflow-wrap: anywhere; }
.panel { display: flex; flex-direction: column; gap: 8px; min-height: 0; min-width: 0; }
.facts { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px 14px; max-height: 42%; overflow: auto; }
.two .facts { max-height: none; }
.facts h2 { font-size: 15px; margin: 0 0 4px; overflow-wrap: anywhere; }
.facts p { margin: 2px 0; color: var(--soft); overflow-wrap: anywhere; }
.facts button, .facts a { display: inline-block; margin: 8px 8px 0 0; text-decoration: none; }
.source { position: relative; flex: 1; background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: auto; min-height: 120px; }
.two .source { max-height: 300px; }
.source h3 { position: sticky; left: 0; margin: 0; padding: 8px 14px 2px; font-size: 12px; font-weight: 600; color: var(--soft); }
.source pre { margin: 0; padding: 4px 0 10px; width: max-content; min-width: 100%; font: 12px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; tab-size: 2; }
.line { display: block; padding-right: 14px; }
.line.here { background: var(--here); }
.number { display: inline-block; width: 46px; padding-right: 12px; text-align: right; color: var(--soft); opacity: 0.7; user-select: none; }
.hc { color: var(--hc); font-style: italic; } .hs { color: var(--hs); } .hn { color: var(--hn); } .hk { color: var(--hk); }
.sc { color: var(--sc); } .sf { color: var(--sf); } .ss { color: var(--ss); } .st { color: var(--st); } .sp, .sv { color: var(--sv); }
${PICTURE_STYLE}
.stage .box, .stage .group { cursor: pointer; outline: none; }
.stage .given, .stage .result { cursor: inherit; }
.stage .box:focus-visible .face, .stage .group:focus-visible rect, .stage .chosen .face, .stage .group.chosen > rect { stroke: var(--accent); stroke-width: 3; stroke-dasharray: none; }
.stage .box:hover .face { filter: brightness(0.97); }
.stage .pointed .edge:not(.near) { opacity: 0.25; }
.stage .edge.near .line { stroke: var(--accent); stroke-width: 2.2; } .stage .edge.near .head { fill: var(--accent); }
.stage .edge.near .flow, .shapes .stage .edge .flow { visibility: visible; }
.picture .same > *, .two .picture .edge { opacity: 0.42; }
.two .picture .same.group > * { opacity: 0.6; } .two .picture .edge.near { opacity: 1; }
.picture .badge text, .picture .group .badge text { fill: var(--badge); font: 700 12px/1 Arial, sans-serif; text-anchor: middle; stroke: none; }
.picture .lit-inside > .face, .picture .group.lit-inside > rect { stroke: var(--text); stroke-width: 2; }
.picture .lit-inside .badge rect { fill: var(--text); }
${changeRules(1)}
@media screen and (prefers-color-scheme: dark) { ${changeRules(2)} }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(170px, 100%), 1fr)); gap: 10px; margin: 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 9px 13px; min-width: 0; }
.tiles dt { font-size: 12.5px; color: var(--soft); }
.tiles dd { margin: 0; font-size: 17px; font-weight: 650; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.tiles dd small { display: block; font-size: 12.5px; font-weight: 400; color: var(--soft); }
.changes { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 8px; max-height: 216px; overflow: auto; columns: 340px auto; column-gap: 18px; }
.changes h2 { font-size: 13px; margin: 4px 6px 1px; break-after: avoid; color: var(--soft); }
.changes ol { list-style: none; margin: 0; padding: 0; }
.changes li > * { display: flex; gap: 8px; align-items: baseline; width: 100%; border: 0; text-align: left; padding: 2px 6px; min-height: 0; break-inside: avoid; overflow-wrap: anywhere; }
.changes li > div { color: var(--soft); }
.sign { flex: none; min-width: 20px; padding: 0 5px; text-align: center; border-radius: 9px; background: var(--soft); color: var(--badge); font-weight: 700; font-size: 12px; }
.changes span { min-width: 0; } .changes strong { font-weight: 650; }
@media (max-width: 800px) {
  main, 
.page.two { height: auto; padding: 10px; }
  .two .sides { grid-template-columns: minmax(0, 1fr); }
  .side { grid-template: auto 70vh auto / minmax(0, 1fr); }
  .two .side { grid-template: auto 56vh auto / minmax(0, 1fr); }
  .facts, .source { max-height: 320px; }
}
@media print {
  .page, .page.two { display: block; height: auto; padding: 0; }
  .tools, .tip, .source, .facts { display: none !important; }
  .side, .two .sides, .two .side { display: block; }
  .frame { break-inside: avoid; }
  .stage { position: static; border: 0; }
  .stage svg { height: auto; max-height: 90vh; }
  .changes { max-height: none; border: 0; }
}
`
