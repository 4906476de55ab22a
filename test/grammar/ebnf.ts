/**
 * Grammars as data, from the written grammar and from the parser.
 *
 * Takes the text of `mdl.ebnf`, or the productions that Chevrotain recorded from the parser's own code; gives the same
 * kind of tree for both, a canonical text of it, and sentences drawn from it. Nothing here knows MDL.
 */

import type { ISerializedGast } from "chevrotain"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"

export type Part =
  /** a terminal: the text of a keyword or symbol, or the name of a class of tokens in capitals */
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly Part[] }
  | { readonly kind: "optional" | "repeated"; readonly part: Part }

export type Grammar = ReadonlyMap<string, Part>

interface Reader {
  /** Whether a terminal is a class of tokens, such as NAME. */
  isClass(text: string): boolean
  sequence(parts: readonly Part[]): Part
  choice(parts: readonly Part[]): Part
  /** Reads rules in EBNF, without the lexical ones. */
  readEbnf(text: string): Grammar
}

/** Plain JavaScript, because the page of the grammar is made from it without a compiler. */
const reader = (await import(pathToFileURL(resolve("scripts/docs/ebnf.mjs")).href)) as Reader
export const { isClass, readEbnf } = reader
const { sequence, choice } = reader

// ----------------------------------------------------------------------------------------------------------- recorded

/** The productions that Chevrotain recorded. @param textOf the text of a token type, by its name */
export function readGast(productions: readonly ISerializedGast[], textOf: (name: string) => string): Grammar {
  const all = (nodes: readonly ISerializedGast[]): Part => sequence(nodes.map(part))
  const part = (node: ISerializedGast): Part => {
    const { definition = [], name = "" } = node as ISerializedGast & { name?: string }
    switch (node.type) {
      case "NonTerminal":
        return { kind: "rule", name }
      case "Terminal":
        return { kind: "token", text: textOf(name) }
      case "Option":
        return { kind: "optional", part: all(definition) }
      case "Repetition":
        return { kind: "repeated", part: all(definition) }
      case "RepetitionMandatory":
        return sequence([all(definition), { kind: "repeated", part: all(definition) }])
      case "Alternation":
        return choice(definition.map((alternative) => all(alternative.definition ?? [])))
      default:
        throw new Error(`the parser has a ${node.type}, which this does not know`)
    }
  }
  return new Map(
    productions.map((rule) => [(rule as unknown as { name: string }).name, all(rule.definition ?? [])] as const),
  )
}

// ---------------------------------------------------------------------------------------------------------- canonical

/** A text that is equal for parts that differ in brackets and in the order of alternatives alone. */
export function canonical(part: Part): string {
  switch (part.kind) {
    case "token":
      return JSON.stringify(part.text)
    case "rule":
      return part.name
    case "optional":
      return `[ ${canonical(part.part)} ]`
    case "repeated":
      return `{ ${canonical(part.part)} }`
    case "sequence":
      return flat(part).map(canonical).join(" ")
    case "choice":
      return `( ${flat(part).map(canonical).sort().join(" | ")} )`
  }
}

function flat(part: Extract<Part, { readonly parts: unknown }>): readonly Part[] {
  return part.parts.flatMap((inner) => (inner.kind === part.kind ? flat(inner) : [inner]))
}

// ---------------------------------------------------------------------------------------------------------- sentences

/** How many steps the shortest sentence of each rule takes. */
function heights(grammar: Grammar): (part: Part) => number {
  const known = new Map<string, number>([...grammar.keys()].map((name) => [name, Infinity]))
  const heightOf = (part: Part): number => {
    switch (part.kind) {
      case "token":
      case "optional":
      case "repeated":
        return 0
      case "rule":
        return 1 + (known.get(part.name) ?? Infinity)
      case "sequence":
        return Math.max(0, ...part.parts.map(heightOf))
      case "choice":
        return Math.min(...part.parts.map(heightOf))
    }
  }
  for (let changed = true; changed;) {
    changed = false
    for (const [name, part] of grammar) {
      const height = heightOf(part)
      if (height < known.get(name)!) {
        known.set(name, height)
        changed = true
      }
    }
  }
  return heightOf
}

/**
 * Draws a sentence, as the tokens of the grammar.
 *
 * @param draw a whole number below its argument
 * @param size about how many rules are used before the shortest way to the end is taken
 */
export function sentence(grammar: Grammar, start: string, draw: (below: number) => number, size: number): string[] {
  const heightOf = heights(grammar)
  let left = size
  const visit = (part: Part): string[] => {
    switch (part.kind) {
      case "token":
        return [part.text]
      case "rule": {
        left--
        return visit(grammar.get(part.name)!)
      }
      case "sequence":
        return part.parts.flatMap(visit)
      case "optional":
        return left > 0 && draw(3) === 0 ? visit(part.part) : []
      case "repeated": {
        const words: string[] = []
        while (left > 0 && draw(5) < 3) words.push(...visit(part.part))
        return words
      }
      case "choice": {
        if (left > 0) return visit(part.parts[draw(part.parts.length)]!)
        const lowest = Math.min(...part.parts.map(heightOf))
        return visit(part.parts.find((option) => heightOf(option) === lowest)!)
      }
    }
  }
  return visit({ kind: "rule", name: start })
}
