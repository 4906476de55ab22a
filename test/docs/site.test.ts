/**
 * The documentation as pages: every block of MDL has the colours of the editor's grammar, every link leads somewhere, and a
 * link that does not is an error.
 */

import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative, resolve } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

const site = mkdtempSync(join(tmpdir(), "mdl-site-"))
afterAll(() => rmSync(site, { recursive: true, force: true }))

let pages: ReadonlyMap<string, string>
beforeAll(() => {
  execFileSync(process.execPath, ["scripts/docs/site.mjs", "--out", site, "--without-api"], { stdio: "pipe" })
  const names = (readdirSync(site, { recursive: true }) as string[]).filter((name) => name.endsWith(".html"))
  pages = new Map(names.map((name) => [name, readFileSync(join(site, name), "utf8")]))
})

const ids = (html: string): ReadonlySet<string> => new Set([...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id!))

describe("the pages", () => {
  test("are one for each document, model and file of the library", () => {
    const count = (folder: string, ending: string): number =>
      readdirSync(folder).filter((name) => name.endsWith(ending)).length
    const expected = 1 + count("docs", ".md") + count("models", ".mdl") + count("std", ".mdl")
    expect(pages.size).toBeGreaterThanOrEqual(expected)
    expect([...pages.keys()]).toEqual(expect.arrayContaining(["index.html", "docs/language.html", "std/unet.mdl.html"]))
  })

  test("have links that lead somewhere, to what is there", () => {
    const broken: string[] = []
    let links = 0
    for (const [page, html] of pages) {
      // What is shown as code is no link.
      for (const [, link] of html.replace(/<pre .*?<\/pre>/gs, "").matchAll(/(?:href|src)="([^"]*)"/g)) {
        if (/^[a-z]+:/.test(link!)) continue
        links++
        const [path, anchor] = link!.split("#")
        const file = path === "" ? join(site, page) : resolve(site, dirname(page), decodeURI(path!))
        const isThere = existsSync(file) && statSync(file).isFile() && !relative(site, file).startsWith("..")
        if (!isThere || (anchor !== undefined && !ids(readFileSync(file, "utf8")).has(anchor))) {
          broken.push(`${page}: ${link}`)
        }
      }
    }
    expect(broken).toEqual([])
    expect(links).toBeGreaterThan(500)
  })

  test("colour every block of MDL with the grammar of the editor", () => {
    for (const name of ["README.md", ...readdirSync("docs").map((file) => `docs/${file}`)]) {
      if (!name.endsWith(".md")) continue
      const page = name === "README.md" ? "index.html" : name.replace(/\.md$/, ".html")
      const written = [...readFileSync(name, "utf8").matchAll(/^ *```mdl/gm)].length
      const shown = [...pages.get(page)!.matchAll(/<pre data-language="mdl".*?<\/pre>/gs)].map(([block]) => block)
      expect(shown, page).toHaveLength(written)
      for (const block of shown) {
        const colours = new Set([...block.matchAll(/--shiki-light:(#\w+)/g)].map(([, colour]) => colour))
        expect(colours.size, block).toBeGreaterThan(1)
      }
    }
  })

  test("have each name once, a title, and no script", () => {
    for (const [page, html] of pages) {
      const all = [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id)
      expect(new Set(all).size, page).toBe(all.length)
      expect(html, page).toMatch(/<title>[^<]+<\/title>/)
      expect(html, page).not.toMatch(/<script/)
      expect(html, page).not.toContain(process.cwd())
    }
  })

  test("show the railroad diagrams and the plots", () => {
    const grammar = pages.get("docs/grammar.html")!
    const drawings = [...grammar.matchAll(/<img src="(images\/grammar\/\w+\.svg)"/g)].map(([, path]) => path!)
    expect(drawings.length).toBeGreaterThan(5)
    for (const drawing of drawings) expect(readFileSync(join(site, "docs", drawing), "utf8")).toMatch(/^<svg/)
  })
})
