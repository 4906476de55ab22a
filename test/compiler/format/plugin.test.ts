/** The plugin as another project has it: by the name of the package, on files and on blocks in Markdown. */

import { readFileSync } from "node:fs"
import * as prettier from "prettier"
import { describe, expect, test } from "vitest"
import * as plugin from "../../../src/compiler/format/plugin.js"

describe("the Prettier plugin", () => {
  test("is what the package exports under its own path", async () => {
    const manifest = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
      readonly exports: Readonly<Record<string, { readonly default: string }>>
    }
    expect(manifest.exports["./prettier-plugin"]?.default).toBe("./dist/src/compiler/format/plugin.js")
    const plugins = ["mdl/prettier-plugin"]
    expect(await prettier.format("fn f( x )=x", { filepath: "a.mdl", plugins })).toBe("fn f(x) = x\n")
  })

  test("formats blocks in Markdown", async () => {
    const page = "# Title\n\n```mdl\nfn f( x )=x\n```\n"
    const formatted = await prettier.format(page, { parser: "markdown", plugins: [plugin] })
    expect(formatted).toBe("# Title\n\n```mdl\nfn f(x) = x\n```\n")
  })

  test("leaves a block alone that is not MDL", async () => {
    const page = "```mdl\nfn f( x )=\n```\n"
    expect(await prettier.format(page, { parser: "markdown", plugins: [plugin] })).toBe(page)
  })
})
