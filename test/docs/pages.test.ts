/** The generated pages are what the program says now, and their examples show what they are there for. */

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { describe, expect, test } from "vitest"
import { collectModules, errorExample, files, fillParts, pages } from "./docs-modules.js"

const modules = await collectModules()
const made = await pages(modules, files)

describe("generated documentation", () => {
  test.each(Object.keys(made))("%s is up to date (else: npm run build && node scripts/docs/generate.mjs)", (path) => {
    expect(readFileSync(path, "utf8")).toBe(made[path])
  })
  test("a part without an end, and a part that nobody makes, are refused", () => {
    const part = (name: string, end: string): string => `<!-- generated:${name} -->\n<!-- end:${end} -->`
    expect(fillParts(part("a", "a"), { a: "text" })).toContain("text")
    expect(() => fillParts(part("a", "b"), { a: "", b: "" })).toThrow(/not closed/)
    expect(() => fillParts(part("z", "z"), { a: "" })).toThrow(/no generated part z/)
  })
})

describe("the example of each error", () => {
  test.each(Object.entries(modules.FACTS))("%s gives its code and no other", (kind, { code }) => {
    const { codes, message, example } = errorExample(kind, modules)
    expect(codes).toEqual([code])
    expect(example.fix).not.toBe("")
    if (example.text !== undefined) expect(message).toContain(`[${code}]`)
  })
  test("what is called reserved is stated by no stage", () => {
    const sources = ["src", "grammar"].flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && !/facts-\w+\.ts$/.test(name))
        .map((name) => readFileSync(join(folder, name), "utf8")),
    )
    const stated = (kind: string): boolean => sources.some((text) => text.includes(`kind: "${kind}"`))
    const reserved = Object.keys(modules.FACTS).filter((kind) => errorExample(kind, modules).example.reserved)
    expect(reserved.filter(stated)).toEqual([])
  })
})

describe("links", () => {
  const paths = ["README.md", ...readdirSync("docs").map((name) => `docs/${name}`)].filter((p) => p.endsWith(".md"))
  test.each(paths)("of %s lead somewhere", (path) => {
    const text = readFileSync(path, "utf8")
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!).filter((t) => !/^https?:/.test(t))
    const broken = links.filter((link) => {
      const [file, anchor] = link.split("#") as [string, string | undefined]
      const target = file === "" ? path : normalize(join(dirname(path), file))
      if (!existsSync(target)) return true
      return anchor !== undefined && !anchorsOf(readFileSync(target, "utf8")).has(anchor)
    })
    expect(broken).toEqual([])
  })
})

/** Anchors as GitHub makes them. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.*)$/gm)
  return new Set(
    [...headings].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\-_ ]/gu, "")
        .replaceAll(" ", "-"),
    ),
  )
}
