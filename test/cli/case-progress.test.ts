import { Writable } from "node:stream"
import { describe, expect, it } from "vitest"
import { caseProgress } from "../../src/cli/case-progress.js"

/** A stream that keeps what is written, and a clock that is set by hand. */
function recorder(isTTY: boolean, columns = 80) {
  const written: string[] = []
  const stream = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk.toString())
        done()
      },
    }),
    { isTTY, columns },
  )
  const clock = { ms: 0 }
  return { written, clock, progress: caseProgress("predicting", stream, () => clock.ms) }
}

describe("caseProgress", () => {
  it("draws one line over and over on a terminal, and takes it away", () => {
    const { written, clock, progress } = recorder(true)
    progress.update(0, 8)
    clock.ms = 50
    progress.update(1, 8)
    clock.ms = 20_000
    progress.update(2, 8)
    progress.stop()
    progress.update(3, 8)
    expect(written).toEqual([
      `\r\x1b[2Kpredicting  ${"░".repeat(24)}  0/8`,
      `\r\x1b[2Kpredicting  ${"█".repeat(6)}${"░".repeat(18)}  2/8  ETA 1 min 00 s`,
      "\r\x1b[2K",
    ])
  })

  it("leaves the bar out where the line would wrap", () => {
    const { written, progress } = recorder(true, 30)
    progress.update(0, 8)
    expect(written).toEqual(["\r\x1b[2Kpredicting 0/8"])
  })

  it("writes a line each half minute elsewhere, and none for what is done before", () => {
    const { written, clock, progress } = recorder(false)
    for (const seconds of [1, 29, 31, 40, 62]) {
      clock.ms = 1000 * seconds
      progress.update(seconds, 100)
    }
    progress.stop()
    expect(written).toEqual(["predicting 31/100\n", "predicting 62/100\n"])
  })
})
