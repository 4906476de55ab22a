#!/usr/bin/env node
// The set-up of an MDL checkout: packages, compiled tool, native TensorFlow backend.
//
// Takes:  the checkout it lies in; flags (see --help); the user's own pip, npm and proxy configuration.
// Gives:  node_modules/, dist/ and a working @tensorflow/tfjs-node-gpu; exit code 0, or 2 with a message
//         that names what is missing and the command that gets it.
// Why so: it runs before anything is installed, hence plain Node and no dependency. It runs before every
//         `npm test` and `npm start` too, hence every step first asks whether there is anything to do.
//
// Only the Node version check is imported statically: an unsupported Node must get a sentence, not a syntax error.
import { readFileSync } from "node:fs"
import { nodeVersionProblem } from "./setup/node-version.mjs"

const engines = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).engines.node
const problem = nodeVersionProblem(process.versions.node, engines)
if (problem !== undefined) {
  process.stderr.write(`mdl set-up: ${problem}\n`)
  process.exitCode = 2
} else {
  try {
    const { main } = await import("./setup/steps.mjs")
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    // Nothing foreseen: the whole story is wanted, and an exit code that does not blame the user's input.
    process.stderr.write(`mdl set-up failed: ${error.stack}\n`)
    process.exitCode = 2
  }
}
