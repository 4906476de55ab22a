// The side of a competitor that talks: one JSON line in, one JSON line out.
//
// Takes: functions by name.
// Gives: a process that answers `{"do": NAME, ...arguments}` with what the function returns, or with `{"error": ...}`.
// Why so: timings of several competitors can only be compared when they alternate within one run, whatever language
//         they are written in; each measures its own step and reports the seconds.
import { createInterface } from "node:readline"

/** @param {Record<string, (request: Record<string, any>) => unknown>} actions */
export async function serve(actions) {
  for await (const line of createInterface({ input: process.stdin })) {
    let reply
    try {
      const { do: name, ...request } = JSON.parse(line)
      reply = await actions[name](request)
    } catch (error) {
      reply = { error: error.stack ?? String(error) }
    }
    process.stdout.write(`${JSON.stringify(reply ?? {})}\n`)
  }
}

/** Runs `work`; gives what it returned, how long it took, and the processor time of all threads, in seconds. */
export function timed(work) {
  const started = process.hrtime.bigint()
  const before = process.cpuUsage()
  const result = work()
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  const { user, system } = process.cpuUsage(before)
  return { result, seconds, cpu: (user + system) / 1e6 }
}
