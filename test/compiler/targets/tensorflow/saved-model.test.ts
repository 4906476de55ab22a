/** What a SavedModel says about itself, and specifications that contradict themselves; needs no TensorFlow. */

import messages from "@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js"
import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../../src/compiler/ir/builder.js"
import { constant, symbol } from "../../../../src/compiler/ir/dims.js"
import { LoweringError } from "../../../../src/compiler/targets/tensorflow/lower.js"
import {
  buildSavedModel,
  SavedModelSpecError,
  type SavedModelSpec,
} from "../../../../src/compiler/targets/tensorflow/saved-model.js"
import { readSignatures } from "../../../../src/compiler/targets/tensorflow/signatures.js"
import { smallNetwork } from "./small-network.js"

const net = smallNetwork()
const bytes = buildSavedModel(net.spec)
const signatures = readSignatures(bytes)
const nodes = messages.SavedModel.deserializeBinary(bytes).getMetaGraphsList()[0]!.getGraphDef()!.getNodeList()

/** The small network's specification with changes. */
const withTrain = (changes: Partial<NonNullable<SavedModelSpec["train"]>>): SavedModelSpec => ({
  ...net.spec,
  train: { ...net.spec.train, ...changes },
})

describe("signatures", () => {
  test("are those of a trainer, with what each takes and gives", () => {
    const named = (entries: readonly { name: string }[] | undefined): string[] => entries!.map((e) => e.name).sort()
    expect([...signatures.keys()].sort()).toEqual(["evaluate", "init", "predict", "read", "train_step", "write"])
    expect(named(signatures.get("train_step")?.inputs)).toEqual(["image", "mask", "note"])
    expect(named(signatures.get("train_step")?.outputs)).toEqual([
      "gradient_norm",
      "learning_rate",
      "segmentation",
      "sparsity",
      "step",
      "total",
    ])
    expect(named(signatures.get("evaluate")?.outputs)).toEqual([
      "loss/segmentation",
      "loss/sparsity",
      "poi",
      "probability",
    ])
    expect(named(signatures.get("predict")?.inputs)).toEqual(["image", "note"])
    expect(named(signatures.get("read")?.outputs)).toEqual(named(signatures.get("write")?.inputs))
  })

  test("hold a moment for trainable parameters only, and steps and seed as int32", () => {
    const read = new Map(signatures.get("read")!.outputs.map((entry) => [entry.name, entry]))
    expect(read.has("adam_m/vision.down1.norm.gain")).toBe(true)
    expect(read.has("adam_m/vision.down1.norm.mean")).toBe(false)
    expect(read.get("step")).toMatchObject({ dtype: "i32", shape: [] })
    expect(read.get("seed")).toMatchObject({ dtype: "i32", shape: [] })
  })

  test("show the user's scopes in their nodes", () => {
    const names = nodes.map((node) => node.getName())
    expect(names).toContain("train/vision/down1/conv/Conv2D")
    expect(names).toContain("predict/vision/down1/conv/Conv2D")
    expect(names.some((name) => name.startsWith("train/vision/down1/conv/gradient/Conv2DBackprop"))).toBe(true)
  })

  test("share one variable for each parameter, and every update waits for its read", () => {
    const handles = nodes.filter((node) => node.getOp() === "VarHandleOp").map((node) => node.getName())
    expect(handles.filter((name) => name.includes("conv/weight"))).toHaveLength(9)
    const updates = nodes.filter((node) => node.getOp() === "ResourceApplyAdam")
    expect(updates).toHaveLength(net.spec.train.gradients.length)
    for (const update of updates) {
      const reads = update.getInputList().filter((input) => input.startsWith("^train/read/"))
      expect(reads, update.getName()).toHaveLength(1)
    }
    const total = nodes.find((node) => node.getName() === "train/outputs/total")!
    for (const update of updates) expect(total.getInputList()).toContain(`^${update.getName()}`)
  })
})

describe("a specification is refused when", () => {
  test("a loss is no scalar", () => {
    const image = net.graph.inputs.find((input) => input.name === "image")!.value
    expect(() => buildSavedModel(withTrain({ losses: [{ name: "bad", value: image }] }))).toThrow(
      /train_step gives scalars, but bad is f32\[N, 3, H, W\]/,
    )
  })

  test("a loss takes a name that the step gives itself", () => {
    const losses = [{ name: "gradient_norm", value: net.spec.train.total }]
    expect(() => buildSavedModel(withTrain({ losses }))).toThrow(/two tensors named gradient_norm/)
  })

  test("a gradient belongs to no parameter, or has another shape", () => {
    const gradients = net.spec.train.gradients
    expect(() => buildSavedModel(withTrain({ gradients: [{ ...gradients[0]!, parameter: "vision.w" }] }))).toThrow(
      /no .*named vision\.w/,
    )
    const swapped = [{ parameter: gradients[0]!.parameter, value: gradients[1]!.value }]
    expect(() => buildSavedModel(withTrain({ gradients: swapped }))).toThrow(SavedModelSpecError)
  })

  test("a program has a parameter that is not declared, or with another shape", () => {
    const [first, ...rest] = net.parameters
    expect(() => buildSavedModel({ ...net.spec, parameters: rest })).toThrow(
      /vision\.down1\.conv\.weight .* not declared/,
    )
    const other = { ...first!, shape: [1] }
    expect(() => buildSavedModel({ ...net.spec, parameters: [other, ...rest] })).toThrow(
      /is f32\[1\] where it is declared and f32\[4, 3, 3, 3\] in a program/,
    )
  })

  test("a parameter takes a name of the trainer's own", () => {
    const [first, ...rest] = net.parameters
    expect(() => buildSavedModel({ ...net.spec, parameters: [{ ...first!, name: "seed" }, ...rest] })).toThrow(
      /cannot be named seed/,
    )
  })

  test("predict needs a target", () => {
    const evaluate = net.spec.evaluate!
    const predict = { graph: evaluate.graph, batch: 2, outputs: evaluate.losses }
    const attempt = (): unknown => buildSavedModel({ ...net.spec, predict })
    expect(attempt).toThrow(LoweringError)
    expect(attempt).toThrow(/in segmentation: it needs mask, which predict is not given/)
  })

  test("a size is not known", () => {
    const builder = new GraphBuilder(new Map())
    const x = builder.input("x", { dtype: "f32", shape: [symbol("T"), constant(2)] }, "input")
    builder.output("y", builder.op("relu", [x]))
    const graph = builder.finish()
    const predict = { graph, batch: 1, outputs: graph.outputs }
    expect(() => buildSavedModel({ parameters: [], predict })).toThrow(/shape \[T, 2\] has no whole size/)
  })
})

describe("within a call every variable is read before it is changed", () => {
  const CHANGES = /^(ResourceApply|Assign(Add|Sub)?VariableOp$)/
  const update = {
    accumulates: true,
    average: { decay: 0.9 },
    clip: { kind: "norm", limit: 1 },
    rate: {
      rate: 0.1,
      per: "epoch",
      schedule: { kind: "plateau", better: "greater", patience: 2, factor: 0.1, min: 0 },
      warmup: { length: 3, per: "step" },
    },
  } as const
  const optimizers = [
    { kind: "adamw", beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 },
    { kind: "sgd", momentum: 0.9, dampening: 0.1, nesterov: false, weightDecay: 0.1 },
  ] as const

  test.each(optimizers)("with $kind", (optimizer) => {
    const written = buildSavedModel(smallNetwork({ ...update, optimizer }).spec)
    const graph = messages.SavedModel.deserializeBinary(written).getMetaGraphsList()[0]!.getGraphDef()!
    const byName = new Map(graph.getNodeList().map((node) => [node.getName(), node]))
    const inputsOf = (name: string): string[] =>
      byName
        .get(name)!
        .getInputList()
        .map((input) => input.replace(/^\^/, "").replace(/:\d+$/, ""))
    const ancestors = (names: readonly string[]): Set<string> => {
      const found = new Set<string>()
      const open = [...names]
      for (let name = open.pop(); name !== undefined; name = open.pop()) {
        if (found.has(name)) continue
        found.add(name)
        open.push(...inputsOf(name))
      }
      return found
    }
    const outputs = readSignatures(written)
    for (const call of ["train_step", "gradients", "apply", "score", "write", "init"]) {
      const results = outputs.get(call)!.outputs.map(({ tensor }) => tensor.replace(/:\d+$/, ""))
      const run = [...ancestors(results)]
      const changes = run.filter((name) => CHANGES.test(byName.get(name)!.getOp()))
      const reads = run.filter((name) => byName.get(name)!.getOp() === "ReadVariableOp")
      expect(changes.length, call).toBeGreaterThan(0)
      for (const change of changes) {
        const variable = inputsOf(change)[0]!
        const before = ancestors(inputsOf(change))
        for (const read of reads) {
          if (inputsOf(read)[0] !== variable) continue
          // Either the change waits for the read, or the read is meant to see what the change made.
          const seesChange = ancestors(inputsOf(read)).has(change)
          expect(before.has(read) || seesChange, `${call}: ${read} before ${change}`).toBe(true)
        }
        for (const other of changes) {
          if (other === change || inputsOf(other)[0] !== variable) continue
          expect(before.has(other) || ancestors(inputsOf(other)).has(change), `${call}: ${other}, ${change}`).toBe(true)
        }
      }
      // What a call gives back is given when all is done.
      for (const result of results) for (const change of changes) expect(ancestors([result]).has(change)).toBe(true)
    }
  })
})
