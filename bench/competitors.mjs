// Starting competitors, each a process of its own with the same number of threads.
//
// Takes: the number of threads, a Python with PyTorch or undefined.
// Gives: opened competitors, and a way to end them all.
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Peer } from "./peer.mjs"

const HERE = dirname(fileURLToPath(import.meta.url))
const SEED = 3407

export class Competitors {
  /** @param {{ threads: number, python: string | undefined, scratch: string }} setting */
  constructor(setting) {
    this.setting = setting
    this.peers = []
    this.count = 0
  }

  /**
   * Ours, with options of `buildTrainer`; its variables have no values yet. One process compiles and another one trains, as
   * with a trainer package, so that the compiler's memory is not the trainer's.
   */
  async mdl({ model, batch }, options = {}, { label = "MDL", memoryShare } = {}) {
    const request = { model, batch, seed: SEED, options, memoryShare, folder: this.folder() }
    const compiler = this.start(label, process.execPath, "mdl.mjs")
    await compiler.ask("compile", request)
    compiler.close()
    await compiler.ended
    const peer = this.start(label, process.execPath, "mdl.mjs")
    return { label, peer, isOurs: true, ...(await peer.ask("open", request)) }
  }

  /** Ours, that trains as `mdl train` does when it is asked to. */
  trainer() {
    return { peer: this.start("MDL", process.execPath, "training.mjs") }
  }

  /** PyTorch's, from the weights and the batch in the file `shared`. */
  async torch({ torch }, shared, { precision = "f32", tuned = false } = {}) {
    const label = `PyTorch${precision === "bf16" ? ", autocast" : ""}${tuned ? ", channels last, fused Adam" : ""}`
    const peer = this.start(label, this.setting.python, torch.program)
    const { rate, sizes } = torch
    const request = { shared, rate, threads: this.setting.threads, precision, tuned, ...sizes }
    return { label, peer, ...(await peer.ask("open", request)) }
  }

  async tfjs({ tfjs }, shared) {
    const label = "eager tfjs"
    const peer = this.start(label, process.execPath, tfjs.program)
    return { label, peer, ...(await peer.ask("open", { shared, rate: tfjs.rate })) }
  }

  /** A folder that nobody has. */
  folder() {
    return join(this.setting.scratch, String(this.count++))
  }

  start(label, command, program) {
    const bound = String(this.setting.threads)
    const env = {
      ...process.env,
      MDL_THREADS: bound,
      TF_NUM_INTRAOP_THREADS: bound,
      TF_NUM_INTEROP_THREADS: bound,
      OMP_NUM_THREADS: bound,
      TF_CPP_MIN_LOG_LEVEL: "2",
    }
    const flags = command === process.execPath ? ["--expose-gc"] : []
    const peer = new Peer(label, command, [...flags, join(HERE, "peers", program)], env)
    this.peers.push(peer)
    return peer
  }

  /** Ends those that are running and waits until they are gone, so that what comes next has the machine. */
  async close() {
    const peers = this.peers.splice(0)
    for (const peer of peers) peer.close()
    await Promise.all(peers.map((peer) => peer.ended))
  }
}
