/** Opens pages of pictures in a browser, with what they ask for and complain about on record. */

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Browser, Page } from "playwright-core"
import { expect } from "vitest"
import { temporaryFolder } from "../runtime/data/temporary.js"
import { readModule } from "../runtime/page-module.js"

/** The page's modules, from their sources. */
export const readPictureModule = (name: string): Promise<string> => readModule(`pictures/page/${name}`)

/** Pages of one test file; `close` says that none asked for or complained about anything. */
export class PicturePages {
  private readonly requested: string[] = []
  private readonly complaints: string[] = []

  constructor(private readonly browser: Browser) {}

  async open(html: string, view: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    const file = join(await temporaryFolder(), "picture.html")
    writeFileSync(file, html)
    const page = await (await this.browser.newContext({ viewport: { width: 1280, height: 860 }, ...view })).newPage()
    const own = pathToFileURL(file).href
    page.on("request", (request) => {
      const url = request.url()
      if (url !== own && !url.startsWith("data:")) this.requested.push(url)
    })
    page.on("console", (message) => this.complaints.push(message.text()))
    page.on("pageerror", (error) => this.complaints.push(error.message))
    await page.goto(own)
    await page.locator("body[data-ready]").waitFor()
    return page
  }

  async close(): Promise<void> {
    for (const context of this.browser.contexts()) await context.close()
    expect([this.requested, this.complaints]).toEqual([[], []])
  }
}

/** Whether something reaches beyond the right edge of the window. */
export async function overflows(page: Page): Promise<boolean> {
  return page.evaluate<boolean>("document.documentElement.scrollWidth > innerWidth")
}
