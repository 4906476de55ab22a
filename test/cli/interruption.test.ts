/**
 * Signals that stop a training: the first asks, the second ends.
 */
import { EventEmitter } from "node:events"
import { expect, test } from "vitest"
import { Interrupted, listenForInterruption, type StopSignal } from "../../src/cli/interruption.js"

function listening() {
  const source = new EventEmitter()
  const said: string[] = []
  const ended: StopSignal[] = []
  const clock = { now: 0 }
  const interruption = listenForInterruption({
    source,
    now: () => clock.now,
    end: (name) => void ended.push(name),
    say: (text) => void said.push(text),
  })
  const send = (name: StopSignal): boolean => source.emit(name, name)
  return { interruption, said, ended, clock, send, source }
}

test("the first signal aborts, and says what happens now", () => {
  const { interruption, said, ended, send } = listening()
  expect(interruption.signal.aborted).toBe(false)
  send("SIGTERM")
  expect(interruption.signal.aborted).toBe(true)
  expect(interruption.received).toBe("SIGTERM")
  expect(said).toEqual(["\nSIGTERM: finishing the step and writing a checkpoint (a second signal ends at once)\n"])
  expect(ended).toEqual([])
})

test("a second one, of another kind too, ends the process, and is not caught again", () => {
  const { interruption, ended, clock, send } = listening()
  send("SIGINT")
  clock.now = 600
  send("SIGTERM")
  expect(ended).toEqual(["SIGTERM"])
  expect(interruption.received).toBe("SIGINT")
  expect(send("SIGINT")).toBe(false)
})

test("the same keystroke passed on by npm does not count twice", () => {
  const { ended, clock, send } = listening()
  send("SIGINT")
  clock.now = 20
  send("SIGINT")
  expect(ended).toEqual([])
})

test("afterwards signals do what they do elsewhere", () => {
  const { interruption, send } = listening()
  interruption.stop()
  expect(send("SIGINT")).toBe(false)
})

test("exit codes are those of shells", () => {
  const codes = (["SIGHUP", "SIGINT", "SIGTERM"] as const).map((name) => new Interrupted("", name).exitCode)
  expect(codes).toEqual([129, 130, 143])
})
