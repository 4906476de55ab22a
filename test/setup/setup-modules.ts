/**
 * The modules of scripts/setup/, typed for the tests.
 *
 * Takes: a module's name. Gives: what it exports, as the interfaces below say.
 * Why so: the set-up is plain JavaScript, because it runs before anything is installed; its types exist only here.
 */
import { mkdtempSync, realpathSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Problem extends Error {
  readonly fix: readonly string[]
  readonly log?: string
  readonly native: boolean
  report(): string
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly output: string
}

export type Runner = (program: string, args: string[], options?: { cwd?: string; log?: string }) => Promise<Ran>

export interface Output {
  say(text: string): void
  during(text: string, describe?: () => string): (outcome?: string) => void
}

export interface Holder {
  readonly pid?: number
  readonly host?: string
  readonly stale: boolean
}

export interface LockOptions {
  readonly onWait?: (holder: Holder) => void
  readonly onStale?: (holder: Holder) => void
  readonly pause?: () => Promise<void>
  readonly host?: string
  readonly alive?: (pid: number) => boolean
}

export interface Manifest {
  readonly format: number
  readonly built?: string
  readonly files: Record<string, { size: number; mtimeMs: number; sha256: string }>
}

export interface EntryRequest {
  readonly cache: string
  readonly key: string
  readonly build: (stage: string) => Promise<object>
  readonly force?: boolean
  readonly full?: boolean
  readonly say?: (text: string) => void
  readonly lockOptions?: LockOptions
}

interface Modules {
  lock: {
    acquireLock: (path: string, options?: LockOptions) => Promise<() => void>
    lockHolder: (path: string, options?: object) => Holder | undefined
  }
  manifest: {
    sealEntry: (folder: string, facts: object) => Promise<Manifest>
    checkEntry: (folder: string, options?: { full?: boolean }) => Promise<{ state: string; problems: string[] }>
    readManifest: (folder: string) => Manifest | undefined
  }
  entry: {
    ensureEntry: (request: EntryRequest) => Promise<{ folder: string; built: boolean; manifest: Manifest }>
    entryFolder: (cache: string, key: string) => string
  }
  cache: {
    cacheFolder: (env: object, home: string) => string
    chooseVariant: (machine: object) => { variant: string; why: string }
    napiLevel: (supported: number[], running: number) => number
    entryKey: (facts: object) => string
    machineProblem: (machine: object) => Problem | undefined
  }
  packages: {
    installationMatches: (lock: object, installed: object) => boolean
    packagesState: (root: string) => string
    ensurePackages: (request: object) => Promise<void>
  }
  build: {
    isBuilt: (root: string) => boolean
    ensureBuild: (request: object) => Promise<void>
  }
  cuda: {
    cudaRequirements: (metadata: string) => string[]
    systemHasCuda: (linkerCache: string, requirements: string[]) => boolean
  }
  tensorflow: {
    wheelFor: (machine: { arch: string; variant: string }) => { project: string; version: string; sha256?: string }
    requirePip: (options: object) => Promise<void>
    requireSpace: (folder: string, needs: number, stat: () => { bavail: number; bsize: number }) => void
    pipProblem: (what: string, result: Ran, log: string, folder: string) => Problem
    fetchTensorFlow: (stage: string, options: object) => Promise<{ wheel: { name: string; pinned: boolean } }>
    unpack: (wheel: string, parts: object[], options: object) => Promise<void>
  }
  binding: {
    requireCompiler: (find: (name: string) => string | undefined, env: object) => void
    nodeHeaders: (env: object, executable: string, version: string) => string | undefined
    workshopFor: (stage: string, temporary: string) => string
    probeBinding: (stage: string, options: object) => Promise<object>
  }
  commands: {
    run: Runner
    tellingLines: (output: string, count?: number) => string
    npmCommand: (env: object) => string[]
  }
  link: { linkEntry: (entry: string, packageFolder: string, napi: number) => boolean }
  output: { SetupProblem: new (what: string, details?: object) => Problem }
  "node-version": {
    nodeVersionProblem: (version: string, range: string) => string | undefined
    inRange: (version: string, range: string) => boolean
  }
}

/** Imports a module of the set-up. */
export async function setup<Name extends keyof Modules>(name: Name): Promise<Modules[Name]> {
  return (await import(new URL(`../../scripts/setup/${name}.mjs`, import.meta.url).href)) as Modules[Name]
}

/** A fresh empty folder. */
export function emptyFolder(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), "mdl-setup-")))
}

/** An output that keeps what was said. */
export function recorder(): Output & { readonly lines: string[] } {
  const lines: string[] = []
  return {
    lines,
    say: (text) => void lines.push(text),
    during: (text) => {
      lines.push(text)
      return (outcome = "done") => void lines.push(`${text}: ${outcome}`)
    },
  }
}

/** A pause that lets other work go on without waiting. */
export function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
