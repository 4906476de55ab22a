/**
 * The report in Chromium: it fits windows and paper of any width, in light and dark, asks nobody for anything, and shows
 * hostile text as text.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Browser, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { renderReport } from "../../src/runtime/reports/page.js"
import type { ReportData } from "../../src/runtime/reports/report-data.js"
import { temporaryFolder } from "../runtime/data/temporary.js"
import { reportData } from "../runtime/reports/report-fixture.js"
import { HAS_BROWSER, openBrowser } from "./browser.js"

const HOSTILE = `</title></pre><script>window.ran = 1</script>"'><img src="https://example.org/x.png" onerror="window.ran = 2">`

describe.runIf(HAS_BROWSER)("the report in a browser", () => {
  let browser: Browser
  /** what pages asked for besides themselves, and what the browser complained about */
  let requested: string[]
  let complaints: string[]

  beforeAll(async () => void (browser = await openBrowser()))
  afterAll(() => browser?.close())
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close()
    expect([requested, complaints]).toEqual([[], []])
  })

  async function open(data: ReportData, view: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    const file = join(await temporaryFolder(), "report.html")
    writeFileSync(file, renderReport(data))
    const page = await (await browser.newContext(view)).newPage()
    const own = pathToFileURL(file).href
    ;[requested, complaints] = [[], []]
    page.on("request", (request) => {
      const url = request.url()
      if (url !== own && !url.startsWith("data:")) requested.push(url)
    })
    page.on("console", (message) => complaints.push(message.text()))
    page.on("pageerror", (error) => complaints.push(error.message))
    await page.goto(own)
    return page
  }

  /** A report whose texts are longer than a narrow window. */
  async function wide(): Promise<ReportData> {
    const data = await reportData()
    const long = "w".repeat(300)
    const [one] = data.gallery!.cases
    return {
      ...data,
      model: { ...data.model, variant: long, reference: long },
      dataset: { ...data.dataset!, root: `/${long}` },
      training: { ...data.training!, command: `mdl train ${long}` },
      warnings: [{ about: "data", text: long }],
      gallery: { ...data.gallery!, cases: [{ ...one!, id: long, note: long }] },
      sources: [{ path: `${long}.mdl`, text: `// ${long}` }],
    }
  }

  it.each([
    [1280, "light"],
    [1280, "dark"],
    [400, "light"],
    [400, "dark"],
  ] as const)("fits a window of %i pixels, %s, also with long words", async (width, colorScheme) => {
    const page = await open(await wide(), { viewport: { width, height: 900 }, colorScheme })
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width)
    const heights = await page.evaluate<number[]>(
      `[...document.querySelectorAll(".card, .chart, .case img, .case svg")].map((part) => part.getBoundingClientRect().height)`,
    )
    expect(heights.length).toBeGreaterThan(15)
    expect(Math.min(...heights)).toBeGreaterThan(20)
  })

  it.each(["light", "dark"] as const)("has text that can be read, %s", async (colorScheme) => {
    const page = await open(await reportData(), { colorScheme })
    const colours = await page.evaluate<{ words: string; text: string; ground: string }[]>(`(() => {
      const ground = (element) => {
        const colour = getComputedStyle(element).backgroundColor
        return colour === "rgba(0, 0, 0, 0)" && element.parentElement ? ground(element.parentElement) : colour
      }
      const texts = [...document.querySelectorAll("h1, h2, small, p, li, td, th, dt, dd, .detail, .chart-note, .label, summary, .hc, .hs, .hk")]
      return texts.map((element) => ({
        words: element.textContent.trim().slice(0, 40),
        text: getComputedStyle(element).color,
        ground: ground(element),
      }))
    })()`)
    expect(colours.length).toBeGreaterThan(80)
    // WCAG 2.2, 1.4.3: at least 4.5 to 1.
    expect(colours.filter(({ text, ground }) => contrast(text, ground) < 4.5)).toEqual([])
  })

  it("is printed in full and light, folded texts too, whatever the screen is", async () => {
    const data = await reportData()
    const sources = ["a.mdl", "std/b.mdl"].map((path) => ({ path, text: "let x = 1\n".repeat(20) }))
    const page = await open({ ...data, sources }, { colorScheme: "dark", viewport: { width: 760, height: 1000 } })
    // What is folded takes no room.
    const height = (): Promise<number> =>
      page.evaluate<number>(
        'document.querySelectorAll("details")[document.querySelectorAll("details").length - 1].offsetHeight',
      )
    expect(await height()).toBeLessThan(100)
    await page.emulateMedia({ media: "print" })
    expect(await height()).toBeGreaterThan(300)
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)")
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(760)
  })

  it("draws the curve of each loss, with its best checkpoint, and shades words by their share", async () => {
    const page = await open(await reportData())
    const curves = await page.evaluate<[string, number, number][]>(`[...document.querySelectorAll(".chart")]
      .filter((chart) => chart.querySelector(".chart-title").textContent.startsWith("loss "))
      .map((chart) => [
        chart.querySelector(".chart-title").textContent,
        chart.querySelectorAll(".series.train path")[0].getTotalLength(),
        chart.querySelectorAll(".best-at").length,
      ])`)
    expect(curves.map(([title, , best]) => [title, best])).toEqual([["loss dice", 1], ["loss cvr", 1]]) // prettier-ignore
    expect(Math.min(...curves.map(([, length]) => length))).toBeGreaterThan(100)
    const alphas = await page.evaluate<number[]>(
      `[...document.querySelectorAll(".word")].map((word) => Number(getComputedStyle(word).backgroundColor.split(",")[3]?.replace(")", "") ?? 1))`,
    )
    expect(alphas).toEqual([0.75, 0.25])
  })

  it("shows hostile notes, names and texts as they are, and runs and fetches nothing", async () => {
    const data = await reportData()
    const [one] = data.gallery!.cases
    const page = await open({
      ...data,
      model: { ...data.model, variant: HOSTILE },
      warnings: [{ about: "data", text: HOSTILE }],
      gallery: { ...data.gallery!, cases: [{ ...one!, id: HOSTILE, note: HOSTILE }] },
      sources: [{ path: HOSTILE, text: HOSTILE }],
    })
    expect(await page.evaluate("window.ran")).toBeUndefined()
    expect(await page.locator(".texts p").first().textContent()).toContain(HOSTILE)
    expect(await page.locator("section.warnings li").textContent()).toBe(`data ${HOSTILE}`)
    expect(await page.locator("pre").last().textContent()).toBe(HOSTILE)
    expect(await page.evaluate(`document.querySelectorAll("script, [src^=http]").length`)).toBe(0)
  })
})

/** Of two colours as a browser computes them, by WCAG 2.2. */
function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

function luminance(colour: string): number {
  const [r, g, b] = (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map((part) => {
    const share = Number(part) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
