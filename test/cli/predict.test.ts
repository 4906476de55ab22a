/** `mdl predict` and `mdl serve` with an ONNX file: what they print and how they end. TensorFlow is not loaded. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openServedFiles, type ServedFiles } from "../runtime/serving/served-files.js"
import { mdl } from "./command-line.js"

const NOTE = "upper left lung"
let files: ServedFiles
let image: string
let folder: string
beforeAll(async () => {
  files = await openServedFiles()
  folder = join(files.folder, "images")
  mkdirSync(folder)
  for (const [index, { imagePath }] of files.toServe.examples.entries())
    copyFileSync(imagePath, join(folder, `${index}.png`))
  image = join(folder, "0.png")
})
afterAll(() => files.remove())
const out = (name: string): string => join(files.folder, name)

describe("mdl predict, one image", () => {
  it("works with an exported file as with a run, and says which", async () => {
    const done = await mdl("predict", files.onnx, "--image", image, "--note", NOTE, "-o", out("m.png"), "--json")
    expect([done.code, done.stderr]).toEqual([0, ""])
    const written = JSON.parse(done.stdout)
    expect(written).toMatchObject({ mask: out("m.png"), overlay: out("m.overlay.png"), onnx: { file: files.onnx } })
    expect(written.heatmaps).toEqual([{ output: "poi", file: out("m.poi.png") }])
    const text = await mdl("predict", files.onnx, "--image", image, "--note", NOTE, "-o", out("n.png"))
    expect(text.stdout).toMatch(/^mask .*n\.png {2}\(.* % of 40x40 pixels above 0\.5\)\noverlay /)
    expect(readFileSync(out("n.png"))).toEqual(readFileSync(out("m.png")))
  })

  it("refuses what is meant for many, and what contradicts itself", async () => {
    const one = ["predict", files.onnx, "--image", image, "-o", out("x.png")]
    const told = async (...words: string[]): Promise<string> => {
      const { code, stderr } = await mdl(...words)
      return `${code}: ${stderr}`
    }
    expect(await told(...one)).toMatch(/^1: error: Looking reads a note/)
    expect(await told(...one, "--note", NOTE, "--resume")).toMatch(/^1: error: --resume is for many images/)
    expect(await told(...one, "--images", folder)).toMatch(/^1: error: give the images in one way/)
    expect(await told("predict", files.onnx, "-o", out("x"))).toMatch(/^1: error: give the images in one way/)
    expect(await told(...one, "--note", NOTE, "--checkpoint", "last")).toMatch(/^1: error: --checkpoint chooses/)
    expect(await told("predict", files.model, "--image", image, "-o", out("x.png"))).toMatch(/^1: error: .*model text/)
    expect(await told("predict", out("none"), "--image", image, "-o", out("x.png"))).toMatch(
      /^1: error: there is no run/,
    )
    const many = ["predict", files.onnx, "--images", folder, "-o", out("x")]
    expect(await told(...many, "--note", "a", "--notes", "b.csv")).toMatch(/^1: error: give --note or --notes/)
    expect(await told(...many, "--split", "test")).toMatch(/^1: error: --split chooses among the cases of --data/)
    const data = ["predict", files.onnx, "--data", files.data, "-o", out("x")]
    expect(await told(...data, "--note", "a")).toMatch(/^1: error: the cases of --data have notes of their own/)
    expect(existsSync(out("x"))).toBe(false)
    expect(existsSync(out("x.png"))).toBe(false)
  })
})

describe("mdl predict, many images", () => {
  it("writes a folder, with notes from a file", async () => {
    const notes = out("notes.csv")
    writeFileSync(notes, `image,note\n${[0, 1, 2, 3, 4].map((i) => `${i}.png,"left, ${i}"`).join("\n")}\n`)
    const words = ["predict", files.onnx, "--images", folder, "--notes", notes, "-o", out("many")]
    const done = await mdl(...words, "--batch", "3", "--json")
    expect([done.code, done.stderr]).toEqual([0, ""])
    expect(JSON.parse(done.stdout)).toMatchObject({ cases: 5, predicted: 5, kept: 0, failed: [], scores: null })
    const again = await mdl(...words, "--resume")
    expect(again.stdout).toMatch(/^cases {3}5: 0 predicted, 5 done before\nfolder /)
    expect((await mdl(...words)).stderr).toMatch(/already holds predictions/)
  })

  it("scores a split of a data set", async () => {
    const { code, stdout } = await mdl(
      "predict",
      files.onnx,
      "--data",
      files.data,
      "--split",
      "valid",
      "-o",
      out("split"),
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/Dice {4}0\.\d{4} {2}\(mean of 4, convention "lvit"\)/)
  })

  it("names what failed, keeps the rest, and ends with 1", async () => {
    const broken = out("broken.png")
    writeFileSync(broken, readFileSync(image).subarray(0, 100))
    const images = [image, broken, join(folder, "1.png")].flatMap((path) => ["--image", path])
    const done = await mdl("predict", files.onnx, ...images, "--note", NOTE, "-o", out("some"), "--json")
    expect(done.code).toBe(1)
    expect(done.stderr).toMatch(/error: 1 of 3 cases could not be predicted:\n {2}broken: .*cut off or damaged/)
    expect(JSON.parse(done.stdout)).toMatchObject({ predicted: 2, failed: [{ id: "broken", image: broken }] })
    expect(existsSync(join(out("some"), "masks", "1.png"))).toBe(true)
  })
})

describe("mdl serve", () => {
  it("says where the page is, serves it, and ends with 0 when it is stopped", async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}/`
    const ended = mdl("serve", files.onnx, "--port", String(port), "--json")
    const model = (await (await answered(new URL("/api/model", url))).json()) as { variant: string }
    expect(model.variant).toBe("Looking")
    process.emit("SIGTERM")
    const done = await ended
    expect(done.code).toBe(0)
    expect(JSON.parse(done.stdout)).toMatchObject({ url, model: "Looking", examples: 0 })
    await expect(fetch(url)).rejects.toThrow()
  })

  it("refuses another machine's address and a port that is none", async () => {
    const refused = await mdl("serve", files.onnx, "--host", "0.0.0.0")
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/for this machine only.*ssh -L/)])
    expect((await mdl("serve", files.onnx, "--port", "99999")).code).toBe(1)
  })
})

/** A port that nobody has at the moment. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** The answer of a server that is about to start; the test's own time limit ends the waiting. */
async function answered(url: URL): Promise<Response> {
  for (;;) {
    try {
      return await fetch(url)
    } catch (error) {
      if ((error as { cause?: { code?: string } }).cause?.code !== "ECONNREFUSED") throw error
      await setTimeout(20)
    }
  }
}
