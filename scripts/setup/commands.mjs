// Running other programs: npm, tsc, pip, the compiler.
//
// Takes:  a command line and a log file.
// Gives:  exit code and output; everything printed also goes into the log, whose path a failure names.
// Why so: the environment is passed on untouched (HOME, proxies, pip and npm settings are the user's business), and
//         children are asynchronous so that locks stay fresh and the progress line keeps moving.
import { spawn } from "node:child_process"
import { accessSync, appendFileSync, constants, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"

const LOGS_KEPT = 10
const running = new Set()

/** Ends the children that are still running, and theirs (python3 may be a wrapper script); for signal handlers. */
export function stopChildren(signal) {
  for (const { pid } of running) {
    if (pid === undefined) continue
    try {
      process.kill(-pid, signal)
    } catch (error) {
      if (error.code !== "ESRCH") throw error // ended by itself meanwhile
    }
  }
}

function appendToLog(log, text) {
  try {
    appendFileSync(log, text)
  } catch (error) {
    // On a full disk the program that is logged fails too, and that is what gets reported.
    if (error.code !== "ENOSPC" && error.code !== "EDQUOT") throw error
  }
}

/**
 * Runs a program to its end.
 * @param {string} program
 * @param {string[]} args
 * @param {{cwd?: string, log?: string, extraEnv?: Record<string, string>}} [options]
 * @returns {Promise<{code: number, stdout: string, output: string}>} code 127 when the program could not be started
 */
export function run(program, args, { cwd, log, extraEnv = {} } = {}) {
  const record = (text) => {
    if (log !== undefined) appendToLog(log, text)
  }
  record(`\n$ ${[program, ...args].join(" ")}${cwd === undefined ? "" : `   (in ${cwd})`}\n`)
  return new Promise((resolve) => {
    let stdout = ""
    let output = ""
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...extraEnv },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // a process group of its own, so that a signal handler can end all of it
    })
    running.add(child)
    child.stdout.on("data", (chunk) => {
      stdout += chunk
      output += chunk
      record(chunk)
    })
    child.stderr.on("data", (chunk) => {
      output += chunk
      record(chunk)
    })
    const finish = (code, remark) => {
      running.delete(child)
      if (remark !== "") record(`${remark}\n`)
      resolve({ code, stdout, output: output + remark })
    }
    child.on("error", (error) => finish(127, `cannot start ${program}: ${error.message}`))
    child.on("close", (code, signal) => finish(code ?? 1, signal === null ? "" : `${program} was ended by ${signal}`))
  })
}

/**
 * The lines of a failed program's output that tell why, for a failure message: those that say "error", from the first
 * one on, else the last ones.
 */
export function tellingLines(output, count = 5) {
  const lines = [...new Set(output.split("\n"))].filter((line) => line.trim() !== "")
  const errors = lines.filter((line) => /\berror\b[:!]|\*\*\*|ERR! stack|fatal:/i.test(line))
  const telling = errors.length > 0 ? errors.slice(0, count) : lines.slice(-count)
  return telling.map((line) => `    ${line.length > 300 ? `${line.slice(0, 300)}...` : line}`).join("\n")
}

/** Whether the output of a failed program says that the disk is full. */
export function saysDiskFull(output) {
  return /ENOSPC|No space left on device|Disk quota exceeded/i.test(output)
}

/** The path of a program on PATH, or undefined. A name with a slash is taken as it is. */
export function findProgram(name, path = process.env.PATH ?? "") {
  const candidates = name.includes("/")
    ? [name]
    : path
        .split(delimiter)
        .filter((folder) => folder !== "")
        .map((folder) => join(folder, name))
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return statSync(file).isFile()
    } catch {
      return false // not there, or not for us to run: look on
    }
  })
}

/** How to call npm: the one that runs this script if there is one, else the one on PATH. */
export function npmCommand(env = process.env) {
  const caller = env.npm_execpath
  if (caller !== undefined && /npm-cli\.c?js$/.test(caller) && existsSync(caller)) return [process.execPath, caller]
  return ["npm"]
}

/** A new log file's path in `folder`; older logs beyond the last few are removed. The file appears on first use. */
export function newLog(folder) {
  mkdirSync(folder, { recursive: true })
  const logs = readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .sort()
  for (const name of logs.slice(0, Math.max(0, logs.length - LOGS_KEPT + 1)))
    rmSync(join(folder, name), { force: true })
  const stamp = new Date().toISOString().replaceAll(":", "-").slice(0, 19)
  const log = join(folder, `setup-${stamp}-${process.pid}.log`)
  mkdirSync(dirname(log), { recursive: true })
  return log
}
