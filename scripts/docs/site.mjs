#!/usr/bin/env node
// The documentation as pages for a browser: dist/site.
//
// Takes: --out FOLDER (dist/site), --without-api (leaves out what typedoc makes, which takes the longest). Needs the packages of
//        development.
// Gives: README.md and docs/*.md as HTML, every model and library file that they speak of as a page of its own, and the
//        reference of the programmatic interface. Exit 1 when a link leads nowhere.
// Why so: the pages are read on GitHub as they are; here they have the colours that editors have, from the same grammar. The
//         folders are those of the repository, so that links need no table.
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, extname, join, posix } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { openHighlighter } from "./site/highlight.mjs"
import { framed } from "./site/frame.mjs"
import { anchorsIn, markdownRenderer } from "./site/markdown.mjs"

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..")
const STYLE = join(ROOT, "scripts", "docs", "site", "style.css")
/** What is shown as a text with colours. */
const TEXTS = {
  ".mdl": "mdl",
  ".ebnf": "text",
  ".mjs": "javascript",
  ".ts": "typescript",
  ".py": "python",
  ".json": "json",
}
const IMAGES = [".svg", ".png", ".jpg"]
/** The pages in the order in which they are read, by what somebody wants. */
const GROUPS = [
  ["Begin", ["README.md", "docs/tutorial.md"]],
  ["Language", ["docs/language.md", "docs/operators.md", "docs/errors.md", "docs/grammar.md", "docs/editor.md"]],
  ["Use", ["docs/commands.md", "docs/data.md", "docs/images.md", "docs/training.md", "docs/metrics.md"]],
  ["Results", ["docs/reclmis.md", "docs/results.md"]],
  ["Inside", ["docs/architecture.md"]],
]

const { values: options } = parseArgs({
  options: { out: { type: "string", default: join(ROOT, "dist", "site") }, "without-api": { type: "boolean" } },
})
const out = options.out
const hasApi = !options["without-api"]
const highlighter = await openHighlighter(ROOT)

/** Files of the repository to be shown, each once: pages ask for what they link to. */
const queue = ["README.md", ...markdownIn("docs"), ...texts("models"), ...texts("std")]
const asked = new Set(queue)
/** `page: link`, for links that lead nowhere */
const broken = []
/** what can be pointed at in a page, by its file */
const anchors = new Map()
const anchorLinks = []

rmSync(out, { recursive: true, force: true })
for (let at = 0; at < queue.length; at++) write(queue[at])
checkAnchors()
copy(STYLE, join(out, "style.css"))
if (hasApi) makeApi()
process.stdout.write(`${join(out, "index.html")}\n`)
for (const line of broken) process.stderr.write(`${line}\n`)
process.exitCode = broken.length > 0 ? 1 : 0

function markdownIn(folder) {
  return files(folder, ".md")
}

function texts(folder) {
  return files(folder, ".mdl")
}

function files(folder, ending) {
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(ending))
  return names.map((name) => `${folder}/${name}`).sort()
}

/** Where the page of a file of the repository is. */
function target(file) {
  if (file === "README.md") return "index.html"
  if (file.endsWith(".md")) return file.replace(/\.md$/, ".html")
  return extname(file) in TEXTS ? `${file}.html` : file
}

function write(file) {
  const place = join(out, target(file))
  mkdirSync(dirname(place), { recursive: true })
  if (IMAGES.includes(extname(file))) return copy(join(ROOT, file), place)
  const text = readFileSync(join(ROOT, file), "utf8")
  const page = file.endsWith(".md") ? markdownPage(file, text) : sourcePage(file, text)
  anchors.set(file, anchorsIn(page.body))
  const toRoot = posix.relative(posix.dirname(target(file)), "") || "."
  writeFileSync(place, framed({ ...page, file, toRoot, navigation: navigation(file) }))
}

function markdownPage(file, text) {
  const renderer = markdownRenderer(highlighter, (link) => linkFrom(file, link))
  const { body, headings } = renderer(text)
  return { title: headings.find(({ level }) => level === 1)?.text ?? file, body, headings }
}

function sourcePage(file, text) {
  const body = `<h1><code>${file}</code></h1>\n${highlighter.block(text, TEXTS[extname(file)])}`
  return { title: file, body, headings: [] }
}

/** What a link of `file` is in its page. */
function linkFrom(file, link) {
  if (/^[a-z]+:/i.test(link)) return link
  const [path, anchor] = link.split("#")
  const wanted = path === "" ? file : posix.normalize(posix.join(posix.dirname(file), decodeURI(path)))
  const isShown = extname(wanted) in TEXTS || wanted.endsWith(".md") || IMAGES.includes(extname(wanted))
  if (wanted.startsWith("..") || !isShown || !existsSync(join(ROOT, wanted))) {
    broken.push(`${file}: ${link}`)
    return link
  }
  if (!asked.has(wanted)) {
    asked.add(wanted)
    queue.push(wanted)
  }
  if (anchor !== undefined) anchorLinks.push({ file, link, wanted, anchor })
  const place = posix.relative(posix.dirname(target(file)), target(wanted))
  return path === "" ? `#${anchor}` : anchor === undefined ? place : `${place}#${anchor}`
}

function checkAnchors() {
  for (const { file, link, wanted, anchor } of anchorLinks) {
    if (!anchors.get(wanted)?.has(anchor)) broken.push(`${file}: ${link}`)
  }
}

/** The list of pages, as seen from `file`. */
function navigation(file) {
  const own = new Set(GROUPS.flatMap(([, pages]) => pages))
  const others = markdownIn("docs").filter((page) => !own.has(page))
  const all = [...GROUPS, ["More", others], ["Models", texts("models")], ["Standard library", texts("std")]]
  const groups = all.map(([name, pages]) => ({
    name,
    pages: pages.map((page) => ({ title: titleOf(page), href: hrefOf(page, file), isHere: page === file })),
  }))
  const api = posix.relative(posix.dirname(target(file)), "api/index.html")
  const inside = groups.find(({ name }) => name === "Inside")
  if (hasApi) inside.pages.push({ title: "Programmatic interface", href: api, isHere: false })
  return groups.filter(({ pages }) => pages.length > 0)
}

function hrefOf(page, file) {
  return posix.relative(posix.dirname(target(file)), target(page))
}

function titleOf(page) {
  if (page === "README.md") return "What it is"
  if (!page.endsWith(".md")) return posix.basename(page, ".mdl")
  const [, title] = /^# (.+)$/m.exec(readFileSync(join(ROOT, page), "utf8")) ?? []
  return (title ?? page).replaceAll("`", "")
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
}

function makeApi() {
  const program = join(ROOT, "node_modules", "typedoc", "bin", "typedoc")
  const { status } = spawnSync(process.execPath, [program, "--out", join(out, "api")], { cwd: ROOT, stdio: "inherit" })
  if (status !== 0) throw new Error(`typedoc ended with exit code ${status}`)
}
