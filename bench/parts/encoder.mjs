// What a frozen text encoder costs in a training step, when it is hoisted out of it.
//
// Takes: the setting of the run, a model with a variant whose text encoder is fixed.
// Gives: how many nodes of the step are the encoder's, how often it ran in the first epoch and after it, and the time of a
//        step beside that of the same model with the encoder in it. An epoch is one batch here, seen again and again.
import { setTimeout as pause } from "node:timers/promises"
import { Competitors } from "../competitors.mjs"
import { milliseconds, printTable } from "../print.mjs"

/** The section of the encoder in models/reclmis.mdl. */
const SECTION = "language"
const EPOCHS = 10

/** @returns {Promise<object>} */
export async function encoderPart(setting, model) {
  const competitors = new Competitors(setting)
  try {
    const fixed = { ...model, model: model.fixedText }
    const rows = []
    for (const hoist of [false, true]) {
      const label = hoist ? "encoder hoisted" : "encoder in the step"
      const { sections } = await competitors.mdl(fixed, { hoist, timed: true }, { label })
      const { peer, engine } = await competitors.mdl(fixed, { hoist }, { label })
      await peer.ask("init")
      const steps = []
      for (let epoch = 0; epoch < EPOCHS; epoch++) {
        steps.push(await peer.ask("step"))
        await pause(0)
      }
      rows.push({
        label,
        engine,
        nodes: sections[SECTION] ?? 0,
        first: steps[0].encoded,
        later: steps.at(-1).encoded - steps[0].encoded,
        best: Math.min(...steps.slice(1).map((step) => step.seconds)),
      })
    }
    const title = `${model.title}, batch ${model.batch}, f32: a frozen text encoder`
    const head = ["", "nodes of it in a step", "runs in epoch 1", "runs later", "best step", "engine"]
    const cells = rows.map((row) => [
      row.label,
      String(row.nodes),
      String(row.first),
      String(row.later),
      milliseconds(row.best),
      row.engine,
    ])
    printTable(title, head, cells)
    const [, hoisted] = rows
    const share = (hoisted.nodes + hoisted.later) / rows[0].nodes
    return {
      name: "encoder",
      title,
      rows,
      targets: [{ what: title, of: "its share of a step after the first epoch", ratio: share, target: 0 }],
    }
  } finally {
    await competitors.close()
  }
}
