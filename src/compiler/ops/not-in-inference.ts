/**
 * The complaint of an ONNX rule whose op exists in training programs only.
 *
 * An ONNX file holds the inference program. Gradients, random numbers and batch statistics cannot be part of one; when
 * one of them arrives at the ONNX target, a pass went wrong, and the exporter adds the node's place to this error.
 */
export class NotInInference extends Error {
  /** the op, as named in the registry */
  readonly op: string

  constructor(op: string) {
    super(`${op} is part of training only; an inference program must not contain it`)
    this.name = "NotInInference"
    this.op = op
  }
}
