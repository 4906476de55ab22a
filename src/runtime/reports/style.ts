/**
 * The style of report pages.
 *
 * Gives: one style sheet. Colours are variables with a light and a dark set; the two data colours (blue for training,
 * orange for validation and prediction) differ in lightness too, so they can be told apart without colour vision. Outlines
 * on pictures keep their colours in both sets, because the pictures do.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1a1d24; --soft: #5b6372; --line: #dde1e8; --grid: #e9ecf1;
  --train: #2563c9; --valid: #d9660a; --rate: #6b7280; --good: #15803d; --bad: #b91c1c; --warn-page: #fff6e0; --warn-line: #e3b341;
  --truth: #00d0f0; --prediction: #ff9413; --word: 217, 102, 10; --code: #f1f3f6;
  --hc: #647080; --hs: #15703a; --hn: #9a4a00; --hk: #6b3fc4;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #11141a; --card: #1a1e26; --text: #e7eaf0; --soft: #9aa3b2; --line: #2d333f; --grid: #262c37;
    --train: #6ea8ff; --valid: #ffa552; --rate: #9aa3b2; --good: #4ade80; --bad: #f87171; --warn-page: #2b2413; --warn-line: #8a6d1f;
    --word: 255, 148, 60; --code: #141820;
    --hc: #8a94a6; --hs: #7fd69b; --hn: #ffb26b; --hk: #b9a0ff;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 28px 20px 56px; }
header h1 { font-size: 26px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; overflow-wrap: anywhere; }
header h1 small { font-size: 17px; font-weight: 500; color: var(--soft); margin-left: 6px; }
header p { margin: 4px 0 0; color: var(--soft); overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 34px 0 10px; overflow-wrap: anywhere; }
h2 small { font-weight: 400; font-size: 13.5px; color: var(--soft); margin-left: 6px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; margin-top: 20px; }
.tile .value { font-size: 30px; font-weight: 650; line-height: 1.15; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.tile .name { font-size: 13.5px; font-weight: 600; }
.tile .detail { font-size: 12.5px; color: var(--soft); overflow-wrap: anywhere; }
.tile.main { border-color: var(--train); box-shadow: inset 0 3px 0 var(--train); }
.pass { color: var(--good); } .fail { color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 14px 24px; margin: 0; }
.facts dt { font-size: 12.5px; color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 12px; }
.chart { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 12px 6px; margin: 0; min-width: 0; }
.chart figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 10px; min-height: 24px; }
.chart-title { font-weight: 600; font-size: 14px; overflow-wrap: anywhere; }
.chart-note { font-size: 12.5px; color: var(--soft); }
.legend { margin-left: auto; display: flex; gap: 10px; font-size: 12px; color: var(--soft); }
.key { display: inline-flex; align-items: center; gap: 5px; white-space: nowrap; }
.swatch { width: 14px; height: 3px; border-radius: 2px; display: inline-block; }
.swatch.train { background: var(--train); } .swatch.valid { background: var(--valid); } .swatch.rate { background: var(--rate); }
.swatch.truth { background: var(--truth); } .swatch.prediction { background: var(--prediction); }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--grid); stroke-width: 1; } .axis { stroke: var(--line); stroke-width: 1; }
.tick, .label { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.series path { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.series.train path { stroke: var(--train); } .series.train circle { fill: var(--train); }
.series.valid path { stroke: var(--valid); } .series.valid circle { fill: var(--valid); }
.series.rate path { stroke: var(--rate); } .series.rate circle { fill: var(--rate); }
.epoch-end { stroke: var(--grid); stroke-width: 1; }
.best-at { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
.mark circle { fill: none; stroke: var(--text); stroke-width: 1.4; }
.mark text { fill: var(--text); font-size: 11.5px; font-weight: 600; }
.bars { display: grid; grid-template-columns: minmax(120px, max-content) minmax(60px, 1fr) max-content; gap: 9px 12px; align-items: center; }
.bars .bar { height: 16px; background: var(--grid); border-radius: 4px; overflow: hidden; }
.bars .bar i { display: block; height: 100%; background: var(--rate); }
.bars .own i { background: var(--train); }
.bars .number { font-variant-numeric: tabular-nums; font-weight: 600; text-align: right; }
.bars .name span { display: block; font-size: 12.5px; color: var(--soft); }
.cases { display: grid; gap: 14px; }
.case-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 12px; margin-bottom: 10px; }
.badge { font-size: 12px; font-weight: 650; text-transform: uppercase; letter-spacing: 0.05em; padding: 1px 8px; border-radius: 99px; border: 1px solid currentColor; }
.badge.best { color: var(--good); } .badge.worst { color: var(--bad); } .badge.median { color: var(--soft); }
.case-head .id { font-weight: 600; overflow-wrap: anywhere; }
.case-head .number { color: var(--soft); font-variant-numeric: tabular-nums; }
.case-body { display: flex; flex-wrap: wrap; gap: 14px; }
.case-body figure { flex: 0 1 232px; margin: 0; min-width: 0; }
.case-body img, .case-body svg { width: 100%; height: auto; border-radius: 6px; background: #000; display: block; }
footer, .case-body figcaption, .tile .name, .badge { overflow-wrap: anywhere; min-width: 0; }
.case-body figcaption { font-size: 12.5px; color: var(--soft); margin-top: 5px; display: flex; flex-wrap: wrap; gap: 2px 10px; }
.texts { flex: 1 1 260px; min-width: 0; }
.texts p { margin: 0 0 12px; overflow-wrap: anywhere; line-height: 1.7; }
.texts .label { display: block; color: var(--soft); font-size: 12.5px; }
.outline { fill: none; stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.outline.truth { stroke: var(--truth); } .outline.prediction { stroke: var(--prediction); fill: rgba(255, 148, 19, 0.22); }
.word { padding: 1px 2px; border-radius: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12.5px; }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--grid); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.warnings { background: var(--warn-page); border: 1px solid var(--warn-line); border-radius: 10px; padding: 12px 16px 12px 34px; margin: 20px 0 0; }
section.warnings { padding-left: 16px; }
.warnings h2 { margin: 0 0 4px; font-size: 15px; }
.warnings ul { margin: 0; padding-left: 18px; }
.warnings li { overflow-wrap: anywhere; }
.remarks { margin: 10px 0 0; padding-left: 18px; font-size: 13px; color: var(--soft); }
.remarks li { overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 12px; align-items: start; }
.below { margin-top: 12px; }
details { margin-top: 10px; }
summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; overflow-x: auto; font: 12.5px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, monospace; margin: 10px 0 0; tab-size: 2; }
pre .hc { color: var(--hc); font-style: italic; } pre .hs { color: var(--hs); } pre .hn { color: var(--hn); } pre .hk { color: var(--hk); font-weight: 600; }
.empty { color: var(--soft); font-size: 13px; }
footer { margin-top: 36px; color: var(--soft); font-size: 12.5px; }
@media (max-width: 560px) {
  main { padding: 18px 12px 40px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px; }
  .card { padding: 12px; }
  .tile .value { font-size: 25px; }
  .bars { grid-template-columns: 1fr max-content; }
  .case-body { gap: 10px; }
  .case-body figure { flex-basis: calc(50% - 5px); }
  .texts { flex-basis: 100%; }
  .bars .name { grid-column: 1 / -1; margin-bottom: -5px; }
}
@media print {
  body { background: #fff; font-size: 12px; }
  main { max-width: none; padding: 0; }
  .bars .bar i, .word, .swatch, .warnings, .outline { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .card.tile, .chart, .case, tr, .warnings li { break-inside: avoid; }
  h2 { break-after: avoid; }
  .scroll { overflow: visible; }
  th, td { white-space: normal; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  /* A folded text cannot be opened on paper. */
  details::details-content { content-visibility: visible; height: auto; }
}
`
