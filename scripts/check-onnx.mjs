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
 * of them. This is the second opinion, by those who wrote the format. It looks at nodes, types and shapes, not at numbers, so
 * all weights are zeros in a file with a hole instead of bytes: a model of 400 MB is checked in every opset and every kind
 * of storage in seconds. Small ones are also written with their weights inside. Sizes that a model can leave open
 * (`mdl export --dynamic`) are left open once more.
 */

import { spawn } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdtempSync,
  openSync,
  closeSync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const ROOT = fileURLToPath(new URL("..", import.meta.url))
const MODELS = join(ROOT, "models")
/** Models with at most so many bytes of parameters are written with these inside, too. */
const SMALL = 16e6

/** Reads paths, checks each, prints a JSON line for each; the first line is the version. */
const CHECK = `
import json, sys
import onnx
print(json.dumps(onnx.__version__), flush=True)
for path in map(str.strip, sys.stdin):
    problem = None
    try:
        # by its path, so that weights in a file of their own are found
        onnx.checker.check_model(path, full_check=True)
        onnx.shape_inference.infer_shapes_path(path, path + ".inferred", check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    print(json.dumps(problem), flush=True)
`

const { values: options, positionals } = parseArgs({
  options: { python: { type: "string", default: "python3" } },
  allowPositionals: true,
})
if (!existsSync(join(ROOT, "dist"))) throw new Error("there is no dist/: run `npm run build`")
const { parseReference, requireModel } = await import("../dist/src/runtime/model-file.js")
const { onnxSpec, toOnnx } = await import("../dist/src/runtime/deployment/export-model.js")
const { observedModel } = await import("../dist/src/compiler/targets/onnx/export.js")
const { decodeModel } = await import("../dist/src/compiler/targets/onnx/decode.js")

const checker = spawn(options.python, ["-c", CHECK], { stdio: ["pipe", "pipe", "inherit"] })
const answers = createInterface({ input: checker.stdout })[Symbol.asyncIterator]()
const version = await Promise.race([answers.next(), once(checker, "error").then(() => ({ done: true }))])
if (version.done) {
  console.error(`${options.python} has no package onnx: make a venv as the head of this file says, and give --python`)
  process.exit(2)
}

/** `unet#UNet`, `unet#small`, ...: the names that the texts themselves declare. */
const zoo = readdirSync(MODELS)
  .filter((name) => name.endsWith(".mdl"))
  .flatMap((name) =>
    [...readFileSync(join(MODELS, name), "utf8").matchAll(/^(?:model|ablation) (\w+)/gm)].map(
      ([, selector]) => `${name.slice(0, -4)}#${selector}`,
    ),
  )

console.log(`onnx ${JSON.parse(version.value)}`)
let [checked, failed] = [0, 0]
for (const selector of positionals.length > 0 ? positionals : zoo) await checkModel(selector)
checker.stdin.end()
console.log(failed === 0 ? `all ${checked} files pass` : `${failed} of ${checked} files are refused`)
process.exitCode = failed === 0 ? 0 : 1

/** Writes a model in its ways and has each checked. */
async function checkModel(selector) {
  const [file, name] = selector.split("#")
  const reference = parseReference(`${join(MODELS, file)}.mdl#${name}`)
  let compiled
  try {
    compiled = requireModel(reference)
  } catch (error) {
    // An ablation that varies a value is several models; which, its own message says.
    console.log(`--   ${selector}  is no single model: ${error.message.split("\n")[0]}`)
    return
  }
  const source = zeroSource(compiled, reference)
  const bytes = [...source.parameters.values()].reduce((sum, values) => sum + values.byteLength, 0)
  for (const opset of [15, 16, 17, 18]) await check(selector, `opset ${opset}, f32`, source, { opset })
  if (bytes <= SMALL) await check(selector, "opset 17, f32, weights inside", source, { inside: true })
  await check(selector, "opset 17, f16", source, { weights: { kind: "f16" } })
  const ranges = anyRanges(source)
  if (ranges) await check(selector, "opset 17, int8", source, { weights: { kind: "int8", ranges } })
  for (const names of dynamicSizes(source))
    await check(selector, `opset 17, ${names} open`, source, { dynamic: [names].flat() })
}

/** What `mdl export` gets of a model, but for the numbers: all parameters are views of one array of zeros. */
function zeroSource({ model, result }, reference) {
  const { parameters } = model.graph
  const count = (shape) => shape.reduce((product, size) => product * size, 1)
  const most = parameters.reduce((largest, { shape }) => Math.max(largest, count(shape)), 0)
  const zeros = { f32: new Float32Array(most), i32: new Int32Array(most) }
  return {
    model,
    parameters: new Map(parameters.map(({ name, dtype, shape }) => [name, zeros[dtype].subarray(0, count(shape))])),
    weights: { kind: "initial", seed: 0 },
    sources: result.sources,
    sourceHash: "",
    tokenizers: {},
    run: undefined,
    resized: (sizes) => requireModel(reference, sizes).model,
  }
}

/** The sizes of a model that can be left open: those that the export does not refuse, alone and together. */
function dynamicSizes(source) {
  const names = [...source.model.graph.sizes.keys()]
  const sets = [["H", "W"], ["T"], ["H", "W", "T"]].filter((set) => set.every((name) => names.includes(name)))
  return sets.filter((dynamic) => {
    try {
      toOnnx(source, 17, { dynamic })
      return true
    } catch (error) {
      if (error.exitCode === 1) return false
      throw error
    }
  })
}

/** Ranges for int8, of no meaning. */
function anyRanges(source) {
  const observed = observedModel(onnxSpec(source))
  if (!observed) return undefined
  const names = [...decodeModel(observed.bytes).outputs.map(({ name }) => name), ...observed.inputs]
  return new Map(names.map((name) => [name, { low: -1, high: 1 }]))
}

/** Has one file checked and prints what is said of it. */
async function check(selector, way, source, { opset = 17, inside = false, ...how }) {
  const folder = mkdtempSync(join(tmpdir(), "mdl-check-onnx-"))
  try {
    const path = join(folder, "model.onnx")
    const external = inside ? undefined : { location: "model.onnx.data", above: 0, describe: () => ({}) }
    const { bytes, data } = toOnnx(source, opset, { ...how, ...(external && { external }) })
    writeFileSync(path, bytes)
    if (data) {
      const file = openSync(join(folder, data.location), "w")
      ftruncateSync(file, data.bytes)
      closeSync(file)
    }
    checker.stdin.write(`${path}\n`)
    const { value, done } = await answers.next()
    if (done) throw new Error("the checker has ended")
    const problem = JSON.parse(value)
    checked++
    if (problem !== null) failed++
    console.log(`${problem === null ? "ok  " : "BAD "} ${selector}  ${way}`)
    if (problem !== null) console.log(`     ${problem.replaceAll("\n", "\n     ")}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
