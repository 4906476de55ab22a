import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { escapeText, markup } from "../../../src/runtime/reports/html.js"

describe("markup", () => {
  it("escapes texts and leaves markup made by itself alone", () => {
    const inner = markup`<b>${"a < b"}</b>`
    expect(markup`<p title="${'"x"'}">${inner}</p>`.text).toBe('<p title="&quot;x&quot;"><b>a &lt; b</b></p>')
  })

  it("leaves out undefined and false, joins lists, writes numbers", () => {
    expect(markup`${undefined}${false}${[1, " & ", markup`<i>`]}`.text).toBe("1 &amp; <i>")
  })

  it("never lets a text open a tag, end an attribute or begin an entity of its own", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const escaped = escapeText(text)
        expect(escaped).not.toMatch(/[<>"']/)
        expect(escaped.replace(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&")
      }),
    )
  })

  it("replaces characters that a page must not hold", () => {
    expect(escapeText("a\u0000b\u001bc\n")).toBe("a\ufffdb\ufffdc\n")
  })
})
