/** `mdl fmt`: files are replaced whole or not at all. */

import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { fmtCommand } from "../../src/cli/fmt.js"

let folder: string
let out: string
let err: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mdl-fmt-"))
  out = ""
  err = ""
  vi.spyOn(process.stdout, "write").mockImplementation((chunk) => Boolean((out += String(chunk))) || true)
  vi.spyOn(process.stderr, "write").mockImplementation((chunk) => Boolean((err += String(chunk))) || true)
  process.exitCode = undefined
})

afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
  rmSync(folder, { recursive: true })
})

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const fmt = async (...argv: string[]): Promise<void> => {
  await fmtCommand().exitOverride().parseAsync(argv, { from: "user" })
}

const ugly = "fn f( x )=x"
const tidy = "fn f(x) = x\n"

describe("mdl fmt", () => {
  test("rewrites what is not formatted and names it", async () => {
    const a = file("a.mdl", ugly)
    const b = file("b.mdl", tidy)
    await fmt(a, b)
    expect(readFileSync(a, "utf8")).toBe(tidy)
    expect(out).toBe(`${a}\n`)
    expect(process.exitCode).toBeUndefined()
    expect(readdirSync(folder).sort()).toEqual(["a.mdl", "b.mdl"])
  })

  test("--check changes nothing and fails", async () => {
    const a = file("a.mdl", ugly)
    await fmt("--check", a, file("b.mdl", tidy))
    expect(readFileSync(a, "utf8")).toBe(ugly)
    expect(out).toBe(`${a}\n`)
    expect(process.exitCode).toBe(1)
  })

  test("--check is content with formatted files", async () => {
    await fmt("--check", file("b.mdl", tidy))
    expect([out, process.exitCode]).toEqual(["", undefined])
  })

  test("refuses a file with errors, shows them, and goes on with the others", async () => {
    const a = file("a.mdl", "fn f(x) = \n")
    const b = file("b.mdl", ugly)
    await fmt(a, b)
    expect(readFileSync(a, "utf8")).toBe("fn f(x) = \n")
    expect(readFileSync(b, "utf8")).toBe(tidy)
    expect(err).toContain("error[MDL1201]: Syntax error")
    expect(err).toContain(`${a}:`)
    expect(process.exitCode).toBe(1)
  })

  test("keeps permissions and links", async () => {
    const a = file("a.mdl", ugly)
    chmodSync(a, 0o640)
    const link = join(folder, "link.mdl")
    symlinkSync(a, link)
    await fmt(link)
    expect(readFileSync(a, "utf8")).toBe(tidy)
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(statSync(a).mode & 0o777).toBe(0o640)
  })

  test("formats standard input to standard output", async () => {
    vi.spyOn(process, "stdin", "get").mockReturnValue(Readable.from([ugly]) as unknown as typeof process.stdin)
    await fmt("-")
    expect(out).toBe(tidy)
    expect(process.exitCode).toBeUndefined()
  })

  test("says what is wrong with a path, as a mistake of the user's", async () => {
    const missing = join(folder, "none.mdl")
    await expect(fmt(missing)).rejects.toMatchObject({
      message: `${missing} cannot be read: there is no such file`,
      exitCode: 1,
    })
    await expect(fmt(folder)).rejects.toMatchObject({ message: `${folder} cannot be read: it is a directory` })
  })
})

describe("mdl fmt --range", () => {
  const three = "fn f( x )=x\n\nfn g( y )=y\n\nfn h( z )=z\n"

  test.each([
    ["3:3", "fn f( x )=x\n\nfn g(y) = y\n\nfn h( z )=z\n"],
    ["3", "fn f( x )=x\n\nfn g(y) = y\n\nfn h( z )=z\n"],
    ["1:3", "fn f(x) = x\n\nfn g(y) = y\n\nfn h( z )=z\n"],
    ["2:2", three],
    ["4:99", "fn f( x )=x\n\nfn g( y )=y\n\nfn h(z) = z\n"],
  ])("%s changes only the definitions there", async (range, expected) => {
    const path = file("a.mdl", three)
    await fmt("--range", range, path)
    expect(readFileSync(path, "utf8")).toBe(expected)
  })

  test("refuses what is no range, a line that is not there, and several files", async () => {
    const path = file("a.mdl", three)
    await expect(fmt("--range", "3-4", path)).rejects.toThrow("two line numbers")
    await expect(fmt("--range", "4:3", path)).rejects.toThrow("two line numbers")
    await expect(fmt("--range", "70:80", path)).rejects.toThrow("there is no line 70")
    await expect(fmt("--range", "1:2", path, path)).rejects.toThrow("one file")
    expect(readFileSync(path, "utf8")).toBe(three)
  })
})

test("mdl fmt --stdin-filepath names standard input in messages", async () => {
  vi.spyOn(process, "stdin", "get").mockReturnValue(Readable.from(["fn f("]) as typeof process.stdin)
  await fmt("-", "--stdin-filepath", "src/model.mdl")
  expect(err).toContain("--> src/model.mdl:1:6")
  expect(process.exitCode).toBe(1)
})
