// The time of a training step, ours against others.
//
// Takes: the setting of the run, a model, how many rounds.
// Gives: a table and its numbers; the ratio of our best to PyTorch's best against its target; what the competitors do not
//        agree on: parameters, or the loss of the first weights without anything random.
// Why so: timings on shared machines are noisy, so competitors take turns, each step by step (A B C A B C ...), and the best
//        of many counts; ratios are only ever formed within one run. Each competitor measures its own step.
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { Competitors } from "../competitors.mjs"
import { milliseconds, printTable, progress } from "../print.mjs"

const WARM_UP = 3
/** Lets threads that spin after their work go to sleep, so that they do not slow the next competitor. */
const PAUSE_MS = 20
/** Largest relative difference of first losses. In bf16 both sides round, at different places. */
const AGREEMENT = { f32: 1e-5, bf16: 1e-2 }

/** One race: @returns {Promise<object>} */
export async function stepPart(setting, name, model, precision, target) {
  const competitors = new Competitors(setting)
  const shared = join(setting.scratch, `${name}-${precision}.safetensors`)
  try {
    const ours = await competitors.mdl(model, { precision })
    await ours.peer.ask("init")
    await ours.peer.ask("share", { file: shared })
    const race = [ours]
    if (setting.python) {
      race.push(await competitors.torch(model, shared, { precision }))
      race.push(await competitors.torch(model, shared, { precision, tuned: true }))
    }
    if (model.tfjs && setting.withTfjs && precision === "f32") race.push(await competitors.tfjs(model, shared))
    for (const competitor of race) {
      if (competitor.label === "eager tfjs") continue
      const request = competitor.isOurs ? { model: model.still, folder: competitors.folder() } : {}
      competitor.firstLoss = (await competitor.peer.ask("check", request)).loss
    }
    const title = `${model.title}, batch ${model.batch}, ${precision}: training step, Adam`
    const rows = await run(race, title, setting.rounds)
    print(title, rows, setting)
    const [best, peer] = rows
    return {
      name,
      precision,
      title,
      rows,
      wrong: disagreements(rows, AGREEMENT[precision]),
      targets: peer ? [{ what: title, ratio: best.best / peer.best, target, of: "best step, ours / PyTorch" }] : [],
    }
  } finally {
    await competitors.close()
  }
}

/** Turns of one step each; the first steps warm up. */
async function run(race, title, rounds) {
  const entries = race.map((competitor) => ({ competitor, losses: [], seconds: [], cpu: [] }))
  for (let round = 0; round < WARM_UP + rounds; round++) {
    progress(`${title}: round ${round + 1} of ${WARM_UP + rounds}`)
    for (const { competitor, losses, seconds, cpu } of entries) {
      const step = await competitor.peer.ask("step")
      losses.push(step.loss)
      if (round >= WARM_UP) {
        seconds.push(step.seconds)
        cpu.push(step.cpu)
      }
      await pause(PAUSE_MS)
    }
  }
  progress("")
  return entries.map(({ competitor: { label, engine, parameters, firstLoss }, losses, seconds, cpu }) => ({
    label,
    engine,
    parameters,
    /** of the first weights, without anything random; eager tfjs, which has nothing random: of its first step */
    firstLoss: firstLoss ?? losses[0],
    lastLoss: losses.at(-1),
    best: Math.min(...seconds),
    median: [...seconds].sort((a, b) => a - b)[Math.floor(seconds.length / 2)],
    /** processor time of all threads, best: what is left to compare on a machine that others use too */
    bestCpu: Math.min(...cpu),
    seconds,
    cpu,
  }))
}

function disagreements([ours, ...others], agreement) {
  return others.flatMap(({ label, parameters, firstLoss }) => [
    ...(parameters === ours.parameters ? [] : [`${label} has ${parameters} parameters, ours ${ours.parameters}`]),
    ...(Math.abs(firstLoss / ours.firstLoss - 1) <= agreement
      ? []
      : [`${label} starts with the loss ${firstLoss}, ours with ${ours.firstLoss}, from the same weights`]),
  ])
}

function print(title, rows, { rounds, threads }) {
  const head = [
    "",
    `best of ${rounds}`,
    "median",
    "ours / it",
    "processor",
    "parameters",
    "first loss",
    "last loss",
    "engine",
  ]
  const cells = rows.map((row) => [
    row.label,
    milliseconds(row.best),
    milliseconds(row.median),
    (rows[0].best / row.best).toFixed(2),
    milliseconds(row.bestCpu),
    String(row.parameters),
    row.firstLoss.toFixed(6),
    row.lastLoss.toFixed(6),
    row.engine,
  ])
  printTable(`${title}; ${threads} threads`, head, cells)
}
