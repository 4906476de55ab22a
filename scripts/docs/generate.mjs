#!/usr/bin/env node
/**
 * Writes the generated documentation: docs/operators.md, docs/errors.md, docs/grammar.md with its drawings, and the marked
 * parts of docs/language.md, docs/commands.md, docs/training.md and the README.
 *
 * Takes the compiled program in dist/ (`npm run build`); with --check writes nothing and exits with 1 when a page is not
 * what it would write. Everything is made before anything is written.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { collect, pages } from "./pages.mjs"

const root = new URL("../../", import.meta.url)
const files = {
  readText: (path) => readFileSync(new URL(path, root), "utf8"),
  list: (path) => readdirSync(new URL(path, root)).sort(),
}
if (!existsSync(new URL("dist/src/cli/main.js", root))) {
  process.stderr.write("the documentation is made from the compiled program: run `npm run build` first\n")
  process.exit(2)
}
const modules = await collect((path) => import(new URL(`dist/${path}`, root).href), files)
const check = process.argv.includes("--check")
for (const [path, text] of Object.entries(pages(modules, files))) {
  const before = existsSync(new URL(path, root)) ? files.readText(path) : undefined
  if (before === text) continue
  if (check) {
    process.stderr.write(`${path} is not what the program says now: run \`node scripts/docs/generate.mjs\`\n`)
    process.exitCode = 1
  } else {
    mkdirSync(new URL(".", new URL(path, root)), { recursive: true })
    writeFileSync(new URL(path, root), text)
    process.stdout.write(`wrote ${path}\n`)
  }
}
