/**
 * What can go wrong when a graph is written as ONNX, one class per cause.
 *
 * Takes the facts; gives errors whose message says what was wrong, where, and what to do. Callers (the `export`
 * command) print them as the user's error when they are `OnnxExportError`, and treat anything else as a fault of the
 * tool.
 */

import type { Origin } from "../../ir/graph.js"

/** Where in the user's model an ONNX node comes from, for messages. */
export interface Place {
  readonly op: string
  /** dotted name of the statement, "" outside any */
  readonly scope: string
  /** name of the section, "" outside any */
  readonly section: string
}

/** `conv2d in vision.down1.conv (section vision)` */
export function describePlace(place: Place): string {
  const scope = place.scope === "" ? "" : ` in ${place.scope}`
  const section = place.section === "" ? "" : ` (section ${place.section})`
  return `${place.op}${scope}${section}`
}

/** The model cannot be written as it is; the reason is in the model or in the request. */
export class OnnxExportError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** The first and last opset that files of IR version 8 may be written in. */
export const OPSET_RANGE = { first: 15, last: 18, usual: 17 } as const

/** The asked-for opset is outside what IR version 8 and the lowerings support. */
export class OpsetOutOfRange extends OnnxExportError {
  constructor(readonly opset: number) {
    super(
      `opset ${opset} cannot be written: choose one from ${OPSET_RANGE.first} to ${OPSET_RANGE.last} ` +
        `(${OPSET_RANGE.usual} unless there is a reason), the range that belongs to ONNX IR version 8`,
    )
  }
}

/** An output depends on an op that only a training program may hold. */
export class OpNotInInference extends OnnxExportError {
  constructor(
    readonly place: Place,
    options?: ErrorOptions,
  ) {
    super(
      `${describePlace(place)} cannot be exported: ${place.op} has no place in an inference program. ` +
        `An output must not depend on random numbers or gradients; leave the output out or compute it without ${place.op}`,
      options,
    )
  }
}

/** Parameter values are missing, or do not have the size the graph says. */
export class ParameterValuesError extends OnnxExportError {
  constructor(readonly problems: readonly string[]) {
    super(`the parameter values do not fit the model:\n${problems.map((p) => `  ${p}`).join("\n")}`)
  }
}

/** The request names outputs or symbols that the graph does not have, or names clash. */
export class ExportRequestError extends OnnxExportError {}

/** A dimension has to be a number here, and depends on a symbol that stays open. */
export class UnsizedDimension extends OnnxExportError {
  constructor(
    readonly dim: string,
    place: Place,
  ) {
    super(
      `${describePlace(place)} needs the size of ${dim}, which is only known when the model runs; ` +
        `write the statement so that ${dim} is kept as an axis, or give the symbol a size`,
    )
  }
}

/** A size was to stay open in the file, and a statement of the model needs it as a number. */
export class SizeFixed extends OnnxExportError {
  /**
   * @param symbols the sizes that stay open and that the statement deals with
   * @param origin of the statement; undefined where there is no single one
   * @param reason why, as a clause
   */
  constructor(
    readonly symbols: readonly string[],
    readonly origin: Origin | undefined,
    /** what the statement does; "" where there is none */
    readonly op: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    const where = origin ? `${describePlace({ op, ...origin })}: ${reason}` : reason
    super(`${symbols.join(" and ")} cannot stay open: ${where}`, options)
  }
}

/** The file would pass the 2 GB that one protobuf message can hold. */
export class ModelTooLarge extends OnnxExportError {
  constructor(readonly bytes: number) {
    super(
      `the model's weights take ${(bytes / 2 ** 30).toFixed(2)} GB; one ONNX file holds at most 2 GB; ` +
        `the weights of a larger model go to a file of their own, as \`mdl export\` does`,
    )
  }
}

/** The compiler wrote something that is not ONNX: a fault of the tool, not of the model. */
export class InvalidOnnx extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the exported model is not valid ONNX; please report this:\n${problems.map((p) => `  ${p}`).join("\n")}`)
    this.name = "InvalidOnnx"
  }
}

/** A lowering rule broke the contract of the ONNX operator it uses: a fault of the tool, not of the model. */
export class LoweringError extends Error {
  constructor(
    place: Place,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`the ONNX lowering of ${describePlace(place)} is wrong: ${reason}`, options)
    this.name = "LoweringError"
  }
}
