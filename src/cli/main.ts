/**
 * The command line: one file per command, put together here. Exit 0 fine, 1 the user's input is wrong, 2 the tool or the
 * machine failed.
 *
 * Commands are loaded when they are asked for, so that `mdl check` does not wait for what `mdl train` needs.
 */

import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { Command, CommanderError } from "commander"
import pc from "picocolors"
import { PACKAGE_ROOT } from "../runtime/model-file.js"

/** Every command with the module that makes it, in the order of `mdl --help`. */
const COMMANDS: Readonly<Record<string, { readonly summary: string; load(): Promise<Command> }>> = {
  new: {
    summary: "make a project to start from",
    load: async () => (await import("./new.js")).newCommand(),
  },
  check: {
    summary: "find everything that is wrong with models",
    load: async () => (await import("./check.js")).checkCommand(),
  },
  explain: {
    summary: "what an error code means",
    load: async () => (await import("./explain.js")).explainCommand(),
  },
  fmt: { summary: "format files", load: async () => (await import("./fmt.js")).fmtCommand() },
  lsp: {
    summary: "the language server, for editors",
    load: async () => (await import("./lsp.js")).lspCommand(),
  },
  summary: { summary: "shapes, parameters, cost", load: async () => (await import("./summary.js")).summaryCommand() },
  graph: { summary: "draw a model", load: async () => (await import("./graph.js")).graphCommand() },
  diff: { summary: "what an edit or an ablation changed", load: async () => (await import("./diff.js")).diffCommand() },
  compile: { summary: "make a trainer package", load: async () => (await import("./compile.js")).compileCommand() },
  train: { summary: "train a model", load: async () => (await import("./train.js")).trainCommand() },
  ablate: {
    summary: "train and compare a model and its ablations",
    load: async () => (await import("./ablate.js")).ablateCommand(),
  },
  eval: { summary: "score a run on held-out cases", load: async () => (await import("./eval.js")).evalCommand() },
  report: { summary: "write the page of a run", load: async () => (await import("./report.js")).reportCommand() },
  predict: {
    summary: "segment images by notes",
    load: async () => (await import("./predict.js")).predictCommand(),
  },
  serve: {
    summary: "try a model in the browser",
    load: async () => (await import("./serve.js")).serveCommand(),
  },
  export: {
    summary: "write ONNX, checked against the trainer",
    load: async () => (await import("./export.js")).exportCommand(),
  },
  weights: {
    summary: "look into weights, or write those of a run",
    load: async () => (await import("./weights.js")).weightsCommand(),
  },
  data: { summary: "describe, check or make a data set", load: async () => (await import("./data.js")).dataCommand() },
  demo: {
    summary: "the whole path on a small phantom data set",
    load: async () => (await import("./demo.js")).demoCommand(),
  },
  doctor: {
    summary: "what is installed and what is missing",
    load: async () => (await import("./doctor.js")).doctorCommand(),
  },
}

const SEE_HELP = "(mdl help COMMAND says more)"

/** Runs the command line; gives the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command("mdl")
    .description("MDL: vision-language model graphs as text; train, deploy, compare")
    .version(version())
    .showHelpAfterError(SEE_HELP)
    .exitOverride()
  try {
    await addCommands(program, argv)
    process.exitCode = undefined
    await program.parseAsync([...argv], { from: "user" })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    return report(error)
  }
}

async function addCommands(program: Command, argv: readonly string[]): Promise<void> {
  const asked = argv.find((word) => !word.startsWith("-"))
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    // `help NAME` and NAME itself need the whole command; the others only their line in the list.
    if (argv.includes(name) && (asked === name || asked === "help")) program.addCommand(inherit(await load()))
    else program.command(name, { hidden: false }).summary(summary).description(summary)
  }
}

/** Usage mistakes inside subcommands become errors too, so that they exit with 1. */
function inherit(command: Command): Command {
  command.exitOverride().showHelpAfterError(SEE_HELP)
  for (const sub of command.commands) inherit(sub)
  return command
}

function report(error: unknown): number {
  // Commander has already printed its own message; help and version are no failures.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1
  const code = (error as { exitCode?: unknown }).exitCode
  if (typeof code === "number") {
    const message = (error as Error).message
    // Diagnostics bring their own heading.
    process.stderr.write(`${/^.{0,20}error\[/.test(message) ? message : `${pc.red("error")}: ${message}`}\n`)
    return code
  }
  if (isSystemError(error)) {
    // The operating system refused (no permission, disk full): its words are the message, and the tool is not at fault.
    process.stderr.write(`${pc.red("error")}: ${error.message}\n`)
    return 2
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(
    `${pc.red("internal error")}: ${text}\nThis is a fault of the tool; please report it with the text above.\n`,
  )
  return 2
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error
}

function version(): string {
  const text = readFileSync(resolve(PACKAGE_ROOT, "package.json"), "utf8")
  return (JSON.parse(text) as { version: string }).version
}
