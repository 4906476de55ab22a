/**
 * Prediction with an exported ONNX file, in ONNX Runtime; TensorFlow is not loaded.
 *
 * Takes: the path of a file that `mdl export` wrote. Gives: a predictor that prepares images and notes as the file says.
 */

import { readExported } from "../deployment/exported-file.js"
import { readOwnOnnx } from "../deployment/own-onnx.js"
import { OnnxRunError, openOnnx } from "../onnx/run.js"
import { createTokenizer } from "../tokenizers/tokenizer.js"
import { UserError } from "../user-error.js"
import { caseRows, type Predictor, stackCases } from "./predictor.js"

/** What ONNX Runtime says against a file that says it is ours: someone has changed or cut it. */
function refused(error: unknown, path: string): never {
  if (!(error instanceof OnnxRunError)) throw error
  throw new UserError(`${path} is damaged: ${error.message}; export it again`, { cause: error })
}

/**
 * Opens an exported file.
 *
 * @param batch the most cases at once
 * @throws UserError when the file is missing, damaged, no ONNX file, or says not how to prepare its inputs;
 *   OnnxRuntimeMissing
 */
export async function openOnnxPredictor(path: string, batch: number): Promise<Predictor> {
  const { file, model: decoded, sha256 } = await readOwnOnnx(path)
  const { ports, tokenizer } = readExported(decoded, path)
  // By its path, so that weights in a file beside it are found.
  const model = await openOnnx(file).catch((error: unknown) => refused(error, path))
  const wanted = new Set(model.inputs)
  return {
    ports,
    origin: { kind: "onnx", file, sha256 },
    tokenizer: tokenizer && (await createTokenizer(tokenizer)),
    batch,
    async run(cases) {
      const stacked = Object.entries(stackCases(ports, cases)).filter(([name]) => wanted.has(name))
      const outputs = await model.run(Object.fromEntries(stacked)).catch((error: unknown) => refused(error, path))
      return caseRows(outputs, cases.length)
    },
    close: () => model.close(),
  }
}
