/**
 * Amounts as reports write them.
 *
 * Takes: numbers. Gives: texts.
 */

/** `69,440,255` */
export const grouped = (value: number): string => value.toLocaleString("en-US")

/** `580.2 k` */
export function amount(value: number): string {
  for (const [factor, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (value >= factor) return `${Number((value / factor).toPrecision(4))} ${unit}`
  }
  return String(value)
}
