#!/usr/bin/env node
// The `mdl` command. It runs the compiled tool in dist/; on a fresh clone that does not exist yet,
// and the message says the one command that makes it.
import { existsSync } from "node:fs"

const entry = new URL("../dist/src/cli/main.js", import.meta.url)
if (!existsSync(entry)) {
  process.stderr.write("mdl: this checkout is not set up yet. Run `npm run setup` (or `npm start`) once.\n")
  process.exit(2)
}
const { main } = await import(entry.href)
process.exitCode = await main(process.argv.slice(2))
