/** What the commands that need no native library answer: exit codes, messages, and JSON that is nothing but JSON. */

import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { mdl } from "./command-line.js"

const RECLMIS = "models/reclmis.mdl"

let folder: string
const path = (name: string): string => join(folder, name)

const GOOD = `model M {
  input image: f32[N, 3, H = 16, W = 16]
  decoder {
    let features = conv2d(image, 8, kernel = 3)
    output probability = conv2d(features, 1) |> sigmoid()
  }
}
`

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mdl-cli-"))
  writeFileSync(path("good.mdl"), GOOD)
  writeFileSync(path("unknown.mdl"), GOOD.replace("conv2d(features, 1)", "conv2d(featurs, 1)"))
  writeFileSync(path("mismatch.mdl"), GOOD.replace("conv2d(features, 1)", "features + image"))
  writeFileSync(path("empty.mdl"), "")
  writeFileSync(path("binary.mdl"), Buffer.from([0, 255, 254, 1, 2, 137, 80, 78, 71]))
  writeFileSync(path("several.mdl"), GOOD + GOOD.replace("model M", "model Other"))
  mkdirSync(path("inside"))
  writeFileSync(path("inside/out.mdl"), `import { M } from "../good"\n${GOOD.replace("model M", "model Own")}`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("usage", () => {
  test("an unknown command is refused, with where to find help", async () => {
    const { code, stdout, stderr } = await mdl("chekc", "x.mdl")
    expect(code).toBe(1)
    expect(stdout).toBe("")
    expect(stderr).toContain("unknown command 'chekc'")
    expect(stderr).toContain("Did you mean check?")
    expect(stderr).toContain("mdl help COMMAND")
  })

  test.each([
    ["of the program", ["--wrong"]],
    ["of a command", ["summary", "--wrong", RECLMIS]],
    ["of a command's command", ["data", "synth", "--wrong", "x"]],
  ])("an unknown option %s is refused, with where to find help", async (_, words) => {
    const { code, stdout, stderr } = await mdl(...words)
    expect(code).toBe(1)
    expect(stdout).toBe("")
    expect(stderr).toContain("unknown option '--wrong'")
    expect(stderr).toContain("mdl help COMMAND")
  })

  test("a missing argument is named", async () => {
    const { code, stderr } = await mdl("summary")
    expect(code).toBe(1)
    expect(stderr).toContain("missing required argument 'model'")
  })

  test("a value that an option does not take is refused", async () => {
    const { code, stderr } = await mdl("check", RECLMIS, "--format", "xml")
    expect(code).toBe(1)
    expect(stderr).toContain("Allowed choices are terminal, github")
  })

  test("without a command, the commands are listed and the code is 1", async () => {
    const { code, stdout, stderr } = await mdl()
    expect(code).toBe(1)
    expect(stdout).toBe("")
    for (const name of ["check", "summary", "train", "export", "doctor"]) expect(stderr).toContain(`  ${name}`)
  })

  test.each([["--help"], ["--version"], ["help", "check"], ["check", "--help"]])(
    "%s %s is no failure",
    async (...words) => {
      const { code, stdout, stderr } = await mdl(...words)
      expect(code).toBe(0)
      expect(stdout).not.toBe("")
      expect(stderr).toBe("")
    },
  )
})

describe("check", () => {
  test.each(["std/unet.mdl", "./std/unet.mdl"])("%s has no model and is checked all the same", async (library) => {
    const { code, stderr } = await mdl("check", library)
    expect({ code, stderr }).toEqual({ code: 0, stderr: "ok: checked one model or library file\n" })
  })
  test("a misspelling in a file without a model is found", async () => {
    writeFileSync(path("library.mdl"), "fn double(x) = x + y\n")
    const { code, stderr } = await mdl("check", path("library.mdl"))
    expect(code).toBe(1)
    expect(stderr).toContain("nothing is called `y` here")
  })
  test("says nothing on stdout when all is well", async () => {
    const { code, stdout, stderr } = await mdl("check", path("good.mdl"))
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" })
    expect(stderr).toContain("ok")
  })

  test("names an unknown name, its line and the one that was meant", async () => {
    const { code, stdout, stderr } = await mdl("check", path("unknown.mdl"))
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toContain("`featurs`")
    expect(stderr).toContain("did you mean `features`?")
    expect(stderr).toContain("unknown.mdl:5:33")
  })

  test("shows both shapes of sizes that do not fit", async () => {
    const { code, stdout, stderr } = await mdl("check", path("mismatch.mdl"))
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toContain("features: f32[N, 8, H, W]")
    expect(stderr).toContain("image: f32[N, 3, H, W]")
  })

  test("prints the same as JSON, and nothing else", async () => {
    const { code, stdout, stderr } = await mdl("check", path("unknown.mdl"), path("mismatch.mdl"), "--json")
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" })
    const found = JSON.parse(stdout) as { code: string }[]
    expect(found.map((d) => d.code)).toEqual(["MDL2101", "MDL3001"])
  })

  test("prints an empty list as JSON when all is well", async () => {
    const { code, stdout, stderr } = await mdl("check", path("good.mdl"), "--json")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(JSON.parse(stdout)).toEqual([])
  })

  test("prints workflow commands for GitHub", async () => {
    const { code, stdout } = await mdl("check", path("unknown.mdl"), "--format", "github")
    expect(code).toBe(1)
    expect(stdout).toMatch(/^::error file=.*unknown\.mdl,line=5,/m)
  })

  test.each(["empty.mdl", "binary.mdl"])("refuses %s without falling over", async (name) => {
    const { code, stderr } = await mdl("check", path(name))
    expect(code).toBe(1)
    expect(stderr).toMatch(/error\[MDL\d+\]/)
  })

  test("does not let an import out of the project's folder", async () => {
    const { code, stderr } = await mdl("check", path("inside/out.mdl"))
    expect(code).toBe(1)
    expect(stderr).toContain("Unknown module")
  })
})

describe("a model that is not there", () => {
  test.each([
    ["no such file", ["nowhere.mdl"], "there is no file"],
    ["a folder", ["inside"], "is a folder"],
    ["no such model in the file", ["good.mdl#Other"], "`Other`"],
    ["a file of several models, none of them named", ["several.mdl"], "Other"],
    ["no name at all", ["#M"], "there is no file"],
  ])("%s", async (_, [name], expected) => {
    const reference = name!.startsWith("#") ? name! : path(name!)
    for (const words of [
      ["summary", reference],
      ["summary", reference, "--json"],
      ["diff", reference, reference],
    ]) {
      const { code, stdout, stderr } = await mdl(...words)
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      expect(stderr).toContain(expected)
      expect(stderr).not.toContain("internal error")
    }
  })
})

describe("summary", () => {
  test("counts RecLMIS as its authors' code has it", async () => {
    const { code, stdout, stderr } = await mdl("summary", RECLMIS, "--json")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    const summary = JSON.parse(stdout) as {
      parameters: { total: number; trainable: number }
      macs: { inference: number; training: number }
    }
    expect(summary.parameters.trainable).toBe(69440255)
    expect(summary.parameters.total).toBeGreaterThan(summary.parameters.trainable)
    expect(summary.macs.training).toBeGreaterThan(summary.macs.inference)
  })

  test("is a table for people", async () => {
    const { code, stdout, stderr } = await mdl("summary", path("good.mdl"))
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toContain("decoder")
    expect(stdout).toContain("233") // 3*8*9 + 8 and 8 + 1
  })
})

describe("diff", () => {
  test("of a model with itself says that it is the same model", async () => {
    const same = await mdl("diff", path("good.mdl"), path("good.mdl"))
    expect(same).toEqual({ code: 0, stdout: "M and M are the same model\n", stderr: "" })
    const json = await mdl("diff", path("good.mdl"), path("good.mdl"), "--json")
    expect((JSON.parse(json.stdout) as { isEmpty: boolean }).isEmpty).toBe(true)
  })

  test("with an ablation names the section that is gone", async () => {
    const { code, stdout, stderr } = await mdl("diff", `${RECLMIS}#RecLMIS`, "#no_cvr", "--json")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    const diff = JSON.parse(stdout) as { sections: { section: string; change: string }[] }
    expect(diff.sections).toContainEqual(expect.objectContaining({ section: "cvr", change: "removed" }))
  })
})

describe("the program in a process of its own", () => {
  const run = (...words: string[]) => spawnSync(process.execPath, ["bin/mdl.mjs", ...words], { encoding: "utf8" })

  test("ends with the code of the command and keeps its streams apart", () => {
    const { status, stdout, stderr } = run("check", path("unknown.mdl"), "--json")
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" })
    expect(JSON.parse(stdout)).toHaveLength(1)
    expect(run("check", path("good.mdl"), "--json").status).toBe(0)
  })

  test("of a checkout that is not built names the command that builds it, and ends with 2", () => {
    cpSync("bin", path("unbuilt/bin"), { recursive: true })
    const { status, stdout, stderr } = spawnSync(process.execPath, [path("unbuilt/bin/mdl.mjs"), "check"], {
      encoding: "utf8",
    })
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" })
    expect(stderr).toContain("npm run setup")
  })
})
