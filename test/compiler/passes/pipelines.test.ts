/**
 * Passes keep what a program computes and what their records promise: on programs drawn at random, with every property
 * verified after every pass, and on the models of the zoo. That a pipeline in a wrong order is refused is checked too.
 */

import fc from "fast-check"
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { assignStorage, parameterStorage } from "../../../src/compiler/passes/layout.js"
import {
  PipelineError,
  PROPERTIES,
  propertiesAfter,
  runPasses,
  type Pass,
  type PassOptions,
  type Program,
} from "../../../src/compiler/passes/pass.js"
import { optimise, PIPELINES, storeForTensorFlow, type PipelineName } from "../../../src/compiler/passes/pipelines.js"
import { evaluateProgram, namedValues, predictProgram, trainProgram } from "../../../src/compiler/passes/programs.js"
import { violations } from "../../../src/compiler/passes/properties.js"
import { removeDeadCode } from "../../../src/compiler/passes/dead-code.js"
import { simplify } from "../../../src/compiler/passes/simplify.js"
import { compileText, elaborated, zoo } from "../source-host.js"
import { randomProgram, sameNumbers, valuesOf } from "./random-programs.js"

/** Runs a pipeline, verifying after each pass all that should hold, and gives the result. */
function verified(name: PipelineName, program: Program): Program {
  const { passes, given, rounding } = PIPELINES[name]
  const layout = { storage: parameterStorage(program.graph), results: program.results.map(() => undefined) }
  const options: PassOptions = { rounding, ...(name === "tensorflow" && { layout }) }
  const result = runPasses(passes, program, options, given, (pass, after, properties) => {
    for (const property of properties) {
      expect(violations(after, property, options), `"${property}" after "${pass.name}"`).toEqual([])
    }
  })
  return result.program
}

const choices = fc.array(fc.nat(1000), { minLength: 20, maxLength: 60 })

describe("on programs drawn at random, gradients included", () => {
  test.each(["training", "evaluation", "prediction"] as const)("%s keeps every bit of every result", (name) => {
    fc.assert(
      fc.property(choices, (drawn) => {
        const program = randomProgram(drawn)
        expect(sameNumbers(valuesOf(verified(name, program)), valuesOf(program))).toBe(true)
      }),
      { numRuns: 150 },
    )
  })

  test("onnx keeps every result to the rounding of float32", () => {
    fc.assert(
      fc.property(choices, (drawn) => {
        const program = randomProgram(drawn)
        const before = valuesOf(program)
        valuesOf(verified("onnx", program)).forEach(({ data }, index) => {
          data.forEach((value, i) => {
            const wanted = before[index]!.data[i]!
            if (Number.isFinite(wanted)) {
              expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(wanted)))
            }
          })
        })
      }),
      { numRuns: 100 },
    )
  })

  test("a program that has been through a pipeline is left as it is by a second run", () => {
    fc.assert(
      fc.property(choices, (drawn) => {
        const once = verified("training", randomProgram(drawn))
        expect(verified("training", once).graph.nodes.length).toBe(once.graph.nodes.length)
      }),
      { numRuns: 50 },
    )
  })

  test("each pass shrinks what it is for: some draws have dead code, repetitions and things to clean up", () => {
    const shrunk = new Set<string>()
    for (const drawn of fc.sample(choices, { numRuns: 50, seed: 3 })) {
      const { steps } = runPasses([removeDeadCode, ...PIPELINES.training.passes], randomProgram(drawn), {
        rounding: "exact",
      })
      for (const step of steps) if (step.nodesAfter < step.nodesBefore) shrunk.add(step.pass)
    }
    expect([...shrunk].sort()).toEqual(["algebraic clean-up", "common subexpressions", "dead code"])
  })
})

describe("on the models of the zoo", () => {
  test.each([
    ["unet", undefined],
    ["reclmis", "quick"],
  ] as const)("every property holds after every pass: %s", (name, selector) => {
    const model = zoo(name, { selector })
    for (const [pipeline, program] of [
      ["training", trainProgram(model)],
      ["evaluation", evaluateProgram(model)],
      ["prediction", predictProgram(model)],
      ["onnx", predictProgram(model)],
    ] as const) {
      const clean = verified(pipeline, { graph: program.graph, results: namedValues(program) })
      expect(clean.graph.nodes.length).toBeLessThanOrEqual(
        pipeline === "onnx" ? 2.5 * program.graph.nodes.length : program.graph.nodes.length,
      )
      if (pipeline !== "onnx") verified("tensorflow", { ...clean, graph: { ...clean.graph, outputs: [], losses: [] } })
    }
  })

  test("names lead to the same results after a pipeline", () => {
    const program = trainProgram(zoo("unet"))
    const { program: clean } = optimise("training", program)
    expect(clean.gradients.map((g) => g.parameter)).toEqual(program.gradients.map((g) => g.parameter))
    expect(clean.losses.map((l) => l.name)).toEqual(program.losses.map((l) => l.name))
    for (const [index, { value }] of clean.gradients.entries()) {
      const before = program.graph.values[program.gradients[index]!.value]!.type
      expect(clean.graph.values[value]!.type.shape.map((d) => d.key)).toEqual(before.shape.map((d) => d.key))
    }
  })

  test("a model is differentiated once: what checking makes is what is trained", () => {
    const model = zoo("unet")
    expect(trainProgram(model)).toBe(trainProgram(model))
  })

  test("ten blocks more are as many nodes more, however many there are: nothing grows faster than the text", () => {
    const nodes = (depth: number): number[] => {
      const model = elaborated(
        compileText(`
block Residual(hidden: int)(x: f32[N, C]) -> f32[N, C] {
  let wide = linear(x, hidden) |> relu
  return x + 0.5 * tanh(linear(wide, C))
}
model Chain {
  input x: f32[N, 8]
  target y: f32[N, 8]
  let z = fold h = x for i in 0..${depth} => Residual(4)(h)
  output last = z
  loss error = mse(z, y)
}`),
      )
      const program = trainProgram(model)
      const { program: clean } = optimise("training", program)
      const { graph } = storeForTensorFlow(
        clean.graph,
        namedValues(clean).map((value) => ({ value, storage: undefined })),
        parameterStorage(clean.graph),
      )
      return [model.graph, program.graph, clean.graph, graph].map((one) => one.nodes.length)
    }
    const [ten, twenty, forty] = [10, 20, 40].map(nodes) as [number[], number[], number[]]
    expect(forty.map((count, i) => count - twenty[i]!)).toEqual(twenty.map((count, i) => 2 * (count - ten[i]!)))
  })

  /** Between these no transpose has a place: all of them work on images as they are stored. */
  const IMAGE_OPS = new Set([
    ...["conv2d", "conv2d_input_gradient", "batch_norm", "batch_norm_training", "batch_norm_training_gradient", "relu"],
    ...["relu_gradient", "sigmoid", "max_pool2d", "max_pool2d_gradient", "avg_pool2d", "avg_pool2d_gradient", "concat"],
    ...["upsample_nearest2d", "upsample_nearest2d_gradient", "upsample_bilinear2d", "upsample_bilinear2d_gradient"],
  ])

  test.each([
    ["unet", undefined, 17],
    ["reclmis", "quick", 94],
    ["reclmis", undefined, 269],
  ] as const)("no transpose stands between image operations: %s %s", (name, selector, most) => {
    const { program } = optimise("training", trainProgram(zoo(name, { selector })))
    const storage = parameterStorage(program.graph)
    const requests = [
      ...program.losses.map(({ value }) => ({ value, storage: undefined })),
      ...[...program.gradients, ...program.updates].map((named) => ({
        value: named.value,
        storage: storage.get(named.parameter),
      })),
    ]
    const { graph, transposes } = storeForTensorFlow(program.graph, requests, storage)
    expect(transposes.remaining).toBeLessThanOrEqual(most)
    const readers = new Map<number, string[]>()
    for (const node of graph.nodes) {
      for (const value of node.inputs) readers.set(value, [...(readers.get(value) ?? []), node.op])
    }
    const between = graph.nodes.filter((node) => {
      const maker = graph.nodes[graph.values[node.inputs[0] ?? -1]?.node ?? -1]
      return (
        node.op === "transpose" &&
        graph.values[node.outputs[0]!]!.type.shape.length === 4 &&
        IMAGE_OPS.has(maker?.op ?? "") &&
        (readers.get(node.outputs[0]!) ?? []).some((op) => IMAGE_OPS.has(op))
      )
    })
    expect(between.map((node) => node.origin.scope)).toEqual([])
  })
})

describe("the order of passes", () => {
  test("is checked before anything runs, with names", () => {
    const run = (): never => {
      throw new Error("must not run")
    }
    const eager: Pass = { ...removeDeadCode, name: "first", run, requires: [], ensures: [], destroys: ["typed"] }
    expect(() => runPasses([eager, simplify], randomProgram([1]), { rounding: "exact" })).toThrow(
      new PipelineError(
        'the pass "algebraic clean-up" requires "typed", "constants folded", which does not hold after "first"',
      ),
    )
  })

  test("a layout comes last: nothing that needs the language's types can follow it", () => {
    expect(() => propertiesAfter([assignStorage, ...PIPELINES.training.passes], ["typed"])).toThrow(PipelineError)
  })

  test("every property is ensured by a pass or given at the start", () => {
    const ensured = new Set(
      Object.values(PIPELINES).flatMap((p) => [...p.given, ...p.passes.flatMap((q) => q.ensures)]),
    )
    expect(PROPERTIES.filter((property) => !ensured.has(property))).toEqual([])
  })

  test("every pass has its row in docs/architecture.md", () => {
    const cells = (row: string): string =>
      row
        .split("|")
        .map((cell) => cell.trim())
        .join("|")
    const text = readFileSync("docs/architecture.md", "utf8").split("\n").map(cells)
    const passes = new Map(Object.values(PIPELINES).flatMap((p) => p.passes.map((q): [string, Pass] => [q.name, q])))
    const rows = [...passes.values()].map(
      ({ name, doc, requires, ensures }) => `| ${name} | ${doc} | ${requires.join(", ")} | ${ensures.join(", ")} |`,
    )
    expect(rows.filter((row) => !text.includes(cells(row)))).toEqual([])
  })
})
