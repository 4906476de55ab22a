/**
 * The style of the page of `mdl serve`: light and dark as the system has it, one column on narrow screens.
 *
 * Gives: one style sheet. The mask's orange is that of `mdl predict`'s overlays in both schemes, because pictures do not
 * change with the scheme.
 */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1a1d24; --soft: #5b6372; --line: #c9cfd9; --accent: #1d56b3; --on-accent: #ffffff;
  --bad: #b91c1c; --bad-page: #fdecec; --word: 217, 102, 10;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11141a; --card: #1a1e26; --text: #e7eaf0; --soft: #9aa3b2; --line: #3a4150; --accent: #7db0ff; --on-accent: #10131a;
    --bad: #fca5a5; --bad-page: #341719; --word: 255, 148, 60;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1160px; padding: 20px; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { margin-bottom: 16px; }
h1 { font-size: 24px; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 28px 0 10px; }
h2 small, header p, .hint, .status, footer { color: var(--soft); font-size: 13px; font-weight: 400; }
header p, .hint, .status { margin: 4px 0 0; overflow-wrap: anywhere; }
main { display: grid; grid-template-columns: minmax(0, 1.35fr) minmax(0, 1fr); gap: 20px; align-items: start; }
.stage { position: relative; }
.drop { display: block; position: relative; min-height: 220px; background: var(--card); border: 2px dashed var(--line); border-radius: 12px; cursor: pointer; overflow: hidden; }
.drop.over { border-color: var(--accent); }
.filled .drop { border-style: solid; min-height: 0; background: #000; }
.canvases { display: none; position: relative; width: 100%; }
.filled .canvases { display: block; }
.canvases canvas { display: block; width: 100%; height: auto; }
.canvases #mask { image-rendering: pixelated; }
.canvases #heat, .canvases #mask { position: absolute; inset: 0; height: 100%; }
.invitation { position: absolute; inset: 0; display: grid; place-content: center; text-align: center; padding: 16px; color: var(--soft); }
.filled .invitation { position: static; display: block; padding: 8px 12px; font-size: 13px; background: var(--card); }
.invitation strong { color: var(--text); }
.file { position: absolute; width: 1px; height: 1px; opacity: 0; pointer-events: none; }
.stage:has(.file:focus-visible) .drop { outline: 3px solid var(--accent); outline-offset: 2px; }
.stage[aria-busy] .canvases { opacity: 0.75; }
.controls { display: grid; gap: 16px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px; }
label { font-weight: 600; font-size: 14px; }
.check { font-weight: 400; display: inline-flex; align-items: center; gap: 6px; }
textarea, input[type="text"], select { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 8px; padding: 8px 10px; }
textarea { display: block; width: 100%; margin-top: 4px; resize: vertical; }
select { padding: 4px 8px; max-width: 100%; }
input[type="range"] { width: 100%; accent-color: var(--accent); min-height: 24px; }
input[type="checkbox"] { accent-color: var(--accent); width: 18px; height: 18px; }
:is(textarea, input, select, button):focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
.row { display: flex; flex-wrap: wrap; gap: 10px 20px; align-items: center; }
output, dd { font-variant-numeric: tabular-nums; }
.facts { margin: 0; display: flex; flex-wrap: wrap; gap: 8px 28px; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 0; font-weight: 600; }
button { font: inherit; font-weight: 600; color: var(--on-accent); background: var(--accent); border: 0; border-radius: 8px; padding: 10px 16px; cursor: pointer; }
button:disabled { opacity: 0.5; cursor: default; }
.words p { margin: 8px 0 0; line-height: 1.9; overflow-wrap: anywhere; }
.words .label { display: block; color: var(--soft); font-size: 13px; line-height: 1.4; }
.word { padding: 2px 3px; border-radius: 4px; background: rgba(var(--word), calc(0.7 * var(--share, 0))); }
s.word { opacity: 0.55; }
.hint.warning { color: var(--bad); }
.problem { background: var(--bad-page); color: var(--bad); border: 1px solid currentColor; border-radius: 8px; padding: 10px 14px; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 16px; }
.example-list { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 10px; }
.example-list button { padding: 0; background: #000; border-radius: 8px; overflow: hidden; aspect-ratio: 1; }
.example-list img { display: block; width: 100%; height: 100%; object-fit: cover; }
footer { margin-top: 28px; }
@media (max-width: 760px) {
  body { padding: 14px 12px; }
  main { grid-template-columns: minmax(0, 1fr); gap: 14px; }
}
@media (prefers-reduced-motion: no-preference) {
  .canvases { transition: opacity 0.2s; }
}
`
