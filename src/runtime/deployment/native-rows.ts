/**
 * The trainer's `predict` at any batch size.
 *
 * Takes: a session whose `predict` was compiled for one row, and feeds of several. Gives: the outputs of all rows.
 *
 * Why so: native programs have a fixed batch, ONNX files a symbolic one; a row does not depend on its neighbours in
 * inference, and if it did in the ONNX file, this comparison is what shows it. Inputs that the exported file no longer
 * has cannot matter to what it gives; the session still wants them and gets zeros.
 */

import type { ExportedTensor } from "../../compiler/targets/onnx/export.js"
import { sizeOf } from "../../compiler/ops/ndarray.js"
import type { SignatureEntry } from "../../compiler/targets/tensorflow/signatures.js"
import type { Feeds, Outputs, RuntimeTensor } from "../onnx/run.js"
import type { HostTensor, NativeSession, OutputTensor } from "../session.js"

/** Runs `predict` once for each row and joins what it gives, in the types of the exported outputs. */
export function predictRows(session: NativeSession, feeds: Feeds, outputs: readonly ExportedTensor[]): Outputs {
  const signature = session.signatures.get("predict")
  if (!signature) throw new Error("the session has no predict")
  const rows = Math.max(...Object.values(feeds).map((tensor) => tensor.shape[0] ?? 1))
  const results = Array.from({ length: rows }, (_, row) =>
    session.predict(
      Object.fromEntries(signature.inputs.map((entry) => [entry.name, rowOf(entry, feeds[entry.name], row)])),
    ),
  )
  return Object.fromEntries(
    outputs.flatMap(({ name, dtype }) => {
      const parts = results.map((result) => result[name])
      return parts.every((part) => part !== undefined) ? [[name, joined(parts, dtype)]] : []
    }),
  )
}

function rowOf({ dtype, shape }: SignatureEntry, tensor: RuntimeTensor | undefined, row: number): HostTensor {
  const count = sizeOf(shape)
  const values = tensor?.data.subarray(row * count, (row + 1) * count)
  const number = (index: number): number => (values ? Number(values[index]) : 0)
  const Kind = { f32: Float32Array, i32: Int32Array, bool: Uint8Array }[dtype]
  const filled = new Kind(count)
  for (let index = 0; index < count; index++) filled[index] = number(index)
  return { dtype, shape, data: filled }
}

function joined(parts: readonly OutputTensor[], dtype: RuntimeTensor["dtype"]): RuntimeTensor {
  const shape = [parts.length, ...parts[0]!.shape.slice(1)]
  const all = parts.flatMap((part) => [...part.data])
  if (dtype === "f32") return { dtype, shape, data: Float32Array.from(all) }
  if (dtype === "i64") return { dtype, shape, data: BigInt64Array.from(all, BigInt) }
  return dtype === "i32" ? { dtype, shape, data: Int32Array.from(all) } : { dtype, shape, data: Uint8Array.from(all) }
}
