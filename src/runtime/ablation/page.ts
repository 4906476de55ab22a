/**
 * A conclusion as one HTML page.
 *
 * Takes a result and its plots; gives the text of a file that needs nothing else: no script, no picture from elsewhere, in the
 * style of the reports of runs.
 */
import { listed } from "../data/sample.js"
import { documentText } from "../reports/document.js"
import { type Html, markup } from "../reports/html.js"
import { amount } from "../reports/numbers.js"
import { STYLE } from "../reports/style.js"
import { type Plot, PLOT_STYLE } from "./plots.js"
import type { AblationResult } from "./result.js"
import {
  budgetText,
  differenceText,
  findings,
  NUMERIC,
  overSeedsText,
  pText,
  remarks,
  TABLE_HEAD,
  tableRows,
} from "./words.js"

/** The page, as UTF-8 text. */
export function ablationPage(result: AblationResult, plots: readonly Plot[]): string {
  const { base, warnings, dataset } = result
  const body = markup`<header>
<h1>${base}<small>ablation</small></h1>
<p>${result.model} · ${budgetText(result)}</p>
</header>
${tiles(result)}
${failures(result)}
<h2>Variants <small>${remarks(result).join(" · ")}</small></h2>
${variantTable(result)}
${
  result.comparisons.length > 0 &&
  markup`<h2>What matters</h2><div class="card"><ol>${findings(result).map((text) => markup`<li>${text}</li>`)}</ol>
<p class="empty">${result.method}</p></div>`
}
<h2>Plots <small>large dots: means over seeds, small ones: seeds</small></h2>
<div class="plots">${plots.map(
    ({ title, svg }) =>
      markup`<figure class="chart"><figcaption><span class="chart-title">${title}</span></figcaption>${svg}</figure>`,
  )}</div>
<h2>Members</h2>
${memberTable(result)}
${warnings.length > 0 && markup`<h2>Warnings of the trainings</h2><ul class="warnings">${warnings.map((text) => markup`<li>${text}</li>`)}</ul>`}
<footer>Made by mdl ${result.tool}. Data set ${dataset.sha256.slice(0, 12)} (${dataset.layout}).</footer>`
  return documentText(`${base} · MDL ablation`, STYLE + PLOT_STYLE, body)
}

function tiles({ variants, comparisons, seeds, base }: AblationResult): Html {
  const own = variants.find(({ label }) => label === base)
  const parts = new Set(variants.filter(({ kind }) => kind !== "other").map(({ label }) => label))
  const first = comparisons.find(({ label, verdict }) => verdict === "worse" && parts.has(label))
  return markup`<section class="tiles">
<div class="card tile main"><div class="name">Dice, ${base}</div><div class="value">${own?.dice ? own.dice.mean.toFixed(3) : "-"}</div><div class="detail">mIoU ${overSeedsText(own?.iou ?? null)}, ${own ? amount(own.parameters.trainable) : "-"} trainable parameters</div></div>
${first && markup`<div class="card tile"><div class="name">matters most: ${first.label}</div><div class="value">${first.difference.mean.toFixed(3)}</div><div class="detail">${differenceText(first)}, p ${pText(first.adjusted)}</div></div>`}
<div class="card tile"><div class="name">variants</div><div class="value">${variants.length}</div><div class="detail">${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"} each</div></div>
</section>`
}

function failures({ missing }: AblationResult): Html | undefined {
  if (missing.length === 0) return undefined
  const waiting = missing.filter(({ message }) => message === null).map(({ member }) => member)
  return markup`<ul class="warnings">${missing.map(
    ({ member, message }) => message !== null && markup`<li>${member}: ${message}</li>`,
  )}${waiting.length > 0 && markup`<li>not done yet: ${listed(waiting, 6)}</li>`}</ul>`
}

function variantTable(result: AblationResult): Html {
  const numeric = new Set<number>(NUMERIC)
  const style = (column: number): string => (numeric.has(column) ? "number" : "text")
  return markup`<div class="card scroll"><table>
<thead><tr>${TABLE_HEAD.map((name, column) => markup`<th class="${style(column)}">${name}</th>`)}</tr></thead>
<tbody>${tableRows(result).map((row) => markup`<tr>${row.map((text, column) => markup`<td class="${style(column)}">${text}</td>`)}</tr>`)}</tbody></table></div>`
}

function memberTable({ variants }: AblationResult): Html {
  const rows = variants
    .filter(({ sameAs }) => sameAs === null)
    .flatMap(({ seeds }) =>
      seeds.map(
        ({ run, dice, iou, bestStep, steps, ended, stepSeconds }) =>
          markup`<tr><td>${run}</td><td class="number">${dice.toFixed(4)}</td><td class="number">${iou.toFixed(4)}</td><td class="number">${bestStep}</td><td class="number">${steps}</td><td>${ended}</td><td class="number">${stepSeconds.toFixed(0)}</td></tr>`,
      ),
    )
  return markup`<div class="card scroll"><table>
<thead><tr><th>run</th><th class="number">Dice</th><th class="number">mIoU</th><th class="number">best step</th><th class="number">steps</th><th>ended by</th><th class="number">seconds in steps</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}
