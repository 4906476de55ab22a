/**
 * What one primitive op is: the shape of a record in the registry.
 *
 * Takes nothing; gives the types that every record satisfies and that elaboration, autodiff, passes and targets read.
 * Everything that is known about an op stands in one record, so that a missing part does not compile and so that the
 * operator reference, completion and the conformance tests are generated instead of written again.
 *
 * The language is NCHW, as PyTorch is. The TensorFlow lowering of a "spatial" op sees NHWC data and HWIO filters: the
 * layout pass has put transposes where they are needed (and cancelled the rest). Reference and ONNX see NCHW.
 */

import type { Dim, Sizes } from "../ir/dims.js"
import type { AttributeValue, Attributes, DataType, GraphNode, LanguageType, TensorType, ValueId } from "../ir/graph.js"
import type { NdArray } from "./ndarray.js"
import type { OpName } from "./names.js"

// ------------------------------------------------------------------------------------------------------- signature

export interface InputSpec {
  readonly name: string
  /** accepted element types; all inputs marked `same` must agree */
  readonly dtypes: readonly DataType[]
  readonly doc: string
  /** takes a list of tensors (only as the only input) */
  readonly variadic?: boolean
}

export type AttributeType =
  | "int"
  | "float"
  | "bool"
  | "string"
  | "dtype"
  /** one axis; negative counts from the end; `infer` receives it as written, records normalise it with `axisOf` */
  | "axis"
  | "axes"
  | "ints"
  | "floats"
  /** a shape whose entries may be symbolic */
  | "dims"

export interface AttributeSpec {
  readonly type: AttributeType
  readonly doc: string
  /** absent: required */
  readonly default?: AttributeValue
}

// ------------------------------------------------------------------------------------------------------- inference

/** Why an op cannot take what it was given. The elaborator adds places and prints it with both shapes. */
export type ShapeProblem =
  | {
      readonly kind: "dims-differ"
      /** which inputs (by index) and axes disagree */
      readonly left: { readonly input: number; readonly axis: number }
      readonly right: { readonly input: number; readonly axis: number }
      readonly what: string
      readonly hint?: string
    }
  | { readonly kind: "rank"; readonly input: number; readonly expected: string; readonly hint?: string }
  | { readonly kind: "dtype"; readonly input: number; readonly expected: readonly DataType[]; readonly hint?: string }
  | { readonly kind: "attribute"; readonly name: string; readonly message: string; readonly hint?: string }
  | {
      readonly kind: "not-divisible"
      readonly input: number
      readonly axis: number
      readonly by: number
      readonly what: string
      readonly hint?: string
    }
  | { readonly kind: "other"; readonly message: string; readonly hint?: string }

export interface InferContext {
  readonly inputs: readonly TensorType[]
  readonly attributes: Attributes
  readonly sizes: Sizes
  /** Stops inference of this node. */
  fail(problem: ShapeProblem): never
  /** Whether two dims are the same size: equal as polynomials, or equal at the known sizes. */
  same(a: Dim, b: Dim): boolean
}

// -------------------------------------------------------------------------------------------------------- gradient

/** Appends nodes; the gradient of an op is a piece of graph. */
export interface NodeAppender {
  /** Appends a node and gives its first output. */
  op(name: OpName, inputs: readonly ValueId[], attributes?: Attributes): ValueId
  /** Appends a node and gives all outputs. */
  all(name: OpName, inputs: readonly ValueId[], attributes?: Attributes): readonly ValueId[]
  /** A scalar f32 constant. */
  scalar(value: number): ValueId
  typeOf(value: ValueId): TensorType
}

export interface GradientContext extends NodeAppender {
  readonly node: GraphNode
  readonly inputs: readonly ValueId[]
  readonly outputs: readonly ValueId[]
  readonly attributes: Attributes
  /** gradient of the loss by each output; undefined where nothing depends on that output */
  readonly gradients: readonly (ValueId | undefined)[]
  /** which inputs need a gradient; a rule may skip the others */
  readonly needs: readonly boolean[]
  /** Sums `gradient` over the axes along which a value of type `target` was broadcast, so that it has that shape. */
  unbroadcast(gradient: ValueId, target: TensorType): ValueId
}

/** Writes a call with other ops; its inference has accepted the inputs. */
export interface CompositionContext extends NodeAppender {
  readonly inputs: readonly ValueId[]
  readonly attributes: Attributes
}

/** One gradient per input; undefined for inputs without one (integers, or not needed). */
export type GradientRule = (context: GradientContext) => readonly (ValueId | undefined)[]

// -------------------------------------------------------------------------------------------------------- lowering

export interface ConcreteType {
  readonly dtype: DataType
  readonly shape: readonly number[]
}

/** TensorFlow element types by their enum names. */
export type TensorFlowType =
  "DT_FLOAT" | "DT_BFLOAT16" | "DT_INT32" | "DT_INT64" | "DT_BOOL" | "DT_RESOURCE" | "DT_STRING"

export type TensorFlowAttribute =
  | { readonly type: TensorFlowType }
  | { readonly i: number }
  | { readonly f: number }
  | { readonly b: boolean }
  | { readonly s: string }
  | { readonly ints: readonly number[] }
  | { readonly shape: readonly number[] }

/** Appends TensorFlow nodes for one graph node. Tensor names are `node` or `node:output`. */
export interface TensorFlowContext {
  readonly inputs: readonly string[]
  readonly inputTypes: readonly ConcreteType[]
  readonly outputTypes: readonly ConcreteType[]
  readonly attributes: Attributes
  /** the type of the real numbers of this node: bf16 when any operand or result is, else f32 */
  readonly float: "f32" | "bf16"
  /** the tensors of another output of the node that made `inputs[input]`, e.g. a fused kernel's reserve space */
  siblingOutput(input: number, output: number): string
  /** Appends a node; gives its name. Its first output is the name itself, others are `${name}:1` and so on. */
  node(op: string, inputs: readonly string[], attributes?: Record<string, TensorFlowAttribute>): string
  constant(dtype: DataType, shape: readonly number[], values: readonly number[]): string
  /** int32 vector */
  ints(values: readonly number[]): string
  /** `{ type }` for a data type of ours */
  type(dtype: DataType): TensorFlowAttribute
  /** an int64 pair [hash(key) mixed with the run's seed, step], for stateless random ops */
  seed(key: string): string
}

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  /** as `onnx.TensorProto.DataType` enum number */
  | { readonly tensorInts: readonly number[] }

/** Appends ONNX nodes for one graph node. Shapes may be symbolic in the batch. */
export interface OnnxContext {
  readonly opset: number
  readonly inputs: readonly string[]
  readonly inputTypes: readonly TensorType[]
  readonly outputTypes: readonly TensorType[]
  readonly attributes: Attributes
  /** the integer size of a dim; throws a clear error when it depends on a symbolic (unsized) symbol */
  size(dim: Dim): number
  /** Appends a node with `outputs` outputs (default 1); gives their names. */
  node(
    op: string,
    inputs: readonly string[],
    attributes?: Record<string, OnnxAttribute>,
    outputs?: number,
  ): readonly string[]
  /** f32/i32/bool initialiser */
  constant(dtype: DataType, shape: readonly number[], values: readonly number[]): string
  /** int64 initialiser (shapes, axes, starts ...) */
  int64s(values: readonly number[]): string
  /**
   * An int64 vector tensor holding `shape` for Reshape (`reshape`: at most one entry may be symbolic and becomes -1) or
   * for Expand/ConstantOfShape (`exact`: symbolic entries are taken from the graph inputs by Shape and Gather).
   */
  shape(shape: readonly Dim[], purpose: "reshape" | "exact"): string
}

/** The plain float64 implementation: the definition of what the op means. */
export type ReferenceRule = (
  inputs: readonly NdArray[],
  attributes: Attributes,
  outputTypes: readonly ConcreteType[],
  random: ReferenceRandom,
) => readonly NdArray[]

/** The numbers a stateless random op gives, equal bit for bit to TensorFlow's for the same key, seed and step. */
export interface ReferenceRandom {
  uniform(key: string, count: number): Float64Array
  normal(key: string, count: number): Float64Array
}

export interface Cost {
  /** multiply-accumulates by the profilers' convention: convolutions and matrix products only */
  readonly macs: number
}

/**
 * How the op behaves when 4-D data are stored NHWC instead of NCHW.
 * - `fixed`: must see the language's order
 * - `spatial`: the listed inputs and outputs are 4-D images and are NHWC in TensorFlow; `filters` are OIHW inputs
 *   that are HWIO there
 * - `elementwise`: any order, as long as all operands agree
 * - `axes`: any order, with the named attribute (axis or axes) renumbered; `reduces` when those axes vanish
 */
export type LayoutRule =
  | { readonly kind: "fixed" }
  | {
      readonly kind: "spatial"
      readonly inputs: readonly number[]
      readonly outputs: readonly number[]
      readonly filters?: readonly number[]
      readonly filterOutputs?: readonly number[]
    }
  | { readonly kind: "elementwise" }
  | { readonly kind: "axes"; readonly attribute: string; readonly reduces: boolean }

/**
 * What the op may be given in bfloat16 when a training program is made with mixed precision.
 * - `products`: sums of many products, which the hardware multiplies in bf16 and adds up in f32; all f32 operands and
 *   results become bf16
 * - `follows`: each result is one operand's element, or a rounding away from it; bf16 where the operands already are
 * - `full`: f32 always (losses, reductions, anything that takes differences of large numbers)
 * - `mixed`: the listed operands and results may be bf16, all else and the arithmetic inside is f32 (normalisation)
 */
export type PrecisionRule =
  | { readonly kind: "products" }
  | { readonly kind: "follows" }
  | { readonly kind: "full" }
  | { readonly kind: "mixed"; readonly inputs: readonly number[]; readonly outputs: readonly number[] }

// ----------------------------------------------------------------------------------------------------------- cases

/** One conformance case: input types with concrete sizes (or ranges of values), attributes. Values are drawn seeded. */
export interface OpCase {
  readonly name: string
  readonly inputs: readonly CaseInput[]
  readonly attributes?: Attributes
  /** largest |error| allowed against the float64 reference, relative to the largest magnitude; default 2e-5 */
  readonly tolerance?: number
  /** why a check is left out, by check; a reason is required */
  readonly skip?: {
    readonly gradient?: string
    readonly tensorflow?: string
    readonly onnx?: string
    readonly tfjs?: string
  }
}

export interface CaseInput {
  readonly dtype: LanguageType
  readonly shape: readonly number[]
  /** f32: uniform in [low, high), default [-1, 1); i32: integers in [low, high), default [0, 4) */
  readonly low?: number
  readonly high?: number
  /** explicit values, row-major, instead of drawn ones */
  readonly values?: readonly number[]
  /** f32: keep at least this far from integers and ties, where the op has kinks (relu, max) */
  readonly awayFromZero?: number
}

// ---------------------------------------------------------------------------------------------------------- record

export interface OpDefinition {
  /** heading of the operator reference */
  readonly family: string
  /** one sentence; then the source if it follows one */
  readonly doc: string
  readonly inputs: readonly InputSpec[]
  readonly attributes: Readonly<Record<string, AttributeSpec>>
  /** not callable from MDL: gradients and forms that passes make */
  readonly internal?: boolean
  infer(context: InferContext): readonly TensorType[]
  /** how a model's call is written with other ops, where their gradients, costs and layouts serve better than a kernel */
  readonly composition?: (context: CompositionContext) => readonly ValueId[]
  /** a rule, or the reason why there is none */
  readonly gradient: GradientRule | { readonly none: string }
  readonly cost: (inputs: readonly ConcreteType[], outputs: readonly ConcreteType[], attributes: Attributes) => Cost
  readonly layout: LayoutRule
  readonly precision: PrecisionRule
  readonly tensorflow: (context: TensorFlowContext) => readonly string[]
  readonly onnx: (context: OnnxContext) => readonly string[]
  readonly reference: ReferenceRule
  readonly cases: readonly OpCase[]
}

/** For ops without multiply-accumulates. */
export const free = (): Cost => ({ macs: 0 })
