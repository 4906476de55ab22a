/**
 * The arguments of `mdl train`: what is missing or does not go together is said before anything is loaded.
 */
import { describe, expect, test } from "vitest"
import { trainCommand } from "../../src/cli/train.js"

async function failureOf(...argv: string[]): Promise<Error & { exitCode?: number }> {
  const said: string[] = []
  const command = trainCommand()
    .exitOverride()
    .configureOutput({ writeErr: (text) => said.push(text) })
  return command.parseAsync(argv, { from: "user" }).then(
    () => new Error("nothing was refused"),
    (thrown: unknown) => Object.assign(thrown as Error, said.length > 0 ? { message: said.join("") } : {}),
  )
}

describe("a new run", () => {
  test.each<[string[], RegExp]>([
    [[], /name a model to train, or a run to go on with\n {2}usage:/],
    [["m.mdl"], /--data is missing/],
    [["m.mdl", "--data", "d"], /--run is missing/],
    [["m.mdl", "--data", "d", "--run", "r", "--checkpoint", "best"], /--checkpoint goes with --resume/],
    [["m.mdl", "--data", "d", "--run", "r"], /there is no file m\.mdl/],
  ])("%j", async (argv, message) => {
    const failed = await failureOf(...argv)
    expect(failed.message).toMatch(message)
    expect(failed.exitCode).toBe(1)
  })
})

describe("a profile", () => {
  test.each<[string[], RegExp]>([
    [[], /name a model to profile\n {2}usage:/],
    [["m.mdl"], /--data is missing/],
    [["m.mdl", "--data", "d", "--run", "r"], /--run has no meaning with --profile/],
    [["m.mdl", "--data", "d", "--eval-every", "3"], /--eval-every has no meaning with --profile/],
    [["m.mdl", "--data", "d", "--weights", "w"], /--weights has no meaning with --profile/],
    [["m.mdl", "--data", "d", "--checkpoint-every", "5"], /--checkpoint-every has no meaning with --profile/],
    [["m.mdl", "--data", "d"], /there is no file m\.mdl/],
  ])("%j", async (argv, message) => {
    const failed = await failureOf("--profile", ...argv)
    expect(failed.message).toMatch(message)
    expect(failed.exitCode).toBe(1)
  })
})

describe("going on", () => {
  test.each<[string[], RegExp]>([
    [["m.mdl", "--resume", "r"], /m\.mdl is not to be named/],
    [["--resume", "r", "--batch", "4"], /--batch cannot change when a run goes on/],
    [["--resume", "r", "--precision", "bf16"], /--precision cannot change/],
    [["--resume", "r", "--memory", "1GB"], /--memory cannot change/],
    [["--resume", "r", "--weights", "w.safetensors"], /--weights cannot change/],
    [["--resume", "r", "--eval-every", "4"], /--eval-every cannot change/],
    [["--resume", "r", "--no-early-stop"], /--no-early-stop cannot change/],
    [["--resume", "r", "--keep", "3", "--checkpoint-every", "2h"], /r is not the folder of a run/],
    [["--resume", "r"], /r is not the folder of a run: it has no run\.json/],
  ])("%j", async (argv, message) => {
    const failed = await failureOf(...argv)
    expect(failed.message).toMatch(message)
    expect(failed.exitCode).toBe(1)
  })
})

test.each<[string[], RegExp]>([
  [["--steps", "0"], /whole number above 0/],
  [["--epochs", "1.5"], /whole number/],
  [["--seed", "2147483648"], /from 0 to 2147483647/],
  [["--workers", "-1"], /whole number/],
  [["--precision", "f16"], /Allowed choices are f32, bf16/],
  [["--memory", "800"], /give a number with a unit, such as 800MB/],
  [["--checkpoint", "first"], /Allowed choices are best, last, previous/],
  [["--keep", "0"], /whole number from 1 to 4/],
  [["--keep", "5"], /whole number from 1 to 4/],
  [["--checkpoint-every", "soon"], /a number of steps, or a time such as 90s, 10min or 2h/],
])("%j is out of range", async (argv, message) => {
  expect((await failureOf("m.mdl", "--data", "d", "--run", "r", ...argv)).message).toMatch(message)
})
