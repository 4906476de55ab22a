/**
 * The text form of an ONNX file, for golden files and for reading.
 *
 * Takes bytes; gives the model in ONNX's textual syntax (docs/Syntax.md of the ONNX project). Instead of its values a
 * constant shows a hash of its bytes, or the values themselves when there are few: a golden file should change when a
 * weight changes, and be readable.
 */

import type { OnnxAttribute } from "../../ops/definition.js"
import { decodeModel, type DecodedNode, type DecodedTensor, type DecodedValue } from "./decode.js"
import { DATA_TYPE_WORD, dataTypeOfNumber, floatText, hashBytes, numbersOf } from "./tensors.js"

/** Constants of at most this many elements show their values. */
const SHOWN_VALUES = 8

/**
 * @throws Error when `bytes` are not an ONNX model
 */
export function onnxText(bytes: Uint8Array): string {
  const model = decodeModel(bytes)
  const opsets = model.opsets.map(({ domain, version }) => `${quote(domain)} : ${version}`).join(", ")
  const metadata = model.metadata.map(([key, value]) => `${quote(key)}: ${quote(value)}`).join(", ")
  const header = [
    `ir_version: ${model.irVersion}`,
    `opset_import: [${opsets}]`,
    `producer_name: ${quote(model.producer)}`,
    ...(model.doc === "" ? [] : [`doc_string: ${quote(model.doc)}`]),
    ...(metadata === "" ? [] : [`metadata_props: [${metadata}]`]),
  ]
  const types = new Map([...model.values, ...model.outputs].map((value) => [value.name, typeText(value)] as const))
  const lines = [
    "<",
    ...header.map((field, i) => `   ${field}${i === header.length - 1 ? "" : ","}`),
    ">",
    `${identifier(model.graphName)} (${valueList(model.inputs)}) => (${valueList(model.outputs)})`,
    ...(model.tensors.length === 0 ? [] : ["<", ...model.tensors.map(tensorLine), ">"]),
    "{",
    ...model.nodes.flatMap((node) => nodeLines(node, types)),
    "}",
  ]
  return lines.join("\n") + "\n"
}

const quote = (text: string): string => JSON.stringify(text)

/** Bare when ONNX's grammar takes it bare, else quoted. */
const identifier = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : quote(name))

const elementWord = (elementType: number): string => {
  const dtype = dataTypeOfNumber(elementType)
  return dtype ? DATA_TYPE_WORD[dtype] : `type_${elementType}`
}

function typeText({ elementType, shape }: DecodedValue): string {
  if (!shape) return elementWord(elementType)
  const sizes = shape.map((size) => (typeof size === "number" ? `${size}` : size === "" ? "?" : identifier(size)))
  // a scalar's type is written bare, `float[]` would be a tensor of unknown rank
  return sizes.length === 0 ? elementWord(elementType) : `${elementWord(elementType)}[${sizes.join(",")}]`
}

const valueList = (values: readonly DecodedValue[]): string =>
  values.map((value) => `${typeText(value)} ${identifier(value.name)}`).join(", ")

function tensorLine(tensor: DecodedTensor, index: number, all: readonly DecodedTensor[]): string {
  const { name, elementType, shape, bytes, external } = tensor
  const type = shape.length === 0 ? elementWord(elementType) : `${elementWord(elementType)}[${shape.join(",")}]`
  const content = external
    ? `@${quote(external.location)}[${external.offset}, ${external.length}]`
    : tensorContent(elementType, shape, bytes)
  const end = index === all.length - 1 ? "" : ","
  return `   ${type} ${identifier(name)} = ${content}${end}`
}

function tensorContent(elementType: number, shape: readonly number[], bytes: Uint8Array | undefined): string {
  if (!bytes) return "# not raw"
  const dtype = dataTypeOfNumber(elementType)
  const count = shape.reduce((product, size) => product * size, 1)
  if (dtype && count <= SHOWN_VALUES) {
    const numbers = numbersOf({ dtype, shape, bytes })
    return `{${numbers.map((n) => (dtype === "f32" ? floatText(n) : `${n}`)).join(", ")}}`
  }
  return `#${hashBytes(bytes)}`
}

/** A node, after a comment with the types of its results. */
function nodeLines(node: DecodedNode, types: ReadonlyMap<string, string>): readonly string[] {
  const results = node.outputs.map(identifier).join(", ")
  const attributes = node.attributes.map(([name, value]) => attributeText(name, value)).join(", ")
  const call = `${node.op}${attributes === "" ? "" : ` <${attributes}>`} (${node.inputs.map(identifier).join(", ")})`
  const made = node.outputs.map((output) => types.get(output) ?? "?").join(", ")
  const from = node.doc === "" ? "" : `  ${node.doc}`
  // most nodes bear the name of their first result; saying it once is enough
  const name = node.name === node.outputs[0] ? "" : `[${identifier(node.name)}] `
  return [`   # ${made}${from}`, `   ${name}${results} = ${call}`]
}

function attributeText(name: string, value: OnnxAttribute | undefined): string {
  if (!value) return `${name}: ?`
  if ("int" in value) return `${name}: int = ${value.int}`
  if ("float" in value) return `${name}: float = ${floatText(value.float)}`
  if ("string" in value) return `${name}: string = ${quote(value.string)}`
  if ("ints" in value) return `${name}: ints = [${value.ints.join(", ")}]`
  if ("floats" in value) return `${name}: floats = [${value.floats.map(floatText).join(", ")}]`
  return `${name}: tensor = int64[${value.tensorInts.length}] {${value.tensorInts.join(", ")}}`
}
