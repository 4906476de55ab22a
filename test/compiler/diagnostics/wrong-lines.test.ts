/**
 * One wrong line is one error, in models of the real size: what follows from a mistake says nothing.
 *
 * A line of a published model is broken in one of the ways people break lines, and the errors are counted.
 */

import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { compile } from "../../../src/compiler/compile.js"
import { fileHost } from "../../../src/runtime/model-file.js"
import { messages } from "../source-host.js"

/** What is done to a line; one that it does not apply to stays as it was. */
const SLIPS: Readonly<Record<string, (line: string) => string>> = {
  "an argument has PyTorch's name": (line) => line.replace(/\bkernel = /, "kernel_size = "),
  "a comma is missing": (line) => line.replace(/(\w), (\w)/, "$1 $2"),
  "an argument has a colon": (line) => line.replace(/(\(|, )(\w+) = /, "$1$2: "),
  "a call is misspelt": (line) => (/^\s*let/.test(line) ? line.replace(/\b([a-z_0-9]{4,})\(/i, "$1x(") : line),
  "a function stands in F": (line) => line.replace(/\b(relu|sigmoid|softmax|dropout|conv2d|concat)\(/, "F.$1("),
  "a bracket is too many": (line) => line.replace(/\)$/, "))"),
  "a bracket is missing": (line) => line.replace(/\)$/, ""),
  "let is misspelt": (line) => line.replace(/^(\s*)let /, "$1lett "),
  "let is missing": (line) => line.replace(/^(\s*)let (\w+) =/, "$1$2 ="),
  "a number is None": (line) => line.replace(/ = (\d[\d.]*)\b/, " = None"),
  "a number is in quotes": (line) => line.replace(/ = (\d[\d.]*)\b/, ' = "$1"'),
  "quotes are single": (line) => line.replace(/"([^"]*)"/, "'$1'"),
  "the line ends with a semicolon": (line) => line.replace(/\)$/, ");"),
  "an input has an equals sign": (line) => line.replace(/^(\s*)(input|target)(\s+)(\w+): /, "$1$2$3$4 = "),
  "a name is changed in place": (line) => line.replace(/^(\s*)let (\w+) = .*$/, "$&\n$1$2 += 1"),
  "a lambda is added": (line) => line.replace(/^(\s*)let (\w+) = .*$/, "$&\n$1let act_ = lambda x: relu(x)"),
  "an if of Python is added": (line) => line.replace(/^(\s*)let (\w+) = .*$/, "$&\n$1if dim > 4:"),
  "a print is added": (line) => line.replace(/^(\s*)let (\w+) = .*$/, "$&\n$1print($2)"),
}

interface Broken {
  readonly path: string
  readonly slip: string
  readonly text: string
}

const MODELS = ["unet", "lvit", "reclmis"].map((name) => `models/${name}.mdl`)

/** Every line of every model, broken in every way that applies. */
const broken: readonly Broken[] = MODELS.flatMap((path) => {
  const lines = readFileSync(path, "utf8").split("\n")
  // Ablations behind the model are not what is compiled.
  const end = lines.findIndex((line) => line.startsWith("ablation "))
  return lines.slice(0, end === -1 ? undefined : end).flatMap((line, at) =>
    Object.entries(SLIPS).flatMap(([slip, breakLine]): Broken[] => {
      // Comments stay out of it: what is broken in them is not wrong.
      const [code = ""] = line.split(/\s*\/\//)
      const changed = breakLine(code)
      if (changed === code) return []
      return [{ path, slip, text: [...lines.slice(0, at), changed, ...lines.slice(at + 1)].join("\n") }]
    }),
  )
})

const host = fileHost("models")

/** A model of several is asked for by name; that it was not is no mistake of the line. */
const WHICH_MODEL = "MDL4003"

test("there are lines for every slip", () => {
  expect(new Set(broken.map(({ slip }) => slip))).toEqual(new Set(Object.keys(SLIPS)))
})

describe("a wrong line is one error", () => {
  test("in any line of a published model", () => {
    fc.assert(
      fc.property(fc.constantFrom(...broken), ({ path, slip, text }) => {
        const result = compile(path, { ...host, read: (asked) => (asked === path ? text : host.read(asked)) })
        const errors = result.diagnostics.filter(({ severity, code }) => severity === "error" && code !== WHICH_MODEL)
        expect(errors.length, `${slip}\n${messages(result)}`).toBe(1)
      }),
      { numRuns: 40 },
    )
  })
})
