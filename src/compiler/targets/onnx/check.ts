/**
 * The structural check of a finished ONNX file; every export runs it.
 *
 * Takes bytes; gives sentences about what is wrong, none for a valid file. It knows the operators that our lowerings may
 * emit and no others, so it is stricter than ONNX's own checker where both look: every value must have a shape, every
 * declared type must follow from the operator's inputs, and nothing may be there that no output needs.
 */

import { constant, equal, formatShape, symbol, type Dim, type Sizes } from "../../ir/dims.js"
import type { OnnxAttribute } from "../../ops/definition.js"
import { sizeOf } from "../../ops/ndarray.js"
import { decodeModel, type DecodedModel, type DecodedNode, type DecodedTensor, type DecodedValue } from "./decode.js"
import { IR_VERSION } from "./encode.js"
import { OPSET_RANGE } from "./errors.js"
import { locationProblem, type ExternalPlace } from "./external-data.js"
import { OPEN_SIZES_KEY, readOpenSizes } from "./open-sizes.js"
import { inferOnnx, knownOfTensor, SchemaError } from "./schema.js"
import type { Known } from "./schema-types.js"
import { BYTES_PER_ELEMENT, dataTypeOfNumber, parseDim, type OnnxType } from "./tensors.js"

/** What is wrong with the model in `bytes`: one sentence each, in the order of the file. */
export function checkOnnx(bytes: Uint8Array): string[] {
  let model: DecodedModel
  try {
    model = decodeModel(bytes)
  } catch (error) {
    return [`the bytes are not an ONNX model: ${error instanceof Error ? error.message : String(error)}`]
  }
  return new ModelCheck(model).run()
}

class ModelCheck {
  private readonly problems: string[] = []
  /** what may be read at the point that the walk has come to */
  private readonly known = new Map<string, Known>()
  private readonly declared = new Map<string, OnnxType>()
  private readonly read = new Set<string>()
  /** how far each file of weights is taken */
  private readonly ends = new Map<string, number>()
  private opset = 0
  /** those of symbols that the file leaves open and says the usual size of */
  private sizes: Sizes = new Map()

  constructor(private readonly model: DecodedModel) {}

  run(): string[] {
    this.checkHeader()
    for (const input of this.model.inputs) {
      const type = this.declare(input, "input")
      if (type && this.define(input.name, "input")) this.known.set(input.name, { type })
    }
    for (const tensor of this.model.tensors) this.checkTensor(tensor)
    for (const value of this.model.values) this.declare(value, "value")
    for (const output of this.model.outputs) this.declare(output, "output")
    this.checkNodes()
    this.checkOutputs()
    this.checkNothingUnused()
    return this.problems
  }

  private report(problem: string): void {
    this.problems.push(problem)
  }

  private checkHeader(): void {
    const { irVersion, opsets, graphName, metadata } = this.model
    if (irVersion !== IR_VERSION) this.report(`IR version ${irVersion}, expected ${IR_VERSION}`)
    const [first] = opsets
    if (opsets.length !== 1 || !first || first.domain !== "") {
      this.report("exactly one operator set, that of ONNX itself, must be imported")
    } else if (first.version < OPSET_RANGE.first || first.version > OPSET_RANGE.last) {
      this.report(`opset ${first.version} is outside ${OPSET_RANGE.first} to ${OPSET_RANGE.last}`)
    }
    this.opset = first?.version ?? 0
    try {
      const open = readOpenSizes(new Map(metadata).get(OPEN_SIZES_KEY))
      this.sizes = new Map([...open].map(([name, { usual }]) => [name, usual]))
    } catch (error) {
      this.report(
        `the metadata ${OPEN_SIZES_KEY} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
    if (graphName === "") this.report("the graph has no name")
    this.reportRepeated(
      metadata.map(([key]) => key),
      "metadata key",
    )
    if (this.model.outputs.length === 0) this.report("the graph has no outputs")
  }

  private reportRepeated(names: readonly string[], what: string): void {
    const seen = new Set<string>()
    for (const name of names) {
      if (seen.has(name)) this.report(`the ${what} ${name} occurs twice`)
      seen.add(name)
    }
  }

  /** Single assignment: each name is made once. */
  private define(name: string, what: string): boolean {
    if (name === "") this.report(`an ${what} has no name`)
    else if (this.known.has(name)) this.report(`the name ${name} is made twice (again as ${what})`)
    else return true
    return false
  }

  private declare({ name, elementType, shape }: DecodedValue, what: string): OnnxType | undefined {
    const dtype = dataTypeOfNumber(elementType)
    if (!dtype) this.report(`${what} ${name} has element type number ${elementType}, which exported models do not use`)
    if (!shape) this.report(`${what} ${name} has no shape`)
    if (this.declared.has(name)) this.report(`the type of ${name} is declared twice`)
    if (!dtype || !shape) return undefined
    const type = { dtype, shape: shape.map((size) => this.dimension(size, name)) }
    this.declared.set(name, type)
    return type
  }

  private dimension(size: number | string, name: string): Dim {
    if (typeof size === "number") {
      if (Number.isSafeInteger(size) && size >= 1) return constant(size)
      this.report(`a size of ${name} is ${size}`)
      return symbol("?")
    }
    const dim = size === "" ? undefined : parseDim(size)
    if (!dim) this.report(`a size of ${name} is "${size}", which is neither a number nor a polynomial of symbols`)
    return dim ?? symbol("?")
  }

  private checkTensor(tensor: DecodedTensor): void {
    const { name, elementType, shape, bytes, external } = tensor
    const dtype = dataTypeOfNumber(elementType)
    if (!dtype) this.report(`constant ${name} has element type number ${elementType}, which exported models do not use`)
    if (!bytes && !external) this.report(`constant ${name} is not stored as raw bytes`)
    if (bytes && external) this.report(`constant ${name} is stored both in the file and in ${external.location}`)
    if (!this.define(name, "constant") || !dtype || !(bytes || external)) return
    if (external) this.checkPlace(name, external)
    const [length, expected] = [external?.length ?? bytes!.byteLength, sizeOf(shape) * BYTES_PER_ELEMENT[dtype]]
    if (length !== expected) {
      this.report(`constant ${name} has ${length} bytes, its shape [${shape.join(", ")}] wants ${expected}`)
      return
    }
    this.known.set(
      name,
      bytes ? knownOfTensor({ dtype, shape, bytes }) : { type: { dtype, shape: shape.map(constant) } },
    )
  }

  /** Constants in another file stand there one after the other. */
  private checkPlace(name: string, { location, offset, length }: ExternalPlace): void {
    const problem = locationProblem(location)
    if (problem !== undefined) this.report(`constant ${name} is stored in "${location}", and ${problem}`)
    const end = this.ends.get(location) ?? 0
    if (!(offset >= end))
      this.report(`constant ${name} begins at ${offset} of ${location}, which is taken up to ${end}`)
    this.ends.set(location, offset + length)
  }

  private checkNodes(): void {
    this.reportRepeated(
      this.model.nodes.map((node) => node.name),
      "node name",
    )
    const makers = new Map(
      this.model.nodes.flatMap((node) => node.outputs.map((output) => [output, node.name] as const)),
    )
    for (const node of this.model.nodes) {
      if (node.name === "") this.report(`a node of ${node.op} has no name`)
      if (node.domain !== "") this.report(`node ${node.name} is of the foreign domain ${node.domain}`)
      const results = this.inputsAreThere(node, makers) ? this.inferred(node) : undefined
      node.outputs.forEach((output, index) => this.checkResult(node, output, results?.[index]))
    }
  }

  private inputsAreThere(node: DecodedNode, makers: ReadonlyMap<string, string>): boolean {
    let there = true
    for (const value of node.inputs) {
      if (value === "") continue
      this.read.add(value)
      if (this.known.has(value)) continue
      there = false
      const maker = makers.get(value)
      this.report(
        maker === undefined
          ? `node ${node.name} reads ${value}, which nothing makes`
          : `node ${node.name} reads ${value} before node ${maker} makes it`,
      )
    }
    return there
  }

  private inferred(node: DecodedNode): readonly Known[] | undefined {
    const attributes: Record<string, OnnxAttribute> = {}
    for (const [name, value] of node.attributes) {
      if (!value) this.report(`attribute ${name} of node ${node.name} is of a kind that exported models do not use`)
      else if (Object.hasOwn(attributes, name)) this.report(`attribute ${name} of node ${node.name} occurs twice`)
      else attributes[name] = value
    }
    const inputs = node.inputs.map((value) => (value === "" ? undefined : this.known.get(value)))
    try {
      return inferOnnx(node.op, inputs, attributes, node.outputs.length, this.opset, this.sizes)
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error
      this.report(`node ${node.name}: ${error.message}`)
      return undefined
    }
  }

  /** The declared type of a result must follow from the inputs; later nodes are checked against what is declared. */
  private checkResult(node: DecodedNode, output: string, result: Known | undefined): void {
    const declared = this.declared.get(output)
    if (!declared) this.report(`value ${output}, made by node ${node.name}, has no declared shape`)
    if (declared && result && !sameType(declared, result.type)) {
      this.report(
        `value ${output} is declared ${formatType(declared)}, but node ${node.name} makes ${formatType(result.type)}`,
      )
    }
    const type = declared ?? result?.type
    if (this.define(output, "result") && type) this.known.set(output, { ...result, type })
  }

  private checkOutputs(): void {
    const made = new Set(this.model.nodes.flatMap((node) => node.outputs))
    for (const { name } of this.model.outputs) {
      this.read.add(name)
      if (!made.has(name)) this.report(`output ${name} is made by no node`)
    }
    for (const { name } of this.model.values) {
      if (!made.has(name)) this.report(`a type is declared for ${name}, which no node makes`)
    }
  }

  private checkNothingUnused(): void {
    for (const { name } of this.model.tensors) if (!this.read.has(name)) this.report(`constant ${name} is never read`)
    for (const node of this.model.nodes) {
      if (!node.outputs.some((output) => this.read.has(output))) this.report(`no result of node ${node.name} is read`)
    }
  }
}

function sameType(a: OnnxType, b: OnnxType): boolean {
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length) return false
  return a.shape.every((dim, axis) => equal(dim, b.shape[axis]!))
}

const formatType = (type: OnnxType): string => type.dtype + formatShape(type.shape)
