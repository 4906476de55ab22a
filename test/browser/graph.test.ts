/** The page of `mdl graph` in Chromium: click to the source, look inside, find, move by keys; any width, light and dark. */

import type { Browser, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { graphPage } from "../../src/runtime/pictures/graph-page.js"
import { drawnText, SMALL } from "../compiler/picture/small-model.js"
import { HAS_BROWSER, openBrowser } from "./browser.js"
import { overflows, PicturePages, readPictureModule } from "./pictures.js"

const HOSTILE = `</script></template><script>window.ran = 1</script><img src="https://example.org/x.png" onerror="window.ran = 2">`

describe.runIf(HAS_BROWSER)("the page of mdl graph", () => {
  let browser: Browser
  let pages: PicturePages
  let html: string

  beforeAll(async () => {
    browser = await openBrowser()
    pages = new PicturePages(browser)
    html = await graphPage(drawnText(SMALL), { readModule: readPictureModule })
  }, 60_000)
  afterAll(() => browser?.close())
  afterEach(() => pages.close())

  const box = (page: Page, id: string) => page.locator(`.stage [data-box="${id}"]`)
  const here = (page: Page) => page.locator(".source section:not([hidden]) .here")
  const seen = (page: Page) => page.locator(".stage svg").getAttribute("viewBox")

  it("shows every box, and the line of the text that a click leads to", async () => {
    const page = await pages.open(html)
    const { root } = drawnText(SMALL).picture
    expect(await page.locator(".stage [data-box]").count()).toBe(root.boxes.length)
    expect(await page.locator(".stage .edge").count()).toBe(root.edges.length)
    await box(page, "joined.both").click()
    expect(await here(page).allTextContents()).toEqual([expect.stringContaining("let both = deep + reshape")])
    expect(await page.locator(".facts h2").textContent()).toBe("both = reshape → add")
    const [line, around] = [(await here(page).boundingBox())!, (await page.locator(".source").boundingBox())!]
    expect(line.y >= around.y && line.y + line.height <= around.y + around.height).toBe(true)
    // Names are coloured by what they mean.
    expect(await page.locator(".source .sc", { hasText: "Twice" }).count()).toBeGreaterThan(1)
  })

  it("looks inside of blocks and comes out again, by mouse and by keys", async () => {
    const page = await pages.open(html)
    await box(page, "joined.stack").locator(".more").click()
    expect(await page.locator(".crumbs").textContent()).toBe("Smalljoined.stack")
    await box(page, "stack.1").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    expect(await page.locator(".crumbs button").last().textContent()).toBe("stack.1")
    await box(page, "second").click()
    expect(await here(page).textContent()).toContain("let second = relu")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    expect(await page.locator(".crumbs").textContent()).toBe("Small")
    expect(await page.evaluate("document.activeElement.dataset.box")).toBe("joined.stack")
  })

  it("moves and enlarges by keys, wheel and buttons", async () => {
    const page = await pages.open(html)
    const widths = async (): Promise<number> => Number((await seen(page))!.split(" ")[2])
    const whole = await widths()
    await page.locator(".stage").focus()
    await page.keyboard.press("+")
    expect(await widths()).toBeLessThan(whole)
    const before = await seen(page)
    await page.keyboard.press("ArrowRight")
    expect(Number((await seen(page))!.split(" ")[0])).toBeGreaterThan(Number(before!.split(" ")[0]))
    await page.keyboard.press("0")
    expect(await widths()).toBeCloseTo(whole)
    await page.locator(".stage").hover()
    await page.mouse.wheel(0, 200)
    expect(await widths()).toBeGreaterThan(whole)
    await page.locator("#fit").click()
    expect(await widths()).toBeCloseTo(whole)
  })

  it("finds parts at any depth, and tells about what is pointed at", async () => {
    const page = await pages.open(html)
    await page.keyboard.press("/")
    await page.keyboard.type("second")
    expect(await page.locator("#results button").count()).toBe(4)
    await page.keyboard.press("Enter")
    expect(await page.locator(".crumbs button").count()).toBeGreaterThan(1)
    expect(await page.locator(".stage .chosen").getAttribute("data-box")).toBe("second")
    await page.locator(".crumbs button").first().click()
    await box(page, "note").hover()
    expect(await page.locator(".tip").textContent()).toContain("tokens[N, T]")
    expect(await page.locator(".edge.near").count()).toBe(1)
  })

  it.each([
    [400, "light"],
    [400, "dark"],
    [1280, "dark"],
  ] as const)("fits a window of %i pixels, %s", async (width, colorScheme) => {
    const page = await pages.open(html, { viewport: { width, height: 800 }, colorScheme })
    expect(await overflows(page)).toBe(false)
    await box(page, "decoder.probability").click()
    expect(await overflows(page)).toBe(false)
    const { width: shown } = (await page.locator(".stage svg").boundingBox())!
    expect(shown).toBeGreaterThan(Math.min(width, 700) - 60)
  })

  it("shows hostile text as text, and links to an editor only when asked", async () => {
    const text = SMALL.replace("/// A model to draw.", `/// ${HOSTILE}`).replace(
      "mean(embed",
      "mean(embed // " + HOSTILE + "\n",
    )
    const page = await pages.open(await graphPage(drawnText(text), { readModule: readPictureModule }))
    await box(page, "language.told").click()
    expect(await page.evaluate("window.ran")).toBeUndefined()
    expect(await page.locator(".facts a").count()).toBe(0)
    const options = { readModule: readPictureModule, editor: "vscode" } as const
    const linked = await pages.open(await graphPage(drawnText(SMALL), options))
    await box(linked, "joined.both").click()
    expect(await linked.locator(".facts a").getAttribute("href")).toMatch(/^vscode:\/\/file.*model\.mdl:29$/)
  })
})
