/** Every MDL example of the documentation is compiled, and the names and shapes shown under it are its own. */

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { selectableNames } from "../../src/compiler/elaborate/ablations.js"
import { formatType } from "../../src/compiler/elaborate/values.js"
import { compileText, elaborated, messages } from "../compiler/source-host.js"
import { examplesOf } from "./docs-modules.js"

// errors.md is made of messages that are compiled while it is written; pages.test.ts holds it to them.
const PAGES = ["README.md", ...readdirSync("docs").map((name) => `docs/${name}`)].filter(
  (path) => existsSync(path) && path.endsWith(".md") && path !== "docs/errors.md",
)

describe.each(PAGES)("%s", (path) => {
  const examples = examplesOf(readFileSync(path, "utf8"))

  test.each(examples.filter((e) => e.error === undefined))("the example in line $line compiles", ({ text, claims }) => {
    const first = compileText(text, { selector: selectorsOf(text)[0] })
    expect(messages(first)).toBe("")
    for (const selector of selectorsOf(text)) expect(messages(compileText(text, { selector }))).toBe("")
    for (const { what, selector, lines } of claims) {
      const model = elaborated(compileText(text, { selector: selector ?? selectorsOf(text)[0] }))
      const actual =
        what === "parameters"
          ? model.graph.parameters.map((p) => p.name)
          : model.lets.map((l) => `${l.name}: ${formatType(l.type)}`)
      expect(actual).toEqual(lines)
    }
  })

  test.each(examples.filter((e) => e.error !== undefined))(
    "the example in line $line gives $error and nothing else",
    ({ text, error, selector }) => {
      expect(compileText(text, { selector }).diagnostics.map((d) => d.code)).toEqual([error])
    },
  )

  test("every example is one that a test above can take", () => {
    const texts = examples.map((e) => e.text)
    expect(texts.every((text) => text.trim().length > 0)).toBe(true)
    for (const { text, error } of examples) if (error === undefined) expect(selectorsOf(text)).not.toEqual([])
  })
})

/** Models first, then ablations. */
function selectorsOf(text: string): readonly string[] {
  const { modules } = compileText(text)
  return modules ? selectableNames(modules.root) : []
}
