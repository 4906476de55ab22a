/**
 * A model's inference program in a session of its own, at any batch.
 *
 * Takes: a model and the values of its parameters. Gives: a session whose only program is `predict`.
 *
 * Why so: a run's own program predicts one case at a time, as its batch is fixed when it is compiled; folders are faster in
 * batches, and an untrained model has no run at all.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { optimise } from "../../compiler/passes/pipelines.js"
import { predictProgram } from "../../compiler/passes/programs.js"
import { compileSavedModel } from "../../compiler/targets/tensorflow/saved-model.js"
import { type HostTensor, NativeSession } from "../session.js"

/**
 * Compiles and opens.
 *
 * @param parameters values by name, in the layout of the language
 * @throws BackendUnavailable when there is no TensorFlow
 */
export async function openPredictSession(
  model: ElaboratedModel,
  parameters: ReadonlyMap<string, Float32Array | Int32Array>,
  batch: number,
): Promise<NativeSession> {
  const declared = model.graph.parameters
  const { program } = optimise("prediction", predictProgram(model))
  const { bytes } = compileSavedModel({ parameters: declared, predict: { ...program, batch } })
  const folder = await mkdtemp(join(tmpdir(), "mdl-predict-"))
  let session: NativeSession
  try {
    await writeFile(join(folder, "saved_model.pb"), bytes)
    session = await NativeSession.open(folder)
  } finally {
    // TensorFlow has read the file once the session is open.
    await rm(folder, { recursive: true, force: true })
  }
  const zero: HostTensor = { dtype: "i32", shape: [], data: Int32Array.of(0) }
  const variables = new Map<string, HostTensor>([
    ...declared.map(({ name, dtype, shape }): [string, HostTensor] => [
      name,
      { dtype, shape, data: parameters.get(name)! },
    ]),
    ["step", zero],
    ["seed", zero],
  ])
  return holding(session, variables)
}

/** The session with these variables in it; closed when it does not take them. */
export function holding(session: NativeSession, variables: ReadonlyMap<string, HostTensor>): NativeSession {
  try {
    session.write(variables)
    return session
  } catch (thrown) {
    session.close()
    throw thrown
  }
}
