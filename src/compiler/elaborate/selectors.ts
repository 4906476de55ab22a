/**
 * What may stand behind `#`: names joined by `+`, each with choices among the values that its `vary` gives.
 *
 *   quick+no_text            the ablation quick, with no_text on top
 *   masks[mask_image=0.3]    of the models that masks stands for, the one with this value
 *
 * Takes the text of a selector; gives its parts. A choice makes one model of an ablation that stands for several; what the
 * ablation varies and the choice does not name keeps the value it has without the ablation, so that both one factor at a
 * time and every combination can be written. A text that is none of this is a name that nothing has, which is told there.
 */

/** `mask_image=0.3`: a varied path and the text of one of its values. */
export interface Chosen {
  readonly path: string
  readonly value: string
}

export interface SelectorPart {
  readonly name: string
  /** undefined: nothing is chosen, so what is varied has all its values */
  readonly chosen: readonly Chosen[] | undefined
}

/** The parts of a selector, first the one nearest the model. */
export function parseSelector(selector: string): readonly SelectorPart[] {
  return splitOutside(selector, "+").map((text) => {
    const [, name, inside] = /^([^[\]]+)\[(.*)\]$/s.exec(text.trim()) ?? []
    if (name === undefined || inside === undefined) return { name: text, chosen: undefined }
    const chosen = splitOutside(inside, ",").map((choice) => /^([^=]+)=(.+)$/s.exec(choice.trim()))
    if (chosen.some((found) => found === null)) return { name: text, chosen: undefined }
    return { name: name.trim(), chosen: chosen.map((found) => ({ path: found![1]!.trim(), value: found![2]!.trim() })) }
  })
}

/** The text of a part: `masks[mask_image=0.3]`. */
export function selectorPart(name: string, chosen: readonly Chosen[]): string {
  return chosen.length === 0 ? name : `${name}[${chosen.map(({ path, value }) => `${path}=${value}`).join(",")}]`
}

/** Whether two texts are one value, however they are spaced. */
export const sameValue = (a: string, b: string): boolean => a.replace(/\s+/g, "") === b.replace(/\s+/g, "")

/** Splits at `separator` where no bracket and no quote is open. */
export function splitOutside(text: string, separator: string): readonly string[] {
  const parts: string[] = []
  let depth = 0
  let quoted = false
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '"' && text[at - 1] !== "\\") quoted = !quoted
    if (quoted) continue
    if ("[({".includes(character)) depth++
    else if ("])}".includes(character)) depth--
    else if (character === separator && depth === 0) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  return [...parts, text.slice(from)]
}
