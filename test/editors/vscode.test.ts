/** The packaged extension: what is in it, and that the client in it starts the real server and shows what that finds. */

import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { compileFunction } from "node:vm"
import { unzipSync } from "fflate"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { DIFF_COMMAND } from "../../src/language-server/server.js"
import { stubWith } from "./vscode-stub.js"

const folder = realpathSync(mkdtempSync(join(tmpdir(), "mdl-vscode-")))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const { version } = JSON.parse(readFileSync("package.json", "utf8"))
/** The packaged file, written by the script. */
function packaged(out: string): Buffer {
  execFileSync(process.execPath, ["scripts/vscode/package.mjs", "--out", out], { stdio: "pipe" })
  expect(readdirSync(out)).toEqual([`mdl-${version}.vsix`])
  return readFileSync(join(out, `mdl-${version}.vsix`))
}

let bytes: Buffer
let files: Readonly<Record<string, Uint8Array>>
const textOf = (name: string): string => Buffer.from(files[name]!).toString("utf8")
const jsonOf = (name: string) => JSON.parse(textOf(name))
beforeAll(() => {
  bytes = packaged(join(folder, "one"))
  files = unzipSync(bytes)
})

describe("the .vsix", () => {
  test("has the same bytes each time", () => {
    expect(packaged(join(folder, "two")).equals(bytes)).toBe(true)
  })
  test("holds everything that its manifest names", () => {
    const manifest = jsonOf("extension/package.json")
    expect(manifest.version).toBe(version)
    const { grammars, languages, snippets } = manifest.contributes
    const named = [manifest.main, manifest.icon, ...[...grammars, ...snippets].map(({ path }) => path), languages[0].configuration] // prettier-ignore
    for (const path of named) expect(Object.keys(files)).toContain(`extension/${path.replace(/^\.\//, "")}`)
    for (const [, path] of textOf("extension.vsixmanifest").matchAll(/ Path="([^"]*)"/g)) {
      expect(Object.keys(files)).toContain(path)
    }
  })
  test("says of each file what it is", () => {
    const types = textOf("[Content_Types].xml")
    for (const name of Object.keys(files)) {
      if (name !== "[Content_Types].xml") expect(types).toContain(`Extension="${/\.\w+$/.exec(name)![0]}"`)
    }
  })
  test("has nothing that only development needs, and no path of this machine", () => {
    expect(Object.keys(files).filter((name) => /node_modules|\.ts$|tsconfig/.test(name))).toEqual([])
    for (const name of Object.keys(files)) expect(textOf(name)).not.toContain(process.cwd())
  })
  test("has the commands that it registers and the server's lenses name", () => {
    const commands = jsonOf("extension/package.json").contributes.commands.map(({ command }: { command: string }) => command) // prettier-ignore
    expect(commands).toContain(DIFF_COMMAND)
    for (const command of commands) expect(textOf("extension/out/extension.js")).toContain(command)
  })
})

describe("the client", { timeout: 60_000 }, () => {
  interface Extension {
    activate(context: { readonly subscriptions: unknown[] }): Promise<void>
    deactivate(): Promise<void> | undefined
  }
  /** The bundle, with the editor that it is given. */
  function loaded(vscode: object): Extension {
    const require = createRequire(import.meta.url)
    const module = { exports: {} as Extension }
    // As Node loads a module, but for the one name that only an editor has.
    const run = compileFunction(textOf("extension/out/extension.js"), ["require", "module", "exports"])
    run((name: string): unknown => (name === "vscode" ? vscode : require(name)), module, module.exports)
    return module.exports
  }
  const uri = pathToFileURL(join(folder, "model.mdl")).href
  const text = "model M {\n  input image: f32[N, 3, H = 8, W = 8]\n  output y = op.relu(imge)\n}\n"

  test("starts the server and shows what it finds", async () => {
    const stub = stubWith({ folder, path: resolve("bin/mdl.mjs"), uri, text })
    const extension = loaded(stub.module)
    await extension.activate({ subscriptions: [] })
    try {
      const [found] = await stub.diagnosticsOn(uri)
      expect(found).toMatchObject({ code: "MDL2101", range: { start: { line: 2, character: 21 } } })
      expect([...stub.commands.keys()]).toEqual(expect.arrayContaining([DIFF_COMMAND, "mdl.showGraph"]))
      expect(stub.messages).toEqual([])
    } finally {
      await extension.deactivate()
    }
  })
  test("shows what `mdl diff` prints for the lens over an ablation", async () => {
    const [model, ablation] = [1, 2].map((width) => `conv2d(image, ${width})`)
    writeFileSync(
      join(folder, "model.mdl"),
      `model M(wide: bool = false) {\n  input image: f32[N, 3, H = 8, W = 8]\n  output y = if wide then ${ablation} else ${model}\n}\n\nablation big of M {\n  set wide = true\n}\n`,
    )
    const stub = stubWith({ folder, path: resolve("bin/mdl.mjs"), uri, text })
    const extension = loaded(stub.module)
    await extension.activate({ subscriptions: [] })
    try {
      await stub.commands.get(DIFF_COMMAND)!({ uri, base: "M", ablation: "big" })
      expect(stub.messages).toEqual([])
      const sides = ["M", "big"].map((name) => `${join(folder, "model.mdl")}#${name}`)
      const printed = execFileSync(process.execPath, ["bin/mdl.mjs", "diff", ...sides], { encoding: "utf8" })
      expect(printed).toMatch(/parameters/)
      expect(stub.opened).toEqual([printed])
    } finally {
      await extension.deactivate()
    }
  })
  test("finds `mdl` in node_modules above the text", async () => {
    const programs = join(folder, "node_modules", ".bin")
    mkdirSync(programs, { recursive: true })
    mkdirSync(join(folder, "deep"), { recursive: true })
    const program = `#!/bin/sh\nexec "${process.execPath}" "${resolve("bin/mdl.mjs")}" "$@"\n`
    writeFileSync(join(programs, "mdl"), program, { mode: 0o755 })
    const stub = stubWith({ folder: join(folder, "deep"), path: "", uri, text })
    const extension = loaded(stub.module)
    await extension.activate({ subscriptions: [] })
    try {
      expect(await stub.diagnosticsOn(uri)).toHaveLength(1)
    } finally {
      await extension.deactivate()
      rmSync(join(folder, "node_modules"), { recursive: true })
    }
  })
  test("says what to do where there is no `mdl`, and commands fail with the same words", async () => {
    const stub = stubWith({ folder, path: "./missing/mdl", uri, text })
    await loaded(stub.module).activate({ subscriptions: [] })
    expect(stub.messages).toEqual([expect.stringMatching(/no program \.\/missing\/mdl.*mdl\.path/)])
    await stub.commands.get(DIFF_COMMAND)!({ uri, base: "M", ablation: "a" })
    expect(stub.messages).toHaveLength(2)
  })
})
