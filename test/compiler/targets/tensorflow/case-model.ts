/**
 * Many small graphs in one SavedModel, one signature each: loading is slow, so the conformance tests load once.
 *
 * Takes graphs with named inputs and outputs; gives the bytes. Each graph goes through the layout pass and the lowering,
 * as a program does.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Sizes } from "../../../../src/compiler/ir/dims.js"
import { languageType, typeOf, type Graph, type LanguageType, type ValueId } from "../../../../src/compiler/ir/graph.js"
import type { NdArray } from "../../../../src/compiler/ops/ndarray.js"
import { assignLayouts } from "../../../../src/compiler/passes/layout.js"
import { elementType, GraphDefBuilder } from "../../../../src/compiler/targets/tensorflow/graphdef.js"
import { concreteType, lowerGraph } from "../../../../src/compiler/targets/tensorflow/lower.js"
import {
  savedModelBytes,
  type Signature,
  type SignatureTensor,
} from "../../../../src/compiler/targets/tensorflow/signatures.js"
import { output, placeholder, seedBase, seedPairTensor } from "../../../../src/compiler/targets/tensorflow/variables.js"
import { NativeSession, type HostTensor } from "../../../../src/runtime/session.js"

/** The seed and step that random ops in these signatures see. */
export const CASE_SEED = 42
export const CASE_STEP = 7

/** Collects graphs as signatures of one SavedModel. */
export class CaseModel {
  private readonly builder = new GraphDefBuilder()
  private readonly signatures = new Map<string, Signature>()
  private count = 0

  /** Adds a graph as a signature. @throws LoweringError when an op of it cannot be lowered */
  add(name: string, graph: Graph, sizes: Sizes = graph.sizes): void {
    this.signatures.set(name, this.write(graph, sizes))
  }

  /** Adds a graph to the signature `group`, where its tensors are called `name|...`. @throws LoweringError as `add` */
  addTo(group: string, name: string, graph: Graph): void {
    const { inputs, outputs } = this.write(graph, graph.sizes)
    const named = (tensors: Signature["inputs"]): Signature["inputs"] =>
      Object.fromEntries(Object.entries(tensors).map(([tensor, value]) => [`${name}|${tensor}`, value]))
    const before = this.signatures.get(group)
    this.signatures.set(group, {
      inputs: { ...before?.inputs, ...named(inputs) },
      outputs: { ...before?.outputs, ...named(outputs) },
    })
  }

  private write(graph: Graph, sizes: Sizes): Signature {
    const { builder } = this
    const program = `case${this.count++}`
    const layout = assignLayouts(graph)
    const inputs: Record<string, SignatureTensor> = {}
    const feeds = new Map<ValueId, string>()
    for (const input of layout.graph.inputs) {
      const { dtype, shape } = concreteType(typeOf(layout.graph, input.value), sizes)
      const tensor = placeholder(builder, program, input.name, elementType(dtype), shape)
      inputs[input.name] = tensor
      feeds.set(input.value, tensor.tensor)
    }
    const base = seedBase(builder, program, builder.constant("DT_INT64", [], [CASE_SEED]))
    const step = builder.constant("DT_INT64", [], [CASE_STEP])
    const wanted = layout.graph.outputs.map((result) => result.value)
    const seed = (key: string): string => seedPairTensor(builder, program, base, key, step)
    const tensors = lowerGraph(builder, { graph: layout.graph, sizes, feeds, wanted, program, seed })
    const outputs: Record<string, SignatureTensor> = {}
    for (const result of layout.graph.outputs) {
      const { dtype, shape } = concreteType(typeOf(layout.graph, result.value), sizes)
      outputs[result.name] = output(
        builder,
        program,
        result.name,
        tensors.get(result.value)!,
        elementType(dtype),
        shape,
      )
    }
    return { inputs, outputs }
  }

  /** Writes the SavedModel into a new temporary directory; gives its path. */
  save(): string {
    return writeSavedModel(savedModelBytes(this.builder, this.signatures))
  }
}

/**
 * Graphs with their feeds, run in TensorFlow. The first call of a signature is slow, because TensorFlow then looks through
 * the whole graph: so graphs that belong together are run in one call, when the results of one of them are asked for.
 */
export class GraphRuns {
  private readonly model = new CaseModel()
  private readonly added = new Map<string, { readonly group: string; readonly failure?: Error }>()
  private readonly feeds = new Map<string, Record<string, HostTensor>>()
  private readonly results = new Map<string, ReadonlyMap<string, HostTensor>>()
  private directory: string | undefined
  private session: NativeSession | undefined

  /** Adds a graph. One that cannot be lowered fails when it is asked for. @param feeds by name, for all inputs */
  add(id: string, graph: Graph, feeds: ReadonlyMap<string, NdArray>, group = ""): void {
    try {
      this.model.addTo(group, id, graph)
    } catch (thrown) {
      this.added.set(id, { group, failure: thrown instanceof Error ? thrown : new Error(String(thrown)) })
      return
    }
    this.added.set(id, { group })
    const fed = this.feeds.get(group) ?? {}
    for (const { name, value } of graph.inputs) {
      fed[`${id}|${name}`] = hostTensor(languageType(typeOf(graph, value).dtype), feeds.get(name)!)
    }
    this.feeds.set(group, fed)
  }

  /** Loads the graphs that were added. */
  async open(): Promise<void> {
    this.directory = this.model.save()
    this.session = await NativeSession.open(this.directory)
  }

  /** Outputs of a graph by name. @throws what kept it from being added or run */
  of(id: string): ReadonlyMap<string, HostTensor> {
    const { group, failure } = this.added.get(id)!
    if (failure) throw failure
    let results = this.results.get(group)
    if (!results) {
      results = this.session!.call(group, this.feeds.get(group)!)
      this.results.set(group, results)
    }
    const prefix = `${id}|`
    const own = [...results].filter(([name]) => name.startsWith(prefix))
    return new Map(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]))
  }

  close(): void {
    this.session?.close()
    if (this.directory !== undefined) rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Puts the bytes into a new temporary directory as `saved_model.pb`. */
export function writeSavedModel(bytes: Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), "mdl-saved-model-"))
  writeFileSync(join(directory, "saved_model.pb"), bytes)
  return directory
}

/** A reference array as a tensor to feed. */
export function hostTensor(dtype: LanguageType, array: NdArray): HostTensor {
  const make = { f32: Float32Array, i32: Int32Array, bool: Uint8Array }[dtype]
  return { dtype, shape: array.shape, data: make.from(array.data) }
}

export { relativeError } from "../../ops/measured-errors.js"
