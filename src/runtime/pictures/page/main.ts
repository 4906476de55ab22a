/**
 * The page of a picture, or of two: buttons, search, facts and source of what is chosen, and the list of changes.
 *
 * Takes the document that the runtime writes, with what is lit as JSON in it. Two sides move together,
 * and what is chosen or opened in the one is so in the other where it is there.
 */

import { type Found, type Lights, Side } from "./side.js"

/** One line of the list of changes, by its number: the places in each side. */
interface ListedChange {
  readonly kind: string
  readonly sign: string
  readonly places: readonly (readonly string[])[]
}

const data = JSON.parse(document.getElementById("lights")!.textContent || "[]") as readonly ListedChange[]
const sides = [...document.querySelectorAll<HTMLElement>("[data-side]")].map(
  (element, i) => new Side(element, lightsOf(i)),
)
const MOST_FOUND = 24
/** each side is led to its own place, and does not follow the other */
let isLed = false

function lightsOf(side: number): Lights {
  const lights = new Map<string, Map<string, string>>()
  for (const { kind, sign, places } of data) {
    for (const path of places[side] ?? [])
      lights.set(path, (lights.get(path) ?? new Map<string, string>()).set(kind, sign))
  }
  return lights
}

sides.forEach((side, i) => {
  const others = sides.filter((_, j) => j !== i)
  side.stage.onMove = (move) => others.forEach((other) => other.stage.apply(move))
  side.onOpen = (path) => {
    // A block that the other side has not shows what is around it there.
    for (const other of others) while (!other.open(path)) path = path.slice(0, Math.max(path.lastIndexOf("/"), 0))
    showFacts(side, undefined)
  }
  side.onChoose = (part) => {
    showFacts(side, part)
    if (isLed) return
    for (const other of others) {
      other.chooseNothing()
      const same = [...other.stage.svg.querySelectorAll<SVGGElement>("[data-box], [data-section]")].find(
        ({ dataset }) => side.path === other.path && sameName(dataset, part.dataset),
      )
      same?.classList.add("chosen")
      showFacts(other, same)
    }
  }
})

const sameName = (a: DOMStringMap, b: DOMStringMap): boolean => a["box"] === b["box"] && a["section"] === b["section"]

/** What is known about a part, with its lines of the text. */
function showFacts({ element }: Side, part: SVGGElement | undefined): void {
  const facts = element.querySelector<HTMLElement>(".facts")!
  const [title = "", ...others] = (part?.dataset["facts"] ?? facts.dataset["hint"] ?? "").split("\n")
  const heading = document.createElement(part ? "h2" : "p")
  heading.textContent = title
  const lines = others.map((line) => {
    const text = document.createElement("p")
    text.textContent = line
    return text
  })
  const buttons: HTMLElement[] = []
  if (part?.dataset["view"] !== undefined) {
    const open = document.createElement("button")
    open.type = "button"
    open.textContent = "Look inside"
    open.addEventListener("click", () => sides.find((one) => one.element === element)!.opened(part))
    buttons.push(open)
  }
  const link = part && editorLink(element, part.dataset)
  if (link) buttons.push(link)
  facts.replaceChildren(heading, ...lines, ...buttons)
  showSource(element, part?.dataset)
}

/** A link that opens an editor, where the page was made with one. */
function editorLink(element: HTMLElement, { file, line }: DOMStringMap): HTMLElement | undefined {
  const text = [...element.querySelectorAll<HTMLElement>("[data-editor]")].find(
    ({ dataset }) => dataset["text"] === file,
  )
  if (!text) return undefined
  const link = document.createElement("a")
  link.href = `${text.dataset["editor"]!}:${line!}`
  link.textContent = "Open in the editor"
  return link
}

/** Shows the text that a part comes from, at its lines. */
function showSource(element: HTMLElement, place: DOMStringMap | undefined): void {
  const source = element.querySelector<HTMLElement>(".source")!
  source.querySelectorAll(".here").forEach((line) => line.classList.remove("here"))
  if (place?.["file"] === undefined) return
  for (const text of source.querySelectorAll<HTMLElement>("[data-text]")) {
    text.hidden = text.dataset["text"] !== place["file"]
    if (text.hidden) continue
    const lines = [...text.querySelectorAll<HTMLElement>(".line")]
    const first = Number(place["line"]) - 1
    for (const line of lines.slice(first, Number(place["last"]))) line.classList.add("here")
    const at = lines[first]
    if (at) source.scrollTop = at.offsetTop - source.clientHeight / 3
  }
}

/** Goes to places of a change, in each side to the first that is there. */
function goTo(places: readonly (readonly string[])[]): void {
  isLed = true
  sides.forEach((side, i) => {
    if ((places[i] ?? []).some((path) => side.goTo(path))) return
    side.chooseNothing()
    showFacts(side, undefined)
  })
  isLed = false
}

function onClick(id: string, act: () => void): void {
  document.getElementById(id)?.addEventListener("click", act)
}

onClick("zoom-in", () => sides[0]!.stage.zoomIn())
onClick("zoom-out", () => sides[0]!.stage.zoomOut())
onClick("fit", () => sides[0]!.stage.fit())
onClick("shapes", () => {
  const button = document.getElementById("shapes")!
  const shown = document.body.classList.toggle("shapes")
  button.setAttribute("aria-pressed", `${shown}`)
})

for (const button of document.querySelectorAll<HTMLElement>("[data-change]")) {
  button.addEventListener("click", () => goTo(data[Number(button.dataset["change"])]!.places))
}

const search = document.getElementById("search") as HTMLInputElement
const results = document.getElementById("results")!
search.addEventListener("input", () => {
  const words = search.value.trim()
  const found = words === "" ? [] : sides.map((side) => side.search(words, MOST_FOUND))
  const paths = [...new Map(found.flat().map((one) => [one.path, one] as const)).values()].slice(0, MOST_FOUND)
  results.replaceChildren(...paths.map(resultItem))
  results.hidden = words === ""
  if (words !== "" && paths.length === 0) results.textContent = "nothing is called so"
})
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") results.querySelector("button")?.click()
  if (event.key === "Escape") search.value = ""
  if (event.key === "Escape") results.hidden = true
})

function resultItem({ path, name }: Found): HTMLElement {
  const button = document.createElement("button")
  button.type = "button"
  const where = document.createElement("small")
  where.textContent = path
  button.append(name, where)
  button.addEventListener("click", () => {
    results.hidden = true
    goTo(sides.map(() => [path]))
  })
  return button
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target === search) return
  event.preventDefault()
  search.focus()
})
addEventListener("beforeprint", () => sides.forEach(({ stage }) => stage.showWhole()))
addEventListener("afterprint", () => sides.forEach(({ stage }) => stage.draw()))

for (const side of sides) showFacts(side, undefined)
document.body.dataset["ready"] = ""
