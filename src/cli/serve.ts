/**
 * `mdl serve`: a page on this machine where one tries a model out: an image, a note, the mask.
 *
 * Thin: the work is in runtime/serving/. The command runs until it is stopped (Ctrl-C), and then ends with 0.
 */

import { spawn } from "node:child_process"
import { Command, Option } from "commander"
import pc from "picocolors"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { openModelToServe } from "../runtime/serving/served-model.js"
import { startServer } from "../runtime/serving/server.js"
import { print, printJson } from "./output.js"
import { wholeNumberFrom } from "./whole-number.js"

interface ServeFlags {
  readonly port: number
  readonly host: string
  readonly checkpoint?: CheckpointName
  readonly open?: boolean
  readonly json?: boolean
}

/** What `--json` prints once the page is there. */
export interface ServingReport {
  readonly url: string
  readonly model: string
  /** which weights, in words */
  readonly weights: string
  /** of the ONNX file that the browser runs */
  readonly bytes: number
  /** how many cases of the run's data set can be tried */
  readonly examples: number
}

const USUAL_PORT = 8421

/** The `serve` command. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("try a model in the browser: drop an image, type a note, see the mask change with the words")
    .argument("<model>", "folder of a trained run, or a file that mdl export wrote")
    .option("--port <n>", "port to listen on; 0 for any that is free", wholeNumberFrom(0, 65_535), USUAL_PORT)
    .option("--host <name>", "which address of this machine", "127.0.0.1")
    .addOption(new Option("--checkpoint <name>", "weights of a run (default: best)").choices([...CHECKPOINT_NAMES]))
    .option("--open", "open the page in the browser")
    .option("--json", "print the address as JSON, once the page is there, and nothing else on stdout")
    .action(async (source: string, flags: ServeFlags) => {
      const model = await openModelToServe(source, { checkpoint: flags.checkpoint })
      for (const remark of model.remarks) process.stderr.write(`${pc.yellow("note")}: ${remark}\n`)
      const server = await startServer(model, {
        host: flags.host,
        port: flags.port,
        report: (problem) => process.stderr.write(`${pc.red("error")}: ${problem}\n`),
      })
      const report: ServingReport = {
        url: server.url,
        model: model.ports.variant,
        weights: model.weights,
        bytes: model.bytes.length,
        examples: model.examples.length,
      }
      if (flags.json) printJson(report)
      else print(`${pc.bold(report.model)} (${report.weights}) at ${pc.bold(report.url)}\nCtrl-C stops it.`)
      if (flags.open) openBrowser(server.url)
      await stopped()
      await server.close()
    })
}

/** Waits for Ctrl-C, or for the system to ask for an end. */
function stopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve())
  })
}

/** Asks the system for its browser. That it cannot is no reason to stop: the address is on the screen. */
function openBrowser(url: string): void {
  const [command, ...words] = {
    darwin: ["open"],
    win32: ["cmd", "/c", "start", ""],
  }[process.platform as string] ?? ["xdg-open"]
  const child = spawn(command!, [...words, url], { stdio: "ignore", detached: true })
  child.on("error", (error) =>
    process.stderr.write(`${pc.yellow("warning")}: no browser was opened: ${error.message}\n`),
  )
  child.unref()
}
