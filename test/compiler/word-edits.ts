/** Texts with words changed, for properties that have to hold of whatever somebody writes. */

import { readdirSync, readFileSync } from "node:fs"
import fc from "fast-check"
import { fileHost } from "../../src/runtime/model-file.js"

const files = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".mdl"))
    .map((name) => `${folder}/${name}`)

export const TOUR = "test/fixtures/constants/tour.mdl"
export const MODELS = [...files("models"), TOUR]
export const LIBRARY = files("std")
export const disk = fileHost("models")
const tourDisk = fileHost("test/fixtures/constants")
export const tensor = tourDisk.tensor!
/** Texts are read once; a compilation that reads the disk each time would make this slow. */
const texts = new Map<string, string | undefined>()
export const read = (path: string): string | undefined => {
  if (!texts.has(path)) texts.set(path, (path === TOUR ? tourDisk : disk).read(path))
  return texts.get(path)
}

/** Words, numbers and signs of all texts: what people mistype one for another. */
const WORDS = [
  ...new Set(
    [...MODELS, ...LIBRARY].flatMap((path) => readFileSync(path, "utf8").match(/\w+|"[^"\n]*"|[^\s\w]+/g) ?? []),
  ),
].sort()
const ODD = ["0", "-1", "1.5", "1000000000", "9007199254740991", "none", "[]", "{}", "x", "N", "H", "T", "0..100000"]

/** A word changed for another. */
export interface WordEdit {
  readonly at: number
  readonly kind: "replace" | "remove" | "insert" | "swap"
  readonly word: string
}

export const wordEdit = fc.record<WordEdit>({
  at: fc.nat(1_000_000),
  kind: fc.constantFrom("replace", "replace", "remove", "insert", "swap"),
  word: fc.oneof(fc.constantFrom(...WORDS), fc.constantFrom(...ODD)),
})

/** Edits whole words, so that most results still parse and reach the later stages. */
export function mutate(text: string, edits: readonly WordEdit[]): string {
  const parts = text.match(/\/\/[^\n]*|\w+|"[^"\n]*"|\s+|[^\s\w]/g) ?? []
  const words = parts.flatMap((part, index) => (/^(\s|\/\/)/.test(part) ? [] : [index]))
  for (const { at, kind, word } of edits) {
    const index = words[at % words.length]!
    const next = words[(at + 1) % words.length]!
    if (kind === "replace") parts[index] = word
    else if (kind === "remove") parts[index] = ""
    else if (kind === "insert") parts[index] += ` ${word} `
    else [parts[index], parts[next]] = [parts[next]!, parts[index]!]
  }
  return parts.join("")
}
