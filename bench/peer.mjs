// A competitor as the benchmark sees it: a process that is asked and answers.
//
// Takes: a command line and environment.
// Gives: `ask`, which sends one JSON line and waits for one; the process's end as an error, with what it printed.
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"

export class Peer {
  /** @param {string} name @param {string} command @param {readonly string[]} args @param {NodeJS.ProcessEnv} env */
  constructor(name, command, args, env) {
    this.name = name
    this.printed = ""
    this.waiting = undefined
    this.child = spawn(command, args, { env, stdio: ["pipe", "pipe", "pipe"] })
    this.child.stderr.on("data", (chunk) => (this.printed = (this.printed + chunk).slice(-4000)))
    this.child.on("error", (error) => this.fail(`cannot be started: ${error.message}`))
    /** kept when the process is gone */
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code, signal) => resolve(this.fail(`ended (${signal ?? `exit ${code}`})`)))
    })
    // A peer that died is reported by "close"; writing to it must not end the benchmark first.
    this.child.stdin.on("error", (error) => this.fail(error.message))
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      const { resolve, reject } = this.waiting ?? {}
      this.waiting = undefined
      const reply = JSON.parse(line)
      if (reply.error) reject?.(new Error(`${this.name}: ${reply.error}`))
      else resolve?.(reply)
    })
  }

  fail(what) {
    this.gone = `${this.name} ${what}\n${this.printed}`
    this.waiting?.reject(new Error(this.gone))
    this.waiting = undefined
  }

  /** @param {string} action @param {Record<string, unknown>} [request] @returns {Promise<Record<string, any>>} */
  ask(action, request = {}) {
    if (this.gone) return Promise.reject(new Error(this.gone))
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      this.child.stdin.write(`${JSON.stringify({ do: action, ...request })}\n`)
    })
  }

  close() {
    this.child.stdin.end()
  }
}
