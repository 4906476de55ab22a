/**
 * What a run amounts to, without times: two runs of the same training are equal in it.
 *
 * Takes a run folder. Gives log, events, scores and checkpoints as plain values.
 */
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { PACE_TAG } from "../../../src/runtime/runs/event-log.js"
import { decodeEvent } from "../../../src/runtime/runs/event-message.js"
import { wholeRecords } from "../../../src/runtime/runs/tfrecord.js"

/** Fields that hold times, which no two runs share. */
const TIMES = new Set(["seconds", "seconds_per_step", "images_per_second"])

const withoutTimes = (text: string): unknown =>
  JSON.parse(text, (key, value: unknown) => (TIMES.has(key) ? undefined : value))

export async function runContents(run: string) {
  const log = (await readFile(join(run, "log.jsonl"), "utf8")).split("\n")
  const checkpoints = (await readdir(join(run, "checkpoints"))).filter((name) => !name.startsWith("."))
  const hash = async (name: string): Promise<[string, string]> => {
    const bytes = await readFile(join(run, "checkpoints", name))
    return [name, createHash("sha256").update(bytes).digest("hex")]
  }
  return {
    log: log.filter((line) => line !== "").map(withoutTimes),
    scores: withoutTimes(await readFile(join(run, "scores.json"), "utf8")),
    // Whole files, metadata included.
    checkpoints: Object.fromEntries(await Promise.all(checkpoints.sort().map(hash))),
    events: await scalarsOf(join(run, "events")),
  }
}

/** `step tag value`, in the order of the files. */
async function scalarsOf(folder: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const name of (await readdir(folder)).sort()) {
    for (const { data } of wholeRecords(await readFile(join(folder, name)))) {
      const { step, content } = decodeEvent(data)
      if (content.kind !== "scalars") continue
      for (const [tag, value] of Object.entries(content.values)) {
        found.push(`${step} ${tag} ${tag === PACE_TAG ? "" : value}`)
      }
    }
  }
  return found
}
