/**
 * What the set-up left behind: is the native backend installed, and which one?
 *
 * Takes: the installed package @tensorflow/tfjs-node-gpu and the cache entry its links lead to.
 * Gives: an Installation, without loading anything: a few file-system look-ups.
 * Why so: `mdl doctor` and every message about a missing backend must answer in milliseconds; loading takes seconds.
 * The manifest is found through the package's own link, so nothing here has to know how the set-up names its entries.
 */
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { homedir } from "node:os"
import { dirname, isAbsolute, join } from "node:path"

/** What scripts/setup/manifest.mjs wrote about a cache entry; only the facts read here. */
export interface Manifest {
  readonly format: number
  readonly tensorflow: string
  readonly binding: string
  readonly napi: number
  readonly variant: "cpu" | "gpu"
  readonly built: string
  /** Where the GPU build takes CUDA from; absent in the CPU build. */
  readonly cuda?: "system" | "bundled"
  readonly files: Readonly<Record<string, { readonly size: number }>>
}

/** The state of the native backend on disk. */
export type Installation =
  | { readonly state: "no-package"; readonly detail: string }
  | { readonly state: "no-binding"; readonly packageFolder: string; readonly bindingVersion: string }
  | {
      readonly state: "installed"
      readonly packageFolder: string
      readonly bindingVersion: string
      /** The folder with the compiled addons. */
      readonly addonFolder: string
      /** Absent when the binding was not put there by MDL's set-up. */
      readonly manifest?: Manifest
      /** Files of the entry that are gone or have another size than when they were built. */
      readonly damage: readonly string[]
    }

/** The package that holds the binding. */
export const BINDING_PACKAGE = "@tensorflow/tfjs-node-gpu"

/** `$XDG_CACHE_HOME/mdl`, else `~/.cache/mdl`: the rule of scripts/setup/cache.mjs, which cannot be imported from here. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, home: string = homedir()): string {
  const base = env["XDG_CACHE_HOME"]
  return base !== undefined && isAbsolute(base) ? join(base, "mdl") : join(home, ".cache", "mdl")
}

interface BindingPackage {
  readonly version: string
  readonly binary: { readonly napi_versions: readonly number[] }
}

/** Looks for the native backend. `resolve` finds the package's package.json; tests give their own. */
export function findInstallation(
  resolve: () => string = () => createRequire(import.meta.url).resolve(`${BINDING_PACKAGE}/package.json`),
): Installation {
  let packageFile: string
  try {
    packageFile = resolve()
  } catch (error) {
    return {
      state: "no-package",
      detail: error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error),
    }
  }
  const packageFolder = dirname(packageFile)
  const { version, binary } = JSON.parse(readFileSync(packageFile, "utf8")) as BindingPackage
  const running = Number(process.versions["napi"])
  const level = Math.max(...binary.napi_versions.filter((candidate) => candidate <= running))
  const addonFolder = join(packageFolder, "lib", `napi-v${level}`)
  if (!existsSync(join(addonFolder, "tfjs_binding.node"))) {
    return { state: "no-binding", packageFolder, bindingVersion: version }
  }
  const entry = dirname(dirname(realpathSync(addonFolder)))
  const manifest = readManifest(join(entry, "manifest.json"))
  const damage = manifest === undefined ? [] : damagedFiles(entry, manifest)
  const found = { state: "installed", packageFolder, bindingVersion: version, addonFolder, damage } as const
  return manifest === undefined ? found : { ...found, manifest }
}

function readManifest(file: string): Manifest | undefined {
  if (!existsSync(file)) return undefined
  const manifest = JSON.parse(readFileSync(file, "utf8")) as Manifest
  return manifest.format === 1 ? manifest : undefined
}

function damagedFiles(entry: string, manifest: Manifest): string[] {
  return Object.entries(manifest.files).flatMap(([path, { size }]) => {
    const found = statSync(join(entry, path), { throwIfNoEntry: false })
    return found?.size === size ? [] : [path]
  })
}
