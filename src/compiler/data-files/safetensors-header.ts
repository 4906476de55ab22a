/**
 * The header of a safetensors file.
 *
 * Takes the header's text and the number of bytes after it; gives the metadata and where each tensor lies. The format is
 * JSON, `{NAME: {dtype, shape, data_offsets}, __metadata__: {...}}` (huggingface.co/docs/safetensors). It must describe each
 * byte of the data exactly once, so that no declared size is believed that the file does not have. Both the compiler
 * (constants) and the runtime (checkpoints) read files by it.
 */

/** Where a tensor lies in a file; offsets count from the start of the data. */
export interface HeaderEntry {
  readonly name: string
  /** as the file says: F32, BF16, I64 */
  readonly stored: string
  readonly shape: readonly number[]
  readonly start: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>
  /** in the order of their data, which they cover without gaps */
  readonly entries: readonly HeaderEntry[]
}

/** The most bytes of a header, as the format itself has it: a length is eight bytes, and can say anything. */
export const MOST_HEADER = 100_000_000

/** The key of the header that holds texts about the file. */
export const METADATA = "__metadata__"

/**
 * @param there bytes after the header
 * @param widths bytes of one element, by type; other types are refused
 * @param fail throws an error that says what is wrong, as the rest of a sentence about the file
 */
export function parseSafetensorsHeader(
  text: string,
  there: number,
  widths: Readonly<Record<string, number>>,
  fail: (problem: string, cause?: unknown) => never,
): SafetensorsHeader {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (thrown) {
    return fail("has a damaged header: it is not JSON", thrown)
  }
  if (!isObject(json)) return fail("has a damaged header: it is not an object")
  const metadata = new Map<string, string>()
  const entries: HeaderEntry[] = []
  for (const [name, value] of Object.entries(json)) {
    if (name !== METADATA) {
      entries.push(entryOf(name, value, widths, fail))
      continue
    }
    if (!isObject(value)) return fail(`has a damaged header: ${METADATA} is not an object`)
    for (const [key, content] of Object.entries(value)) {
      if (typeof content !== "string") return fail(`has a damaged header: its metadata "${key}" is not text`)
      metadata.set(key, content)
    }
  }
  entries.sort((a, b) => a.start - b.start || a.end - b.end)
  let end = 0
  for (const entry of entries) {
    if (entry.start !== end) fail(`has a damaged header: ${entry.name} starts at ${entry.start}, not at ${end}`)
    end = entry.end
  }
  if (end > there) fail(`is cut off: its tensors need ${end} bytes and ${there} are there`)
  if (end < there) fail(`has ${there - end} bytes that belong to no tensor`)
  return { metadata, entries }
}

function entryOf(
  name: string,
  value: unknown,
  widths: Readonly<Record<string, number>>,
  fail: (problem: string) => never,
): HeaderEntry {
  const wrong = (what: string): never => fail(`has a damaged header: ${name} ${what}`)
  if (!isObject(value)) return wrong("is not described by an object")
  const { dtype: stored, shape, data_offsets: offsets } = value
  if (typeof stored !== "string" || !Object.hasOwn(widths, stored)) {
    return fail(`holds ${name} as ${JSON.stringify(stored)}; known types: ${Object.keys(widths).join(", ")}`)
  }
  if (!isSizes(shape)) return wrong(`has the shape ${JSON.stringify(shape)}`)
  if (!isSizes(offsets) || offsets.length !== 2) return wrong(`has the offsets ${JSON.stringify(offsets)}`)
  const [start, end] = offsets as [number, number]
  const needed = shape.reduce((product, dim) => product * dim, widths[stored]!)
  if (!Number.isSafeInteger(needed) || end - start !== needed) {
    return wrong(`needs ${needed} bytes for ${stored}[${shape.join(", ")}] and has ${end - start}`)
  }
  return { name, stored, shape, start, end }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)
}
