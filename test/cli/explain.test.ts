/** `mdl explain`: every code of the compiler has its entry, whole and nothing of the next. */

import { describe, expect, test } from "vitest"
import { FACTS } from "../../src/compiler/diagnostics/facts.js"
import { errorsPage, explainCode } from "../../src/runtime/explanations.js"
import { mdl } from "./command-line.js"

describe("mdl explain", () => {
  test.each(Object.entries(FACTS))("%s", (kind, { code }) => {
    const explanation = explainCode(code)
    expect(explanation).toMatchObject({ code, kind })
    expect(explanation.title).not.toBe("")
    const last = explanation.parts.at(-1)
    // What to do comes last, in words; nothing of the page's markup is left.
    expect(last?.kind).toBe("text")
    for (const { text } of explanation.parts) expect(text).not.toMatch(/^(#|```)/m)
  })
  test("an example and its message are told apart from words", () => {
    const { parts } = explainCode("MDL3001")
    expect(parts.map(({ kind }) => kind)).toEqual(["mdl", "message", "text"])
    expect(parts[0]!.text).toMatch(/^model Small \{\n[\s\S]*\n\}$/)
    expect(parts[1]!.text).toMatch(/^error\[MDL3001\]: Sizes do not fit\n/)
  })
  test("the code may be written in small letters or as its number", async () => {
    const whole = await mdl("explain", "MDL3001")
    expect(whole).toMatchObject({ code: 0, stderr: "" })
    expect(whole.stdout).toMatch(/^MDL3001: Sizes do not fit\n\n {4}model Small \{/)
    expect(await mdl("explain", "mdl3001")).toEqual(whole)
    expect(await mdl("explain", "3001")).toEqual(whole)
  })
  test("an unknown code is answered with the nearest", async () => {
    expect(await mdl("explain", "MDL3091")).toMatchObject({ code: 1, stdout: "" })
    expect((await mdl("explain", "MDL3091")).stderr).toMatch(/there is no error MDL3091: did you mean MDL3\d{3}\?/)
    expect((await mdl("explain", "hello")).stderr).toContain("all of them are listed in docs/errors.md")
  })
  test("--json", async () => {
    const { stdout } = await mdl("explain", "MDL3001", "--json")
    expect(JSON.parse(stdout)).toEqual(explainCode("MDL3001"))
  })
  test("a page that is not as expected is a fault of the tool", () => {
    expect(() => explainCode("MDL3001", errorsPage().replace("Sizes do not fit (`dims-differ`).", ""))).toThrow(
      /no line/,
    )
  })
})
