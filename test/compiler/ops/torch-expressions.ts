/**
 * What PyTorch gives for expressions of MDL (`test/fixtures/torch-tensor-ops.json` and its like), as graphs of ours.
 *
 * Takes the name of a fixture; gives, per case, the graph that the expression compiles to with the gradients of sum(weight * result),
 * what to feed it, and what PyTorch made of the same numbers.
 */

import { readFileSync } from "node:fs"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { constant } from "../../../src/compiler/ir/dims.js"
import type { Graph, LanguageType, ValueId } from "../../../src/compiler/ir/graph.js"
import { fromValues, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { rewriteGraph } from "../../../src/compiler/passes/rewrite.js"
import { compileText, elaborated } from "../source-host.js"

export interface StoredTensor {
  readonly dtype: LanguageType
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

export interface StoredCase {
  /** the op, function or block that the case is about */
  readonly covers: string
  readonly mdl: string
  /** a file of the library that has the block */
  readonly imports?: string
  readonly inputs: readonly StoredTensor[]
  readonly parameters: Readonly<Record<string, StoredTensor>>
  readonly result: StoredTensor
  readonly weight?: StoredTensor
  readonly gradients?: readonly (StoredTensor | null)[]
  readonly parameterGradients?: Readonly<Record<string, StoredTensor>>
}

export interface TorchExpression {
  readonly id: string
  readonly covers: string
  /** parameters are inputs of it, too */
  readonly graph: Graph
  /** by the names of inputs (`x0`, `weight`, `y.weight`) */
  readonly feeds: ReadonlyMap<string, NdArray>
  /** PyTorch's numbers by the name of the graph's output: `y`, gradients `g0`, ..., `gy.weight` */
  readonly expected: ReadonlyMap<string, NdArray>
}

const asArray = ({ shape, values }: StoredTensor): NdArray => fromValues(shape, values)

/** What a file of the library defines. */
function definedIn(path: string): readonly string[] {
  const text = readFileSync(new URL(`../../../${path}.mdl`, import.meta.url), "utf8")
  return [...text.matchAll(/^(?:fn|block) (\w+)/gm)].map(([, name]) => name!)
}

/**
 * A model whose one output is the expression.
 *
 * @param imports a file of the library, from which what the expression calls is imported
 */
export function modelOf(mdl: string, inputs: readonly Omit<StoredTensor, "values">[], imports?: string): string {
  const called = imports ? definedIn(imports).filter((name) => new RegExp(`\\b${name}\\(`).test(mdl)) : []
  const declared = inputs.map(({ dtype, shape }, index) => `  input x${index}: ${dtype}[${shape.join(", ")}]\n`)
  return `${imports ? `import { ${called.join(", ")} } from "${imports}"\n` : ""}model M {\n${declared.join("")}  output y = ${mdl}\n}\n`
}

/** All cases of `test/fixtures/NAME.json`. */
export function torchExpressions(name = "torch-tensor-ops"): readonly TorchExpression[] {
  return storedExpressions(name).map(asGraph)
}

/** The cases as the fixture has them. */
export function storedExpressions(name: string): readonly StoredCase[] {
  const file = new URL(`../../fixtures/${name}.json`, import.meta.url)
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly cases: readonly StoredCase[] }).cases
}

function asGraph(stored: StoredCase, index: number): TorchExpression {
  const { mdl, inputs, parameters } = stored
  const { graph: source } = elaborated(compileText(modelOf(mdl, inputs, stored.imports)))
  // PyTorch's layers were in evaluation mode.
  const { builder, map } = rewriteGraph(source, [source.outputs[0]!.value], (node, operands) =>
    node.op === "dropout" ? [operands[0]!] : undefined,
  )
  const y = map(source.outputs[0]!.value)
  const feeds = new Map(inputs.map((tensor, i) => [`x${i}`, asArray(tensor)]))
  const expected = new Map([["y", asArray(stored.result)]])
  builder.output("y", y)
  for (const [name, tensor] of Object.entries(parameters)) feeds.set(`y.${name}`, asArray(tensor))
  for (const parameter of source.parameters) {
    // statistics stand at their first values
    const { initializer, shape } = parameter
    if (feeds.has(parameter.name)) continue
    if (parameter.role !== "state" || initializer.kind !== "constant") throw new Error(`${mdl}: ${parameter.name}?`)
    const count = shape.reduce((product, size) => product * size, 1)
    feeds.set(parameter.name, fromValues(shape, new Array<number>(count).fill(initializer.value)))
  }
  if (stored.weight && stored.gradients) {
    const weight = builder.input("weight", { dtype: "f32", shape: stored.weight.shape.map(constant) }, "input")
    feeds.set("weight", asArray(stored.weight))
    const named = new Map<string, { value: ValueId; tensor: StoredTensor }>()
    const valueOf = (list: readonly { name: string; value: ValueId }[], name: string): ValueId => {
      const found = list.find((one) => one.name === name)
      if (!found) throw new Error(`${mdl}: there is no ${name}`)
      return map(found.value)
    }
    stored.gradients.forEach((tensor, i) => {
      if (tensor) named.set(`g${i}`, { value: valueOf(source.inputs, `x${i}`), tensor })
    })
    for (const [name, tensor] of Object.entries(stored.parameterGradients ?? {})) {
      named.set(`gy.${name}`, { value: valueOf(source.parameters, `y.${name}`), tensor })
    }
    const loss = builder.op("sum", [builder.op("mul", [y, weight])])
    const wrt = [...named.values()].map(({ value }) => value)
    const gradients = differentiate(builder, loss, wrt)
    ;[...named].forEach(([name, { tensor }], i) => {
      const found = gradients[i]
      if (found === undefined) {
        // PyTorch says zeros where the gradient stops; here there is none.
        if (tensor.values.some((value) => value !== 0)) throw new Error(`${mdl}: no gradient ${name}`)
        return
      }
      builder.output(name, found)
      expected.set(name, asArray(tensor))
    })
  }
  return { id: `${index}: ${mdl}`, covers: stored.covers, graph: fedOnly(builder.finish()), feeds, expected }
}

/** The graph with its parameters as inputs, so that one set of feeds is enough. */
export function fedOnly(graph: Graph): Graph {
  const parameters = graph.parameters.map(({ name, value }) => ({
    name,
    value,
    role: "input" as const,
    doc: undefined,
  }))
  return { ...graph, inputs: [...graph.inputs, ...parameters], parameters: [] }
}
