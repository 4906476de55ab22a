import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { renderReport } from "../../../src/runtime/reports/page.js"
import { writeReport } from "../../../src/runtime/reports/write-report.js"
import { temporaryFolder } from "../data/temporary.js"
import type { ReportData } from "../../../src/runtime/reports/report-data.js"
import { measured, reportData, SCORE } from "./report-fixture.js"

/** The cells of the table whose first column has this name, row by row. */
function tableOf(page: string, name: string): string[][] {
  const table = page.split("<table>").find((text) => text.includes(`<thead><tr><th>${name}</th>`))
  const body = /<tbody>(.*?)<\/tbody>/s.exec(table ?? "")?.[1] ?? ""
  return [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row]) =>
    [...row!.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map(([, cell]) => cell!),
  )
}

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
      "IoU on the validation split",
      "best 0.750",
      "loss dice",
      "loss cvr",
      "learning rate",
      "norm of the gradient",
      "case-1",
      "cut to the model&#39;s length",
      "shares from 25 % to 75 %",
      "<b>notes</b> 2 notes were cut",
      "model.onnx, opset 17, 1.50 MB",
      "2 min 05 s",
      'a &lt; b <span class="hk">and</span> <span class="hs">&quot;c&quot;</span>',
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
    expect(page).toContain("default-src 'none'")
  })

  it("says of each loss what became of it", async () => {
    const page = renderReport(await reportData())
    expect(page).toContain('<td>dice</td><td class="number">2</td>')
    expect(page).toContain('<span class="pass">nothing found</span>')
    expect(page).toContain('<span class="fail">exactly 0 in epochs 1-3</span>')
    expect(page).toContain('<span class="fail">missing in epoch 2</span>')
  })

  it("has every measure with its spread, the conventions, calibration and note adherence", async () => {
    const page = renderReport(await reportData())
    expect(tableOf(page, "measure")).toEqual([
      ["Dice", "0.5000", "0.4583", "0.6000", "3 of 3"],
      ["IoU", "0.4333", "0.4041", "0.5000", "3 of 3"],
      ["precision", "0.7500", "0.1768", "0.7500", "2 of 3"],
      ["recall", "0.5333", "0.4726", "0.7000", "3 of 3"],
      ["specificity", "1.0000", "0.0000", "1.0000", "3 of 3"],
      ["HD95", "3.0000", "0.7071", "3.0000", "2 of 3"],
    ])
    expect(tableOf(page, "convention").map(([name]) => name)).toContain("torchmetrics-global")
    expect(page).toContain("expected error 0.1600, Brier 0.0498")
    expect(tableOf(page, "note")).toContainEqual(
      ["another case&#39;s", "3", "0.5000", "0.3000", "+0.2000", "[+0.1000, +0.3000]", "0.010", "0.7500"], // prettier-ignore
    )
    expect(page).toContain("empty note: the model reads 2 tokens")
    const raw = renderReport(await reportData({ measured: { ...measured(), calibration: null, noteAdherence: null } }))
    expect(raw).toContain("no calibration")
    expect(raw).not.toContain("Does it read the note")
  })

  it("has the model section by section, the data set split by split, and the command", async () => {
    const page = renderReport(await reportData())
    expect(tableOf(page, "section")).toEqual([
      ["vision", "encoder", "2.5 M", "12,345", "0", "9"],
      ["cvr", "reconstruction", "in training only", "0", "678", "0"],
      ["<b>all</b>", "<b></b>", "<b>2.5 M</b>", "<b>12,345</b>", "<b>678</b>", "<b>9</b>"],
    ])
    expect(tableOf(page, "split")).toEqual([
      ["train", "10", "9", "3 to 12, median 5.5", "-", "-"],
      ["test", "3", "2", "4", "1", "12.5 %"],
    ])
    expect(page).toContain("<pre>mdl train models/reclmis.mdl#quick --data /data/set")
    expect(page).toContain("best, step 10")
  })

  it("shows a model of which nothing else is known than its parameters", async () => {
    const { model } = await reportData()
    const { macs: _, ...rest } = model
    const sections = [{ name: "vision", trainable: 1, frozen: 2, state: 3 }]
    expect(tableOf(renderReport(await reportData({ model: { ...rest, sections } })), "section")[0]).toEqual(["vision", "1", "2", "3"]) // prettier-ignore
  })

  it("shows whatever stands in a note, a name or a path as text", async () => {
    const hostile = `</title></pre><script>alert(1)</script>"'><img src=x onerror=alert(2)>`
    const data = await reportData()
    const [one] = data.gallery!.cases
    const words = [{ text: hostile, spaced: true, weight: 1 }]
    const [check] = data.lossChecks!
    const page = renderReport({
      ...data,
      model: {
        ...data.model,
        variant: hostile,
        reference: hostile,
        sizes: { [hostile]: 1 },
        sections: [
          { name: hostile, trainable: 1, frozen: 0, state: 0, cost: { role: hostile, macs: 1, trainingOnly: false } },
        ],
      },
      dataset: {
        ...data.dataset!,
        root: hostile,
        layout: hostile,
        prompt: hostile,
        splits: [{ ...data.dataset!.splits[0]!, name: hostile }],
      },
      training: { ...data.training!, optimizer: hostile, command: hostile, checkpoint: hostile },
      scores: [{ ...SCORE, name: hostile, detail: hostile, convention: hostile }],
      gallery: {
        ...data.gallery!,
        split: hostile,
        cases: [
          {
            ...one!,
            rank: hostile,
            id: hostile,
            note: hostile,
            heatmaps: [{ ...one!.heatmaps[0]!, name: hostile, caption: hostile }],
            attention: [{ name: hostile, words }],
          },
        ],
      },
      curves: { ...data.curves!, losses: [{ name: hostile, train: [[1, 1]], valid: [] }] },
      lossChecks: [{ ...check!, name: hostile }],
      parity: { ...data.parity!, file: hostile },
      warnings: [{ about: "data", text: hostile }],
      environment: [[hostile, hostile]],
      sources: [{ path: hostile, text: hostile }],
    })
    expect(page).not.toMatch(/<script|<img src=x/i)
    // No attribute was ended early: what follows every quote that opens one is data, escaped.
    expect(
      page
        .replaceAll(/<\/?span[^>]*>/g, "")
        .split("onerror=")
        .every((part, i, all) => i === all.length - 1 || part.endsWith("&lt;img src=x ")),
    ).toBe(true)
    expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;")
  })

  it("shows a model without notes, without a scored output, and after one epoch", async () => {
    const { gallery, measured: _, ...data } = await reportData()
    const blind = renderReport({ ...data, gallery: { ...gallery!, readsNotes: false } })
    expect(blind).toContain("note, which the model does not read")
    const unscored = renderReport({ ...data, scores: [], baselines: [] })
    expect(unscored).toContain("none of the model's outputs has the shape of its target")
    expect(unscored).not.toContain("Dice, test")
    expect(unscored).toContain("loss dice")
    const one: ReportData["curves"] = {
      ...data.curves!,
      losses: [{ name: "dice", train: [[1, 2]], valid: [[1, 2.5]] }], // prettier-ignore
      ...{ learningRate: [[1, 1e-3]], gradientNorm: [[1, 4]], validDice: [[1, 0.5]], validIou: [], epochEnds: [1], bestAt: 1 }, // prettier-ignore
    }
    const first = renderReport({ ...data, curves: one })
    expect(first).toContain("best 0.500")
    expect(first).not.toMatch(/NaN|Infinity|undefined/)
  })

  it("paints what has too many outlines, and tells what it leaves out of a note or of the heat maps", async () => {
    const data = await reportData()
    const [one] = data.gallery!.cases
    const picture = one!.heatmaps[0]!.picture
    const note = `${"a".repeat(4000)}bbb`
    const changed = { ...one!, overlay: { kind: "picture" as const, picture }, heatmapsLeftOut: 2, note }
    const page = renderReport({ ...data, gallery: { ...data.gallery!, cases: [changed] } })
    expect(page).toContain('<img alt="truth and prediction for case-1"')
    expect(page).not.toContain('class="outline truth"')
    expect(page).toContain("2 more heat maps")
    expect(page).toContain("and 3 more characters")
  })

  it("leaves words unshaded that got all alike", async () => {
    const data = await reportData()
    const words = ["left", "lung"].map((text) => ({ text, spaced: true, weight: 0.5 }))
    const cases = [{ ...data.gallery!.cases[0]!, attention: [{ name: "woi", words }] }]
    const page = renderReport({ ...data, gallery: { ...data.gallery!, cases } })
    expect(page).toContain("woi, all alike, 50 % each")
    expect([...page.matchAll(/rgba\(var\(--word\),([\d.]+)\)/g)].map((m) => m[1])).toEqual(["0.000", "0.000"])
  })

  it("leaves out the parts that there is nothing to say about", async () => {
    const { created, model, scores, environment } = await reportData()
    const page = renderReport({ created, model, scores, environment, baselines: [], warnings: [], sources: [] })
    expect(page).not.toMatch(/<h2>(Scores|Training|Cases|Measures|ONNX|Data|Model text|\d+ warning)/)
    expect(page).toContain("0.812")
  })

  it("tells a failed parity check, with what is wrong", async () => {
    const data = await reportData()
    const outputs = [{ name: "poi", maxAbs: Infinity, maxRel: Infinity, agreement: undefined, problem: "missing" }]
    const report = { tolerance: 1e-4, passed: false, cases: [{ kind: "real" as const, batch: 1, outputs }] }
    const page = renderReport({ ...data, parity: { ...data.parity!, report } })
    expect(page).toContain('<td><span class="fail">missing</span></td>')
    expect(page).toContain('<div class="value fail">failed</div>')
  })

  it("gives equal pages for equal data", async () => {
    expect(renderReport(await reportData())).toBe(renderReport(await reportData()))
  })
})

describe("writeReport", () => {
  it("replaces an earlier page and leaves nothing else behind", async () => {
    const folder = await temporaryFolder()
    const path = join(folder, "report.html")
    await writeReport(await reportData({ warnings: [{ about: "data", text: "first" }] }), path)
    expect(await writeReport(await reportData({ warnings: [{ about: "data", text: "second" }] }), path)).toBe(path)
    const page = readFileSync(path, "utf8")
    expect(page).toContain("<li><b>data</b> second</li>")
    expect(page).not.toContain("first</li>")
    expect(readdirSync(folder)).toEqual(["report.html"])
  })

  it("fails as the user's error when a folder has the name, and leaves nothing behind", async () => {
    const folder = await temporaryFolder()
    mkdirSync(join(folder, "a"))
    await expect(writeReport(await reportData(), join(folder, "a"))).rejects.toMatchObject({ exitCode: 1 })
    expect(readdirSync(folder)).toEqual(["a"])
  })
})
