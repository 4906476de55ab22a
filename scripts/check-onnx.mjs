#!/usr/bin/env node
/**
 * The models of the zoo under ONNX's own checker.
 *
 * Takes the compiled program in dist/ (`npm run build`) and a Python that has the package `onnx`; gives a line for each file:
 * model, opset, how its weights are stored, and what `onnx.checker` (full check) and strict shape inference with data
 * propagation say. Ends with 1 when they refuse a file.
 *
 *   python3 -m venv VENV && VENV/bin/pip install onnx
 *   node scripts/check-onnx.mjs --python VENV/bin/python                   every model and ablation in models/
 *   node scripts/check-onnx.mjs --python VENV/bin/python unet#small        only these
 *
 * Why so: `npm test` needs no Python; every export there passes our own checker, which knows fewer operators and wants more
 * of them. This is the second opinion, by those who wrote the format. Each model is checked as usual (opset 17, f32); small
 * ones in every opset, in every kind of storage, and with weights in a file of their own.
 */

import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const ROOT = fileURLToPath(new URL("..", import.meta.url))
const MODELS = join(ROOT, "models")
/** Models with at most so many bytes of parameters are written in every way. */
const SMALL = 16e6

/** Reads paths, checks each, prints a JSON line for each. */
const CHECK = `
import json, sys
import onnx
for path in sys.stdin.read().splitlines():
    problem = None
    try:
        # by its path, so that weights in a file of their own are found
        onnx.checker.check_model(path, full_check=True)
        onnx.shape_inference.infer_shapes_path(path, path + ".inferred", check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    print(json.dumps({"path": path, "problem": problem}), flush=True)
`

const { values: options, positionals } = parseArgs({
  options: { python: { type: "string", default: "python3" } },
  allowPositionals: true,
})
if (!existsSync(join(ROOT, "dist"))) throw new Error("there is no dist/: run `npm run build`")
const version = spawnSync(options.python, ["-c", "import onnx; print(onnx.__version__)"], { encoding: "utf8" })
if (version.status !== 0) {
  console.error(`${options.python} has no package onnx: make a venv as the head of this file says, and give --python`)
  process.exit(2)
}
const { openExportSource } = await import("../dist/src/runtime/deployment/export-source.js")
const { onnxSpec, toOnnx } = await import("../dist/src/runtime/deployment/export-model.js")
const { externalFor, writeChecked } = await import("../dist/src/runtime/deployment/write-onnx.js")
const { randomInputs } = await import("../dist/src/runtime/deployment/parity-inputs.js")
const { observedModel } = await import("../dist/src/compiler/targets/onnx/export.js")
const { runOnnx } = await import("../dist/src/runtime/onnx/run.js")

/** `unet#UNet`, `unet#small`, ...: the names that the texts themselves declare. */
const zoo = readdirSync(MODELS)
  .filter((name) => name.endsWith(".mdl"))
  .flatMap((name) =>
    [...readFileSync(join(MODELS, name), "utf8").matchAll(/^(?:model|ablation) (\w+)/gm)].map(
      ([, selector]) => `${name.slice(0, -4)}#${selector}`,
    ),
  )

console.log(`onnx ${version.stdout.trim()}`)
let failed = 0
for (const selector of positionals.length > 0 ? positionals : zoo) failed += await checkModel(selector)
console.log(failed === 0 ? "all files pass" : `${failed} files are refused`)
process.exit(failed === 0 ? 0 : 1)

/** Writes a model in its ways, has them checked; gives how many were refused. */
async function checkModel(selector) {
  const folder = mkdtempSync(join(tmpdir(), "mdl-check-onnx-"))
  try {
    const [file, name] = selector.split("#")
    const source = await openExportSource(`${join(MODELS, file)}.mdl#${name}`, { checkpoint: "best", seed: 1 })
    const bytes = [...source.parameters.values()].reduce((sum, values) => sum + values.byteLength, 0)
    const ways = new Map([["opset 17, f32", {}]])
    if (bytes <= SMALL) {
      for (const opset of [15, 16, 18]) ways.set(`opset ${opset}, f32`, { opset })
      ways.set("opset 17, f16", { weights: { kind: "f16" } })
      ways.set("opset 17, f32, external data", { external: true })
      const ranges = await randomRanges(source)
      if (ranges) ways.set("opset 17, int8", { weights: { kind: "int8", ranges } })
    }
    const paths = new Map()
    for (const [way, { opset, weights, external }] of ways) {
      const path = join(folder, `${paths.size}.onnx`)
      const storage = { ...(weights ? { weights } : {}), external: externalFor(path, external ?? false) }
      await writeChecked(path, toOnnx(source, opset, storage), () => Promise.resolve())
      paths.set(path, way)
    }
    return report(selector, paths)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Ranges for int8 from random inputs: the checker does not look at numbers. */
async function randomRanges(source) {
  const observed = observedModel(onnxSpec(source))
  if (!observed) return undefined
  const { feeds } = randomInputs(source.model, toOnnx(source).inputs)[0]
  const values = { ...(await runOnnx(observed.bytes, feeds)) }
  for (const name of observed.inputs) values[name] = feeds[name]
  return new Map(
    Object.entries(values).map(([name, { data }]) => {
      const range = { low: 0, high: 0 }
      for (const value of data) {
        range.low = Math.min(range.low, value)
        range.high = Math.max(range.high, value)
      }
      return [name, range]
    }),
  )
}

/** Runs the checker on files; prints what it says. */
function report(selector, paths) {
  const input = [...paths.keys()].join("\n")
  const { stdout, stderr, status } = spawnSync(options.python, ["-c", CHECK], { input, encoding: "utf8" })
  if (status !== 0) throw new Error(`the checker ended with ${status}: ${stderr}`)
  const results = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  for (const { path, problem } of results) {
    console.log(`${problem === null ? "ok  " : "BAD "} ${selector}  ${paths.get(path)}`)
    if (problem !== null) console.log(`     ${problem.replaceAll("\n", "\n     ")}`)
  }
  return results.filter(({ problem }) => problem !== null).length
}
