/**
 * Many small graphs in one SavedModel, one signature each: loading is slow, so the conformance tests load once.
 *
 * Takes graphs with named inputs and outputs; gives the bytes. Each graph goes through the layout pass and the lowering,
 * as a program does.
 */

import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Sizes } from "../../../../src/compiler/ir/dims.js"
import { typeOf, type Graph, type ValueId } from "../../../../src/compiler/ir/graph.js"
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
import type { LanguageType } from "../../../../src/compiler/ir/graph.js"
import type { HostTensor } from "../../../../src/runtime/session.js"

/** The seed and step that random ops in these signatures see. */
export const CASE_SEED = 42
export const CASE_STEP = 7

/** Collects graphs as signatures of one SavedModel. */
export class CaseModel {
  private readonly builder = new GraphDefBuilder()
  private readonly signatures = new Map<string, Signature>()

  /** Adds a graph. @throws LoweringError when an op of it cannot be lowered */
  add(name: string, graph: Graph, sizes: Sizes = graph.sizes): void {
    const { builder } = this
    const program = `case${this.signatures.size}`
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
    this.signatures.set(name, { inputs, outputs })
  }

  /** Writes the SavedModel into a new temporary directory; gives its path. */
  write(): string {
    return writeSavedModel(savedModelBytes(this.builder, this.signatures))
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
