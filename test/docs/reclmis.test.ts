/** docs/reclmis.md: what it quotes stands in the models, and every number in its tables is computed anew. */

import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { sizeOf } from "../../src/compiler/ops/ndarray.js"
import { summarise } from "../../src/compiler/summary.js"
import { compileText, elaborated, zoo } from "../compiler/source-host.js"
import { profilerMacs, nothingUnseen, unseenInRecLMIS } from "../models/profiler-count.js"

const page = readFileSync("docs/reclmis.md", "utf8")

const reclmis = zoo("reclmis")
const lvit = zoo("lvit")
const summaries = { reclmis: summarise(reclmis), lvit: summarise(lvit), unet: summarise(zoo("unet")) }
const exact = (count: number): string => count.toLocaleString("en-US")
const giga = (count: number): string => `${(count / 1e9).toFixed(2)} G`
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** The cells of the table row that begins with `first`. */
function row(first: string): readonly string[] {
  const found = page.split("\n").filter((line) => line.startsWith(`| ${first} |`))
  expect(found, first).toHaveLength(1)
  return found[0]!
    .split("|")
    .slice(2, -1)
    .map((cell) => cell.trim())
}

const withoutIndent = (text: string): string => text.replaceAll(/^ +/gm, "").trim()

describe("what is quoted", () => {
  const quotes = [...page.matchAll(/<!-- from (\S+) -->\n\n```text\n([\s\S]*?)```/g)]
  test("is at least one piece of each section", () => {
    expect(quotes.length).toBe([...page.matchAll(/^```text$/gm)].length)
    expect(quotes.length).toBeGreaterThanOrEqual(reclmis.sections.length)
  })
  test.each(quotes.map(([, file, text]) => [text!.trim().split("\n")[0]!, file!, text!] as const))(
    "%s ... stands in %s",
    (_, file, text) => {
      expect(withoutIndent(readFileSync(file, "utf8"))).toContain(withoutIndent(text))
    },
  )
})

describe("the table of configurations", () => {
  const configurations = ["RecLMIS", "mosmed", "monuseg"].map((selector) => zoo("reclmis", { selector }))
  test("words and parameters", () => {
    const made = configurations.map(summarise)
    expect(row("words read")).toEqual(made.map(({ sizes }) => String(sizes["T"])))
    expect(row("trainable parameters")).toEqual(made.map(({ parameters }) => exact(parameters.trainable)))
  })
  test("layers", () => {
    const layers = configurations.map(
      ({ graph }) => new Set(graph.parameters.map((p) => /^cvr\.rebuilt_patches\.decoder\.(\d+)/.exec(p.name)?.[1])),
    )
    // One of the set is undefined: parameters of other parts.
    expect(row("reconstructor layers")).toEqual(layers.map((found) => String(found.size - 1)))
  })
  test("training", () => {
    const argument = (name: string, key: string) =>
      configurations.map(({ training }) => {
        const setting = training[name] as unknown as { readonly arguments: Readonly<Record<string, unknown>> }
        return setting.arguments[key]
      })
    expect(row("batch")).toEqual(configurations.map(({ training }) => String(training["batch"])))
    expect(row("Adam at").map(Number)).toEqual(argument("optimizer", "lr"))
    const patience = argument("stop", "epochs")
    expect(row("epochs at most, without a better Dice")).toEqual(
      configurations.map(({ training }, i) => `${String(training["epochs"])}, ${String(patience[i])}`),
    )
  })
})

describe("the table of switches", () => {
  const text = readFileSync("models/reclmis.mdl", "utf8")
  const corrected = readFileSync("models/reclmis-corrected.mdl", "utf8")
  const rows = [...page.matchAll(/^\| `([\w.]+)` \| `([^`]+)` \| `([^`]+)` \|/gm)]
  test("says what the two texts say", () => {
    expect(rows.length).toBe(7)
    for (const [, name, published, mended] of rows) {
      expect(text).toMatch(
        new RegExp(`${name!.replace("train.", "")}(: \\w+)? = ${published!.replace(".", "\\.")}[,\\n]`),
      )
      expect(corrected).toContain(`set ${name!} = ${mended!}\n`)
    }
  })
  test("leaves out none that the corrected text turns", () => {
    const turned = [...corrected.matchAll(/^ {2}set ([\w.]+) =/gm)].map(([, name]) => name!)
    expect(turned.filter((name) => row(`\`${name}\``).length === 0)).toEqual([])
    expect(turned).toHaveLength(rows.length + 1)
  })
})

describe("the table of parameters", () => {
  test("RecLMIS", () => {
    const text = readFileSync("models/reclmis.mdl", "utf8")
    for (const layers of [3, 2, 1]) {
      const depth = `${text}\nablation depth of RecLMIS { set layers = ${layers} }`
      const { parameters } = summarise(elaborated(compileText(depth, { selector: "depth" })))
      expect(row(`L = ${layers}`)).toEqual([
        exact(parameters.trainable),
        `${(parameters.trainable / 1e6).toFixed(2)} M`,
      ])
    }
    expect(row("RecLMIS, trainable, L = 4")[0]).toBe(exact(summaries.reclmis.parameters.trainable))
    const used = summaries.reclmis.sections.filter((s) => !s.trainingOnly && s.name !== "language")
    expect(row("RecLMIS, sections that are used after training, text tower aside")[0]).toBe(
      exact(used.reduce((sum, { parameters }) => sum + parameters.total, 0)),
    )
  })
  test("LViT and the U-Net", () => {
    expect(row("LViT, total")[0]).toBe(exact(summaries.lvit.parameters.total))
    const called = lvit.graph.parameters.filter(
      ({ role, name }) => role === "param" && !name.includes("unused.") && !name.endsWith(".position"),
    )
    expect(row("LViT, in layers that are called")[0]).toBe(
      exact(called.reduce((sum, { shape }) => sum + sizeOf(shape), 0)),
    )
    expect(row("U-Net, trainable")[0]).toBe(exact(summaries.unet.parameters.trainable))
  })
})

describe("the tables of cost", () => {
  /** Published, for how many images, and for one of them by a source that measured or by halving. */
  const published = {
    unet: { row: "U-Net", total: 50.3, images: 2, one: 25.15 },
    lvit: { row: "LViT", total: 54.1, images: 2, one: 27.08 },
    reclmis: { row: "RecLMIS", total: 24.1, images: 1, one: 24.13 },
  } as const
  const profiled = {
    unet: profilerMacs(zoo("unet"), nothingUnseen),
    lvit: profilerMacs(lvit, nothingUnseen),
    reclmis: profilerMacs(reclmis, unseenInRecLMIS),
  }
  const ours = (name: keyof typeof published): number => summaries[name].macs.inference

  test.each(["unet", "lvit", "reclmis"] as const)("the row of %s", (name) => {
    const { row: first, total, images, one } = published[name]
    expect(row(first)).toEqual([
      `${total.toFixed(1)} G`,
      String(images),
      `${one.toFixed(2)} G`,
      giga(ours(name)),
      (ours(name) / (one * 1e9)).toFixed(3),
      giga(profiled[name]),
    ])
    // What was published is for as many images as the row says, and counted so our numbers are the published ones.
    expect(Math.abs((one * images) / total - 1)).toBeLessThan(0.002)
    expect(Math.abs(profiled[name] / (one * 1e9) - 1)).toBeLessThan(0.003)
  })
  test("what RecLMIS saves", () => {
    const saved = (a: number, b: number): readonly string[] => [percent(1 - a / b)]
    const { reclmis: mine, lvit: other } = published
    expect(row("as published, one image against two")).toEqual(saved(mine.total, other.total))
    expect(row("one against one, measured on the official classes")).toEqual(saved(mine.one, other.one))
    expect(row("one against one, `mdl summary`")).toEqual(saved(ours("reclmis"), ours("lvit")))
    const tower = summaries.reclmis.sections.find((s) => s.name === "language")!.macs
    expect(row("the same without RecLMIS's text tower, as LViT's BERT is not counted either")).toEqual(
      saved(ours("reclmis") - tower, ours("lvit")),
    )
  })
  test("where it goes", () => {
    const of = (name: "reclmis" | "lvit", section: string): number =>
      summaries[name].sections.find((s) => s.name === section)!.macs
    const flowing = page.replaceAll("\n", " ")
    expect(flowing).toContain(
      `${giga(of("reclmis", "vision"))} are the vision encoder, ${giga(of("reclmis", "decoder"))} the decoder, ` +
        `${giga(of("reclmis", "conditioned"))} the interaction and ${giga(of("reclmis", "language"))} the text tower`,
    )
    expect(flowing).toContain(`LViT's second branch, ${giga(of("lvit", "hybrid"))}`)
    expect(flowing).toContain(`both share is ${giga(of("reclmis", "vision") + of("reclmis", "decoder"))}`)
  })
})
