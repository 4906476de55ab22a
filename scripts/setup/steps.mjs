// The steps of the set-up, in order.
//
// Takes:  the command-line arguments.
// Gives:  the exit code: 0, or 2 after a message on what is missing.
// Why so: packages first, both others need them. Failures are told last, where they are seen. Signals end the children
//         and free the locks, so that Ctrl-C leaves nothing that the next set-up would wait for.
import { createHash } from "node:crypto"
import { mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { ensureBuild } from "./build.mjs"
import { cacheFolder } from "./cache.mjs"
import { newLog, stopChildren } from "./commands.mjs"
import { releaseAllLocks } from "./lock.mjs"
import { ensureNative } from "./native.mjs"
import { createOutput, SetupProblem } from "./output.mjs"
import { ensurePackages } from "./packages.mjs"
import { removeUnfinished } from "./unfinished.mjs"

const HELP = `Usage: npm run setup [-- FLAGS]        (or: node scripts/setup.mjs [FLAGS])

Sets up MDL: npm packages, the compiled tool in dist/, and the native TensorFlow backend. What is done already
is not done again.

  --packages       packages and the compiled tool only, no native backend
  --verify         check the checksums of the native backend (the everyday check compares sizes and times)
  --force-native   build the native backend anew
  --quiet          print failures only
  --help           this text

Environment:
  MDL_TENSORFLOW   cpu or gpu: which build of TensorFlow (default: gpu where an NVIDIA GPU is seen)
  XDG_CACHE_HOME   the native backend is kept in $XDG_CACHE_HOME/mdl, else ~/.cache/mdl (about 860 MB)
  PYTHON, CXX      the Python (with pip) and the C++ compiler to use (default: python3, g++)
  JOBS             compiler processes at the same time (default: 2)
`

const FLAGS = new Set(["--packages", "--verify", "--force-native", "--quiet", "--help"])

function makeCache(cache) {
  try {
    mkdirSync(join(cache, "locks"), { recursive: true })
  } catch (error) {
    throw new SetupProblem(`the cache folder ${cache} cannot be written: ${error.message}`, {
      fix: ["name a folder that can: XDG_CACHE_HOME=/path/to/folder npm run setup"],
    })
  }
}

function onSignals() {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ]) {
    process.once(signal, () => {
      stopChildren(signal)
      removeUnfinished()
      releaseAllLocks()
      process.exit(code)
    })
  }
}

/** Runs the set-up; returns the exit code. */
export async function main(args) {
  const unknown = args.filter((arg) => !FLAGS.has(arg))
  if (unknown.length > 0) {
    process.stderr.write(`mdl set-up: unknown ${unknown.join(" ")}\n\n${HELP}`)
    return 2
  }
  if (args.includes("--help")) {
    process.stdout.write(HELP)
    return 0
  }
  onSignals()
  const output = createOutput({ quiet: args.includes("--quiet") })
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
  const cache = cacheFolder()
  const failures = []
  const step = async (work) => {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof SetupProblem)) throw error
      failures.push(error)
      return undefined
    }
  }
  await step(async () => {
    makeCache(cache)
    const log = newLog(join(cache, "logs"))
    const checkout = createHash("sha256").update(root).digest("hex").slice(0, 16)
    const lockFile = join(cache, "locks", `checkout-${checkout}.lock`)
    await ensurePackages({ root, lockFile, output, log })
    // A source that does not compile is no reason to leave the machine without its native backend.
    await step(() => ensureBuild({ root, lockFile, output, log }))
    if (!args.includes("--packages")) {
      const verify = args.includes("--verify")
      await step(() => ensureNative({ root, cache, output, log, verify, force: args.includes("--force-native") }))
    }
  })
  for (const failure of failures) process.stderr.write(failure.report())
  return failures.length === 0 ? 0 : 2
}
