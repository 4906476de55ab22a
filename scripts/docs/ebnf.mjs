/**
 * The written grammar as data.
 *
 * Takes the text of grammar/mdl.ebnf; gives its rules as trees. Nothing here knows MDL. It stands with the scripts because
 * the page of the grammar is drawn from it; the tests that hold the written grammar equal to the parser's read it here too.
 *
 * A part is `{ kind: "token", text }` (a keyword or symbol, or a class of tokens in capitals), `{ kind: "rule", name }`,
 * `{ kind: "sequence" | "choice", parts }` or `{ kind: "optional" | "repeated", part }`.
 */

/** Whether a terminal is a class of tokens, such as NAME. */
export const isClass = (text) => /^[A-Z]+$/.test(text)

export const sequence = (parts) => (parts.length === 1 ? parts[0] : { kind: "sequence", parts })
export const choice = (parts) => (parts.length === 1 ? parts[0] : { kind: "choice", parts })

/** Reads rules in EBNF, by name. Lexical rules, in capitals, are left out: they are classes of tokens. */
export function readEbnf(text) {
  const tokens = text.replace(/\(\*[\s\S]*?\*\)/g, " ").match(/"[^"]*"|'[^']*'|[A-Za-z_]+|[=;,|(){}[\]-]/g) ?? []
  const rules = new Map()
  let at = 0
  const take = (expected) => {
    const token = tokens[at++]
    if (token === undefined || (expected !== undefined && token !== expected)) {
      throw new Error(`expected ${expected ?? "something"}, found ${token} at ${tokens.slice(at - 6, at).join(" ")}`)
    }
    return token
  }
  const listOf = (separator, element) => {
    const parts = [element()]
    while (tokens[at] === separator) {
      at++
      parts.push(element())
    }
    return parts
  }
  const alternatives = () => choice(listOf("|", joined))
  const joined = () => sequence(listOf(",", single))
  const bracketed = (close) => {
    const part = alternatives()
    take(close)
    return part
  }
  const single = () => {
    const token = take()
    if (token === "(") return bracketed(")")
    if (token === "[") return { kind: "optional", part: bracketed("]") }
    if (token === "{") return { kind: "repeated", part: bracketed("}") }
    if (token.startsWith('"')) return { kind: "token", text: token.slice(1, -1) }
    return isClass(token) ? { kind: "token", text: token } : { kind: "rule", name: token }
  }
  while (at < tokens.length) {
    const name = take()
    take("=")
    if (isClass(name)) {
      while (take() !== ";");
      continue
    }
    rules.set(name, alternatives())
    take(";")
  }
  return rules
}
