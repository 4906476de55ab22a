/** Constants: numbers in the text, tensors of files, where they go, and what is not one. */

import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import onnxProto from "onnx-proto"
import { describe, expect, test } from "vitest"
import { compile } from "../../../src/compiler/compile.js"
import { loadedValues } from "../../../src/compiler/ir/graph.js"
import { predictProgram } from "../../../src/compiler/passes/programs.js"
import { fromValues } from "../../../src/compiler/ops/ndarray.js"
import { summarise } from "../../../src/compiler/summary.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { exportOnnx } from "../../../src/compiler/targets/onnx/export.js"
import { initialValues } from "../../../src/runtime/deployment/initial-values.js"
import { fileHost, sourceHash } from "../../../src/runtime/model-file.js"
import { compileText, compileWithData, elaborated, messages } from "../source-host.js"

const model = (lines: string): string => `model Small {
  input x: f32[N, 3]
  target y: f32[N, 4]
${lines}
}`

/** The first output for x = [[1, 10, 100]], in float64. */
function result(text: string): number[] {
  const compiled = elaborated(compileWithData(text))
  const { graph, outputs } = predictProgram(compiled)
  const values = initialValues(graph.parameters, 1)
  const feeds = new Map([
    [graph.inputs[0]!.value, fromValues([1, 3], [1, 10, 100])] as const,
    ...graph.parameters.map((p) => [p.value, fromValues(p.shape, values.get(p.name)!)] as const),
  ])
  const sizes = new Map(graph.sizes).set("N", 1)
  return Array.from(interpret(graph, [outputs[0]!.value], feeds, { sizes, seed: 1, step: 0 })[0]!.data)
}

describe("numbers in the text", () => {
  test("lists within lists are a tensor, and names of its sizes are bound", () => {
    const text = model(`  const scale: f32[R, 3] = [[1, 0, 0.5], [0, 2, 0]]
  output o = reshape(matmul(x, scale, transpose_b = true), [N, R])`)
    expect(result(text)).toEqual([51, 20])
    expect(elaborated(compileWithData(text)).graph.parameters).toEqual([])
  })
  test("comprehensions make tables, such as the index of a relative position", () => {
    const text = model(`  const index: i32[3, 3] = [[i - j + 2 for j in 0..3] for i in 0..3]
  const bias: f32[5] = [0.5 * i for i in 0..5]
  output o = x + reshape(slice(gather(bias, index), [2, 0], [1, 3]), [3])`)
    expect(result(text)).toEqual([1 + 2, 10 + 1.5, 100 + 1])
  })
  test("one number fills the declared sizes", () => {
    expect(result(model("  const half: f32[3] = 0.5\n  output o = x * half"))).toEqual([0.5, 5, 50])
  })
  test("one number gives no size to a name that has none", () => {
    const { output, diagnostics } = compileWithData(model("  const half: f32[K] = 0.5\n  output o = x"))
    expect(output).toBeUndefined()
    expect(diagnostics.map(({ code, labels }) => [code, labels[0]?.text])).toEqual([
      ["MDL2101", "nothing is called `K` here"],
    ])
  })
  test("truth values", () => {
    const text = model("  const keep: bool[3] = [true, false, true]\n  output o = select(keep, x, 0)")
    expect(result(text)).toEqual([1, 0, 100])
  })
})

describe("tensors of files", () => {
  const words = (JSON.parse(readFileSync("test/fixtures/constants/expected.json", "utf8")) as Record<string, number[]>)[
    "words.npy"
  ]!
  const text = model(`  encoder table {
    /// Word vectors.
    const words: f32[K, 3] = load("words.npy")
    let scores = linear(matmul(x, words, transpose_b = true), 4)
  }
  output o = scores
  loss l = mse(scores, y)`)

  test("are parameters of their own role, named after their section, never trained", () => {
    const { graph } = elaborated(compileWithData(text))
    const [constant, weight] = graph.parameters
    expect(constant).toMatchObject({ name: "table.words", role: "const", shape: [4, 3], frozen: true })
    expect(weight).toMatchObject({ name: "table.scores.weight", role: "param", frozen: false })
    if (constant?.initializer.kind !== "loaded") throw new Error("it has no file")
    expect(Array.from(loadedValues(constant.initializer))).toEqual(words)
  })
  test("hold the values that NumPy wrote", () => {
    const row = (at: number): number => words[at * 3]! + 10 * words[at * 3 + 1]! + 100 * words[at * 3 + 2]!
    const product = model(`  const words: f32[K, 3] = load("words.npy")
  output o = matmul(x, words, transpose_b = true)`)
    result(product).forEach((value, at) => expect(value).toBeCloseTo(row(at), 12))
  })
  test("are counted apart, and are part of what identifies the model", () => {
    const compiled = elaborated(compileWithData(text))
    expect(summarise(compiled).parameters).toEqual({ total: 20, trainable: 20, frozen: 0, state: 0, constant: 12 })
    expect(compiled.constants).toMatchObject([{ file: "test/fixtures/constants/words.npy", shape: [4, 3] }])
    const other = { constants: compiled.constants.map((constant) => ({ ...constant, sha256: "0" })) }
    expect(sourceHash(new Map(), compiled)).not.toBe(sourceHash(new Map(), other))
  })
  test("reach ONNX as one initialiser", () => {
    const twice = model(`  const words: f32[K, 3] = load("words.npy")
  output o = matmul(x, words, transpose_b = true)
  output p = matmul(2 * x, words, transpose_b = true)`)
    const compiled = elaborated(compileWithData(twice))
    const { graph } = predictProgram(compiled)
    const { bytes } = exportOnnx({
      name: "small",
      graph,
      parameters: initialValues(graph.parameters, 1),
      symbols: ["N"],
      metadata: {},
      doc: "A table of words.",
    })
    const written = onnxProto.onnx.ModelProto.decode(bytes)
    const tables = written.graph!.initializer!.filter(
      ({ dims }) => dims!.reduce((n, size) => n * Number(size), 1) === 12,
    )
    expect(tables.map(({ name }) => name)).toEqual([expect.stringMatching(/^words/)])
    const { buffer, byteOffset } = tables[0]!.rawData!.slice()
    const values = Array.from(new Float32Array(buffer, byteOffset, 12))
    expect([...values].sort()).toEqual([...words].sort())
    expect([written.docString, written.graph!.docString]).toEqual(["A table of words.", "A table of words."])
  })
  test("in a block are shared by all uses of an instance and made anew by each instance", () => {
    const block = `block Table()(x: f32[N, 3]) {
  const words: f32[K, 3] = load("words.npy")
  return matmul(x, words, transpose_b = true)
}
${model(`  let table = Table()
  let a = table(x) + table(2 * x)
  output o = a + Table()(x)`)}`
    const names = elaborated(compileWithData(block)).graph.parameters.map((p) => p.name)
    expect(names).toEqual(["table.words", "o.words"])
  })
  test("can be handed to a block as a setting, relative to the file that names them", () => {
    const block = `block Table(from: file)(x: f32[N, C]) {
  const words: f32[K, C] = from
  return matmul(x, words, transpose_b = true)
}
${model(`  output o = Table(load("tensors.safetensors", "words"))(x)`)}`
    expect(elaborated(compileWithData(block)).graph.parameters.map((p) => p.name)).toEqual(["o.words"])
  })
  test("of a run are told from its record, without the file and without the values", () => {
    const compiled = compileWithData(text)
    const kept = elaborated(compiled).constants
    const again = elaborated(
      compile("test/fixtures/constants/model.mdl", {
        read: (path) => compiled.sources.get(path),
        tensor: (file, tensor) => {
          const found = kept.find((constant) => constant.file === file && constant.tensor === tensor)
          return found && { ...found, load: () => ({ sha256: found.sha256, values: undefined }) }
        },
      }),
    )
    expect(again.graph.parameters.map((p) => p.name)).toEqual([
      "table.words",
      "table.scores.weight",
      "table.scores.bias",
    ])
    expect(sourceHash(compiled.sources, again)).toBe(sourceHash(compiled.sources, elaborated(compiled)))
    expect(() => initialValues(again.graph.parameters, 1)).toThrow(/checkpoints/)
  })
})

describe("files are checked before they are read", () => {
  const opened = (shape: readonly number[], declared: string): string[] => {
    const text = model(`  const w: ${declared} = load("w.npy")\n  output o = x`)
    const host = fileHost(".")
    return compile("m.mdl", {
      read: (path) => (path === "m.mdl" ? text : host.read(path)),
      tensor: () => ({
        dtype: "f32",
        shape,
        load: () => {
          throw new Error("the elements were read")
        },
      }),
    }).diagnostics.map((d) => d.code)
  }
  test("a type that does not fit is told by the header", () => {
    expect(opened([2 ** 30, 2 ** 20], "f32[K, 3]")).toEqual(["MDL3004"])
    expect(opened([4, 3, 1], "f32[K, 3]")).toEqual(["MDL3004"])
    expect(opened([4, 3], "i32[K, 3]")).toEqual(["MDL3004"])
  })
  test("what no program could hold is refused", () => {
    expect(opened([2 ** 20, 2 ** 10], "f32[K, D]")).toEqual(["MDL3401"])
    expect(opened([0, 3], "f32[K, 3]")).toEqual(["MDL2004"])
    expect(() => opened([4, 3], "f32[K, 3]")).toThrow("the elements were read")
  })
})

describe("files stay in the project", () => {
  const inFolder = (body: (folder: string, outside: string) => void): void => {
    const folder = mkdtempSync(join(tmpdir(), "mdl-project-"))
    const outside = mkdtempSync(join(tmpdir(), "mdl-outside-"))
    try {
      body(folder, outside)
    } finally {
      for (const path of [folder, outside]) rmSync(path, { recursive: true })
    }
  }
  const bytes = readFileSync("test/fixtures/constants/words.npy")
  const codes = (folder: string, text: string): string[] => {
    const path = join(folder, "model.mdl")
    writeFileSync(path, text)
    return compile(path, fileHost(folder, path)).diagnostics.map((d) => d.code)
  }

  test("a data file behind a symbolic link that leaves the folder is not read", () => {
    inFolder((folder, outside) => {
      writeFileSync(join(outside, "words.npy"), bytes)
      symlinkSync(join(outside, "words.npy"), join(folder, "link.npy"))
      symlinkSync(outside, join(folder, "linked"))
      writeFileSync(join(folder, "words.npy"), bytes)
      symlinkSync(join(folder, "words.npy"), join(folder, "inner.npy"))
      const reading = (path: string): string =>
        model(`  const w: f32[4, 3] = load("${path}")\n  output o = x * slice(w, [0, 0], [1, 3])`)
      expect(codes(folder, reading("link.npy"))).toEqual(["MDL2004"])
      expect(codes(folder, reading("linked/words.npy"))).toEqual(["MDL2004"])
      expect(codes(folder, reading(`../${outside.split("/").at(-1)}/words.npy`))).toEqual(["MDL2004"])
      expect(codes(folder, reading("inner.npy"))).toEqual([])
    })
  })
  test("nor is a text; but the first file may itself be a link", () => {
    inFolder((folder, outside) => {
      writeFileSync(join(outside, "lib.mdl"), "fn same(x) = x")
      symlinkSync(join(outside, "lib.mdl"), join(folder, "lib.mdl"))
      const text = `import { same } from "./lib"\n${model("  output o = same(x)")}`
      expect(codes(folder, text)).toContain("MDL2001")
      writeFileSync(join(outside, "m.mdl"), model("  output o = x"))
      symlinkSync(join(outside, "m.mdl"), join(folder, "first.mdl"))
      const first = join(folder, "first.mdl")
      expect(compile(first, fileHost(folder, first)).diagnostics).toEqual([])
    })
  })
  test("a host without files says so", () => {
    const result = compileText(model(`  const w: f32[4, 3] = load("words.npy")\n  output o = x`))
    expect(messages(result)).toContain("data files cannot be read here")
  })
})
