/**
 * Means of an epoch, and losses that stand still in it.
 */
import { expect, test } from "vitest"
import { EpochMonitor } from "../../../src/runtime/training/epoch-monitor.js"
import { StepGroup } from "../../../src/runtime/training/step-group.js"

test("means are over all steps", () => {
  const monitor = new EpochMonitor()
  monitor.add({ a: 1, b: 10 })
  monitor.add({ a: 2, b: 20 })
  monitor.add({ a: 6, b: 60 })
  expect(monitor.means()).toEqual({ a: 3, b: 30 })
})

test("a loss that is 0, or any other one value, at every step is told with its value; one that moves is not", () => {
  const monitor = new EpochMonitor()
  for (const moving of [1, 2, 1]) monitor.add({ moving, zero: 0, stuck: 0.25 })
  expect(monitor.standingStill()).toEqual([
    { loss: "zero", value: 0 },
    { loss: "stuck", value: 0.25 },
  ])
})

test("a loss that comes back to its first value has moved", () => {
  const monitor = new EpochMonitor()
  for (const a of [0, 1, 0, 0]) monitor.add({ a })
  expect(monitor.standingStill()).toEqual([])
})

test("one step says nothing about standing still", () => {
  const monitor = new EpochMonitor()
  monitor.add({ a: 0 })
  expect(monitor.standingStill()).toEqual([])
})

test("an epoch that goes on from what a checkpoint kept ends as an unbroken one", () => {
  const steps = [{ a: 0.1, b: 5 }, { a: 0.7, b: 5 }, { a: 0.3, b: 5 }] // prettier-ignore
  const whole = new EpochMonitor()
  steps.forEach((losses) => whole.add(losses))
  const first = new EpochMonitor()
  first.add(steps[0]!)
  const second = new EpochMonitor(JSON.parse(JSON.stringify(first.sums())) as ReturnType<EpochMonitor["sums"]>)
  second.add(steps[1]!)
  second.add(steps[2]!)
  expect(second.means()).toEqual(whole.means())
  expect(second.standingStill()).toEqual([{ loss: "b", value: 5 }])
})

test("losses that no step had are missing; before the first step nothing is", () => {
  const monitor = new EpochMonitor()
  expect(monitor.missing(["a", "b"])).toEqual([])
  monitor.add({ a: 1 })
  expect(monitor.missing(["a", "b"])).toEqual(["b"])
  expect(new EpochMonitor(monitor.sums()).missing(["a", "b"])).toEqual(["b"])
})

test("a group of steps is their mean, and the next one starts anew", () => {
  const group = new StepGroup()
  group.add({ losses: { a: 1, b: 2 }, total: 3, gradientNorm: 1 }, { seconds: 0.1, images: 4 })
  group.add({ losses: { a: 3, b: 2 }, total: 5, gradientNorm: 2 }, { seconds: 0.3, images: 2 })
  expect(group.take()).toEqual({
    steps: 2,
    losses: { a: 2, b: 2 },
    total: 4,
    gradientNorm: 1.5,
    secondsPerStep: 0.2,
    imagesPerSecond: 15,
  })
  expect(group.numbers).toEqual([])
})

test("a group goes on from the steps of a checkpoint, whose times nobody knows", () => {
  const before = [{ losses: { a: 1 }, total: 1, gradientNorm: 1 }]
  expect(new StepGroup(before).take()).toMatchObject({ steps: 1, total: 1, secondsPerStep: 0, imagesPerSecond: 0 })
  const group = new StepGroup(before)
  group.add({ losses: { a: 3 }, total: 3, gradientNorm: 3 }, { seconds: 0.5, images: 4 })
  expect(group.take()).toMatchObject({ steps: 2, losses: { a: 2 }, secondsPerStep: 0.5, imagesPerSecond: 8 })
})
