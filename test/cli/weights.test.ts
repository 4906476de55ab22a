/** `mdl weights` where no run and no native library is needed: what fits a model, exit codes, and what is refused. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { writeSafetensors } from "../../src/runtime/runs/safetensors.js"
import type { HostTensor } from "../../src/runtime/session.js"
import { mdl } from "./command-line.js"

let folder: string
const path = (name: string): string => join(folder, name)

const f32 = (...shape: number[]): HostTensor => ({
  dtype: "f32",
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
})

/** All that the model below needs. */
const WHOLE: Readonly<Record<string, HostTensor>> = {
  "encoder.features.weight": f32(8, 3, 3, 3),
  "encoder.features.bias": f32(8),
  "decoder.score.weight": f32(1, 8, 1, 1),
  "decoder.score.bias": f32(1),
}

const write = async (name: string, tensors: Readonly<Record<string, HostTensor>>, format = "pt"): Promise<string> => {
  await writeSafetensors(path(name), new Map(Object.entries(tensors)), new Map([["format", format]]))
  return path(name)
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mdl-weights-"))
  mkdirSync(path("empty"))
  writeFileSync(
    path("m.mdl"),
    `model M {
  input image: f32[N, 3, H = 16, W = 16]
  encoder encoder { let features = conv2d(image, 8, kernel = 3) }
  decoder decoder {
    let score = conv2d(features, 1)
    output probability = sigmoid(score)
  }
}
`,
  )
  await write("whole.safetensors", WHOLE)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("inspect", () => {
  test("lists tensors with their types and sizes, and totals", async () => {
    const { code, stdout } = await mdl("weights", "inspect", path("whole.safetensors"))
    expect(code).toBe(0)
    expect(stdout).toContain("4 tensors, 233 values, 932 bytes")
    expect(stdout).toMatch(/encoder\.features\.weight +f32\[8, 3, 3, 3\] +864/)
  })

  test("a model that has all it needs is no failure, left over or not", async () => {
    const file = await write("more.safetensors", { ...WHOLE, "teacher.weight": f32(2) })
    const { code, stdout } = await mdl("weights", "inspect", file, "--model", path("m.mdl"))
    expect(code).toBe(0)
    expect(stdout).toContain("M has all it needs")
    expect(stdout).toMatch(/left over: 1\n +\+ teacher\.weight/)
  })

  test("what is missing or of another shape is listed by section, and the code is 1", async () => {
    const { "encoder.features.bias": bias, ...others } = WHOLE
    const file = await write("part.safetensors", { ...others, "encoder.features.biases": bias!, "decoder.score.weight": f32(2, 8, 1, 1) }) // prettier-ignore
    const { code, stdout, stderr } = await mdl("weights", "inspect", file, "--model", path("m.mdl"), "--json")
    expect([code, stderr]).toEqual([1, ""])
    const report = JSON.parse(stdout) as { model: unknown }
    expect(report.model).toEqual({
      variant: "M",
      complete: false,
      sections: [
        { section: "encoder", fits: 1, missing: ["encoder.features.bias"], misshaped: [] },
        {
          section: "decoder",
          fits: 1,
          missing: [],
          misshaped: [{ name: "decoder.score.weight", file: "f32[2, 8, 1, 1]", model: "f32[1, 8, 1, 1]" }],
        },
      ],
      published: [],
      leftOver: ["encoder.features.biases"],
    })
    const listing = (await mdl("weights", "inspect", file, "--model", path("m.mdl"))).stdout
    expect(listing).toContain("encoder: 1 fit, 1 missing")
    expect(listing).toContain("decoder.score.weight is f32[2, 8, 1, 1] in the file and f32[1, 8, 1, 1] in the model")
  })

  test("what a checkpoint keeps for the training is told apart; in another file it is a tensor like all", async () => {
    const step: HostTensor = { dtype: "i32", shape: [], data: Int32Array.of(3) }
    const tensors = { ...WHOLE, "adam_m/decoder.score.bias": f32(1), step }
    const counts = async (file: string): Promise<number[]> => {
      const { stdout } = await mdl("weights", "inspect", file, "--json")
      const { tensors, training } = JSON.parse(stdout) as Record<"tensors" | "training", unknown[]>
      return [tensors.length, training.length]
    }
    expect(await counts(await write("checkpoint.safetensors", tensors, "mdl-checkpoint/1"))).toEqual([4, 2])
    expect(await counts(await write("foreign.safetensors", tensors))).toEqual([6, 0])
  })

  test.each<[string, RegExp]>([
    ["nowhere.safetensors", /there is no file or run .*nowhere\.safetensors/],
    ["empty", /is not the folder of a run: it has no run\.json/],
    ["m.mdl", /m\.mdl is (not a safetensors file|cut off)/],
  ])("%s is refused", async (name, message) => {
    const { code, stdout, stderr } = await mdl("weights", "inspect", path(name))
    expect([code, stdout]).toEqual([1, ""])
    expect(stderr).toMatch(message)
  })
})

describe("published names", () => {
  const published = (name: string): string => `test/fixtures/published-weights/${name}.safetensors`
  const reader = (): string => `${path("reader.mdl")}#Reader`
  beforeAll(() => {
    writeFileSync(
      path("reader.mdl"),
      `import { ClipText } from "std/clip"
model Reader {
  input note: tokens[N, T = 18] using words(40)
  frozen encoder language { let t = ClipText(2, 16, 4, note.vocabulary)(note.ids, note.valid) }
  head answer { output y = linear(t, 1) }
}
`,
    )
  })

  test("are found by inspect, with whose they are, what is missing and what is left over", async () => {
    const { code, stdout } = await mdl("weights", "inspect", published("clip-openai"), "--model", reader())
    expect(code).toBe(1)
    expect(stdout).toContain("language.t by the names of OpenAI: 37 of 37")
    expect(stdout).toMatch(/language: 37 fit\n/)
    expect(stdout).toContain("- answer.y.weight is missing")
    expect(stdout).toMatch(/left over: 21\n +\+ logit_scale/)
  })

  test("are imported: a file in the model's own names, which then fits as it is", async () => {
    const out = path("text.safetensors")
    const args = ["--model", reader(), "--section", "language", "-o", out]
    const { code, stdout, stderr } = await mdl("weights", "import", published("clip-hugging-face"), ...args)
    expect([code, stderr]).toEqual([0, ""])
    expect(stdout).toContain("37 tensors, 8,720 values")
    expect(stdout).toContain("of clip-hugging-face.safetensors")
    expect(stdout).toContain("left over: 25")
    const report = await mdl("weights", "inspect", out, "--model", reader(), "--json")
    const { metadata, model } = JSON.parse(report.stdout) as { metadata: object; model: Record<string, unknown> }
    expect(metadata).toMatchObject({ published_names: "Hugging Face", model: "Reader", format: "pt" })
    expect(model).toMatchObject({ published: [], leftOver: [] })
    expect(model["sections"]).toMatchObject([
      { section: "language", fits: 37, missing: [], misshaped: [] },
      { section: "answer", fits: 0 },
    ])
  })

  test("give JSON and nothing else where it is asked for", async () => {
    const out = path("again.safetensors")
    const { stdout } = await mdl(
      "weights",
      "import",
      published("clip-openai"),
      "--model",
      reader(),
      "-o",
      out,
      "--json",
    )
    const result = JSON.parse(stdout) as Record<string, unknown>
    expect(result).toMatchObject({ file: out, tensors: 37, values: 8720, variant: "Reader" })
    expect(result["published"]).toEqual([{ scheme: "OpenAI", root: "language.t", prefix: "", found: 37, of: 37 }])
    expect((result["leftOver"] as string[]).every((name) => /^(visual\.|logit_scale)/.test(name))).toBe(true)
  })

  test.each<[string, string[], RegExp]>([
    ["clip-openai", ["-o", "w.bin"], /it ends in \.safetensors/],
    [
      "clip-openai",
      ["--section", "langauge", "-o", "w.safetensors"],
      /Reader has no section langauge: did you mean language\?/,
    ],
    ["clip-openai", ["--section", "answer", "-o", "w.safetensors"], /and Reader are two models with no common part/],
    ["bert", ["-o", "w.safetensors"], /and Reader are two models with no common part/],
    ["nothing", ["-o", "w.safetensors"], /there is no file or run/],
  ])("of %s with %j are refused", async (name, flags, message) => {
    const args = [...flags.slice(0, -1), path(flags.at(-1)!)]
    const { code, stdout, stderr } = await mdl("weights", "import", published(name), "--model", reader(), ...args)
    expect([code, stdout]).toEqual([1, ""])
    expect(stderr).toMatch(message)
  })

  test("never replace the file that is read", async () => {
    const { code, stderr } = await mdl("weights", "import", path("text.safetensors"), "--model", reader(), "-o", path("text.safetensors")) // prettier-ignore
    expect(code).toBe(1)
    expect(stderr).toContain("is the file that is read: name another one")
  })
})

describe("export", () => {
  test.each<[string, string, RegExp]>([
    ["whole.safetensors", "w.safetensors", /there is no run .*: name the folder of a run/],
    ["empty", "w.bin", /it ends in \.safetensors/],
    ["empty", "w.safetensors", /is not the folder of a run/],
    ["empty", join("empty", "checkpoints", "last.safetensors"), /is a checkpoint of the run itself/],
  ])("of %s to %s is refused", async (run, out, message) => {
    const { code, stderr } = await mdl("weights", "export", path(run), "-o", path(out))
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
  })
})
