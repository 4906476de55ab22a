/**
 * Event files: byte for byte those of TensorBoard's own writer, and no step twice after a resume.
 */
import { appendFile, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import type { TrainingState } from "../../../src/runtime/runs/checkpoint.js"
import { EventLog, PACE_TAG } from "../../../src/runtime/runs/event-log.js"
import { decodeEvent, encodeEvent, type RunEvent } from "../../../src/runtime/runs/event-message.js"
import { NODE_FILES } from "../../../src/runtime/runs/file-operations.js"
import { crc32c, frameRecord, wholeRecords } from "../../../src/runtime/runs/tfrecord.js"
import fixture from "../../fixtures/tensorboard-events.json" with { type: "json" }
import { temporaryFolder } from "../data/temporary.js"
import { failingFiles } from "./failing-files.js"
import { STATE } from "./records.js"

const ROWS = fixture as unknown as readonly (RunEvent & { readonly bytes: string })[]

test("CRC-32C is Castagnoli's (RFC 3720, B.4)", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283)
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
})

describe.each(ROWS)("$content.kind at step $step", ({ time, step, content, bytes }) => {
  test("is written as TensorBoard writes it", () => {
    expect(frameRecord(encodeEvent({ time, step, content })).toString("hex")).toBe(bytes)
  })

  test("is read back from TensorBoard's bytes", () => {
    const records = [...wholeRecords(Buffer.from(bytes, "hex"))]
    expect(records).toHaveLength(1)
    const event = decodeEvent(records[0]!.data)
    expect({ time: event.time, step: event.step, kind: event.content.kind }).toEqual({ time, step, kind: content.kind })
    if (content.kind !== "scalars" || event.content.kind !== "scalars") return
    const single = Object.entries(content.values).map(([tag, value]) => [tag, Math.fround(value)])
    expect(event.content.values).toEqual(Object.fromEntries(single))
  })
})

test("records end where a file was cut off, or a byte changed", () => {
  const [a, b] = [frameRecord(Buffer.from("first")), frameRecord(Buffer.from("second"))]
  const whole = Buffer.concat([a, b])
  const texts = (bytes: Buffer): string[] => [...wholeRecords(bytes)].map(({ data }) => Buffer.from(data).toString())
  expect(texts(whole)).toEqual(["first", "second"])
  for (let length = a.length; length < whole.length; length++) {
    expect(texts(whole.subarray(0, length))).toEqual(["first"])
  }
  for (let at = a.length; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed[at]! ^= 1
    expect(texts(changed), `byte ${at}`).toEqual(["first"])
  }
})

/** The scalars of all files, in order, and the steps at which sessions start. */
async function eventsOf(folder: string): Promise<readonly (string | number)[][]> {
  const found: (string | number)[][] = []
  for (const name of (await readdir(folder)).sort()) {
    for (const { data } of wholeRecords(await readFile(join(folder, name)))) {
      const { step, content } = decodeEvent(data)
      if (content.kind === "start") found.push(["start", step])
      if (content.kind === "scalars") for (const tag of Object.keys(content.values)) found.push([tag, step])
    }
  }
  return found
}

const at = (step: number, more: Partial<TrainingState> = {}): TrainingState => ({
  ...STATE,
  step,
  evaluatedAt: -1,
  pending: [],
  ...more,
})

/** Four steps; the pace and an evaluation after the second and the fourth. */
async function fourSteps(): Promise<string> {
  const folder = join(await temporaryFolder(), "events")
  const log = await EventLog.open(folder, undefined, NODE_FILES)
  for (const step of [1, 2, 3, 4]) {
    log.scalars(step, { "train/loss/a": step })
    if (step % 2 === 1) continue
    log.scalars(step, { [PACE_TAG]: 1 })
    log.scalars(step, { "valid/dice": step })
    await log.flush()
  }
  return folder
}

const STEP_1_AND_2 = [["start", 1], ["train/loss/a", 1], ["train/loss/a", 2]] // prettier-ignore
const AFTER_2 = [[PACE_TAG, 2], ["valid/dice", 2]] // prettier-ignore

describe("going on", () => {
  test.each<[string, TrainingState, readonly (readonly (string | number)[])[]]>([
    ["after a step that was scored", at(2, { evaluatedAt: 2 }), [...STEP_1_AND_2, ...AFTER_2]],
    ["after a step that was not scored yet", at(2), [...STEP_1_AND_2, AFTER_2[0]!]],
    ["with steps that wait for their line", at(2, { pending: [{ losses: {}, total: 0, gradientNorm: 0 }] }), STEP_1_AND_2], // prettier-ignore
    ["in between", at(1), STEP_1_AND_2.slice(0, 2)],
  ])("%s cuts off what is done again, and starts a session", async (_, state, kept) => {
    const folder = await fourSteps()
    await EventLog.open(folder, state, NODE_FILES)
    expect(await eventsOf(folder)).toEqual([...kept, ["start", state.step + 1]])
    expect(await readdir(folder)).toHaveLength(2)
  })

  test("again and again leaves one file for each session that wrote something", async () => {
    const folder = await fourSteps()
    await EventLog.open(folder, at(4, { evaluatedAt: 4 }), NODE_FILES)
    const log = await EventLog.open(folder, at(4, { evaluatedAt: 4 }), NODE_FILES)
    log.scalars(5, { "train/loss/a": 5 })
    await log.flush()
    expect((await eventsOf(folder)).slice(-2)).toEqual([["start", 5], ["train/loss/a", 5]]) // prettier-ignore
    await EventLog.open(folder, at(5), NODE_FILES)
    const names = await readdir(folder)
    expect(names.map((name) => Number(name.split(".").at(-1)))).toEqual([0, 2, 3])
    await EventLog.open(folder, undefined, NODE_FILES)
    expect(await eventsOf(folder)).toEqual([["start", 1]])
  })

  test("leaves out an event that was cut off, and files of others alone", async () => {
    const folder = await fourSteps()
    const [name] = await readdir(folder)
    await appendFile(join(folder, name!), frameRecord(Buffer.from("half")).subarray(0, 14))
    await writeFile(join(folder, "events.out.tfevents.mine"), "x")
    await EventLog.open(folder, at(4, { evaluatedAt: 4 }), NODE_FILES)
    expect(await eventsOf(folder)).toHaveLength(10)
    expect(await readFile(join(folder, "events.out.tfevents.mine"), "utf8")).toBe("x")
  })
})

test("a full disk is told", async () => {
  const folder = join(await temporaryFolder(), "events")
  const opened = EventLog.open(folder, undefined, failingFiles("write", "ENOSPC", "tfevents"))
  await expect(opened).rejects.toThrow(/tfevents\.\d+ cannot be written: ENOSPC[^]*it needs .* are free/)
})
