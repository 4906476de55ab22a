import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { highlighted } from "../../../src/runtime/reports/highlight.js"
import { PACKAGE_ROOT } from "../../../src/runtime/model-file.js"

/** What a browser shows of markup. */
const shownText = (markup: string): string =>
  markup
    .replace(/<\/?span[^>]*>/g, "")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&")

/** The words of one class. */
const coloured = (text: string, kind: string): string[] =>
  [...highlighted(text).text.matchAll(new RegExp(`<span class="${kind}">(.*?)</span>`, "g"))].map((m) => m[1]!)

describe("highlighted", () => {
  const files = ["models", "std"].flatMap((folder) => {
    const path = join(PACKAGE_ROOT, folder)
    return readdirSync(path).flatMap((name) => (name.endsWith(".mdl") ? [join(path, name)] : []))
  })

  it.each(files.map((path) => [path.slice(PACKAGE_ROOT.length + 1), path]))(
    "keeps every character of %s",
    (_, path) => {
      const text = readFileSync(path, "utf8")
      expect(shownText(highlighted(text).text)).toBe(text)
    },
  )

  it("tells comments, strings, numbers and keywords apart", () => {
    const text = '/// A <b>\nimport { A } from "std/a"\nloss l = 0.5 * a // end\n'
    expect(coloured(text, "hc")).toEqual(["/// A &lt;b&gt;", "// end"])
    expect(coloured(text, "hs")).toEqual(["&quot;std/a&quot;"])
    expect(coloured(text, "hn")).toEqual(["0.5"])
    expect(coloured(text, "hk")).toEqual(["import", "from", "loss"])
  })

  it("leaves a keyword plain where it is a name", () => {
    expect(coloured("loss t2v = mse(Reconstructor(layers)(source = e, target = masked), v1)", "hk")).toEqual(["loss"])
    expect(coloured("let output = target\nlet x = 1", "hk")).toEqual(["let", "let"])
  })

  it("shows what is no MDL as text", () => {
    const text = "model <script>alert(1)</script> /* x */ # y\n'z' \u0001 ${"
    const { text: markup } = highlighted(text)
    expect(markup).not.toMatch(/<script/)
    expect(shownText(markup)).toBe(text.replace("\u0001", "\ufffd"))
  })
})
