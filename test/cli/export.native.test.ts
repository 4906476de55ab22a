import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest"
import { exportCommand } from "../../src/cli/export.js"
import { decodeModel } from "../../src/compiler/targets/onnx/decode.js"
import { buildTrainer } from "../../src/compiler/trainer.js"
import { exportModel, ParityFailed, toOnnx } from "../../src/runtime/deployment/export-model.js"
import { compareWithTrainer } from "../../src/runtime/deployment/compare-with-trainer.js"
import { compileRun, openExportSource } from "../../src/runtime/deployment/export-source.js"
import { readExportedSource } from "../../src/runtime/deployment/exported-source.js"
import { initialValues } from "../../src/runtime/deployment/initial-values.js"
import { parseReference, requireModel } from "../../src/runtime/model-file.js"
import { openOnnxPredictor } from "../../src/runtime/prediction/onnx-predictor.js"
import { reportForRun } from "../../src/runtime/reports/report-for-run.js"
import { RunFolder } from "../../src/runtime/runs/run-folder.js"
import { writeAtomically } from "../../src/runtime/runs/atomic-file.js"
import { NativeSession } from "../../src/runtime/session.js"
import { openWorkshop, trainLooking, type Workshop } from "../runtime/deployment/looking-model.js"

let workshop: Workshop
let run: string
beforeAll(async () => {
  workshop = await openWorkshop()
  run = await trainLooking(workshop)
})
afterAll(() => workshop.remove())

const out = (name: string): string => join(workshop.folder, name)

/** What a call of the command prints on stdout; with what it threw. */
async function cli(...argv: string[]): Promise<{ stdout: string; error: unknown }> {
  let stdout = ""
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += String(text)
    return true
  })
  try {
    await exportCommand().exitOverride().parseAsync(argv, { from: "user" })
    return { stdout, error: undefined }
  } catch (error) {
    return { stdout, error }
  } finally {
    spy.mockRestore()
  }
}

describe("export of a run", () => {
  it("compares on random and real inputs at two batch sizes and writes the file", async () => {
    const { stdout, error } = await cli(run, "-o", out("a.onnx"), "--json")
    expect(error).toBeUndefined()
    const result = JSON.parse(stdout) as Awaited<ReturnType<typeof exportModel>> & { written: boolean }
    expect(result.written).toBe(true)
    expect(result.notes).toEqual([])
    expect(result.parity?.passed).toBe(true)
    expect(result.parity?.cases.map(({ kind, batch }) => `${kind} ${batch}`)).toEqual([
      "random 1",
      "random 3",
      "real 1",
      "real 3",
    ])
    for (const { outputs } of result.parity!.cases) {
      expect(outputs.map(({ name }) => name).sort()).toEqual(["poi", "probability", "woi"])
      expect(Math.max(...outputs.map(({ maxAbs }) => maxAbs))).toBeLessThan(1e-5)
    }
    const metadata = Object.fromEntries(decodeModel(readFileSync(result.file)).metadata)
    expect(JSON.parse(metadata["mdl.weights"]!)).toMatchObject({ kind: "trained", run: "run-Looking", step: 2 })
    expect(JSON.parse(metadata["mdl.notes"]!)).toMatchObject({ note: { tokenizer: { kind: "words", words: expect.arrayContaining(["lung"]) } } }) // prettier-ignore
  })

  it("stores weights in 16 bits and beside the file, and compares what a program would load", async () => {
    const { stdout, error } = await cli(run, "-o", out("half.onnx"), "--json", "--weights", "f16", "--external-data")
    expect(error).toBeUndefined()
    const result = JSON.parse(stdout) as Awaited<ReturnType<typeof exportModel>>
    expect(result).toMatchObject({ storage: "f16", parity: { passed: true, tolerance: 0.02 } })
    expect(readFileSync(out("half.onnx.data"))).toHaveLength(result.data!.bytes)
    expect(readdirSync(workshop.folder).filter((name) => name.includes("partial"))).toEqual([])
    expect((await openOnnxPredictor(out("half.onnx"), 1)).ports.variant).toBe("Looking")
  })

  it("leaves nothing when weights beside the file fail the comparison", async () => {
    const { error } = await cli(run, "-o", out("none.onnx"), "--external-data", "--tolerance", "1e-30")
    expect(error).toBeInstanceOf(ParityFailed)
    expect(readdirSync(workshop.folder).filter((name) => name.includes("none"))).toEqual([])
  })

  it("leaves sizes open on request, and compares at others with the model compiled there", async () => {
    const { stdout, error } = await cli(run, "-o", out("open.onnx"), "--json", "--dynamic", "H,W, T")
    expect(error).toBeUndefined()
    const result = JSON.parse(stdout) as Awaited<ReturnType<typeof exportModel>>
    expect(result.inputs.map(({ shape }) => shape.join())).toEqual(["N,3,H,W", "N,T", "N,T"])
    expect(result.openSizes).toEqual({
      H: { usual: 32, least: 8, step: 8 },
      W: { usual: 32, least: 8, step: 8 },
      T: { usual: 12, least: 1, step: 1 },
    })
    expect(result.parity).toMatchObject({ passed: true })
    const cases = result.parity!.cases.map(({ kind, batch, sizes }) => [kind, batch, sizes])
    expect(cases.slice(4)).toEqual([
      ["random", 2, { H: 40, W: 24, T: 14 }],
      ["random", 2, { H: 24, W: 48, T: 10 }],
    ])
    const predictor = await openOnnxPredictor(out("open.onnx"), 1)
    expect(predictor.ports.image.size).toEqual({ height: 32, width: 32 })
    await predictor.close()
    const { model } = await readExportedSource(out("open.onnx"))
    expect(Object.fromEntries(model.graph.sizes)).toEqual({ H: 32, W: 32, T: 12 })
  })

  it("finds a file that is not the trainer's, at every size", async () => {
    const source = await openExportSource(run, { checkpoint: "last" })
    const exported = toOnnx(source, 17, { dynamic: ["H"] })
    const parameters = new Map([...source.parameters].map(([name, values]) => [name, values.map((v) => v + 0.01)]))
    const { bytes: onnx } = toOnnx({ ...source, parameters }, 17, { dynamic: ["H"] })
    const common = { source, exported, onnx, tolerance: 1e-4, wasm: false, data: undefined }
    const { report } = await compareWithTrainer(common)
    expect(report.passed).toBe(false)
    expect(report.cases).toHaveLength(6)
    for (const { outputs } of report.cases)
      expect(Math.max(...outputs.map(({ maxAbs }) => maxAbs))).toBeGreaterThan(1e-4)
    expect((await compareWithTrainer({ ...common, onnx: exported.bytes })).report.passed).toBe(true)
  })

  it("rounds to 8 bits by cases of the run's data, and says what that costs; in WebAssembly too", async () => {
    const { stdout, error } = await cli(
      run,
      "-o",
      out("int8.onnx"),
      "--weights",
      "int8",
      "--cases",
      "3",
      "--parity-wasm",
    )
    expect(error).toBeUndefined()
    expect(stdout).toContain("ONNX parity: passed (tolerance 0.0001)")
    expect(stdout).toContain("ONNX parity, WebAssembly: passed")
    expect(stdout).toContain("int8 against f32: ranges from 3 cases (train, minmax), differences on 3 cases (test)")
    expect(stdout).toMatch(/Dice {2}0\.\d{4} as f32, 0\.\d{4} as int8/)
    const types = decodeModel(readFileSync(out("int8.onnx"))).nodes.map((node) => node.op)
    expect(types).toContain("QuantizeLinear")
  })

  it("uses the texts that the run keeps, whatever became of the file", async () => {
    renameSync(workshop.model, `${workshop.model}.moved`)
    onTestFinished(() => renameSync(`${workshop.model}.moved`, workshop.model))
    const source = await openExportSource(run, { checkpoint: "last" })
    expect(source.model.variant).toBe("Looking")
    expect(source.parameters.size).toBe(source.model.graph.parameters.length)
  })

  it("says that the data is out of reach, and still compares on random inputs", async () => {
    renameSync(workshop.data, `${workshop.data}.moved`)
    onTestFinished(() => renameSync(`${workshop.data}.moved`, workshop.data))
    const result = await exportModel({ source: run, out: out("b.onnx") })
    expect(result.parity?.cases.map(({ kind }) => kind)).toEqual(["random", "random"])
    expect(result.notes).toEqual([expect.stringMatching(/random inputs only.*does not exist/)])
  })

  it("writes nothing and fails when the difference is too large", async () => {
    const { stdout, error } = await cli(run, "-o", out("c.onnx"), "--json", "--tolerance", "1e-30")
    expect(error).toBeInstanceOf(ParityFailed)
    expect((error as ParityFailed).exitCode).toBe(1)
    expect((error as ParityFailed).message).toContain("was not written")
    expect(JSON.parse(stdout)).toMatchObject({ written: false, parity: { passed: false } })
    expect(existsSync(out("c.onnx"))).toBe(false)
  })

  it("refuses a run whose text gives another model, by name", async () => {
    const { record } = await RunFolder.open(run)
    const sources = Object.fromEntries(
      Object.entries(record.model.sources).map(([path, text]) => [
        path,
        text.replace("conv2d(image, 6", "conv2d(image, 7"),
      ]),
    )
    expect(() => compileRun({ ...record, model: { ...record.model, sources } })).toThrow()
  })

  it("refuses a damaged checkpoint and names the one that is whole", async () => {
    const other = await trainLooking(workshop, "Blind")
    truncateSync(join(other, "checkpoints", "best.safetensors"), 100)
    const { error } = await cli(other, "-o", out("d.onnx"))
    expect((error as { exitCode: number }).exitCode).toBe(1)
    expect((error as Error).message).toContain("--checkpoint last")
    expect(existsSync(out("d.onnx"))).toBe(false)
    const { error: none } = await cli(other, "-o", out("d.onnx"), "--checkpoint", "last")
    expect(none).toBeUndefined()
  })
})

describe("export of an untrained model", () => {
  it("is compared on real inputs when a data set is named, which must be there", async () => {
    const source = `${workshop.model}#Blind`
    const { parity, notes } = await exportModel({ source, out: out("real.onnx"), data: workshop.data })
    expect(parity!.cases.map(({ kind, batch }) => `${kind} ${batch}`)).toEqual([
      "random 1",
      "random 3",
      "real 1",
      "real 3",
    ])
    expect([parity!.passed, notes]).toEqual([true, []])
    await expect(exportModel({ source, out: out("no.onnx"), data: out("nowhere") })).rejects.toThrow(/does not exist/)
    await expect(exportModel({ source: run, out: out("no.onnx"), data: out("nowhere") })).rejects.toThrow(
      /does not exist/,
    )
    expect((await cli(source, "-o", out("no.onnx"), "--data", workshop.data, "--no-parity")).error).toMatchObject({
      message: "--data is what to compare on: it and --no-parity exclude each other",
    })
    expect(existsSync(out("no.onnx"))).toBe(false)
  })

  it("starts from the values that TensorFlow would", async () => {
    const { model } = requireModel(parseReference(`${workshop.model}#Looking`))
    const folder = out("trainer")
    mkdirSync(folder)
    await writeAtomically(join(folder, "saved_model.pb"), buildTrainer(model, { batch: 2 }).savedModel)
    const session = await NativeSession.open(folder)
    onTestFinished(() => session.close())
    session.init(11)
    const native = session.read()
    const ours = initialValues(model.graph.parameters, 11)
    expect(ours.size).toBe(model.graph.parameters.length)
    for (const { name, initializer } of model.graph.parameters) {
      const [found, expected] = [ours.get(name)!, native.get(name)!.data]
      // Normal numbers go through the C library's logf, sinf and cosf, which round the last bit their own way.
      if (initializer.kind !== "normal") expect([name, found]).toEqual([name, expected])
      else expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-7)
    }
    expect(model.graph.parameters.some(({ initializer }) => initializer.kind === "normal")).toBe(true)
    expect(model.graph.parameters.some(({ initializer }) => initializer.kind === "uniform")).toBe(true)
  })

  it("is compared with the trainer too", async () => {
    const { stdout, error } = await cli(`${workshop.model}#Looking`, "-o", out("e.onnx"))
    expect(error).toBeUndefined()
    expect(stdout).toContain("ONNX parity: passed")
    expect(stdout).toContain("not trained")
    expect(stdout).toContain("an untrained model has no data set")
  })
})

describe("the report of a run", () => {
  it("is a page in the run folder with scores, curves and pictures", async () => {
    const { file } = await reportForRun(run)
    expect(file).toBe(join(run, "report.html"))
    const page = readFileSync(file, "utf8")
    for (const text of [
      "Dice, test",
      "5 cases, mean of the foreground",
      "loss cross_entropy",
      "heat map poi of",
      "woi, shares from",
    ]) {
      expect(page).toContain(text)
    }
    expect(page.match(/class="card case"/g)).toHaveLength(3)
  })

  it("shows a model that reads no note", async () => {
    const blind = join(workshop.folder, "run-Blind")
    const { file } = await reportForRun(blind, { checkpoint: "last", split: "valid" })
    const page = readFileSync(file, "utf8")
    expect(page).toContain("Dice, valid")
    expect(page).toContain("which the model does not read")
  })
})
