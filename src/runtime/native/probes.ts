/**
 * The questions that `mdl doctor` asks of the machine.
 *
 * Takes: a program's name, a package's name, a file.
 * Gives: answers as data; a thing that is absent is an answer, not an exception.
 * Why so: everything the doctor learns comes through this one record, so a test can describe any machine.
 */
import { execFile } from "node:child_process"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { availableParallelism, cpus, totalmem } from "node:os"
import { dirname, join } from "node:path"
import { cacheFolder, findInstallation, type Installation } from "./installation.js"

/** What a program answered; `code` 127 when it is not there. */
export interface Answer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The machine, as far as the doctor asks. */
export interface Probes {
  /** Runs a program; never rejects. */
  readonly run: (program: string, args: readonly string[]) => Promise<Answer>
  /** Loads an npm package in this process: its version, or why it does not load. */
  readonly load: (name: string) => Promise<{ readonly version: string } | { readonly problem: string }>
  readonly installation: () => Installation
  readonly nodeVersion: string
  /** The range in MDL's package.json. */
  readonly nodeRange: string
  readonly cpuinfo: string
  readonly cpuModel: string
  readonly cores: number
  /** Bytes that this process may use. */
  readonly memory: number
  /** The cache folder, and the bytes that native backends take in it. */
  readonly cache: { readonly folder: string; readonly bytes: number }
  readonly env: NodeJS.ProcessEnv
}

/** What Linux says of the processor; empty elsewhere. */
export function readProcessor(): string {
  return existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : ""
}

/** The instruction sets that the processor names, in the words of Linux; empty where there is no /proc/cpuinfo. */
export function processorFlags(cpuinfo: string): ReadonlySet<string> {
  return new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/) ?? [])
}

/** Whether the processor multiplies bf16 faster than f32; without, it does so by way of f32. */
export function multipliesBf16(flags: ReadonlySet<string>): boolean {
  return ["avx512_bf16", "amx_bf16", "bf16"].some((flag) => flags.has(flag))
}

/** The probes of the machine this runs on. */
export function machineProbes(): Probes {
  const folder = cacheFolder()
  const limit = process.constrainedMemory()
  return {
    run,
    load,
    installation: () => findInstallation(),
    nodeVersion: process.versions.node,
    nodeRange: ownPackage().engines.node,
    cpuinfo: readProcessor(),
    cpuModel: cpus()[0]?.model.trim() ?? "unknown processor",
    cores: availableParallelism(),
    memory: limit !== undefined && limit > 0 ? Math.min(limit, totalmem()) : totalmem(),
    cache: { folder, bytes: bytesBelow(join(folder, "native")) },
    env: process.env,
  }
}

function run(program: string, args: readonly string[]): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 120_000, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr })
      else if (error.code === "ENOENT") resolve({ code: 127, stdout, stderr: `${program}: not found` })
      else {
        const signal = error.signal === undefined || error.signal === null ? "" : `\nended by ${error.signal}`
        resolve({ code: typeof error.code === "number" ? error.code : 1, stdout, stderr: stderr + signal })
      }
    })
  })
}

async function load(name: string): Promise<{ version: string } | { problem: string }> {
  const require = createRequire(import.meta.url)
  try {
    await import(name)
    return { version: packageVersion(dirname(require.resolve(name)), name) }
  } catch (error) {
    return { problem: error instanceof Error ? (error.message.split("\n")[0] ?? error.name) : String(error) }
  }
}

/** Not every package lets its package.json be imported, so it is looked for upwards of the entry file. */
function packageVersion(from: string, name: string): string {
  for (let folder = from; dirname(folder) !== folder; folder = dirname(folder)) {
    const file = join(folder, "package.json")
    if (!existsSync(file)) continue
    const found = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string }
    if (found.name === name && found.version !== undefined) return found.version
  }
  return "of unknown version"
}

/** MDL's own package.json: the nearest one upwards with its name (this file runs from src/ and from dist/src/). */
function ownPackage(): { readonly engines: { readonly node: string } } {
  for (let folder = import.meta.dirname; dirname(folder) !== folder; folder = dirname(folder)) {
    const file = join(folder, "package.json")
    if (!existsSync(file)) continue
    const found = JSON.parse(readFileSync(file, "utf8")) as { name?: string; engines?: { node: string } }
    if (found.name === "mdl" && found.engines !== undefined) return { engines: found.engines }
  }
  throw new Error("MDL's package.json was not found above its own modules")
}

function bytesBelow(folder: string): number {
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((item) => item.isFile())
    .map((item) => statSync(join(item.parentPath, item.name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0)
}
