// The memory of a training step, ours against PyTorch's.
//
// Takes: the setting of the run, a model.
// Gives: the peak of resident memory over five steps above that of the process before the first, in a process for each
//        competitor, one after the other; ratios against their targets.
// Why so: the peak is the kernel's own (VmHWM), reset before the first step. What counts as idle has the library loaded and
//        the graph or network built. Ours has no variables yet then and PyTorch has its weights, so weights count for us and
//        not for it; gradients and moments count for both. The first step brings kernels, threads and caches with it, so the
//        peak of the last two steps is told as well.
import { join } from "node:path"
import { Competitors } from "../competitors.mjs"
import { megabytes, milliseconds, printTable, progress } from "../print.mjs"

const STEPS = 5
/** Steps at the start that are not part of the settled peak. */
const SETTLING = 3
/** Of what a step's values take, as estimated: the limit of the rematerialised step. */
const MEMORY_SHARE = 0.4
const TARGETS = { plain: 0.8, rematerialised: 0.45, slower: 1.35 }

/** @returns {Promise<object>} */
export async function memoryPart(setting, name, { title: of, ...model }, precision) {
  const shared = join(setting.scratch, `${name}-memory.safetensors`)
  const alone = async (start) => {
    const competitors = new Competitors(setting)
    try {
      return await measure(await start(competitors))
    } finally {
      await competitors.close()
    }
  }
  const title = `${of}, batch ${model.batch}, ${precision}: peak memory above the idle process`
  progress(title)
  const mdl = (more) =>
    alone(async (competitors) => ({ ...(await competitors.mdl(model, { precision }, more)), shared }))
  const rows = [await mdl({}), await mdl({ label: "MDL, rematerialised", memoryShare: MEMORY_SHARE })]
  if (setting.python) rows.push(await alone((competitors) => competitors.torch(model, shared, { precision })))
  progress("")
  const [ours, smaller, torch] = rows
  const cells = rows.map((row) => [
    row.label,
    megabytes(row.peak),
    (ours.peak / row.peak).toFixed(2),
    megabytes(row.settled),
    (ours.settled / row.settled).toFixed(2),
    megabytes(row.idle),
    milliseconds(row.best),
    row.engine,
  ])
  const head = ["", `peak of ${STEPS} steps`, "ours / it", "settled", "ours / it", "idle", "best step", "engine"]
  printTable(title, head, cells)
  return {
    name,
    precision,
    title,
    rows,
    targets: torch
      ? [
          { what: title, of: "ours / PyTorch", ratio: ours.peak / torch.peak, target: TARGETS.plain },
          {
            what: title,
            of: "rematerialised / PyTorch",
            ratio: smaller.peak / torch.peak,
            target: TARGETS.rematerialised,
          },
          { what: title, of: "step, rematerialised / not", ratio: smaller.best / ours.best, target: TARGETS.slower },
        ]
      : [],
  }
}

async function measure({ peer, label, engine, isOurs, shared, memory }) {
  const { bytes: idle } = await peer.ask("idle")
  if (isOurs) await peer.ask("init")
  const seconds = []
  let settled = 0
  let peak = 0
  for (let step = 0; step < STEPS; step++) {
    if (step === SETTLING) {
      peak = (await peer.ask("peak")).bytes
      await peer.ask("idle")
    }
    seconds.push((await peer.ask("step")).seconds)
  }
  settled = (await peer.ask("peak")).bytes
  if (shared) await peer.ask("share", { file: shared })
  return {
    label,
    engine,
    idle,
    peak: Math.max(peak, settled) - idle,
    settled: settled - idle,
    best: Math.min(...seconds.slice(1)),
    /** what the compiler thought of it */
    estimated: memory,
  }
}
