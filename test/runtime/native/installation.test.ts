import { mkdirSync, mkdtempSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { cacheFolder, findInstallation } from "../../../src/runtime/native/installation.js"

/** A package and a cache entry linked into it as the set-up does. */
function installed(): { find: () => ReturnType<typeof findInstallation>; entry: string; packageFolder: string } {
  const root = mkdtempSync(join(tmpdir(), "mdl-installation-"))
  const packageFolder = join(root, "package")
  const entry = join(root, "cache", "entry")
  mkdirSync(join(packageFolder, "lib"), { recursive: true })
  mkdirSync(join(entry, "lib", "napi-v8"), { recursive: true })
  writeFileSync(
    join(packageFolder, "package.json"),
    JSON.stringify({ version: "4.22.0", binary: { napi_versions: [3, 8, 99] } }),
  )
  writeFileSync(join(entry, "lib", "napi-v8", "tfjs_binding.node"), "binding")
  const files = { "lib/napi-v8/tfjs_binding.node": { size: 7 } }
  writeFileSync(
    join(entry, "manifest.json"),
    JSON.stringify({ format: 1, tensorflow: "2.21.0", variant: "cpu", files }),
  )
  symlinkSync(join(entry, "lib", "napi-v8"), join(packageFolder, "lib", "napi-v8"))
  return { find: () => findInstallation(() => join(packageFolder, "package.json")), entry, packageFolder }
}

describe("findInstallation", () => {
  it("reads the facts through the package's link, without loading", () => {
    const { find, packageFolder } = installed()
    expect(find()).toMatchObject({
      state: "installed",
      packageFolder,
      bindingVersion: "4.22.0",
      damage: [],
      manifest: { tensorflow: "2.21.0", variant: "cpu" },
    })
  })

  it("names the files that have another size than when they were built", () => {
    const { find, entry } = installed()
    truncateSync(join(entry, "lib", "napi-v8", "tfjs_binding.node"), 1)
    expect(find()).toMatchObject({ state: "installed", damage: ["lib/napi-v8/tfjs_binding.node"] })
  })

  it("tells a missing binding from a missing package", () => {
    const root = mkdtempSync(join(tmpdir(), "mdl-installation-"))
    writeFileSync(join(root, "package.json"), JSON.stringify({ version: "4.22.0", binary: { napi_versions: [8] } }))
    expect(findInstallation(() => join(root, "package.json"))).toMatchObject({ state: "no-binding" })
    const absent = findInstallation(() => {
      throw new Error("Cannot find module\nRequire stack: ...")
    })
    expect(absent).toEqual({ state: "no-package", detail: "Cannot find module" })
  })
})

describe("cacheFolder", () => {
  it("is the one that the set-up uses", async () => {
    const { cacheFolder: ofSetup } = (await import(
      new URL("../../../scripts/setup/cache.mjs", import.meta.url).href
    )) as { cacheFolder: typeof cacheFolder }
    for (const env of [{}, { XDG_CACHE_HOME: "/c" }, { XDG_CACHE_HOME: "relative" }, { XDG_CACHE_HOME: "" }]) {
      expect(cacheFolder(env, "/home/a")).toBe(ofSetup(env, "/home/a"))
    }
  })
})
