/**
 * Rematerialisation: the same bits with less memory, whatever the limit; what waits and what does not; and what the
 * estimate counts. That TensorFlow gives the same bits, and needs less, is in `rematerialise.native.test.ts`.
 */

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import type { ValueId } from "../../../src/compiler/ir/graph.js"
import { parameterStorage } from "../../../src/compiler/passes/layout.js"
import { peakBytes, withBatch } from "../../../src/compiler/passes/memory-estimate.js"
import { runPasses, type PassOptions, type Program } from "../../../src/compiler/passes/pass.js"
import { CLEANED, optimise, PIPELINES, storeForTensorFlow } from "../../../src/compiler/passes/pipelines.js"
import { namedValues, trainProgram } from "../../../src/compiler/passes/programs.js"
import { violations } from "../../../src/compiler/passes/properties.js"
import { fitMemory, MemoryLimitError, rematerialise, underPlan } from "../../../src/compiler/passes/rematerialise.js"
import { zoo } from "../source-host.js"
import { graphText } from "./graph-text.js"
import { sameNumbers, valuesOf } from "./random-programs.js"

/**
 * Layers with a parameter each, one after the other, with a squared loss; results are the loss and the gradients.
 *
 * @param kinds what each layer is: 0 a tanh, 1 a relu, 2 a mask drawn at random, 3 a sum with the layer before the last
 */
function chain(kinds: readonly number[]): { program: Program; gradients: ReadonlySet<number> } {
  const builder = new GraphBuilder(new Map())
  const { op } = builder
  const shape = [symbol("N"), constant(4)]
  const weights: ValueId[] = []
  const hidden = [builder.input("x", { dtype: "f32", shape }, "input")]
  kinds.forEach((kind, layer) => {
    const initializer = { kind: "constant", value: 0 } as const
    const more = { role: "param", dtype: "f32", initializer, section: "", frozen: false } as const
    weights.push(builder.parameter({ name: `w${layer}`, shape: [4], ...more }))
    const h = op("mul", [hidden.at(-1)!, weights.at(-1)!])
    const drawn = kind === 2 ? op("random_uniform", [], { shape, key: `mask${layer}` }) : h
    if (kind === 0) hidden.push(op("tanh", [h]))
    else if (kind === 1) hidden.push(op("relu", [h]))
    else if (kind === 2)
      hidden.push(op("mul", [h, op("cast", [op("less", [drawn, builder.scalar(0.5)])], { to: "f32" })]))
    else hidden.push(op("tanh", [op("add", [h, hidden.at(-2) ?? h])]))
  })
  const loss = op("sum", [op("square", [hidden.at(-1)!])])
  const gradients = differentiate(builder, loss, weights).map((value) => value!)
  const { passes, rounding } = PIPELINES.training
  const { program } = runPasses(passes, { graph: builder.finish(), results: [loss, ...gradients] }, { rounding })
  return { program, gradients: new Set(gradients.map((_, index) => index + 1)) }
}

const training = (name: string, selector?: string) => {
  const { program } = optimise("training", trainProgram(zoo(name, { selector })))
  const first = program.losses.length + 1
  const gradients = new Set(program.gradients.map((_, index) => first + index))
  return { program: { graph: program.graph, results: namedValues(program) }, gradients }
}

describe("rematerialisation keeps what is computed", () => {
  test("to the bit, on programs drawn at random, wherever they are cut", () => {
    const kinds = fc.array(fc.nat(3), { minLength: 3, maxLength: 12 })
    let repeated = 0
    fc.assert(
      fc.property(kinds, fc.constantFrom(2, 3, 4, 8), fc.boolean(), (drawn, segments, products) => {
        const { program, gradients } = chain(drawn)
        const memory = { batch: 2, gradients }
        const after = underPlan(program, memory, { segments, products })
        repeated += after.recomputed
        const options: PassOptions = { rounding: "exact", memory: { ...memory, limit: 0 } }
        for (const property of [...CLEANED, ...rematerialise.ensures]) {
          expect(violations(after.program, property, options), property).toEqual([])
        }
        expect(sameNumbers(valuesOf(after.program), valuesOf(program))).toBe(true)
      }),
      { numRuns: 150 },
    )
    expect(repeated).toBeGreaterThan(300)
  })

  test("a program within the limit is left as it is", () => {
    const { program, gradients } = chain([0, 0, 0, 0])
    expect(fitMemory(program, { batch: 2, limit: 1e9, gradients }).program).toBe(program)
  })
})

describe("what is recomputed", () => {
  test("runs when the gradient that needs it arrives", () => {
    const { program, gradients } = chain([0, 0, 0])
    const { program: after } = underPlan(program, { batch: 64, gradients }, { segments: 2, products: true })
    expect(graphText(after)).toEqual([
      "%0 = mul(x, w0)",
      "%1 = tanh(%0)",
      "%2 = mul(%1, w1)",
      "%3 = tanh(%2)",
      "%4 = mul(%3, w2)",
      "%5 = tanh(%4)",
      "%6 = square(%5)",
      "%7 = sum(%6, [], false)",
      "%8 = mul(%5, 2)",
      "%9 = tanh_gradient(%8, %5)",
      "%10 = mul(%9, w2)",
      "%11 = mul(%9, %3)",
      "%12 = sum(%11, [0], false)",
      "%13 = tanh_gradient(%10, %3)",
      "%14 = mul(%13, w1)",
      // the first layer again, when the gradient of the second is there
      "%15 = after(x, %13)",
      "%16 = mul(%15, w0)",
      "%17 = tanh(%16)",
      "%18 = mul(%13, %17)",
      "%19 = sum(%18, [0], false)",
      "%20 = tanh_gradient(%14, %17)",
      "%21 = mul(%20, x)",
      "%22 = sum(%21, [0], false)",
      "gives %7, %22, %19, %12",
    ])
  })

  test("convolutions and products only where the rest does not do", () => {
    const { program, gradients } = training("unet")
    const sizes = withBatch(program.graph, 8)
    const peak = peakBytes(program, sizes)
    const little = fitMemory(program, { batch: 8, limit: 0.8 * peak, gradients })
    expect(little.peak).toBeLessThanOrEqual(0.8 * peak)
    expect(little.macs).toBe(0)
    expect(little.recomputed).toBeGreaterThan(0)
    const much = fitMemory(program, { batch: 8, limit: 0.55 * peak, gradients })
    expect(much.peak).toBeLessThanOrEqual(0.55 * peak)
    expect(much.macs).toBeGreaterThan(0)
    expect(much.peak).toBe(peakBytes(much.program, sizes))
  })

  test.each([
    ["unet", undefined],
    ["reclmis", "quick"],
  ] as const)("nothing but gradients waits for it, and all else holds: %s", (name, selector) => {
    const { program, gradients } = training(name, selector)
    const memory = { batch: 2, limit: 0.6 * peakBytes(program, withBatch(program.graph, 2)), gradients }
    const layout = { storage: parameterStorage(program.graph), results: program.results.map(() => undefined) }
    const asked = { ...program, graph: { ...program.graph, losses: [], outputs: [], updates: [] } }
    const { passes, given } = PIPELINES.limitedTensorflow
    const options: PassOptions = { rounding: "exact", memory, layout }
    const { steps } = runPasses(passes, asked, options, given, (pass, after, properties) => {
      for (const property of properties) {
        expect(violations(after, property, options), `"${property}" after "${pass.name}"`).toEqual([])
      }
    })
    expect(steps.find((step) => step.pass === rematerialise.name)!.counts["recomputed"]).toBeGreaterThan(0)
  })

  test("a limit that cannot be met is told, with what can be", () => {
    const { program, gradients } = chain([0, 1, 2, 3, 0, 0])
    const requests = program.results.map((value) => ({ value, storage: undefined }))
    const store = (limit: number) =>
      storeForTensorFlow(program.graph, requests, new Map(), { memory: { batch: 64, limit, gradients } })
    const least = fitMemory(program, { batch: 64, limit: 1, gradients }).peak
    expect(() => store(1)).toThrow(new MemoryLimitError(1, least))
    expect(store(least).memory).toMatchObject({ limit: least, after: least })
  })
})

describe("the estimate", () => {
  const peakOf = (build: (b: GraphBuilder, x: ValueId) => ValueId[]): number => {
    const builder = new GraphBuilder(new Map())
    const x = builder.input("x", { dtype: "f32", shape: [symbol("N"), constant(10)] }, "input")
    const results = build(builder, x)
    const graph = builder.finish()
    return peakBytes({ graph, results }, withBatch(graph, 3))
  }

  test("counts what is alive at once: an operand and its result, not the one before", () => {
    expect(peakOf((b, x) => [b.op("exp", [b.op("exp", [b.op("exp", [x])])])])).toBe(2 * 120)
  })

  test("does not count inputs, and counts results to the end", () => {
    expect(peakOf((b, x) => [b.op("exp", [x]), b.op("neg", [x]), b.op("square", [x])])).toBe(3 * 120)
  })

  test("counts a view as the memory that it is of", () => {
    const shape = [constant(10), symbol("N")]
    expect(peakOf((b, x) => [b.op("exp", [b.op("reshape", [b.op("exp", [x])], { shape })])])).toBe(2 * 120)
  })

  test("counts a mask as one byte an element", () => {
    expect(peakOf((b, x) => [b.op("less", [x, x])])).toBe(30)
  })
})
