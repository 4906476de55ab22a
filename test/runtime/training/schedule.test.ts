/**
 * Learning rates against the values of the published formulas.
 */
import { describe, expect, test } from "vitest"
import type { PlainValue, SettingValue } from "../../../src/compiler/elaborate/values.js"
import { DEFAULT_RATE, scheduleOf } from "../../../src/runtime/training/schedule.js"

const setting = (name: string, given: Record<string, PlainValue> = {}): SettingValue => ({ name, arguments: given })
const adam = (lr: number): SettingValue => setting("adam", { lr })
const rates = (schedule: SettingValue | undefined, epochs: readonly number[], lr = 3e-4): number[] => {
  const rate = scheduleOf({ optimizer: adam(lr), ...(schedule ? { schedule } : {}) })
  return epochs.map(rate)
}

describe("constant_rate, or no schedule", () => {
  test("is the optimiser's rate throughout", () => {
    expect(rates(setting("constant_rate"), [0, 1, 1999])).toEqual([3e-4, 3e-4, 3e-4])
    expect(rates(undefined, [0, 7])).toEqual([3e-4, 3e-4])
  })

  test("without an optimiser is PyTorch's default for Adam", () => {
    expect(scheduleOf({})(3)).toBe(DEFAULT_RATE)
  })
})

describe("cosine_restarts", () => {
  // The closed form of torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(Adam(lr=3e-4), T_0=10, eta_min=1e-4), stepped
  // once an epoch; evaluated in Python.
  const torch = [
    3e-4, 2.951056516295e-4, 2.809016994375e-4, 2.587785252292e-4, 2.309016994375e-4, 2e-4, 1.690983005625e-4,
    1.412214747708e-4, 1.190983005625e-4, 1.048943483705e-4,
  ] // prettier-ignore
  const cosine = setting("cosine_restarts", { period: 10, min: 1e-4 })

  test("has torch's values", () => {
    rates(cosine, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).forEach((rate, epoch) => expect(rate).toBeCloseTo(torch[epoch]!, 15))
  })

  test("starts again after each period", () => {
    expect(rates(cosine, [10, 13, 25])).toEqual(rates(cosine, [0, 3, 5]))
  })

  test("with a period of 1 never falls", () => {
    expect(rates(setting("cosine_restarts", { period: 1, min: 0 }), [0, 1, 2])).toEqual([3e-4, 3e-4, 3e-4])
  })
})

describe("exponential", () => {
  test("is lr * max(gamma^epoch, floor)", () => {
    const found = rates(setting("exponential", { gamma: 0.99, floor: 0.1 }), [0, 1, 2, 100, 229, 230, 400])
    const expected = [3e-4, 2.97e-4, 2.9403e-4, 1.098097e-4, 3.0031762e-5, 3e-5, 3e-5]
    found.forEach((rate, i) => expect(rate / expected[i]!).toBeCloseTo(1, 6))
  })
})

describe("a setting out of range is refused", () => {
  test.each([
    [setting("cosine_restarts", { period: 0, min: 0 }), /period 0/],
    [setting("cosine_restarts", { period: 2.5, min: 0 }), /period 2\.5/],
    [setting("cosine_restarts", { min: 0 }), /no number as its period/],
    [setting("exponential", { gamma: 1.5, floor: 0 }), /gamma 1\.5/],
    [setting("exponential", { gamma: 0, floor: 0 }), /gamma 0/],
    [setting("exponential", { gamma: 0.9, floor: -1 }), /floor -1/],
    [setting("step"), /schedule step is not known/],
  ])("%o", (schedule, message) => {
    expect(() => scheduleOf({ optimizer: adam(1e-3), schedule })).toThrow(message)
  })

  test("a negative or infinite learning rate", () => {
    expect(() => scheduleOf({ optimizer: adam(-1) })).toThrow(/learning rate is -1/)
    expect(() => scheduleOf({ optimizer: adam(Infinity) })).toThrow(/learning rate is Infinity/)
  })
})
