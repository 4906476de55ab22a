#!/usr/bin/env node
/**
 * The evidence: RecLMIS against its ablations and against other models, and the figures in docs/results.md.
 *
 * Takes the compiled program in dist/ (`npm run build`) and, for the studies on real data, their folders; gives a sweep for
 * each study in OUT, and with `--collect`, or when all is done, the marked parts of docs/results.md and docs/evidence/*.svg.
 *
 *   npm run evidence                                   phantoms only: they are made here
 *   npm run evidence -- --qata DIR --monuseg DIR       and the studies on real data
 *   npm run evidence -- --only qata --qata DIR         that study alone
 *   npm run evidence -- --collect                      train nothing: write the figures of what is there
 *
 * Options: --out DIR (runs/evidence), --jobs N, --minutes N (for each study: stopped then, to go on another time).
 *
 * Why so: every study is one `mdl ablate`, so it can be stopped and goes on where it was, and its command can be typed by
 * hand. What is equal in a study (data, order, seeds, epochs, batch) is in its table below and nowhere else.
 */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const ROOT = new URL("..", import.meta.url)
const TOOL = fileURLToPath(new URL("bin/mdl.mjs", ROOT))
const PAGE = new URL("docs/results.md", ROOT)
const FIGURES = new URL("docs/evidence/", ROOT)
/** Plots that do not depend on the machine. */
const PLOTS = ["differences", "parameters", "macs"]

/**
 * What is compared with what: the small models, because RecLMIS as published takes some thirty times the multiply-accumulates of
 * `quick`. Their text towers are trained from scratch: no published weights are loaded. `like_quick` is a U-Net with as
 * many parameters as `quick`, and its recipe; every model is given the base's batch and epochs.
 */
const STUDIES = {
  phantoms: {
    // As large as the model sees them, so that nothing is resized.
    synth: { train: 1200, valid: 60, test: 120, size: 64, seed: 1 },
    model: "models/reclmis.mdl#quick",
    options: {
      seeds: "3",
      only: "no_cvr,no_clr,no_ccl,no_aux,no_text",
      with: ["models/unet.mdl#small", "models/unet.mdl#like_quick"],
      epochs: "8",
    },
  },
  qata: {
    model: "models/reclmis.mdl#quick",
    options: {
      seeds: "1",
      "no-ablations": true,
      with: ["models/lvit-clip.mdl#quick", "models/unet.mdl#like_quick"],
      size: "112",
      epochs: "16",
    },
  },
  monuseg: {
    model: "models/reclmis.mdl#quick",
    options: {
      seeds: "3",
      "no-ablations": true,
      with: ["models/lvit-clip.mdl#quick", "models/unet.mdl#like_quick"],
      size: "224",
      batch: "8",
      epochs: "96",
      "eval-every": "24",
    },
  },
}

const { values: flags } = parseArgs({
  options: {
    out: { type: "string", default: "runs/evidence" },
    only: { type: "string" },
    qata: { type: "string" },
    monuseg: { type: "string" },
    jobs: { type: "string" },
    minutes: { type: "string" },
    collect: { type: "boolean", default: false },
  },
})

if (!existsSync(new URL("dist/src/cli/main.js", ROOT)))
  fail("the studies run the compiled program: `npm run build` first")
const chosen = flags.only?.split(",") ?? Object.keys(STUDIES).filter((name) => STUDIES[name].synth || flags[name])
const unknown = chosen.find((name) => !(name in STUDIES))
if (unknown) fail(`there is no study ${unknown}: there are ${Object.keys(STUDIES).join(", ")}`)
if (!flags.collect) for (const name of chosen) await runStudy(name)
await collect()

/** Makes the data where it is ours to make, and runs the sweep of a study as far as it gets. */
async function runStudy(name) {
  const { synth } = STUDIES[name]
  const data = synth ? join(flags.out, `${name}-data`) : flags[name]
  if (data === undefined) fail(`--${name} is missing: the folder of that data set`)
  if (synth && !existsSync(data)) {
    const code = await mdl(["data", "synth", data, ...words(synth)])
    if (code !== 0) fail(`the data of ${name} could not be made`)
  }
  const jobs = flags.jobs === undefined ? [] : ["--jobs", flags.jobs]
  const code = await mdl(
    [...ablateCommand(name, data, join(flags.out, name)), ...jobs],
    Number(flags.minutes ?? Infinity),
  )
  // A study that failed in part is shown as far as it came; the exit code says that it is not whole.
  if (code !== 0) process.exitCode = code
}

/** The words after `mdl` that run a study. */
function ablateCommand(name, data, run) {
  const { model, options } = STUDIES[name]
  return ["ablate", model, "--data", data, "--run", run, ...words(options)]
}

function words(options) {
  return Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, ...[value].flat().map(String)],
  )
}

/** Runs `mdl` with its output on this terminal; asks it to stop after some minutes. */
async function mdl(command, minutes = Infinity) {
  const child = spawn(process.execPath, [TOOL, ...command], { stdio: ["ignore", "ignore", "inherit"] })
  const timer = Number.isFinite(minutes) ? setTimeout(() => child.kill("SIGINT"), minutes * 60_000) : undefined
  const forward = () => child.kill("SIGINT")
  process.once("SIGINT", forward)
  const [code] = await once(child, "close")
  clearTimeout(timer)
  process.removeListener("SIGINT", forward)
  return code ?? 2
}

/** Writes the figures of every study that was begun (with --only, of those named) into the page. */
async function collect() {
  const load = (path) => import(new URL(`dist/src/runtime/${path}.js`, ROOT).href)
  const [plan, sweep, conclusion, inWords, fixed, datasets] = await Promise.all(
    [
      "ablation/plan",
      "ablation/sweep",
      "ablation/write-conclusion",
      "ablation/words",
      "reports/fixed-mask",
      "data/dataset",
    ].map(load),
  )
  const before = readFileSync(PAGE, "utf8")
  let page = before
  for (const name of Object.keys(STUDIES)) {
    if (flags.only && !chosen.includes(name)) continue
    const folder = join(flags.out, name)
    const planned = existsSync(folder) ? await plan.readPlan(folder) : undefined
    if (!planned) continue
    const result = await sweep.concludeSweep(folder, planned)
    const blind = await blindScore(folder, result, fixed, datasets)
    page = withPart(page, name, studyPart(name, result, blind, { ...conclusion, ...inWords }))
    mkdirSync(FIGURES, { recursive: true })
    for (const plot of PLOTS) {
      const file = join(folder, "plots", `${plot}.svg`)
      if (existsSync(file)) copyFileSync(file, new URL(`${name}-${plot}.svg`, FIGURES))
    }
    process.stderr.write(`docs/results.md: ${name}${result.complete ? "" : ", not complete"}\n`)
  }
  if (page !== before) writeFileSync(PAGE, page)
}

/** Dice of the best mask that looks at nothing, on the data and at the size that the base was trained with. */
async function blindScore(folder, { base, variants, split }, { fixedMaskScore }, { openDataset }) {
  const [done] = variants.find(({ label }) => label === base).seeds
  if (!done) return undefined
  const { data, description } = JSON.parse(readFileSync(join(folder, done.run, "run.json"), "utf8"))
  const size = { height: description.sizes.H, width: description.sizes.W }
  return (await fixedMaskScore(await openDataset(data.root), size, split)).dice
}

/** One study in Markdown: commands, budget, table, findings. */
function studyPart(name, result, blind, { markdownTable, findings, budgetText, remarks }) {
  const { synth } = STUDIES[name]
  const made = synth ? [`npx mdl data synth DIR ${words(synth).join(" ")}`] : []
  const command = `npx mdl ${ablateCommand(name, "DIR", `runs/${name}`).map(quoted).join(" ")}`
  const { splits, sha256, layout } = result.dataset
  const steps = [...new Set(result.variants.flatMap(({ seeds }) => seeds.map((seed) => seed.steps)))].sort(
    (a, b) => a - b,
  )
  return [
    "```sh\n" + [...made, command].join("\n") + "\n```",
    `${splits.train} / ${splits.valid} / ${splits.test} cases (layout ${layout}, SHA-256 ${sha256.slice(0, 12)}…); ` +
      `${budgetText(result)}; ${steps.length === 1 ? `every member trained ${steps[0]} steps` : `members trained ${steps[0]} to ${steps.at(-1)} steps`}; mdl ${result.tool}.`,
    markdownTable(result),
    `${remarks(result).join(". ")}.${blind === undefined ? "" : ` The best mask that looks at nothing (the mean training mask at its best threshold) has Dice ${blind.toFixed(4)}.`}`,
    findings(result)
      .map((text, index) => `${index + 1}. ${text}`)
      .join("\n"),
    result.method,
    PLOTS.filter((plot) => existsSync(join(flags.out, name, "plots", `${plot}.svg`)))
      .map((plot) => `![${name}: ${plot}](evidence/${name}-${plot}.svg)`)
      .join("\n"),
  ]
    .filter((block) => block !== "")
    .join("\n\n")
}

/** A word as a shell wants it. */
function quoted(word) {
  return /[#\s]/.test(word) ? `'${word}'` : word
}

/** The page with the marked part of a study replaced. */
function withPart(page, name, text) {
  const [begin, end] = [`<!-- evidence:${name} -->`, `<!-- end:evidence:${name} -->`]
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) fail(`docs/results.md has no place for ${name}: ${begin} ... ${end}`)
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`
}

function fail(message) {
  process.stderr.write(`evidence: ${message}\n`)
  process.exit(1)
}
