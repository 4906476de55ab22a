/**
 * The JavaScript of pages made from the sources, so that no test depends on an earlier build.
 */
import { readFile } from "node:fs/promises"
import ts from "typescript"

/** A module of a page by its path below src/runtime, without ending. */
export async function readModule(module: string): Promise<string> {
  const source = await readFile(new URL(`../../src/runtime/${module}.ts`, import.meta.url), "utf8")
  const { target, module: kind } = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
  return ts.transpileModule(source, { compilerOptions: { target, module: kind, verbatimModuleSyntax: true } })
    .outputText
}
