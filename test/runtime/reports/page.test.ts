import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { duration, renderReport } from "../../../src/runtime/reports/page.js"
import { writeReport } from "../../../src/runtime/reports/write-report.js"
import { temporaryFolder } from "../data/temporary.js"
import { reportData, SCORE } from "./report-fixture.js"

describe("renderReport", () => {
  it("shows scores, baselines, curves, cases, warnings, parity, run and text", async () => {
    const page = renderReport(await reportData())
    for (const text of [
      "<h1>RecLMIS<small>quick</small></h1>",
      "0.812 ± 0.050",
      "0.700",
      "convention &quot;lvit&quot;",
      "no_text",
      "Dice on the validation split",
      "best 0.750",
      "loss dice",
      "learning rate",
      "case-1",
      "cut to the model&#39;s length",
      "shares from 75 % to 75 %",
      "2 notes were cut",
      "model.onnx, opset 17, 1.50 MB",
      "2 min 5 s",
      "a &lt; b and &quot;c&quot;",
      "2026-01-02 03:04 UTC",
    ]) {
      expect(page).toContain(text)
    }
  })

  it("needs nothing outside itself, and runs nothing", async () => {
    const page = renderReport(await reportData())
    expect(page).not.toMatch(/<script|javascript:|\son\w+=/i)
    const addresses = [...page.matchAll(/(?:href|src)="([^"]*)"/g)].map((match) => match[1]!)
    expect(addresses.length).toBeGreaterThan(2)
    expect(addresses.filter((address) => !address.startsWith("data:image/png;base64,"))).toEqual([])
    expect(page).not.toMatch(/url\(|@import/)
    expect(page).toContain("default-src &#39;none&#39;")
  })

  it("shows whatever stands in a note, a name or a path as text", async () => {
    const hostile = `</title><script>alert(1)</script>"'><img src=x onerror=alert(2)>`
    const data = await reportData()
    const [one] = data.gallery!.cases
    const words = [{ text: hostile, spaced: true, weight: 1 }]
    const page = renderReport({
      ...data,
      model: {
        ...data.model,
        variant: hostile,
        reference: hostile,
        sections: [{ name: hostile, trainable: 1, frozen: 0 }],
      },
      dataset: { root: hostile, counts: { [hostile]: 1 } },
      scores: [{ ...SCORE, name: hostile, detail: hostile, convention: hostile }],
      gallery: {
        split: hostile,
        cases: [{ ...one!, rank: hostile, id: hostile, note: hostile, attention: [{ name: hostile, words }] }],
      },
      curves: { ...data.curves!, losses: [{ name: hostile, train: [[1, 1]], valid: [] }] },
      parity: { ...data.parity!, file: hostile },
      warnings: [hostile],
      environment: [[hostile, hostile]],
      sources: [{ path: hostile, text: hostile }],
    })
    expect(page).not.toMatch(/<script|<img src=x/i)
    // No attribute was ended early: what follows every quote that opens one is data, escaped.
    expect(
      page.split("onerror=").every((part, i, all) => i === all.length - 1 || part.endsWith("&lt;img src=x ")),
    ).toBe(true)
    expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;")
  })

  it("leaves out the parts that there is nothing to say about", async () => {
    const { created, model, scores, environment } = await reportData()
    const page = renderReport({ created, model, scores, environment, baselines: [], warnings: [], sources: [] })
    expect(page).not.toMatch(/<h2>(Scores|Training|Cases|ONNX|Model text)/)
    expect(page).toContain("0.812")
  })

  it("tells a failed parity check, with what is wrong", async () => {
    const data = await reportData()
    const outputs = [{ name: "poi", maxAbs: Infinity, maxRel: Infinity, agreement: undefined, problem: "missing" }]
    const report = { tolerance: 1e-4, passed: false, cases: [{ kind: "real" as const, batch: 1, outputs }] }
    const page = renderReport({ ...data, parity: { ...data.parity!, report } })
    expect(page).toContain('<td class="fail">missing</td>')
    expect(page).toContain('<div class="value fail">failed</div>')
  })

  it("gives equal pages for equal data", async () => {
    expect(renderReport(await reportData())).toBe(renderReport(await reportData()))
  })
})

describe("duration", () => {
  it.each([
    [3.14159, "3.1 s"],
    [59.4, "59 s"],
    [125, "2 min 5 s"],
    [7260, "2 h 1 min"],
  ])("%f seconds are %s", (seconds, text) => expect(duration(seconds)).toBe(text))
})

describe("writeReport", () => {
  it("replaces an earlier page and leaves nothing else behind", async () => {
    const folder = await temporaryFolder()
    const path = join(folder, "report.html")
    await writeReport(await reportData({ warnings: ["first"] }), path)
    expect(await writeReport(await reportData({ warnings: ["second"] }), path)).toBe(path)
    const page = readFileSync(path, "utf8")
    expect(page).toContain("<li>second</li>")
    expect(page).not.toContain("<li>first</li>")
    expect(readdirSync(folder)).toEqual(["report.html"])
  })

  it("fails as the user's error when a folder has the name, and leaves nothing behind", async () => {
    const folder = await temporaryFolder()
    mkdirSync(join(folder, "a"))
    await expect(writeReport(await reportData(), join(folder, "a"))).rejects.toMatchObject({ exitCode: 1 })
    expect(readdirSync(folder)).toEqual(["a"])
  })
})
