/**
 * What PyTorch gives for image ops (`test/fixtures/torch-ops.json`), as graphs of ours.
 *
 * Takes nothing; gives, per case, a graph of the op and of the gradients of sum(weight * result), what to feed it and
 * what PyTorch made of the same numbers.
 */

import { readFileSync } from "node:fs"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant } from "../../../src/compiler/ir/dims.js"
import type { Attributes, Graph, TensorType, ValueId } from "../../../src/compiler/ir/graph.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import { fromValues, type NdArray } from "../../../src/compiler/ops/ndarray.js"

interface StoredTensor {
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

interface StoredCase {
  readonly name: string
  readonly op: OpName
  readonly attributes: Attributes
  readonly inputs: readonly StoredTensor[]
  readonly weight: StoredTensor
  readonly outputs: readonly StoredTensor[]
  readonly gradients: readonly StoredTensor[]
}

export interface TorchCase {
  readonly id: string
  readonly graph: Graph
  readonly feeds: ReadonlyMap<ValueId, NdArray>
  /** PyTorch's numbers by the name of the graph's output: results `o0`, ..., gradients by the inputs `g0`, ... */
  readonly expected: ReadonlyMap<string, NdArray>
}

const FIXTURE = new URL("../../fixtures/torch-ops.json", import.meta.url)

const asArray = ({ shape, values }: StoredTensor): NdArray => fromValues(shape, values)
const asType = ({ shape }: StoredTensor): TensorType => ({ dtype: "f32", shape: shape.map(constant) })

/** All cases of the fixture. */
export function torchCases(): readonly TorchCase[] {
  const { cases } = JSON.parse(readFileSync(FIXTURE, "utf8")) as { readonly cases: readonly StoredCase[] }
  return cases.map(asGraph)
}

function asGraph(stored: StoredCase): TorchCase {
  const builder = new GraphBuilder(new Map())
  const inputs = stored.inputs.map((tensor, index) => builder.input(`i${index}`, asType(tensor), "input"))
  const weight = builder.input("weight", asType(stored.weight), "input")
  const results = builder.all(stored.op, inputs, stored.attributes)
  const loss = builder.op("sum", [builder.op("mul", [results[0]!, weight])])
  const gradients = differentiate(builder, loss, inputs)

  const expected = new Map<string, NdArray>()
  const expect = (name: string, value: ValueId | undefined, tensor: StoredTensor): void => {
    if (value === undefined) throw new Error(`${stored.op}: ${stored.name} has no ${name}`)
    builder.output(name, value)
    expected.set(name, asArray(tensor))
  }
  stored.outputs.forEach((tensor, index) => expect(`o${index}`, results[index], tensor))
  stored.gradients.forEach((tensor, index) => expect(`g${index}`, gradients[index], tensor))
  const feeds = new Map([
    [weight, asArray(stored.weight)],
    ...inputs.map((value, index) => [value, asArray(stored.inputs[index]!)] as const),
  ])
  return { id: `${stored.op}: ${stored.name}`, graph: builder.finish(), feeds, expected }
}
