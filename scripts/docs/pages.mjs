/**
 * The documentation that is made from the program: which pages there are and what each is made of.
 *
 * Takes a function that imports a module of the program by its path below the root (`src/compiler/compile.js`), and one
 * that reads files; gives the text of every page. The generator passes the compiled modules, the test the sources, so
 * both look at the same program.
 */

import { errorsPage } from "./errors.mjs"
import { grammarPages } from "./grammar.mjs"
import { jsonParts } from "./json-shapes.mjs"
import { builtinParts, fillParts, helpParts, libraryPart } from "./language-parts.mjs"
import { measuredErrors, operatorsPage } from "./operators.mjs"
import { readmeParts } from "./readme-parts.mjs"

/** Reads everything the pages are made of. */
export async function collect(load, { readText, list }) {
  const [
    facts,
    compile,
    render,
    names,
    registry,
    builder,
    dims,
    sized,
    builtins,
    trainingNames,
    trainingSettings,
    types,
    values,
    ast,
    parse,
    summary,
    summaryCommand,
    diff,
    diffCommand,
    sides,
    pictures,
  ] = await Promise.all(
    [
      "src/compiler/diagnostics/facts.js",
      "src/compiler/compile.js",
      "src/compiler/diagnostics/render.js",
      "src/compiler/ops/names.js",
      "src/compiler/ops/registry.js",
      "src/compiler/ir/builder.js",
      "src/compiler/ir/dims.js",
      "src/compiler/ops/sized-attributes.js",
      "src/compiler/elaborate/builtins.js",
      "src/compiler/elaborate/training-names.js",
      "src/compiler/elaborate/training-settings.js",
      "src/compiler/elaborate/tensor-types.js",
      "src/compiler/elaborate/values.js",
      "grammar/ast.js",
      "grammar/parse.js",
      "src/compiler/summary.js",
      "src/cli/summary.js",
      "src/compiler/diff/diff.js",
      "src/cli/diff.js",
      "src/runtime/pictures/side.js",
      "src/runtime/pictures/write-picture.js",
    ].map(load),
  )
  const library = list("std").map((file) => [`std/${file.replace(/\.mdl$/, "")}`, readText(`std/${file}`)])
  const main = readText("src/cli/main.ts")
  const commands = []
  for (const [, file, factory] of main.matchAll(/import\("\.\/([\w-]+)\.js"\)\)\.(\w+)\(\)/g)) {
    commands.push((await load(`src/cli/${file}.js`))[factory]())
  }
  const figures = { "docs/images/reclmis.svg": await drawing("models/reclmis.mdl") }
  return {
    ...facts,
    ...compile,
    ...render,
    ...names,
    ...registry,
    ...builder,
    ...sized,
    ...builtins,
    ...trainingNames,
    ...trainingSettings,
    ...types,
    ...values,
    ...ast,
    ...parse,
    ...summary,
    ...summaryCommand,
    ...diff,
    ...diffCommand,
    dims,
    operatorErrors: measuredErrors(readText),
    library,
    commands,
    readStandard: (path) => new Map(library).get(path),
    readZoo: (file) => readText(`models/${file}`),
    figures,
  }

  /** A model as a figure. */
  async function drawing(path) {
    const host = { read: (file) => readText(file.startsWith("std/") ? `${file}.mdl` : file) }
    const { output: model, modules, variant } = compile.compile(path, host)
    return pictures.graphDrawing(sides.drawn({ model, text: { modules, variant } }))
  }
}

/** Texts by path. `readText` gives the pages that are written by hand around generated parts. */
export function pages(modules, { readText }) {
  const parts = {
    ...builtinParts(modules),
    library: libraryPart(modules.library, modules.parse),
    ...helpParts(modules.commands),
    ...jsonParts(readText),
    ...readmeParts(modules, readText("README.md")),
  }
  return {
    ...modules.figures,
    "docs/operators.md": operatorsPage(modules),
    "docs/errors.md": errorsPage(modules),
    ...grammarPages(readText("grammar/mdl.ebnf")),
    "docs/language.md": fillParts(readText("docs/language.md"), parts),
    "README.md": fillParts(readText("README.md"), parts),
    "docs/commands.md": fillParts(readText("docs/commands.md"), parts),
    "docs/training.md": fillParts(readText("docs/training.md"), parts),
  }
}
