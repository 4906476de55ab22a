/** The page of `mdl serve` in Chromium gives what ONNX Runtime gives in Node, while one types, and asks nobody else. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import sharp from "sharp"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { readMaskPixels } from "../../src/runtime/data/images.js"
import { openOnnxPredictor } from "../../src/runtime/prediction/onnx-predictor.js"
import { predictCase } from "../../src/runtime/prediction/predict-case.js"
import type { Predictor } from "../../src/runtime/prediction/predictor.js"
import { resizeNearest } from "../../src/runtime/prediction/resize.js"
import { writePrediction } from "../../src/runtime/prediction/write-prediction.js"
import { type RunningServer, startServer } from "../../src/runtime/serving/server.js"
import { openServedFiles, readModule, type ServedFiles } from "../runtime/serving/served-files.js"
import { HAS_BROWSER, openBrowser } from "./browser.js"

const NOTE = "upper left lung"
const OTHER = "two infected areas, right"
const TOLERANCE = 1e-4

/** What the page told last: the note and the probability. */
interface Told {
  readonly note: string
  readonly probability: readonly number[]
}

describe.runIf(HAS_BROWSER)("the page of mdl serve", () => {
  let files: ServedFiles
  let server: RunningServer
  let browser: Browser
  let predictor: Predictor
  let image: string
  let page: Page
  /** what the browser complained about, and addresses beyond this server */
  let complaints: string[]
  let elsewhere: string[]

  beforeAll(async () => {
    files = await openServedFiles()
    const images = join(files.data, "test", "images")
    image = join(files.folder, "wide.png")
    // Neither the network's size nor its proportions.
    await sharp(join(images, readdirSync(images)[0]!))
      .resize(140, 90, { fit: "fill" })
      .toFile(image)
    predictor = await openOnnxPredictor(files.onnx, 1)
    server = await startServer(files.toServe, { host: "127.0.0.1", port: 0, readModule })
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
    await predictor?.close()
    files?.remove()
  })

  beforeEach(async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true })
    page = await context.newPage()
    ;[complaints, elsewhere] = [[], []]
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text())
    })
    page.on("pageerror", (error) => complaints.push(error.message))
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url())
      if (!["data:", "blob:"].includes(protocol) && `${origin}/` !== server.url) elsewhere.push(request.url())
    })
    await page.addInitScript(`
      window.told = []
      document.addEventListener("prediction", ({ detail: { note, outputs } }) => {
        window.told.push({ note, probability: [...outputs.probability.data] })
      })
    `)
    await page.goto(server.url)
    await page.locator("body[data-ready]").waitFor()
  })
  afterEach(async () => {
    await page.context().close()
    expect(elsewhere).toEqual([])
  })

  /** The prediction of this note, as the page shows it. */
  const predicted = (note: string): Promise<Told> =>
    page.evaluate<Told>(`new Promise((resolve) => {
      const look = () => {
        const last = window.told.at(-1)
        if (last?.note === ${JSON.stringify(note)}) resolve(last)
      }
      document.addEventListener("prediction", () => queueMicrotask(look))
      look()
    })`)
  /** Where a layer is not transparent, row by row. */
  const painted = (id: string): Promise<boolean[]> =>
    page.evaluate<boolean[]>(`(() => {
      const canvas = document.getElementById("${id}")
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true })
      copy.drawImage(canvas, 0, 0)
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height)
      return Array.from({ length: canvas.width * canvas.height }, (_, index) => data[4 * index + 3] > 0)
    })()`)
  const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
    expect(a.length).toBe(b.length)
    return Array.from(a).reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0)
  }
  /** A step of the slider that no pixel is near to, at which these predictions give masks that differ. */
  function thresholdFor(...predictions: readonly ArrayLike<number>[]): number {
    const values = predictions.flatMap((prediction) => [...Array.from(prediction)])
    const clear = (step: number): number => Math.min(...values.map((value) => Math.abs(value - step)))
    const tells = (step: number): boolean => {
      const masks = predictions.map((prediction) => Array.from(prediction, (value) => (value > step ? 1 : 0)).join(""))
      return new Set(masks).size === masks.length && masks.every((mask) => mask.includes("0") && mask.includes("1"))
    }
    const steps = Array.from({ length: 98 }, (_, index) => (index + 1) / 100).filter(tells)
    const best = steps.sort((a, b) => clear(b) - clear(a))[0]!
    expect(clear(best)).toBeGreaterThan(TOLERANCE / 100)
    return best
  }
  const setThreshold = (value: number): Promise<void> =>
    page.evaluate(`(() => {
      const slider = document.getElementById("threshold")
      slider.value = ${value}
      slider.dispatchEvent(new Event("input"))
    })()`)

  it("shows the mask that ONNX Runtime gives in Node, and another one for another note", async () => {
    await page.locator("#note").fill(NOTE)
    await page.locator("#file").setInputFiles(image)
    const first = await predicted(NOTE)
    const expected = await predictCase(predictor, image, NOTE)
    expect(farthest(first.probability, expected.probability)).toBeLessThan(TOLERANCE)

    const changed = await predictCase(predictor, image, OTHER)
    const threshold = thresholdFor(expected.probability, changed.probability)
    await setThreshold(threshold)
    const shown = resizeNearest(expected.probability, expected.size, { height: 90, width: 140 })
    const mask = await painted("mask")
    expect(mask).toEqual([...shown].map((value) => value > threshold))
    expect(new Set(mask)).toEqual(new Set([true, false]))
    const count = mask.filter(Boolean).length
    const share = `${((100 * count) / (90 * 140)).toFixed(2)} % (${count.toLocaleString("en-US")} pixels)`
    expect(await page.locator("#area").textContent()).toBe(share)

    await page.locator("#note").fill(OTHER)
    const second = await predicted(OTHER)
    expect(farthest(second.probability, changed.probability)).toBeLessThan(TOLERANCE)
    expect(farthest(second.probability, first.probability)).toBeGreaterThan(10 * TOLERANCE)
    expect(await painted("mask")).not.toEqual(mask)
    expect(complaints).toEqual([])
  })

  it("predicts while one types, and ends with what was typed last", async () => {
    await page.locator("#file").setInputFiles(image)
    await predicted("")
    await page.locator("#note").pressSequentially(NOTE, { delay: 40 })
    const told = await predicted(NOTE)
    const expected = await predictCase(predictor, image, NOTE)
    expect(farthest(told.probability, expected.probability)).toBeLessThan(TOLERANCE)
    expect(complaints).toEqual([])
  })

  it("colours the words by their shares and draws the heat map that is chosen", async () => {
    await page.locator("#note").fill(NOTE)
    await page.locator("#file").setInputFiles(image)
    await predicted(NOTE)
    const expected = await predictCase(predictor, image, NOTE)
    const words = await page.locator("#words .word").all()
    expect(await Promise.all(words.map((word) => word.textContent()))).toEqual(["upper", "left", "lung"])
    const weights = await Promise.all(words.map(async (word) => Number(await word.getAttribute("data-weight"))))
    expect(
      farthest(
        weights,
        expected.words[0]!.words.map(({ weight }) => weight),
      ),
    ).toBeLessThan(TOLERANCE)
    expect((await painted("heat")).includes(true)).toBe(false)
    await page.locator("#heat-choice").selectOption("poi")
    expect((await painted("heat")).includes(false)).toBe(false)
    await page.locator("#note").fill("upper ".repeat(20))
    await page.locator("#note-state.warning").waitFor()
    expect(await page.locator("#note-state").textContent()).toContain("20 tokens were cut to 12")
    expect(complaints).toEqual([])
  })

  it("takes a file that is dropped, and gives the mask that mdl predict writes", async () => {
    await page.locator("#note").fill(NOTE)
    const bytes = readFileSync(image).toString("base64")
    const transfer = await page.evaluateHandle(`(() => {
      const transfer = new DataTransfer()
      const bytes = Uint8Array.from(atob("${bytes}"), (letter) => letter.charCodeAt(0))
      transfer.items.add(new File([bytes], "wide.png", { type: "image/png" }))
      return transfer
    })()`)
    await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer })
    await predicted(NOTE)
    const threshold = thresholdFor((await predictCase(predictor, image, NOTE)).probability)
    await setThreshold(threshold)
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#download").click()])
    expect(download.suggestedFilename()).toBe("wide.mask.png")
    const written = await writePrediction(predictor, {
      image,
      note: NOTE,
      out: join(files.folder, "written.png"),
      threshold,
    })
    const [ours, theirs] = await Promise.all([readMaskPixels(await download.path()), readMaskPixels(written.mask)])
    expect([ours.height, ours.width, ...ours.data]).toEqual([90, 140, ...theirs.data])
    expect(ours.data.some((value) => value === 1)).toBe(true)
    expect(complaints).toEqual([])
  })

  it("shows an example with its note and its score", async () => {
    const [example] = files.toServe.examples
    await page.locator("#example-list button").first().click()
    const told = await predicted(example!.note)
    const expected = await predictCase(predictor, example!.imagePath, example!.note)
    expect(farthest(told.probability, expected.probability)).toBeLessThan(TOLERANCE)
    expect(await page.locator("#note").inputValue()).toBe(example!.note)
    expect(await page.locator("#score").textContent()).toMatch(/^0\.\d{4}$|^1\.0000$/)
    expect(complaints).toEqual([])
  })

  it("says what is wrong with a file, and goes on with the next", async () => {
    const broken = join(files.folder, "broken.png")
    writeFileSync(broken, readFileSync(image).subarray(0, 200))
    await page.locator("#file").setInputFiles(broken)
    await page.locator("#problem").waitFor()
    const problem = await page.locator("#problem").textContent()
    expect(problem).toContain("broken.png")
    expect(problem).not.toContain(files.folder)
    // Browsers note any answer that is not 200 in the console; nothing else is there.
    expect(complaints.filter((text) => !text.includes("422"))).toEqual([])
    await page.locator("#file").setInputFiles(image)
    await predicted("")
    expect(await page.locator("#problem").isHidden()).toBe(true)
  })

  it("asks for the slice of a volume", async () => {
    const volume = "test/fixtures/images/ct.nii.gz"
    await page.locator("#file").setInputFiles(volume)
    await page.locator("#problem").waitFor()
    await page.getByLabel(/Slice, frame or page/).fill("z=1")
    await page.keyboard.press("Tab")
    const told = await predicted("")
    const expected = await predictCase(predictor, `${volume}#z=1`, "")
    expect(farthest(told.probability, expected.probability)).toBeLessThan(TOLERANCE)
  })

  it("is worked by keyboard alone", async () => {
    const order: string[] = []
    for (let i = 0; i < 6; i++) {
      await page.keyboard.press("Tab")
      order.push(await page.evaluate<string>("document.activeElement.id || document.activeElement.tagName"))
    }
    expect(order).toEqual(["file", "note", "threshold", "show-mask", "BUTTON", "BUTTON"])
    const unnamed = await page.evaluate(`[...document.querySelectorAll("input, textarea, select")]
      .filter((control) => control.labels.length === 0).map(({ id }) => id)`)
    expect(unnamed).toEqual([])
    expect(complaints).toEqual([])
  })

  it.each([
    [400, "dark"],
    [1280, "light"],
  ] as const)("fits a window of %i pixels (%s)", async (width, colorScheme) => {
    await page.setViewportSize({ width, height: 800 })
    await page.emulateMedia({ colorScheme })
    await page.locator("#example-list button").first().click()
    await predicted(files.toServe.examples[0]!.note)
    await page.locator("#heat-choice").selectOption("poi")
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width)
    const folder = process.env["MDL_SCREENSHOTS"]
    if (folder !== undefined) await page.screenshot({ path: join(folder, `serve-${width}.png`), fullPage: true })
    expect(complaints).toEqual([])
  })
})
