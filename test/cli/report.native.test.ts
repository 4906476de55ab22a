/** `mdl report` on trained runs: a dead loss, hostile notes, no notes, nothing to score, other data. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { QataAnnotation } from "../../src/runtime/data/layouts/qata.js"
import { synthesise } from "../../src/runtime/data/phantom.js"
import type { WrittenReport } from "../../src/runtime/reports/report-for-run.js"
import { train } from "../../src/runtime/training/trainer.js"
import { mdl } from "./command-line.js"

const MODELS = `
import { Interest } from "std/conditioned"

model Looking(weight: float = 0.0) {
  input image: f32[N, 3, H = 32, W = 32]
  input note: tokens[N, T = 6] using words(64)
  target mask: f32[N, 1, H, W]
  encoder vision {
    let v = conv2d(image, 4, kernel = 3) |> relu()
    output poi = Interest()(tokens_of(max_pool(v, 8)))
  }
  frozen encoder language {
    let t = Embedding(note.vocabulary, 4)(note.ids)
    output woi = Interest()(t, valid = note.valid)
  }
  decoder {
    let said = linear(sum(t * reshape(note.valid, [N, T, 1]), axes = [1]), 4)
    output probability = v + reshape(said, [N, 4, 1, 1]) |> conv2d(1, kernel = 3) |> sigmoid()
  }
  loss cross_entropy = bce(probability, mask)
  loss dead = weight * dice_loss(probability, mask)
  train { optimizer = adam(lr = 0.01)  batch = 4  epochs = 1 }
}

model Unscored {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]
  decoder {
    let guess = conv2d(image, 1, kernel = 3) |> sigmoid()
    output share = mean(guess, axes = [1, 2, 3])
  }
  loss cross_entropy = bce(guess, mask)
  train { batch = 4  epochs = 1 }
}
`
const HOSTILE = "<script>alert(1)</script> left & right"

let folder: string
let data: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mdl-report-"))
  data = join(folder, "data")
  await synthesise({ root: data, counts: { train: 12, valid: 4, test: 5 }, size: 32, seed: 3 })
  spoilNotes(data)
  writeFileSync(join(folder, "models.mdl"), MODELS)
  for (const name of ["Looking", "Unscored"]) {
    await train({ model: `${join(folder, "models.mdl")}#${name}`, data, run: join(folder, name), workers: 0 })
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const at = (...names: string[]): string => join(folder, ...names)

/** Every case gets markup for a note, longer than the model reads. */
function spoilNotes(root: string): void {
  const path = join(root, "annotation.json")
  const annotation = JSON.parse(readFileSync(path, "utf8")) as QataAnnotation
  const spoilt = Object.entries(annotation).map(([split, rows]) => [split, rows.map((row) => ({ ...row, caption: HOSTILE }))]) // prettier-ignore
  writeFileSync(path, JSON.stringify(Object.fromEntries(spoilt)))
}

/** Runs `mdl report ... --json`, which must work; gives what it told and the page. */
async function report(...words: string[]): Promise<{ written: WrittenReport; page: string }> {
  const { code, stdout, stderr } = await mdl("report", ...words, "--json")
  expect([code, stderr]).toEqual([0, ""])
  const written = JSON.parse(stdout) as WrittenReport
  return { written, page: readFileSync(written.file, "utf8") }
}

describe("mdl report", () => {
  it("replaces the page of the run, and says what is on it", async () => {
    const { written, page } = await report(at("Looking"))
    expect(written).toMatchObject({ file: at("Looking", "report.html"), run: at("Looking") })
    expect(written.bytes).toBe(statSync(written.file).size)
    expect(written.scores).toMatchObject({ split: "test", cases: 5, convention: "lvit" })
    expect(page).toContain(`<div class="value ">${written.scores!.dice.toFixed(3)}</div>`)
    for (const text of ["loss cross_entropy", "loss dead", "learning rate", "norm of the gradient", "Calibration"])
      expect(page).toContain(`<span class="chart-title">${text}</span>`)
    expect(page.match(/class="card case"/g)).toHaveLength(3)
    expect(page).toContain("heat map poi of")
    expect(page).toMatch(/<td>vision<\/td><td>encoder<\/td><td class="number">[\d.]+ k<\/td>/)
    expect(page).toContain(
      `mdl train ${at("models.mdl#Looking")} --data ${data} --run DIR --epochs 1 --batch 4 --seed 1`,
    )
  })

  it("warns of a loss that is 0 and of notes that are cut, on the page and in JSON", async () => {
    const { written, page } = await report(at("Looking"))
    expect(written.warnings).toContainEqual({
      about: "losses",
      text: "the loss dead was exactly 0 in all 3 steps of epoch 1: it teaches nothing",
    })
    expect(written.warnings).toContainEqual({
      about: "notes",
      text: "5 of 5 notes of the test split were cut to the model's length",
    })
    expect(page).toContain("<b>losses</b> the loss dead was exactly 0")
    expect(page).toContain('<span class="fail">exactly 0 in epoch 1</span>')
    expect(page).toContain("note, cut to the model&#39;s length")
  })

  it("shows hostile notes as text", async () => {
    const { page } = await report(at("Looking"))
    expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt; left &amp; right")
    expect(page).not.toMatch(/<script|(?:src|href)="(?!data:)/i)
  })

  it("asks on request whether the notes are read, for a split and a place of one's choice", async () => {
    const { written, page } = await report(
      ...[at("Looking"), "--split", "valid", "--note-adherence", "1", "--cases", "2", "-o", at("own.html")],
    )
    expect(written.file).toBe(at("own.html"))
    expect(written.scores).toMatchObject({ split: "valid", cases: 4 })
    expect(page).toContain("Does it read the note?")
    expect(page).toContain("the mean of 1 shuffling (seed 1)")
  })

  it("has no scores for a model that gives no mask, and all the rest", async () => {
    const { written, page } = await report(at("Unscored"))
    expect(written.scores).toBeNull()
    expect(page).toContain("none of the model's outputs has the shape of its target")
    expect(page).toContain("loss cross_entropy")
    expect(page).not.toMatch(/<h2>(Cases|Measures)/)
    expect((await mdl("report", at("Unscored"))).stdout).toContain("no scores")
    const asked = await mdl("report", at("Unscored"), "--note-adherence")
    expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be scored") as string })
  })

  it("is written at the end of a training, with validation cases or without scores", async () => {
    const trained = async (name: string): Promise<string> => {
      const model = `${at("models.mdl")}#${name}`
      const words = ["--data", data, "--run", at(`trained-${name}`), "--workers", "0", "--json"]
      const { code, stdout } = await mdl("train", model, ...words)
      expect(code).toBe(0)
      return readFileSync((JSON.parse(stdout) as { report: string }).report, "utf8")
    }
    expect(await trained("Looking")).toContain("Dice, valid")
    expect(await trained("Unscored")).toContain("none of the model's outputs has the shape of its target")
  })

  it("warns when the data are not those of the training", async () => {
    const other = at("other")
    await synthesise({ root: other, counts: { train: 4, valid: 2, test: 2 }, size: 32, seed: 4 })
    const { written } = await report(at("Looking"), "--data", other, "-o", at("other.html"))
    expect(written.warnings.filter(({ about }) => about === "data").map(({ text }) => text)).toEqual([
      `the data set is not the one that the run was trained on, ${data}`,
    ])
  })

  it("refuses what is no run, a page that cannot be written, and too many cases", async () => {
    expect(await mdl("report", at("data"))).toMatchObject({ code: 1, stderr: expect.stringContaining("run.json") as string }) // prettier-ignore
    mkdirSync(at("a-folder"))
    const blocked = await mdl("report", at("Looking"), "-o", at("a-folder"))
    expect(blocked).toMatchObject({ code: 1, stderr: expect.stringContaining("a-folder") as string })
    expect((await mdl("report", at("Looking"), "--cases", "999")).code).toBe(1)
  })
})
