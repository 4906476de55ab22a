/**
 * Prediction with a trained run, in TensorFlow.
 *
 * Takes: the folder of a run, or a run that is open. Gives: a predictor.
 *
 * Why so: one case at a time goes through the program that the run keeps, which needs no compiler, so that a run predicts
 * for as long as its folder lasts. For more at a time the model is compiled again from the text that the run keeps.
 */

import { openPredictSession } from "../deployment/predict-session.js"
import { openExportSource } from "../deployment/export-source.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import { type OpenRun, openRun } from "../runs/open-run.js"
import { RunFolder } from "../runs/run-folder.js"
import type { HostTensor, NativeSession } from "../session.js"
import { createTokenizer } from "../tokenizers/tokenizer.js"
import { planInputs } from "../training/feeds.js"
import { channelsOf } from "../training/split-loader.js"
import type { TrainerDescription } from "../../compiler/trainer.js"
import { caseRows, maskOutput, type ModelPorts, type Predictor, stackCases } from "./predictor.js"

/**
 * Opens a run to predict with.
 *
 * @param options.batch the most cases at once; 1 uses the program in the run folder
 * @throws RunFolderError, CheckpointError, BackendUnavailable as `openRun`; UserError when the model gives no mask
 */
export async function openRunPredictor(
  path: string,
  options: { readonly checkpoint: CheckpointName; readonly batch: number },
): Promise<Predictor> {
  const { checkpoint, batch } = options
  if (batch === 1) {
    const run = await openRun(path, { checkpoint })
    try {
      return runPredictor(run)
    } catch (thrown) {
      run.close()
      throw thrown
    }
  }
  const { record } = await RunFolder.open(path)
  const ports = portsOfRun(record.description)
  const source = await openExportSource(path, { checkpoint })
  if (source.run === undefined || source.weights.kind !== "trained") throw new Error(`${path} was opened as no run`)
  const { step, sha256 } = source.weights
  const described = ports.note && record.tokenizers[ports.note.name]
  const tokenizer = described && (await createTokenizer(described))
  const session = await openPredictSession(source.model, source.parameters, batch)
  return {
    ports,
    origin: { kind: "run", run: source.run.folder.path, checkpoint: { name: checkpoint, step, sha256 } },
    tokenizer,
    ...engineOf(session, ports, batch),
  }
}

/** A predictor over an open run, one case at a time; closing it closes the run. @throws UserError without a mask */
export function runPredictor(run: OpenRun): Predictor {
  const ports = portsOfRun(run.description)
  const { name, state, sha256 } = run.checkpoint
  return {
    ports,
    origin: { kind: "run", run: run.folder.path, checkpoint: { name, step: state.step, sha256 } },
    tokenizer: ports.note && run.tokenizers.get(ports.note.name),
    ...engineOf(run.session, ports, run.description.batch.predict),
  }
}

/** The ports of a run's model. @throws UserError when it gives no mask */
export function portsOfRun(description: TrainerDescription): ModelPorts {
  const plan = planInputs(description)
  const { variant, outputs } = description
  return {
    variant,
    image: { name: plan.image.name, size: plan.size, channels: channelsOf(description) },
    note: plan.note && { name: plan.note.name, length: plan.tokenLength },
    outputs,
    mask: maskOutput(variant, outputs, plan.size),
  }
}

/** The native program has a fixed batch: missing rows are filled up, and what comes out for them is dropped. */
function engineOf(
  session: NativeSession,
  ports: ModelPorts,
  batch: number,
): Pick<Predictor, "batch" | "run" | "close"> {
  const wanted = new Set(session.signatures.get("predict")?.inputs.map(({ name }) => name))
  return {
    batch,
    async run(cases) {
      const stacked = Object.entries(stackCases(ports, cases, batch)).filter(([name]) => wanted.has(name))
      return caseRows(session.predict(Object.fromEntries(stacked) as Record<string, HostTensor>), cases.length)
    },
    async close() {
      session.close()
    },
  }
}
