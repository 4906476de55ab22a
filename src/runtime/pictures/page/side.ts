/**
 * One picture of the page: the whole model or what is inside of a block, what is chosen in it, and what is lit.
 *
 * Takes the element of a side, whose templates hold the drawings; a place is a path of boxes, joined by `/`. Gives events
 * for whoever follows: what was chosen, which block was opened.
 */

import { Stage } from "./stage.js"

/** By path: the kinds of changes there, with their signs. */
export type Lights = ReadonlyMap<string, ReadonlyMap<string, string>>

/** A box that a search found. */
export interface Found {
  readonly path: string
  readonly name: string
}

/** Changes of a section that are changes of all that is in it. */
const WHOLE: ReadonlySet<string> = new Set(["added", "removed"])
const ROOT = "root"
const partsOf = (path: string): string[] => (path === "" ? [] : path.split("/"))
const parentOf = (path: string): string => partsOf(path).slice(0, -1).join("/")
const lastOf = (path: string): string => partsOf(path).at(-1) ?? ""
const joined = (path: string, box: string): string => (path === "" ? box : `${path}/${box}`)

export class Side {
  readonly stage: Stage
  /** the block whose inside is shown; empty for the whole model */
  path = ""
  onChoose: (part: SVGGElement) => void = () => undefined
  onOpen: (path: string) => void = () => undefined
  private readonly crumbs: HTMLElement
  private readonly tip: HTMLElement

  constructor(
    readonly element: HTMLElement,
    private readonly lights: Lights,
  ) {
    this.stage = new Stage(this.part(".stage"))
    this.crumbs = this.part(".crumbs")
    this.tip = this.part(".tip")
    const { element: stage } = this.stage
    stage.addEventListener("click", (event) => this.clicked(event))
    stage.addEventListener("dblclick", (event) => this.opened(boxOf(event.target)))
    stage.addEventListener("keydown", (event) => this.key(event))
    for (const event of ["pointerover", "focusin"] as const) {
      stage.addEventListener(event, ({ target }) => this.point(boxOf(target)))
    }
    for (const event of ["pointerleave", "focusout"] as const)
      stage.addEventListener(event, () => this.point(undefined))
    this.open("")
  }

  /** An element of this side. @throws Error when the page has no such element */
  private part(selector: string): HTMLElement {
    const found = this.element.querySelector<HTMLElement>(selector)
    if (!found) throw new Error(`the page has no ${selector}`)
    return found
  }

  /** Shows what is inside of the block at `path`; says whether there is such a block. */
  open(path: string): boolean {
    const svg = this.drawing(path)
    if (!svg) return false
    this.path = path
    const shown = svg.cloneNode(true) as SVGSVGElement
    for (const box of shown.querySelectorAll<SVGGElement>("[data-box], [data-section]")) this.prepare(box)
    this.stage.show(shown)
    this.point(undefined)
    this.showCrumbs()
    return true
  }

  /** Shows and chooses the box at `path`; says whether it is there. */
  goTo(path: string): boolean {
    if (!this.drawing(parentOf(path))) return false
    if (this.path !== parentOf(path)) this.open(parentOf(path))
    const part = this.find(lastOf(path))
    if (!part) return false
    this.choose(part)
    this.stage.reveal(part)
    return true
  }

  /** Boxes at any depth whose name or kind holds `words`, from the outside in. */
  search(words: string, most: number): Found[] {
    const found: Found[] = []
    const wanted = words.toLowerCase()
    let level = [""]
    while (level.length > 0 && found.length < most) {
      const next: string[] = []
      for (const path of level) {
        for (const box of this.drawing(path)?.querySelectorAll<SVGGElement>("[data-box]") ?? []) {
          const here = joined(path, box.dataset["box"]!)
          if ((factsOf(box).split("\n")[0] ?? "").toLowerCase().includes(wanted) && !isEnd(box)) {
            found.push({ path: here, name: factsOf(box).split("\n")[0]! })
          }
          if (box.dataset["view"] !== undefined) next.push(here)
        }
      }
      level = next
    }
    return found.slice(0, most)
  }

  /** Goes one level out. */
  close(): void {
    if (this.path === "") return
    const inside = this.path
    this.open(parentOf(inside))
    this.onOpen(this.path)
    const box = this.find(lastOf(inside))
    if (box) this.choose(box)
    box?.focus()
  }

  /** The drawing of the inside of a block; undefined where there is none. */
  private drawing(path: string): SVGSVGElement | undefined {
    let key = ROOT
    for (const name of partsOf(path)) {
      const box = [...this.template(key)!.querySelectorAll<SVGGElement>("[data-box]")].find(
        ({ dataset }) => dataset["box"] === name,
      )
      const view = box?.dataset["view"]
      if (view === undefined) return undefined
      key = view
    }
    return this.template(key)
  }

  private template(key: string): SVGSVGElement | undefined {
    const template = this.element.querySelector<HTMLTemplateElement>(`template[data-view="${key}"]`)
    return template?.content.querySelector("svg") ?? undefined
  }

  private find(name: string): SVGGElement | undefined {
    const parts = this.stage.svg.querySelectorAll<SVGGElement>("[data-box], [data-section]")
    return [...parts].find(({ dataset }) => (dataset["box"] ?? `section:${dataset["section"]!}`) === name)
  }

  /** The path of a part of what is shown. */
  private pathOf({ dataset }: SVGElement): string {
    return joined(this.path, dataset["box"] ?? `section:${dataset["section"]!}`)
  }

  /** Makes a part one that can be reached and lights it where something changed. */
  private prepare(part: SVGGElement): void {
    const title = part.querySelector("title")
    // The page shows facts itself; a second tip of the browser would cover them.
    part.dataset["facts"] = title?.textContent ?? ""
    title?.remove()
    if (!isEnd(part)) {
      part.setAttribute("tabindex", "0")
      part.setAttribute("role", "button")
    }
    const own = this.lights.get(this.pathOf(part)) ?? new Map<string, string>()
    part.setAttribute("aria-label", [...own.keys(), part.dataset["facts"].split("\n")[0]!].join(" "))
    if (this.lights.size === 0) return
    const inside = part.dataset["box"] === undefined ? 0 : this.lightsWithin(this.pathOf(part))
    // What is in a section that came or went is not what stayed the same.
    const isTold = [...(this.lights.get(`section:${part.dataset["in"] ?? ""}`)?.keys() ?? [])].some((kind) =>
      WHOLE.has(kind),
    )
    if (own.size === 0 && inside === 0) return void part.classList.toggle("same", !isTold)
    part.classList.add(
      own.size > 0 ? "lit" : "lit-inside",
      ...[...own.keys()].map((kind) => `is-${kind.replace(" ", "-")}`),
    )
    part.dataset["lit"] = [...own.keys()].join(", ")
    part.append(badge(part, own.size > 0 ? [...own.values()].join("") : `${inside}`))
  }

  private lightsWithin(path: string): number {
    return [...this.lights.keys()].filter((lit) => lit.startsWith(`${path}/`)).length
  }

  private clicked(event: MouseEvent): void {
    const box = boxOf(event.target)
    if (!box) return
    if (event.target instanceof Element && event.target.closest(".more")) return this.opened(box)
    this.choose(box)
  }

  private choose(part: SVGGElement): void {
    this.chooseNothing()
    part.classList.add("chosen")
    this.onChoose(part)
  }

  chooseNothing(): void {
    for (const other of this.stage.svg.querySelectorAll(".chosen")) other.classList.remove("chosen")
  }

  /** Opens a block that somebody asked for. */
  opened(box: SVGGElement | undefined): void {
    if (box?.dataset["view"] === undefined) return
    this.open(this.pathOf(box))
    this.stage.element.focus()
    this.onOpen(this.path)
  }

  private key(event: KeyboardEvent): void {
    const box = boxOf(event.target)
    if (event.key === "Escape" || event.key === "Backspace") this.close()
    else if (box && (event.key === "Enter" || event.key === " ")) {
      if (box.classList.contains("chosen")) this.opened(box)
      else this.choose(box)
    } else return
    event.preventDefault()
  }

  /** Tells about a box, and shows the arrows at it with what goes along them. */
  private point(box: SVGGElement | undefined): void {
    const { svg } = this.stage
    const name = box?.dataset["box"]
    svg.classList.toggle("pointed", name !== undefined)
    for (const edge of svg.querySelectorAll<SVGGElement>(".edge")) {
      edge.classList.toggle("near", name !== undefined && [edge.dataset["from"], edge.dataset["to"]].includes(name))
    }
    this.tip.hidden = !box
    if (!box) return
    this.tip.textContent = box.dataset["facts"] ?? ""
    const [around, at] = [this.stage.element.getBoundingClientRect(), box.getBoundingClientRect()]
    const left = Math.min(at.left - around.left, around.width - this.tip.offsetWidth - 8)
    const below = at.bottom - around.top + 8
    const top = below + this.tip.offsetHeight < around.height ? below : at.top - around.top - this.tip.offsetHeight - 8
    this.tip.style.translate = `${Math.max(left, 8)}px ${Math.max(top, 8)}px`
  }

  private showCrumbs(): void {
    const parts = partsOf(this.path)
    const names = [this.crumbs.dataset["model"] ?? "", ...parts]
    this.crumbs.replaceChildren(
      ...names.map((name, i) => {
        const button = document.createElement("button")
        button.type = "button"
        button.textContent = name
        button.disabled = i === parts.length
        button.addEventListener("click", () => {
          this.open(parts.slice(0, i).join("/"))
          this.onOpen(this.path)
        })
        return button
      }),
    )
  }
}

/** The box or section that an event happened in. */
function boxOf(target: EventTarget | null): SVGGElement | undefined {
  const found = target instanceof Element ? target.closest("[data-box], [data-section]") : null
  return found instanceof SVGGElement ? found : undefined
}

const factsOf = (box: SVGElement): string => box.querySelector("title")?.textContent ?? box.dataset["facts"] ?? ""

/** What comes in and goes out of a block is shown for reading only. */
const isEnd = ({ classList }: Element): boolean => classList.contains("given") || classList.contains("result")

/** A disc with signs at the upper left corner. */
function badge(part: SVGGElement, signs: string): SVGGElement {
  const face = part.querySelector<SVGGraphicsElement>(".face, rect")!
  const corner = cornerOf(face)
  const group = document.createElementNS("http://www.w3.org/2000/svg", "g")
  const disc = document.createElementNS("http://www.w3.org/2000/svg", "rect")
  const text = document.createElementNS("http://www.w3.org/2000/svg", "text")
  const width = 10 + 9 * [...signs].length
  const at = { x: corner.x - 9, y: corner.y - 9, width, height: 18, rx: 9 }
  for (const [name, value] of Object.entries(at)) disc.setAttribute(name, `${value}`)
  text.setAttribute("x", `${at.x + width / 2}`)
  text.setAttribute("y", `${at.y + 13}`)
  text.textContent = signs
  group.classList.add("badge")
  group.append(disc, text)
  return group
}

/** Read from the markup, since what is not shown yet has no box on the screen. */
function cornerOf(face: SVGGraphicsElement): { x: number; y: number } {
  const path = /^M(-?[\d.]+) (-?[\d.]+)/.exec(face.getAttribute("d") ?? "")
  if (path) return { x: Number(path[1]) - 4, y: Number(path[2]) }
  return { x: Number(face.getAttribute("x")), y: Number(face.getAttribute("y")) }
}
