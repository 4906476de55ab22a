/**
 * A drawing that can be moved and enlarged.
 *
 * Takes the element that holds an SVG; gives ways to move, enlarge and show parts of it, by wheel, pointers and keys.
 * Every move is told as a command in the drawing's own units, so that a second stage can follow.
 */

/** What part of a drawing is seen: its upper left corner, and pixels on the screen for one of its units. */
interface Seen {
  readonly x: number
  readonly y: number
  readonly scale: number
}

export type Move =
  | { readonly kind: "pan"; readonly dx: number; readonly dy: number }
  /** about a point in shares of what is seen */
  | { readonly kind: "zoom"; readonly factor: number; readonly x: number; readonly y: number }
  | { readonly kind: "fit" }

/** Smaller than this nothing can be told apart; larger than that nothing is left to see. */
const [SMALLEST, LARGEST] = [0.05, 6]
const STEP = 1.25
const KEY_STEP = 60

export class Stage {
  private seen: Seen = { x: 0, y: 0, scale: 1 }
  private size = { width: 1, height: 1 }
  private readonly pointers = new Map<number, { x: number; y: number }>()
  private moved = false
  /** nobody has moved it, so that it fits the window whatever size that gets */
  private isFitted = true
  /** told of every move that somebody makes here */
  onMove: (move: Move) => void = () => undefined

  constructor(readonly element: HTMLElement) {
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false })
    element.addEventListener("pointerdown", (event) => this.pointerDown(event))
    element.addEventListener("pointermove", (event) => this.pointerMove(event))
    for (const end of ["pointerup", "pointercancel"] as const) {
      element.addEventListener(end, (event) => this.pointers.delete(event.pointerId))
    }
    // What was dragged was not meant to be clicked.
    element.addEventListener("click", (event) => this.moved && event.stopPropagation(), { capture: true })
    element.addEventListener("keydown", (event) => this.key(event))
    new ResizeObserver(() => (this.isFitted ? this.apply({ kind: "fit" }) : this.draw())).observe(element)
  }

  get svg(): SVGSVGElement {
    return this.element.querySelector("svg")!
  }

  /** Shows a drawing from its beginning. */
  show(svg: SVGSVGElement): void {
    this.element.replaceChildren(svg)
    const { width, height } = svg.viewBox.baseVal
    this.size = { width, height }
    svg.removeAttribute("width")
    svg.removeAttribute("height")
    this.apply({ kind: "fit" })
  }

  /** Moves as somebody else did. */
  apply(move: Move): void {
    const { clientWidth: width, clientHeight: height } = this.element
    const { x, y, scale } = this.seen
    this.isFitted = move.kind === "fit"
    if (move.kind === "pan") this.seen = { x: x + move.dx, y: y + move.dy, scale }
    else if (move.kind === "zoom") {
      const next = Math.min(LARGEST, Math.max(SMALLEST, scale * move.factor))
      const [atX, atY] = [x + (move.x * width) / scale, y + (move.y * height) / scale]
      this.seen = { x: atX - (move.x * width) / next, y: atY - (move.y * height) / next, scale: next }
    } else {
      const whole = Math.min(width / this.size.width, height / this.size.height, 1.25)
      const next = whole > 0 ? whole : 1
      const [left, top] = [width / next - this.size.width, height / next - this.size.height]
      this.seen = { x: -left / 2, y: -top / 2, scale: next }
    }
    this.draw()
  }

  /** Moves, and tells so. */
  move(move: Move): void {
    this.apply(move)
    this.onMove(move)
  }

  zoomIn = (): void => this.move({ kind: "zoom", factor: STEP, x: 0.5, y: 0.5 })
  zoomOut = (): void => this.move({ kind: "zoom", factor: 1 / STEP, x: 0.5, y: 0.5 })
  fit = (): void => this.move({ kind: "fit" })

  /** Brings a part of the drawing to the middle, large enough to read. */
  reveal(part: SVGGraphicsElement): void {
    const { x, y, width, height } = part.getBBox()
    const scale = Math.max(this.seen.scale, 0.8)
    this.isFitted = false
    const { clientWidth, clientHeight } = this.element
    this.seen = { x: x + width / 2 - clientWidth / scale / 2, y: y + height / 2 - clientHeight / scale / 2, scale }
    this.draw()
  }

  /** The whole drawing, as on paper. */
  showWhole(): void {
    this.element.querySelector("svg")?.setAttribute("viewBox", `0 0 ${this.size.width} ${this.size.height}`)
  }

  draw(): void {
    const { clientWidth, clientHeight } = this.element
    const { x, y, scale } = this.seen
    const svg = this.element.querySelector("svg")
    if (svg && clientWidth > 0) svg.setAttribute("viewBox", `${x} ${y} ${clientWidth / scale} ${clientHeight / scale}`)
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault()
    const { left, top, width, height } = this.element.getBoundingClientRect()
    const factor = Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) / 240)
    this.move({ kind: "zoom", factor, x: (event.clientX - left) / width, y: (event.clientY - top) / height })
  }

  private pointerDown({ pointerId, clientX, clientY, button }: PointerEvent): void {
    if (button !== 0) return
    this.pointers.set(pointerId, { x: clientX, y: clientY })
    this.moved = false
  }

  private pointerMove(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId)
    if (!before) return
    const after = { x: event.clientX, y: event.clientY }
    const [dx, dy] = [before.x - after.x, before.y - after.y]
    if (!this.moved && Math.hypot(dx, dy) < 4) return
    this.moved = true
    this.element.setPointerCapture(event.pointerId)
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1]
    this.pointers.set(event.pointerId, after)
    if (!other) return this.move({ kind: "pan", dx: dx / this.seen.scale, dy: dy / this.seen.scale })
    const apart = (point: { x: number; y: number }): number => Math.hypot(point.x - other.x, point.y - other.y)
    const { left, top, width, height } = this.element.getBoundingClientRect()
    const middle = { x: (after.x + other.x) / 2 - left, y: (after.y + other.y) / 2 - top }
    const factor = apart(after) / Math.max(apart(before), 1)
    this.move({ kind: "zoom", factor, x: middle.x / width, y: middle.y / height })
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const step = KEY_STEP / this.seen.scale
    const pan = (dx: number, dy: number) => (): void => this.move({ kind: "pan", dx: dx * step, dy: dy * step })
    const keys: Readonly<Record<string, () => void>> = {
      ...{ ArrowLeft: pan(-1, 0), ArrowRight: pan(1, 0), ArrowUp: pan(0, -1), ArrowDown: pan(0, 1) },
      ...{ "+": this.zoomIn, "=": this.zoomIn, "-": this.zoomOut, "0": this.fit },
    }
    const act = keys[event.key]
    if (!act) return
    event.preventDefault()
    act()
  }
}
