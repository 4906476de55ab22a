/** An AST without its places, for comparing what two texts mean. */
export function withoutSpans(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSpans)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value).filter(([key]) => key !== "span" && key !== "operatorSpan")
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutSpans(inner)]))
}
