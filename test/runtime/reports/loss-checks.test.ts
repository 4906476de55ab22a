import { describe, expect, it } from "vitest"
import { checkLosses, epochList, findingsOf } from "../../../src/runtime/reports/loss-checks.js"
import type { EpochEntry, LogEntry, StepsEntry } from "../../../src/runtime/runs/run-log.js"

type Losses = Readonly<Record<string, number>>

/** One finished epoch: a line for each group of steps, and their mean. */
function epoch(number: number, ...groups: readonly Losses[]): LogEntry[] {
  const step = (index: number): number => 10 * (number * groups.length + index + 1)
  const shared = { epoch: number, learning_rate: 0.1, total: 1 }
  const names = [...new Set(groups.flatMap((losses) => Object.keys(losses)))]
  const losses = Object.fromEntries(
    names.map((name) => [name, groups.reduce((sum, group) => sum + group[name]!, 0) / groups.length]),
  )
  const lines = groups.map((own, index): StepsEntry => ({ kind: "steps", ...shared, step: step(index), steps: 10, losses: own, gradient_norm: 1, seconds_per_step: 0.1 })) // prettier-ignore
  const end: EpochEntry = { kind: "epoch", ...shared, step: step(groups.length - 1), steps: 10 * groups.length, losses, seconds: { steps: 1, data: 0 } } // prettier-ignore
  return [...lines, end]
}

describe("checkLosses", () => {
  it("finds nothing in losses that move", () => {
    const [check] = checkLosses([...epoch(0, { dice: 2 }, { dice: 1 }), ...epoch(1, { dice: 1 }, { dice: 0.5 })], ["dice"]) // prettier-ignore
    expect(check).toEqual({ name: "dice", epochs: 2, first: 1.5, last: 0.75, valid: undefined, zero: [], constant: [], missing: [] }) // prettier-ignore
    expect(findingsOf(check!)).toEqual([])
  })

  it("tells the epochs in which a loss was exactly 0", () => {
    const log = [...epoch(0, { cvr: 0 }, { cvr: 0 }), ...epoch(1, { cvr: 0.2 }, { cvr: 0.1 }), ...epoch(2, { cvr: 0 }, { cvr: 0 })] // prettier-ignore
    const [check] = checkLosses(log, ["cvr"])
    expect(check!.zero).toEqual([1, 3])
    expect(findingsOf(check!)).toEqual(["the loss cvr was exactly 0 in epochs 1, 3 of 3: it teaches nothing"])
  })

  it("does not take a mean of 0 for a loss of 0", () => {
    const [check] = checkLosses(epoch(0, { a: 1 }, { a: -1 }), ["a"])
    expect(check!.zero).toEqual([])
  })

  it("tells a loss that stands still, rounding errors of its means aside", () => {
    const third = 1 / 3
    const [check] = checkLosses([...epoch(0, { a: third }, { a: third * (1 + 2e-15) }), ...epoch(1, { a: third }, { a: third })], ["a"]) // prettier-ignore
    expect(check!.constant).toEqual([1, 2])
    expect(findingsOf(check!)[0]).toMatch(
      /^the loss a did not change in all 2 epochs \(0\.33\d+ at last\): it does not depend/,
    )
  })

  it("sees a change in the last bit of f32", () => {
    const [check] = checkLosses(epoch(0, { a: 0.5 }, { a: 0.5 * (1 + 2 ** -23) }), ["a"])
    expect(check!.constant).toEqual([])
  })

  it("says nothing about standing still from a single group of steps", () => {
    expect(checkLosses(epoch(0, { a: 0.5 }), ["a"])[0]!.constant).toEqual([])
  })

  it("misses what the model declares, and shows what the log has besides", () => {
    const checks = checkLosses(epoch(0, { dice: 2 }, { dice: 1 }), ["ccl", "dice"])
    expect(checks.map(({ name, missing }) => [name, missing])).toEqual([["ccl", [1]], ["dice", []]]) // prettier-ignore
    expect(findingsOf(checks[0]!)).toEqual(["the loss ccl was not computed in the only epoch"])
    expect(checkLosses(epoch(0, { old: 1 }), [])[0]!.name).toBe("old")
  })

  it("takes the validation value that came last", () => {
    const scored = (step: number, a: number): LogEntry => ({ kind: "evaluation", epoch: 0, step, losses: { a }, total: a, scores: undefined, best: false, seconds: 1 }) // prettier-ignore
    expect(checkLosses([scored(1, 3), scored(2, 2)], ["a"])[0]).toMatchObject({ epochs: 0, valid: 2, first: undefined })
  })
})

describe("epochList", () => {
  it.each([
    [[3], "epoch 3"],
    [[1, 2, 3, 7], "epochs 1-3, 7"],
    [[2, 4, 5], "epochs 2, 4-5"],
  ])("%j is %s", (numbers, text) => expect(epochList(numbers)).toBe(text))
})
