import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { breath, emptyFolder, setup, type EntryRequest } from "./setup-modules.js"

const { ensureEntry, entryFolder } = await setup("entry")
const { checkEntry, readManifest, sealEntry } = await setup("manifest")

const KEY = "tensorflow-1_cpu"
const LIBRARY = "deps/lib/libtensorflow_cc.so.2"

/** A build that writes two small files, counts its runs, and can be told to fail. */
function fakeBuild(): { build: EntryRequest["build"]; runs: () => number; failNext: () => void } {
  let runs = 0
  let fail = false
  return {
    build: async (stage) => {
      runs += 1
      mkdirSync(join(stage, "deps", "lib"), { recursive: true })
      writeFileSync(join(stage, LIBRARY), "library")
      await breath()
      if (fail) {
        fail = false
        throw new Error("the compiler is missing")
      }
      writeFileSync(join(stage, "tfjs_binding.node"), "binding")
      return { tensorflow: "1" }
    },
    runs: () => runs,
    failNext: () => {
      fail = true
    },
  }
}

describe("a cache entry", () => {
  it("is built once and then only checked", async () => {
    const cache = emptyFolder()
    const { build, runs } = fakeBuild()
    const first = await ensureEntry({ cache, key: KEY, build })
    const second = await ensureEntry({ cache, key: KEY, build })
    expect([first.built, second.built, runs()]).toEqual([true, false, 1])
    expect(first.folder).toBe(entryFolder(cache, KEY))
    expect(readManifest(first.folder)).toMatchObject({ key: KEY, tensorflow: "1" })
    expect(Object.keys(second.manifest.files)).toEqual([LIBRARY, "tfjs_binding.node"])
  })

  it("is built once by two set-ups at the same time", async () => {
    const cache = emptyFolder()
    const { build, runs } = fakeBuild()
    const said: string[] = []
    const request = { cache, key: KEY, build, say: (text: string) => said.push(text), lockOptions: { pause: breath } }
    const results = await Promise.all([ensureEntry(request), ensureEntry(request)])
    expect(results.map(({ built }) => built).sort()).toEqual([false, true])
    expect(runs()).toBe(1)
    expect(said.filter((line) => line.startsWith("building"))).toHaveLength(1)
  })

  it("is kept when a killed set-up left something beside it, which is removed", async () => {
    const cache = emptyFolder()
    const { build, runs } = fakeBuild()
    const { folder } = await ensureEntry({ cache, key: KEY, build })
    mkdirSync(join(`${folder}.partial-4242`, "wheel"), { recursive: true })
    expect((await ensureEntry({ cache, key: KEY, build })).built).toBe(false)
    expect([runs(), readdirSync(join(cache, "native"))]).toEqual([1, [KEY]])
  })

  it("never appears when its build fails, and the next set-up starts anew", async () => {
    const cache = emptyFolder()
    const { build, failNext } = fakeBuild()
    failNext()
    await expect(ensureEntry({ cache, key: KEY, build })).rejects.toThrow("the compiler is missing")
    expect(readdirSync(join(cache, "native"))).toEqual([])
    expect(readdirSync(join(cache, "locks"))).toEqual([])
    expect((await ensureEntry({ cache, key: KEY, build })).built).toBe(true)
  })

  it("is built anew over what a set-up left that was killed half way", async () => {
    const cache = emptyFolder()
    const { build } = fakeBuild()
    const partial = `${entryFolder(cache, KEY)}.partial-4242`
    mkdirSync(join(partial, "wheel"), { recursive: true })
    writeFileSync(join(partial, "wheel", "half.whl"), "half")
    mkdirSync(join(cache, "locks"))
    writeFileSync(join(cache, "locks", `${KEY}.lock`), JSON.stringify({ pid: 4242, host: "here" }))
    const said: string[] = []
    await ensureEntry({
      cache,
      key: KEY,
      build,
      say: (text) => said.push(text),
      lockOptions: { host: "here", alive: () => false, pause: breath },
    })
    expect(said).toEqual([
      "removing the lock of a set-up that is gone (process 4242)",
      "removing what a set-up left that was cut off half way",
      "building the native backend: there is none in the cache yet",
    ])
    expect(readdirSync(join(cache, "native"))).toEqual([KEY])
  })

  it("is built anew when a file has another size, and the message names the file", async () => {
    const cache = emptyFolder()
    const { build } = fakeBuild()
    const { folder } = await ensureEntry({ cache, key: KEY, build })
    truncateSync(join(folder, LIBRARY), 3)
    const said: string[] = []
    const { built } = await ensureEntry({ cache, key: KEY, build, say: (text) => said.push(text) })
    expect(built).toBe(true)
    expect(said).toEqual([
      `building the native backend: the one in the cache is damaged (${LIBRARY} has 3 bytes instead of 7)`,
    ])
    expect(readFileSync(join(folder, LIBRARY), "utf8")).toBe("library")
    expect(readdirSync(join(cache, "native"))).toEqual([KEY])
  })

  it("is built anew when a file is gone", async () => {
    const cache = emptyFolder()
    const { build, runs } = fakeBuild()
    const { folder } = await ensureEntry({ cache, key: KEY, build })
    rmSync(join(folder, "tfjs_binding.node"))
    await ensureEntry({ cache, key: KEY, build })
    expect(runs()).toBe(2)
    expect(existsSync(join(folder, "tfjs_binding.node"))).toBe(true)
  })

  it("is built anew on request", async () => {
    const cache = emptyFolder()
    const { build, runs } = fakeBuild()
    await ensureEntry({ cache, key: KEY, build })
    expect((await ensureEntry({ cache, key: KEY, build, force: true })).built).toBe(true)
    expect(runs()).toBe(2)
  })

  it("counts as absent when its manifest was cut off or has another format", async () => {
    const folder = emptyFolder()
    await sealEntry(folder, {})
    writeFileSync(join(folder, "manifest.json"), '{ "format": 1, "fi')
    expect((await checkEntry(folder)).state).toBe("absent")
    writeFileSync(join(folder, "manifest.json"), '{ "format": 99, "files": {} }')
    expect((await checkEntry(folder)).state).toBe("absent")
  })
})

describe("the manifest", () => {
  // A whole second, which every file system and every conversion keeps exactly.
  const time = new Date(1_000_000_000)

  async function sealed(): Promise<string> {
    const folder = emptyFolder()
    writeFileSync(join(folder, "library"), "library")
    utimesSync(join(folder, "library"), time, time)
    await sealEntry(folder, {})
    return folder
  }

  it("finds other content of the same size and time only by hashing", async () => {
    const folder = await sealed()
    writeFileSync(join(folder, "library"), "LIBRARY")
    utimesSync(join(folder, "library"), time, time)
    expect((await checkEntry(folder)).state).toBe("ok")
    expect(await checkEntry(folder, { full: true })).toMatchObject({
      state: "damaged",
      problems: ["library has other content than when it was built"],
    })
  })

  it("accepts a file whose time alone differs, and remembers the new time", async () => {
    const folder = await sealed()
    utimesSync(join(folder, "library"), new Date(1000), new Date(1000))
    expect((await checkEntry(folder)).state).toBe("ok")
    expect(readManifest(folder)?.files["library"]?.mtimeMs).toBe(1000)
  })
})
