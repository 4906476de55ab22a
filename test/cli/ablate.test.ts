/**
 * The arguments of `mdl ablate`: what is missing or does not go together is said before anything is planned.
 */
import { describe, expect, test } from "vitest"
import { mdl } from "./command-line.js"

describe("mdl ablate", () => {
  test.each<[string[], RegExp]>([
    [[], /name the model whose ablations are to be compared\n {2}usage: mdl ablate MODEL/],
    [["m.mdl"], /--data is missing/],
    [["m.mdl", "--data", "d"], /--run is missing/],
    [["m.mdl", "--data", "d", "--run", "r"], /there is no file m\.mdl/],
    [["m.mdl", "--seeds", "0"], /give 1 to 100 seeds/],
    [["m.mdl", "--seeds", "3,3"], /a seed is there twice/],
    [["m.mdl", "--seeds", "a"], /give a number of seeds/],
    [["m.mdl", "--only", "a,,b"], /give names separated by commas/],
    [["m.mdl", "--jobs", "0"], /give a whole number above 0/],
    [["--task", "a/seed-1"], /--task goes with --run/],
    [["--task", "a/seed-1", "--run", "nowhere"], /nowhere holds no sweep: it has no plan\.json/],
    [["--conclude", "--run", "nowhere"], /nowhere holds no sweep/],
    [["m.mdl", "--conclude", "--run", "nowhere"], /m\.mdl is not to be named/],
  ])("%j", async (argv, message) => {
    const { code, stderr, stdout } = await mdl("ablate", ...argv)
    expect(stderr).toMatch(message)
    expect(stdout).toBe("")
    expect(code).toBe(1)
  })
})
