/** Drawings are well-formed whatever stands in the text, and stay as they are. */

import fc from "fast-check"
import sharp from "sharp"
import { describe, expect, test } from "vitest"
import { LayoutEngine } from "../../../src/compiler/picture/layout.js"
import type { Box, Picture } from "../../../src/compiler/picture/picture.js"
import { codeWidth, textWidth } from "../../../src/compiler/picture/text-width.js"
import { captionOf, svgDocument } from "../../../src/runtime/pictures/svg.js"
import { graphDrawing } from "../../../src/runtime/pictures/write-picture.js"
import { drawnText, SMALL } from "../../compiler/picture/small-model.js"

describe("a drawing", () => {
  test("of a small model is that of the golden file", async () => {
    await expect(await graphDrawing(drawnText(SMALL))).toMatchFileSnapshot("../../golden/pictures/small.svg")
  })

  test("can be read by others than browsers", async () => {
    const svg = await graphDrawing(drawnText(SMALL))
    const { format, width, height } = await sharp(Buffer.from(svg)).metadata()
    expect([format, svg.includes(`viewBox="0 0 ${width} ${height}"`)]).toEqual(["svg", true])
  })

  test("shows hostile texts as texts", async () => {
    const engine = new LayoutEngine()
    const hostile = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.constantFrom(
        `</svg><script>run()</script>`,
        `"><g onload="run()`,
        `]]>&#0;<!--`,
        "\u0000\u0008\ud800",
        "漢字",
      ),
    )
    const property = fc.asyncProperty(hostile, hostile, async (name, doc) => {
      const { picture } = drawnText(SMALL)
      const [first, ...others] = picture.root.boxes as [Box, ...Box[]]
      const source = { file: name, line: 1, lastLine: 1 }
      const boxes = [{ ...first, name, what: doc, types: [name], doc, source }, ...others]
      const changed: Picture = { ...picture, model: name, doc, root: { ...picture.root, boxes } }
      const svg = svgDocument(await engine.layOut(changed.root, changed.sections), captionOf(changed))
      expect(svg).not.toMatch(/<script|<g onload/)
      // A strict reader of XML takes it.
      expect((await sharp(Buffer.from(svg)).metadata()).format).toBe("svg")
    })
    await fc.assert(property, { numRuns: 15 })
  })
})

test("widths reckon with wide characters", () => {
  expect(textWidth("漢字", 10)).toBeGreaterThan(2 * textWidth("ab", 10) * 0.9)
  expect(textWidth("WWWW", 10)).toBeGreaterThan(textWidth("iiii", 10))
  expect(codeWidth("abcd", 10)).toBeCloseTo(24.4)
})
