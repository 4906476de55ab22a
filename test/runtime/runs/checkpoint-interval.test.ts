/**
 * How often a checkpoint is written within an epoch.
 */
import { expect, test } from "vitest"
import { isDue, parseInterval } from "../../../src/runtime/runs/checkpoint-interval.js"

test.each([
  ["500", { steps: 500 }],
  ["90s", { seconds: 90 }],
  ["10min", { seconds: 600 }],
  ["0.5 h", { seconds: 1800 }],
  [" 2h ", { seconds: 7200 }],
])("%s", (text, interval) => {
  expect(parseInterval(text)).toEqual(interval)
})

test.each(["", "0", "0min", "1.5", "-3", "10m", "ten", "5 steps", "1e3"])("%j is no interval", (text) => {
  expect(parseInterval(text)).toBeUndefined()
})

test("is due after its steps or its time", () => {
  expect([9, 10, 11].map((steps) => isDue({ steps: 10 }, { steps, seconds: 0 }))).toEqual([false, true, true])
  expect([59, 60].map((seconds) => isDue({ seconds: 60 }, { steps: 1, seconds }))).toEqual([false, true])
})
