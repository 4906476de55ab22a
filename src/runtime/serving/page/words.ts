/**
 * The words of the note, coloured by how much the model looked at them.
 *
 * Takes: the pieces of the note and the distributions over its tokens. Gives: a line of words for each distribution; the
 * share stands in the word's title too, because colour alone is not for everybody.
 */

import { isAlike, type NotePiece, type WordInterest, weighed } from "../../prediction/interest.js"

/** Shows the words; without a distribution, or with tokens that cannot be matched to words, nothing. */
export function showWords(
  into: HTMLElement,
  pieces: readonly NotePiece[] | undefined,
  interests: readonly WordInterest[],
): void {
  into.replaceChildren(...(pieces === undefined ? [] : interests.map((interest) => line(pieces, interest))))
}

function line(pieces: readonly NotePiece[], { name, values }: WordInterest): HTMLElement {
  const words = weighed(pieces, values)
  const most = Math.max(...words.map(({ weight }) => weight))
  // Colours for rounding errors would tell of preferences that the model does not have.
  const read = pieces.flatMap(({ from, to }) => Array.from(values.subarray(from, to)))
  const alike = most === 0 || isAlike(read)
  const shade = (weight: number): number => (alike ? 0 : weight / most)
  const paragraph = document.createElement("p")
  const label = document.createElement("span")
  label.className = "label"
  paragraph.append(label)
  label.textContent = `${name}: shares of the words${alike ? " (all alike)" : ""}`
  words.forEach(({ text, spaced, weight }, index) => {
    const { from, to } = pieces[index]!
    const word = document.createElement(from === to ? "s" : "span")
    word.className = "word"
    word.textContent = text
    word.title = from === to ? "cut off: not read by the model" : `${(100 * weight).toFixed(1)} %`
    word.dataset["weight"] = String(weight)
    word.style.setProperty("--share", shade(weight).toFixed(3))
    if (spaced) paragraph.append(" ")
    paragraph.append(word)
  })
  return paragraph
}
