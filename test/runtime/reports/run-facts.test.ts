import { execFileSync } from "node:child_process"
import { describe, expect, it } from "vitest"
import { commandOf } from "../../../src/runtime/reports/run-facts.js"
import type { RunRecord } from "../../../src/runtime/runs/run-folder.js"

/** The parts of a record that a command is made of. */
function record(changes: { options?: object; data?: object; weights?: object; accumulate?: number } = {}): RunRecord {
  const { options, data, weights, accumulate = 1 } = changes
  return {
    model: { reference: "m.mdl#a+b[dim=16]" },
    data: { root: "/data/set", ...data },
    options: { seed: 7, batch: 4, epochs: 3, steps: undefined, evalEvery: undefined, size: undefined, ...options },
    description: { accumulate },
    ...(weights ? { weights } : {}),
  } as unknown as RunRecord
}

describe("commandOf", () => {
  it("names what decides a run, and leaves out what was not given", () => {
    expect(commandOf(record())).toBe(
      "mdl train 'm.mdl#a+b[dim=16]' --data /data/set --run DIR --epochs 3 --batch 4 --seed 7",
    )
    const options = { steps: 10, evalEvery: 5, size: 96, precision: "bf16", memory: 2e9 }
    expect(
      commandOf(record({ options, data: { prompt: "p6" }, weights: { file: "clip.safetensors" }, accumulate: 2 })),
    ).toBe(
      "mdl train 'm.mdl#a+b[dim=16]' --data /data/set --prompt p6 --run DIR --epochs 3 --steps 10 --batch 4 --accumulate 2 " +
        "--size 96 --seed 7 --eval-every 5 --precision bf16 --memory 2000MB --weights clip.safetensors",
    )
    expect(commandOf(record({ options: { earlyStop: false } }))).toMatch(/ --no-early-stop$/)
    expect(commandOf(record({ options: { precision: "f32" } }))).not.toContain("--precision")
  })

  it.each(["/data/my set", "it's; rm -rf $HOME", "#x", "~/a", "a\nb", "`id`"])("quotes %j for a shell", (root) => {
    const command = commandOf(record({ data: { root } })).replace(/^mdl train/, "printf '%s\\n'")
    const words = execFileSync("sh", ["-c", command.replace(/ --run.*$/s, "")], { encoding: "utf8" })
    expect(words).toBe(`m.mdl#a+b[dim=16]\n--data\n${root}\n`)
  })
})
