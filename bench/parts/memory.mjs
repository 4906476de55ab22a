// The memory of a training step, ours against PyTorch's.
//
// Takes: the setting of the run, a model with a batch, a precision.
// Gives: the peak of resident memory over five steps above that of the process before the first, in a process for each
//        competitor, one after the other; and how much longer a step takes that computes part of its values twice. Ratios
//        beside their targets.
// Why so: the peak is the kernel's own (VmHWM), reset before the first step. What counts as idle has the library loaded and
//        the graph or network built. Ours has no variables yet then and PyTorch has its weights, so weights count for us and
//        not for it; gradients, moments, and all that the first step brings with it count for both.
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { Competitors } from "../competitors.mjs"
import { megabytes, milliseconds, printTable, progress } from "../print.mjs"

const STEPS = 5
/** Of what a step's values take, as estimated: the limit of the rematerialised step. */
const MEMORY_SHARE = 0.4
const REMATERIALISED = { label: "MDL, rematerialised", memoryShare: MEMORY_SHARE }
const TARGETS = { plain: 0.8, rematerialised: 0.45, slower: 1.35 }

/** @returns {Promise<object>} */
export async function memoryPart(setting, name, { title: of, ...model }, precision) {
  const shared = join(setting.scratch, `${name}-memory.safetensors`)
  const title = `${of}, batch ${model.batch}, ${precision}: peak memory above the idle process`
  progress(title)
  const ours = await alone(setting, (competitors) => competitors.mdl(model, { precision }), shared)
  const smaller = await alone(setting, (competitors) => competitors.mdl(model, { precision }, REMATERIALISED))
  const torch =
    setting.python && (await alone(setting, (competitors) => competitors.torch(model, shared, { precision })))
  const rows = [ours, smaller, torch].filter(Boolean)
  const [step, longer] = await stepTimes(setting, model, precision)
  progress("")
  const cells = rows.map((row) => [
    row.label,
    megabytes(row.peak),
    (ours.peak / row.peak).toFixed(2),
    megabytes(row.idle),
    row.engine,
  ])
  printTable(title, ["", `peak of ${STEPS} steps`, "ours / it", "idle", "engine"], cells)
  process.stdout.write(`best step ${milliseconds(step)}, rematerialised ${milliseconds(longer)}\n`)
  const target = (of, ratio, target) => ({ what: title, of, ratio, target })
  return {
    name,
    precision,
    title,
    rows,
    seconds: { step, rematerialised: longer },
    targets: [
      ...(torch ? [target("ours / PyTorch", ours.peak / torch.peak, TARGETS.plain)] : []),
      ...(torch ? [target("rematerialised / PyTorch", smaller.peak / torch.peak, TARGETS.rematerialised)] : []),
      target("step, rematerialised / not", longer / step, TARGETS.slower),
    ],
  }
}

/** The memory of one competitor, with nobody else there. @param share file for its weights and batch, if it is ours */
async function alone(setting, start, share) {
  const competitors = new Competitors(setting)
  try {
    const { peer, label, engine, isOurs, memory } = await start(competitors)
    const { bytes: idle } = await peer.ask("idle")
    if (isOurs) await peer.ask("init")
    for (let step = 0; step < STEPS; step++) await peer.ask("step")
    const { bytes } = await peer.ask("peak")
    if (share) await peer.ask("share", { file: share })
    // `memory` is what the compiler thought of it
    return { label, engine, idle, peak: bytes - idle, estimated: memory }
  } finally {
    await competitors.close()
  }
}

/** The best step with and without a limit, taking turns. */
async function stepTimes(setting, model, precision) {
  const competitors = new Competitors(setting)
  try {
    const race = [
      await competitors.mdl(model, { precision }),
      await competitors.mdl(model, { precision }, REMATERIALISED),
    ]
    for (const { peer } of race) await peer.ask("init")
    const best = race.map(() => Infinity)
    // The first round warms up.
    for (let round = 0; round <= setting.rounds; round++) {
      for (const [index, { peer }] of race.entries()) {
        const { seconds } = await peer.ask("step")
        if (round > 0) best[index] = Math.min(best[index], seconds)
        await pause(0)
      }
    }
    return best
  } finally {
    await competitors.close()
  }
}
