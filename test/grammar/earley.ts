/**
 * Does a grammar derive a row of tokens? Earley's algorithm (CACM 1970), which takes any context-free grammar, ambiguous
 * ones included, and shares nothing with the parser that it is to judge.
 *
 * Takes a grammar as data and tokens; gives yes or no.
 */

import type { Grammar, Part } from "./ebnf.js"

/** A rule of the plain grammar: symbols are names of rules (objects) or terminals (texts). */
type Symbol = { readonly rule: string } | { readonly terminal: string }

interface Item {
  readonly rule: string
  readonly symbols: readonly Symbol[]
  readonly dot: number
  /** where it began */
  readonly origin: number
}

export class Recogniser {
  private readonly rules = new Map<string, (readonly Symbol[])[]>()
  private readonly nullable = new Set<string>()
  private fresh = 0

  /** @param matches whether a terminal of the grammar stands for a token */
  constructor(
    grammar: Grammar,
    private readonly matches: (terminal: string, token: string) => boolean,
  ) {
    for (const [name, part] of grammar) this.rules.set(name, this.alternatives(part))
    for (let size = -1; size !== this.nullable.size;) {
      size = this.nullable.size
      for (const [name, alternatives] of this.rules) {
        const empty = (symbols: readonly Symbol[]): boolean =>
          symbols.every((symbol) => "rule" in symbol && this.nullable.has(symbol.rule))
        if (alternatives.some(empty)) this.nullable.add(name)
      }
    }
  }

  /** Choices become alternatives; options and repetitions rules of their own. */
  private alternatives(part: Part): (readonly Symbol[])[] {
    return part.kind === "choice" ? part.parts.flatMap((inner) => this.alternatives(inner)) : [this.symbols(part)]
  }

  private symbols(part: Part): readonly Symbol[] {
    switch (part.kind) {
      case "token":
        return [{ terminal: part.text }]
      case "rule":
        return [{ rule: part.name }]
      case "sequence":
        return part.parts.flatMap((inner) => this.symbols(inner))
      case "choice":
        return [this.named(this.alternatives(part))]
      case "optional":
        return [this.named([[], ...this.alternatives(part.part)])]
      case "repeated": {
        const name = `#${this.fresh++}`
        this.rules.set(name, [[], ...this.alternatives(part.part).map((symbols) => [...symbols, { rule: name }])])
        return [{ rule: name }]
      }
    }
  }

  private named(alternatives: (readonly Symbol[])[]): Symbol {
    const name = `#${this.fresh++}`
    this.rules.set(name, alternatives)
    return { rule: name }
  }

  /** Whether `start` derives `tokens`. */
  accepts(start: string, tokens: readonly string[]): boolean {
    const columns = Array.from({ length: tokens.length + 1 }, () => new Column())
    for (const symbols of this.rules.get(start)!) columns[0]!.add({ rule: start, symbols, dot: 0, origin: 0 })
    for (const [position, column] of columns.entries()) {
      for (let at = 0; at < column.items.length; at++) {
        const item = column.items[at]!
        const next = item.symbols[item.dot]
        if (next === undefined) {
          for (const waiting of columns[item.origin]!.waitingFor(item.rule)) column.add(advanced(waiting))
        } else if ("terminal" in next) {
          const token = tokens[position]
          if (token !== undefined && this.matches(next.terminal, token)) columns[position + 1]!.add(advanced(item))
        } else {
          for (const symbols of this.rules.get(next.rule)!) {
            column.add({ rule: next.rule, symbols, dot: 0, origin: position })
          }
          // A rule that can be empty may have been finished here before this item came.
          if (this.nullable.has(next.rule)) column.add(advanced(item))
        }
      }
    }
    const last = columns[tokens.length]!
    return last.items.some((item) => item.rule === start && item.origin === 0 && item.dot === item.symbols.length)
  }
}

const advanced = (item: Item): Item => ({ ...item, dot: item.dot + 1 })

class Column {
  readonly items: Item[] = []
  private readonly seen = new Map<readonly Symbol[], Set<number>>()
  private readonly waiting = new Map<string, Item[]>()

  add(item: Item): void {
    const key = item.origin * 64 + item.dot
    const known = this.seen.get(item.symbols)
    if (known?.has(key)) return
    if (known) known.add(key)
    else this.seen.set(item.symbols, new Set([key]))
    this.items.push(item)
    const next = item.symbols[item.dot]
    if (next === undefined || "terminal" in next) return
    const list = this.waiting.get(next.rule)
    if (list) list.push(item)
    else this.waiting.set(next.rule, [item])
  }

  waitingFor(rule: string): readonly Item[] {
    return [...(this.waiting.get(rule) ?? [])]
  }
}
