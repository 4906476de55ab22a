/**
 * Prediction with an exported ONNX file, in ONNX Runtime; TensorFlow is not loaded.
 *
 * Takes: the path of a file that `mdl export` wrote. Gives: a predictor that prepares images and notes as the file says.
 */

import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { codeOf } from "../data/data-error.js"
import { readExported } from "../deployment/exported-file.js"
import { openOnnx } from "../onnx/run.js"
import { createTokenizer } from "../tokenizers/tokenizer.js"
import { UserError } from "../user-error.js"
import { caseRows, type Predictor, stackCases } from "./predictor.js"

/**
 * Opens an exported file.
 *
 * @param batch the most cases at once
 * @throws UserError when the file is missing, no ONNX file, or says not how to prepare its inputs; OnnxRuntimeMissing
 */
export async function openOnnxPredictor(path: string, batch: number): Promise<Predictor> {
  const file = resolve(path)
  const bytes = await readModelFile(file)
  const { ports, tokenizer } = readExported(bytes, path)
  // By its path, so that weights in a file beside it are found.
  const model = await openOnnx(file)
  const wanted = new Set(model.inputs)
  return {
    ports,
    origin: { kind: "onnx", file, sha256: createHash("sha256").update(bytes).digest("hex") },
    tokenizer: tokenizer && (await createTokenizer(tokenizer)),
    batch,
    async run(cases) {
      const stacked = Object.entries(stackCases(ports, cases)).filter(([name]) => wanted.has(name))
      return caseRows(await model.run(Object.fromEntries(stacked)), cases.length)
    },
    close: () => model.close(),
  }
}

/** The bytes of a model file. @throws UserError when it cannot be read */
export async function readModelFile(file: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file))
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === "ENOENT") throw new UserError(`there is no run or ONNX file ${file}`, { cause: thrown })
    if (code === "ERR_FS_FILE_TOO_LARGE") throw new UserError(`${file} has more than 2 GB`, { cause: thrown })
    throw thrown
  }
}
