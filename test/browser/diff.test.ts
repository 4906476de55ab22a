/** The page of `mdl diff --html` in Chromium: what is lit is what the difference says, in both pictures, and no more. */

import type { Browser, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { diffModels, type ModelDiff } from "../../src/compiler/diff/diff.js"
import { placedChanges, type PlacedChange } from "../../src/compiler/picture/lights.js"
import { diffPage } from "../../src/runtime/pictures/diff-page.js"
import type { Drawn } from "../../src/runtime/pictures/side.js"
import { drawnText, edited, SMALL } from "../compiler/picture/small-model.js"
import { HAS_BROWSER, openBrowser } from "./browser.js"
import { overflows, PicturePages, readPictureModule } from "./pictures.js"

/** One of each kind. */
const AFTER = [
  ["0.25 *", "0.5 *"],
  ["frozen encoder", "encoder"],
  ["conv2d(image_again, width)", "conv2d(image_again, width, kernel = 3)"],
  ["let chosen = stack", "let added = relu(stack)\n    let chosen = added"],
  ["mse(conv2d(stack, 3), image)", "mse(conv2d(both, 3), image)"],
].reduce((text, [from, to]) => edited(from!, to!, text), SMALL.replaceAll("told", "heard"))

describe.runIf(HAS_BROWSER)("the page of mdl diff", () => {
  let browser: Browser
  let pages: PicturePages
  let before: Drawn
  let after: Drawn
  let diff: ModelDiff
  let changes: readonly PlacedChange[]
  let html: string

  beforeAll(async () => {
    browser = await openBrowser()
    pages = new PicturePages(browser)
    ;[before, after] = [drawnText(SMALL, "old"), drawnText(AFTER, "new")]
    diff = JSON.parse(JSON.stringify(diffModels(before.model, after.model))) as ModelDiff
    changes = placedChanges(diff, before.index, after.index)
    html = await diffPage(diff, before, after, { readModule: readPictureModule })
  }, 60_000)
  afterAll(() => browser?.close())
  afterEach(() => pages.close())

  /** What is lit in one side as it is shown: kinds by path. */
  async function lit(page: Page, side: number): Promise<Record<string, string[]>> {
    const parts = await page.locator(`[data-side="${side}"] .stage [data-lit]:not([data-lit=""])`).all()
    const entries = await Promise.all(
      parts.map(async (part) => {
        const name = (await part.getAttribute("data-box")) ?? `section:${await part.getAttribute("data-section")}`
        return [name, (await part.getAttribute("data-lit"))!.split(", ").sort()] as const
      }),
    )
    return Object.fromEntries(entries)
  }

  /** What is to be lit in the whole models, by the difference. */
  function expected(side: 0 | 1): Record<string, string[]> {
    const lights: Record<string, Set<string>> = {}
    for (const { kind, places } of changes) {
      for (const path of places[side].filter((one) => !one.includes("/"))) (lights[path] ??= new Set()).add(kind)
    }
    return Object.fromEntries(Object.entries(lights).map(([path, kinds]) => [path, [...kinds].sort()]))
  }

  it("lights what the difference says, in both pictures", async () => {
    const page = await pages.open(html)
    expect(new Set(changes.map(({ kind }) => kind)).size).toBeGreaterThan(5)
    for (const side of [0, 1] as const) expect(await lit(page, side)).toEqual(expected(side))
    expect(await page.locator(".changes li").count()).toBe(changes.length)
    // Each part that is lit, or holds such a part, has a mark with a sign; the rest is dimmed.
    for (const side of [0, 1]) {
      const parts = page.locator(`[data-side="${side}"] .stage :is([data-box], [data-section]):is(.lit, .lit-inside)`)
      expect(await page.locator(`[data-side="${side}"] .badge`).count()).toBe(await parts.count())
    }
    expect(await page.locator('[data-side="0"] [data-box="image"]').getAttribute("class")).toContain("same")
  })

  it("goes from each change to its part in both pictures", async () => {
    const page = await pages.open(html)
    for (const [i, { places }] of changes.entries()) {
      const button = page.locator(`[data-change="${i}"]`)
      expect(await button.count()).toBe(places[0].length + places[1].length > 0 ? 1 : 0)
      if ((await button.count()) === 0) continue
      await button.click()
      for (const side of [0, 1] as const) {
        if (places[side].length === 0) continue
        const chosen = page.locator(`[data-side="${side}"] .stage .chosen`)
        const id = (await chosen.getAttribute("data-box")) ?? `section:${await chosen.getAttribute("data-section")}`
        expect([i, places[side][0]!.split("/").at(-1)]).toEqual([i, id])
        expect(await chosen.getAttribute("data-lit")).not.toBe("")
      }
    }
  })

  it("moves both pictures at once, and looks inside of both", async () => {
    const page = await pages.open(html)
    const widths = (): Promise<number[]> =>
      page
        .locator(".stage svg")
        .evaluateAll((all) => all.map((svg) => Number(svg.getAttribute("viewBox")!.split(" ")[2])))
    const [left, right] = (await widths()) as [number, number]
    await page.locator('[data-side="1"] .stage').focus()
    await page.keyboard.press("+")
    const [one, two] = (await widths()) as [number, number]
    expect(left / one).toBeCloseTo(right / two)
    await page.locator('[data-side="0"] [data-box="joined.stack"]').dispatchEvent("dblclick")
    expect(await page.locator(".crumbs button:disabled").allTextContents()).toEqual(["joined.stack", "joined.stack"])
  })

  it("tells the numbers of both models", async () => {
    const page = await pages.open(html)
    const tiles = (await page.locator(".tiles").textContent())!
    expect(tiles).toContain(diff.after.parameters.trainable.toLocaleString("en-US"))
    expect(tiles).toContain(`${diff.before.parameters.frozen} before`)
    expect(await page.locator("h1").textContent()).toBe("old → new")
  })

  it.each([
    [400, "light", 1],
    [1280, "dark", 2],
  ] as const)("fits a window of %i pixels, %s, with %i columns", async (width, colorScheme, columns) => {
    const page = await pages.open(html, { viewport: { width, height: 800 }, colorScheme })
    expect(await overflows(page)).toBe(false)
    const left = await page.locator(".side").evaluateAll((all) => all.map((side) => side.getBoundingClientRect().left))
    expect(new Set(left).size).toBe(columns)
  })

  it("says so when nothing differs", async () => {
    const same = drawnText(SMALL, "again")
    const nothing = diffModels(before.model, same.model)
    const page = await pages.open(await diffPage(nothing, before, same, { readModule: readPictureModule }))
    expect(await page.locator("header p").textContent()).toBe("the same model")
    expect(await page.locator(".badge, .changes, .same").count()).toBe(0)
  })
})
