// How long compiling takes: bench/compile.mjs in a process of its own.
//
// Takes: the setting of the run.
// Gives: what it prints, its numbers, and its two targets.
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), "..", "compile.mjs")
/** Milliseconds for full-size RecLMIS, and how much longer a node of a 100,000-node model may take than one of 1,000. */
const TARGETS = { reclmis: 150, growth: 1.5 }

/** @returns {Promise<object>} */
export async function compilePart({ scratch }) {
  const file = join(scratch, "compile.json")
  process.stdout.write("\n")
  const code = await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, "--json", file], { stdio: "inherit" })
    child.on("error", reject)
    child.on("close", resolve)
  })
  if (code !== 0) throw new Error(`${PROGRAM} ended with exit code ${code}`)
  const result = JSON.parse(readFileSync(file, "utf8"))
  return {
    name: "compile",
    ...result,
    targets: [
      {
        what: "full-size RecLMIS: parse, check and lower",
        of: "milliseconds",
        ratio: result.reclmis.total,
        target: TARGETS.reclmis,
      },
      {
        what: "a generated model",
        of: "time of a node, 100,000 nodes / 1,000",
        ratio: result.growth,
        target: TARGETS.growth,
      },
    ],
  }
}
