/**
 * Amounts of memory as people write them: `800MB`, `2.5 GB`, `1GiB`.
 *
 * Takes a text, gives bytes; and back. A unit is required, because a bare number could mean bytes or megabytes.
 */

const UNITS: Readonly<Record<string, number>> = {
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
}

/** The bytes that `text` says; undefined when it is no positive number with a unit. */
export function parseSize(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([KMG]i?B)$/i.exec(text.trim()) ?? []
  const bytes = number === undefined ? 0 : Math.round(Number(number) * UNITS[unit!.toUpperCase()]!)
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined
}

/** `bytes` in the unit in which it reads best, to three digits, rounded up: what is told suffices when it is given back. */
export function sizeText(bytes: number): string {
  const [unit, size] =
    bytes >= 1e9 ? (["GB", 1e9] as const) : bytes >= 1e6 ? (["MB", 1e6] as const) : (["KB", 1e3] as const)
  const scale = bytes / size >= 100 ? 1 : bytes / size >= 10 ? 10 : 100
  return `${Math.ceil((bytes / size) * scale) / scale}${unit}`
}
