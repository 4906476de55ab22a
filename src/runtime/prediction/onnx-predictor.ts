/**
 * Prediction with an exported ONNX file, in ONNX Runtime; TensorFlow is not loaded.
 *
 * Takes: the path of a file that `mdl export` wrote. Gives: a predictor that prepares images and notes as the file says.
 */

import { readExported } from "../deployment/exported-file.js"
import { readOwnOnnx } from "../deployment/own-onnx.js"
import { openOnnx } from "../onnx/run.js"
import { createTokenizer } from "../tokenizers/tokenizer.js"
import { caseRows, type Predictor, stackCases } from "./predictor.js"

/**
 * Opens an exported file.
 *
 * @param batch the most cases at once
 * @throws UserError when the file is missing, no ONNX file, or says not how to prepare its inputs; OnnxRuntimeMissing
 */
export async function openOnnxPredictor(path: string, batch: number): Promise<Predictor> {
  const { file, model: decoded, sha256 } = await readOwnOnnx(path)
  const { ports, tokenizer } = readExported(decoded, path)
  // By its path, so that weights in a file beside it are found.
  const model = await openOnnx(file)
  const wanted = new Set(model.inputs)
  return {
    ports,
    origin: { kind: "onnx", file, sha256 },
    tokenizer: tokenizer && (await createTokenizer(tokenizer)),
    batch,
    async run(cases) {
      const stacked = Object.entries(stackCases(ports, cases)).filter(([name]) => wanted.has(name))
      return caseRows(await model.run(Object.fromEntries(stacked)), cases.length)
    },
    close: () => model.close(),
  }
}
