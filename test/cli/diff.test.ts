/** `mdl diff` between files, revisions and exported files: what it says, and what it says of input that is wrong. */
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import onnxProto from "onnx-proto"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { DiffReport } from "../../src/cli/diff.js"
import { exportModel } from "../../src/runtime/deployment/export-model.js"
import { mdl } from "./command-line.js"

const LAYER = (width: number): string => `
block Layer()(x) {
  return relu(conv2d(x, ${width}, kernel = 3))
}
`
const MODEL = (weight: string, from = "./parts/layer"): string => `
import { Layer } from "${from}"

model Small {
  input image: f32[N, 3, H = 16, W = 16]
  target mask: f32[N, 1, H, W]
  encoder vision { let stem = Layer()(image) }
  decoder { output probability = sigmoid(conv2d(stem, 1)) }
  loss overlap = ${weight} * dice_loss(probability, mask)
}

ablation large of Small {
  set H = 32
}
`

const TABLE = `
model Table {
  const words: f32[K, 3] = load("words.npy")
  input x: f32[N, 3]
  output y = x * mean(words)
}
`

let folder: string
let before: string
const git = (...words: string[]): void => {
  execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...words], { cwd: folder, stdio: "pipe" })
}
const write = (path: string, text: string): void => writeFileSync(join(folder, path), text)
const report = async (a: string, b: string): Promise<DiffReport> => {
  const { code, stdout, stderr } = await mdl("diff", a, b, "--json")
  expect([code, stderr]).toEqual([0, ""])
  return JSON.parse(stdout) as DiffReport
}
const failure = async (a: string, b: string): Promise<string> => {
  const { code, stdout, stderr } = await mdl("diff", a, b)
  expect([code, stdout]).toEqual([1, ""])
  return stderr
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mdl-diff-"))
  before = process.cwd()
  mkdirSync(join(folder, "models/parts"), { recursive: true })
  git("init", "--quiet", "--initial-branch=trunk")
  write("models/parts/layer.mdl", LAYER(4))
  write("models/small.mdl", MODEL("0.5"))
  write("models/broken.mdl", "model Broken {\n  output y = nothing\n}\n")
  write("models/outside.mdl", MODEL("0.5", "../other"))
  write("other.mdl", LAYER(4))
  cpSync("test/fixtures/constants/words.npy", join(folder, "models/words.npy"))
  write("models/table.mdl", TABLE)
  git("add", ".")
  git("commit", "--quiet", "--message", "first")
  write("models/parts/layer.mdl", LAYER(6))
  write("models/small.mdl", MODEL("2.0"))
  git("commit", "--quiet", "--all", "--message", "second")
  process.chdir(folder)
})
afterAll(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

describe("revisions", () => {
  test("the text and its imports are those of the revision", async () => {
    const { losses, parameters, isEmpty } = await report("HEAD~1:models/small.mdl", "models/small.mdl#Small")
    expect(losses).toEqual([{ name: "overlap", change: "re-weighted", before: 0.5, after: 2 }])
    expect(parameters.filter(({ change }) => change === "resized").map(({ before, after }) => [before, after])).toEqual(
      [
        ["4x3x3x3", "6x3x3x3"],
        ["4", "6"],
        ["1x4x1x1", "1x6x1x1"],
      ],
    )
    expect(isEmpty).toBe(false)
    expect((await report("HEAD:models/small.mdl#Small", "trunk:models/small.mdl#Small")).isEmpty).toBe(true)
  })
  test("`#name` alone means the same revision of the same file", async () => {
    const { sizes, losses } = await report("HEAD~1:models/small.mdl#Small", "#large")
    expect([sizes, losses]).toEqual([[{ name: "H", before: "16", after: "32" }], []])
  })
  test("a path with a dot is of this folder", async () => {
    process.chdir(join(folder, "models"))
    try {
      expect((await report("HEAD:./small.mdl#Small", "small.mdl#Small")).isEmpty).toBe(true)
      expect(await failure("HEAD:small.mdl", "small.mdl")).toContain(
        "there is no file small.mdl in HEAD; did you mean HEAD:models/small.mdl? (paths begin at the root",
      )
    } finally {
      process.chdir(folder)
    }
  })
  test.each([
    ["HEED:models/small.mdl", "there is no revision HEED in this repository; did you mean HEAD?"],
    ["trunc:models/small.mdl", "there is no revision trunc in this repository; did you mean trunk?"],
    ["HEAD~9:models/small.mdl", "there is no revision HEAD~9 in this repository"],
    ["HEAD:models/smal.mdl", "there is no file models/smal.mdl in HEAD; did you mean HEAD:models/small.mdl?"],
    ["HEAD:models", "models is a folder in HEAD; name a .mdl file in it"],
    ["--output=x:models/small.mdl#Small", "unknown option"],
    [":models/small.mdl", "names no revision"],
  ])("%s is refused", async (reference, message) => {
    expect(await failure(reference, "models/small.mdl")).toContain(message)
  })
  test("data files are those of the revision, told by what is in them", async () => {
    expect((await report("HEAD:models/table.mdl", "models/table.mdl")).isEmpty).toBe(true)
    const bytes = readFileSync("models/words.npy")
    bytes[bytes.length - 1]! ^= 1
    writeFileSync("models/words.npy", bytes)
    const { parameters, patch } = await report("HEAD:models/table.mdl", "models/table.mdl")
    expect(parameters.map(({ name, change }) => [name, change])).toEqual([["words", "first value"]])
    expect(patch).toHaveLength(1)
  })
  test("an import cannot leave the folder of the model", async () => {
    expect(await failure("HEAD:models/outside.mdl#Small", "models/small.mdl#Small")).toContain("Unknown module")
  })
  test("outside a repository there are none", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "mdl-diff-"))
    process.chdir(elsewhere)
    try {
      expect(await failure("HEAD:models/small.mdl", "#large")).toContain("is in no git repository")
    } finally {
      process.chdir(folder)
      rmSync(elsewhere, { recursive: true })
    }
  })
})

describe("exported files", () => {
  test("are what they were exported from, also after the text has changed", async () => {
    cpSync("models", "copy", { recursive: true })
    await exportModel({ source: "copy/small.mdl#large", out: "large.onnx", parity: false, seed: 1 })
    await exportModel({ source: "copy/small.mdl#large", out: "other.onnx", parity: false, seed: 2 })
    writeFileSync("copy/small.mdl", MODEL("7.0"))
    const same = await report("large.onnx", "models/small.mdl#large")
    expect([same.isEmpty, same.weightsDiffer]).toEqual([true, null])
    const sizes = async (a: string, b: string): Promise<unknown> =>
      (await report(a, b)).sizes.map(({ name, before, after }) => [name, before, after])
    expect(await sizes("large.onnx", "#Small")).toEqual([["H", "32", "16"]])
    // What is trained with --size has other sizes than its text.
    const model = onnxProto.onnx.ModelProto.decode(readFileSync("large.onnx"))
    for (const dim of model.graph!.input![0]!.type!.tensorType!.shape!.dim!.slice(2)) dim.dimValue = 64
    writeFileSync("resized.onnx", onnxProto.onnx.ModelProto.encode(model).finish())
    expect(await sizes("resized.onnx", "large.onnx")).toEqual([
      ["H", "64", "32"],
      ["W", "64", "16"],
    ])
    const seeds = await report("large.onnx", "other.onnx")
    expect([seeds.isEmpty, seeds.weightsDiffer]).toEqual([true, true])
    expect((await report("other.onnx", "other.onnx")).weightsDiffer).toBe(false)
    expect((await mdl("diff", "large.onnx", "other.onnx")).stdout).toMatch(
      /are the same model\nweights: they differ\n$/,
    )
  })
  test("of others, and damaged ones, are refused", async () => {
    const model = onnxProto.onnx.ModelProto.decode(readFileSync("large.onnx"))
    const save = (name: string): void => writeFileSync(name, onnxProto.onnx.ModelProto.encode(model).finish())
    const source = model.metadataProps.find(({ key }) => key === "mdl.source")!
    source.value = source.value!.replace("2.0 *", "3.0 *")
    save("edited.onnx")
    expect(await failure("edited.onnx", "large.onnx")).toContain("the text in it is not the one it was made from")
    model.producerName = "pytorch"
    model.metadataProps = []
    save("foreign.onnx")
    expect(await failure("large.onnx", "foreign.onnx")).toContain(
      "foreign.onnx was written by pytorch, not by mdl export",
    )
    writeFileSync("text.onnx", "not at all")
    expect(await failure("text.onnx", "large.onnx")).toContain("text.onnx is not an ONNX file")
  })
})

describe("in words", () => {
  test("the broken side is named, with what is wrong", async () => {
    const message = await failure("models/small.mdl#Small", "HEAD:models/broken.mdl")
    expect(message).toContain("the model after (HEAD:models/broken.mdl) does not compile")
    expect(message).toContain("nothing")
    expect(message).toMatch(/error\[MDL\d+\]/)
    expect(await failure("models/broken.mdl", "models/small.mdl#Small")).toContain(
      "the model before (models/broken.mdl)",
    )
  })
  test("two models with nothing in common", async () => {
    write("models/apart.mdl", "model Apart {\n  input x: f32[N, 4]\n  output y = relu(x)\n}\n")
    const { stdout } = await mdl("diff", "models/small.mdl#Small", "models/apart.mdl")
    expect(stdout).toContain("two models with no part in common")
  })
  test("weights of losses, time and tensors", async () => {
    const { stdout } = await mdl("diff", "HEAD~1:models/small.mdl#Small", "models/small.mdl#Small", "--tensors")
    expect(stdout).toContain("~ overlap: re-weighted, weight 0.5 -> 2\n")
    expect(stdout).toMatch(/step, batch 8, estimate +[\d.]+ ms +[\d.]+ ms +\+\d+ %/)
    expect(stdout).toMatch(/vision\.stem\.weight +misshaped +f32\[4, 3, 3, 3\] -> f32\[6, 3, 3, 3\]/)
    expect(stdout).toMatch(/decoder\.probability\.bias +fits +f32\[1\]/)
  })
  test("what has another name", async () => {
    write("models/renamed.mdl", MODEL("2.0").replace("encoder vision", "encoder sight"))
    const { stdout } = await mdl("diff", "models/small.mdl#Small", "models/renamed.mdl#Small")
    expect(stdout).toContain("renamed\n  ~ section vision -> sight\n")
    expect(stdout).toContain("of those that are missing, 2 are there under the name that they had before")
  })
})
