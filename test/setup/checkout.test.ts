import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import { emptyFolder, recorder, setup, type Ran, type Runner } from "./setup-modules.js"

const { ensurePackages, installationMatches, packagesState } = await setup("packages")
const { ensureBuild, isBuilt } = await setup("build")
const { linkEntry } = await setup("link")

const LOCK = {
  packages: {
    "": { name: "mdl" },
    "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
    "node_modules/only-mac": { version: "1.0.0", integrity: "sha512-m", optional: true },
  },
}
const INSTALLED = { packages: { "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } } }

function write(root: string, file: string, content: string | object): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), typeof content === "string" ? content : JSON.stringify(content))
}

const succeed: Ran = { code: 0, stdout: "", output: "" }

describe("the packages", () => {
  function request(root: string, runner: Runner): { request: object; lines: string[] } {
    const output = recorder()
    const lockFile = join(root, "checkout.lock")
    return { request: { root, lockFile, output, log: join(root, "setup.log"), runner }, lines: output.lines }
  }

  it("are installed when node_modules is missing, then left alone", async () => {
    const root = emptyFolder()
    write(root, "package-lock.json", LOCK)
    const calls: string[][] = []
    const runner: Runner = (_program, args) => {
      calls.push(args)
      write(root, "node_modules/.package-lock.json", INSTALLED)
      return Promise.resolve(succeed)
    }
    await ensurePackages(request(root, runner).request)
    const again = request(root, runner)
    await ensurePackages(again.request)
    expect(calls).toHaveLength(1)
    expect(calls[0]).toEqual(expect.arrayContaining(["ci", "--ignore-scripts"]))
    expect(again.lines).toEqual(["packages: up to date"])
  })

  it("are installed anew when the lock file changed or an installation was cut off", () => {
    const root = emptyFolder()
    write(root, "package-lock.json", LOCK)
    write(root, "node_modules/a/package.json", {})
    expect(packagesState(root)).toBe("missing")
    write(root, "node_modules/.package-lock.json", { packages: { "node_modules/a": { version: "0.9.0" } } })
    expect(packagesState(root)).toBe("changed")
  })

  it("that somebody installed by hand are recognised, other platforms' packages aside", async () => {
    const root = emptyFolder()
    write(root, "package-lock.json", LOCK)
    write(root, "node_modules/.package-lock.json", INSTALLED)
    expect(packagesState(root)).toBe("unstamped")
    await ensurePackages(request(root, () => Promise.reject(new Error("npm was called"))).request)
    expect(packagesState(root)).toBe("ready")
    expect(installationMatches(LOCK, { packages: { ...INSTALLED.packages, "node_modules/b": {} } })).toBe(false)
    expect(installationMatches(LOCK, { packages: {} })).toBe(false)
  })

  it("come with MDL when there is no lock file", () => {
    expect(packagesState(emptyFolder())).toBe("published")
  })

  it("that npm cannot install end the set-up with what npm said", async () => {
    const root = emptyFolder()
    write(root, "package-lock.json", LOCK)
    const runner: Runner = () => Promise.resolve({ code: 1, stdout: "", output: "npm error code E404\n" })
    await expect(ensurePackages(request(root, runner).request)).rejects.toThrow(/npm ci failed\n\s+npm error code E404/)
    expect(existsSync(join(root, "checkout.lock"))).toBe(false)
  })
})

describe("the build", () => {
  /** A compiler that writes an empty output for every source, as tsc would. */
  function checkout(): { root: string; build: (code?: number) => Promise<void>; compiled: () => number } {
    const root = emptyFolder()
    let compiled = 0
    write(root, "tsconfig.build.json", {})
    write(root, "src/a.ts", "export const a = 1\n")
    write(root, "grammar/g.ts", "export const g = 1\n")
    const build = (code = 0): Promise<void> => {
      const runner: Runner = () => {
        compiled += 1
        for (const file of ["src/a", "src/b", "grammar/g"]) {
          if (existsSync(join(root, `${file}.ts`))) write(root, `dist/${file}.js`, "")
        }
        return Promise.resolve({ code, stdout: "", output: code === 0 ? "" : "src/a.ts(1,1): error TS1005\n" })
      }
      const lockFile = join(root, "checkout.lock")
      return ensureBuild({ root, lockFile, output: recorder(), log: join(root, "setup.log"), runner })
    }
    return { root, build, compiled: () => compiled }
  }

  it("runs when a source has other content, and only then", async () => {
    const { root, build, compiled } = checkout()
    await build()
    await build()
    expect(compiled()).toBe(1)
    write(root, "src/a.ts", "export const a = 2\n")
    expect(isBuilt(root)).toBe(false)
    await build()
    expect(compiled()).toBe(2)
  })

  it("compiles the page of mdl serve by itself, where there is one", async () => {
    const { root, build, compiled } = checkout()
    write(root, "src/runtime/serving/page/tsconfig.json", {})
    await build()
    expect(compiled()).toBe(2)
    await build()
    expect(compiled()).toBe(2)
    write(root, "src/runtime/serving/page/tsconfig.json", { compilerOptions: {} })
    expect(isBuilt(root)).toBe(false)
  })

  it("runs when output is gone, and makes tsc forget what it wrote", async () => {
    const { root, build } = checkout()
    await build()
    write(root, "dist/.tsbuildinfo", "{}")
    rmSync(join(root, "dist/src/a.js"))
    await build()
    expect(existsSync(join(root, "dist/src/a.js"))).toBe(true)
    expect(existsSync(join(root, "dist/.tsbuildinfo"))).toBe(false)
  })

  it("removes the output of a source that is gone", async () => {
    const { root, build } = checkout()
    write(root, "src/b.ts", "export const b = 1\n")
    await build()
    expect(existsSync(join(root, "dist/src/b.js"))).toBe(true)
    rmSync(join(root, "src/b.ts"))
    await build()
    expect(existsSync(join(root, "dist/src/b.js"))).toBe(false)
  })

  it("fails with the compiler's words, and is tried again next time", async () => {
    const { root, build } = checkout()
    await expect(build(2)).rejects.toThrow(/do not compile:\nsrc\/a\.ts\(1,1\): error TS1005/)
    expect(isBuilt(root)).toBe(false)
    await build()
    expect(isBuilt(root)).toBe(true)
  })
})

describe("the link into node_modules", () => {
  it("is put, kept, and put over what the package's own installer downloaded", () => {
    const root = emptyFolder()
    write(root, "entry/deps/lib/libtensorflow_cc.so.2", "library")
    write(root, "entry/lib/napi-v8/tfjs_binding.node", "binding")
    write(root, "package/deps/lib/libtensorflow.so.2.9.1", "old")
    const put = (): boolean => linkEntry(join(root, "entry"), join(root, "package"), 8)
    expect([put(), put()]).toEqual([true, false])
    expect(readlinkSync(join(root, "package/deps"))).toBe(join(root, "entry/deps"))
    expect(readFileSync(join(root, "package/lib/napi-v8/tfjs_binding.node"), "utf8")).toBe("binding")
    expect(lstatSync(join(root, "package/lib")).isDirectory()).toBe(true)
  })
})
