/**
 * The modules of scripts/docs/, typed for the tests.
 *
 * Takes nothing; gives what the generator exports, and the program's own modules as the generator wants them. The
 * generator is plain JavaScript because it runs on the compiled program; its types exist only here.
 */

import { readdirSync, readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { resolve } from "node:path"

export interface Claim {
  readonly what: "parameters" | "shapes"
  readonly selector: string | undefined
  readonly lines: readonly string[]
}

export interface Example {
  readonly line: number
  readonly text: string
  readonly error: string | undefined
  readonly selector: string | undefined
  readonly claims: readonly Claim[]
}

export interface ErrorExample {
  readonly code: string
  readonly codes: readonly string[]
  readonly example: { readonly text?: string; readonly fact?: object; readonly reserved?: string; readonly fix: string }
  readonly message: string | undefined
}

/** All that pages are made of; opaque to the tests, except for the table of facts. */
export interface Modules {
  readonly FACTS: Readonly<Record<string, { readonly code: string }>>
}

export interface Files {
  readText(path: string): string
  list(path: string): string[]
}

const module = async (name: string): Promise<Record<string, unknown>> =>
  (await import(pathToFileURL(resolve(`scripts/docs/${name}.mjs`)).href)) as Record<string, unknown>

const [examples, pagesModule, errors, parts] = await Promise.all(
  ["examples", "pages", "errors", "language-parts"].map(module),
)

export const examplesOf = examples!["examplesOf"] as (page: string) => Example[]
export const pages = pagesModule!["pages"] as (modules: Modules, files: Files) => Promise<Record<string, string>>
export const errorExample = errors!["errorExample"] as (kind: string, modules: Modules) => ErrorExample
export const fillParts = parts!["fillParts"] as (page: string, parts: Record<string, string>) => string

const collect = pagesModule!["collect"] as (load: (path: string) => Promise<unknown>, files: Files) => Promise<Modules>

export const files: Files = {
  readText: (path) => readFileSync(path, "utf8"),
  list: (path) => readdirSync(path).sort(),
}

/** The sources, in place of the compiled program that the generator itself takes. */
export const collectModules = (): Promise<Modules> =>
  collect((path) => import(pathToFileURL(resolve(path.replace(/\.js$/, ".ts"))).href), files)
