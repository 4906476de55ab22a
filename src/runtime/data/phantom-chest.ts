/**
 * One phantom case: a chest-like picture with lesions, a note that names some of them, and the mask of the named ones.
 *
 * Takes: a random stream and a size in pixels. Gives: grey pixels, the mask, the zones and the note.
 *
 * Why so: the point of a phantom is to tell whether a model *uses the note*. Each picture has lesions in 3 to 5 of the six
 * lung zones, all drawn in the same way; the note names a non-empty proper subset of them, drawn by a stream of its own
 * after the picture is settled, so each lesion is named with probability one half whatever it looks like. From the image
 * alone the mask cannot be known; from the note alone its outline cannot.
 *
 * Sides follow QaTa's captions: "left lung" is at the picture's left (see layouts/qata.ts). All lengths below are in
 * units of the picture's side, so a case looks alike at any size.
 */
import type { RandomStream } from "./random.js"

export const HEIGHTS = ["upper", "middle", "lower"] as const
const NUMBERS = ["no", "one", "two", "three", "four", "five", "six"] as const

/** One case. Zones are numbered as in QaTa's pseudo_label: upper, middle, lower left; upper, middle, lower right. */
export interface PhantomCase {
  /** [size * size], 0 to 255. */
  readonly image: Uint8Array
  /** [size * size], 0 or 1: the named lesions. */
  readonly mask: Uint8Array
  /** Zones that have a lesion, ascending. */
  readonly lesions: readonly number[]
  /** Zones that the note names, ascending: at least one of `lesions`, and not all. */
  readonly named: readonly number[]
  readonly note: string
}

interface Chest {
  readonly midline: number
  readonly lungs: readonly [Lung, Lung]
  /** Half width of the mediastinum; how far the aortic knob and the heart bulge from it, and at which height. */
  readonly mediastinum: { half: number; knob: number; knobY: number; heart: number; heartY: number }
  readonly body: { readonly halfWidth: number; readonly shoulder: number; readonly neck: number }
}

/** A lung field: a rounded rectangle-like oval, cut below by the dome of the diaphragm. */
interface Lung {
  readonly x: number
  readonly y: number
  readonly rx: number
  readonly ry: number
  /** Height of the dome's edge at the lung's sides, and how much higher its middle is. */
  readonly floor: number
  readonly dome: number
}

interface Lesion {
  readonly zone: number
  readonly x: number
  readonly y: number
  readonly rx: number
  readonly ry: number
  /** Amplitude and phase of the outline's waves 2, 3, 4. */
  readonly waves: readonly (readonly [number, number])[]
  readonly brightness: number
  /** Rows the lesion may cover: its zone, so that two lesions never merge. */
  readonly from: number
  readonly to: number
}

/** Draws one case. The stream's key decides everything. */
export function drawPhantom(stream: RandomStream, size: number): PhantomCase {
  const chest = drawChest(stream.fork("chest"))
  const lesions = drawLesions(stream.fork("lesions"), chest)
  const zones = lesions.map((lesion) => lesion.zone)
  const named = chooseNamed(stream.fork("note"), zones)
  const field = renderChest(chest, stream.fork("texture"), size)
  const mask = new Uint8Array(size * size)
  for (const lesion of lesions) {
    addLesion(lesion, field, size, named.includes(lesion.zone) ? mask : undefined, stream.fork(`lesion${lesion.zone}`))
  }
  return { image: expose(field.density, stream.fork("film"), size), mask, lesions: zones, named, note: noteOf(named) }
}

/** A note in the wording of QaTa's captions for some zones (0 to 5, ascending, at least one). */
export function noteOf(zones: readonly number[]): string {
  const side = (first: number, name: string) => {
    const heights = HEIGHTS.filter((_, index) => zones.includes(first + index))
    return heights.length > 0 ? [`${heights.join(" ")} ${name} lung`] : []
  }
  const sides = [...side(0, "left"), ...side(3, "right")]
  const lungs = sides.length === 2 ? "bilateral" : "unilateral"
  const areas = `${NUMBERS[zones.length] ?? zones.length} infected area${zones.length === 1 ? "" : "s"}`
  return `${lungs} pulmonary infection, ${areas}, ${sides.join(" and ")}.`
}

/** A non-empty proper subset of the lesions' zones, each such subset equally likely. */
function chooseNamed(stream: RandomStream, zones: readonly number[]): number[] {
  const subset = 1 + stream.integer(2 ** zones.length - 2)
  return zones.filter((_, index) => (subset >> index) & 1)
}

function drawChest(stream: RandomStream): Chest {
  const u = (low: number, high: number) => stream.uniform(low, high)
  const midline = 0.5 + u(-0.02, 0.02)
  const ry = u(0.31, 0.35)
  const y = u(0.47, 0.5)
  const lung = (side: -1 | 1): Lung => ({
    x: midline + side * u(0.185, 0.205),
    y: y + u(-0.01, 0.01),
    rx: u(0.18, 0.2),
    ry,
    floor: y + ry * u(0.93, 1),
    dome: u(0.04, 0.075) + (side < 0 ? 0.02 : 0),
  })
  return {
    midline,
    lungs: [lung(-1), lung(1)],
    mediastinum: {
      half: u(0.042, 0.055),
      knob: u(0.015, 0.03),
      knobY: y - u(0.1, 0.14),
      heart: u(0.07, 0.11),
      heartY: y + u(0.19, 0.24),
    },
    body: { halfWidth: u(0.44, 0.5), shoulder: u(0.06, 0.1), neck: u(0.09, 0.12) },
  }
}

function drawLesions(stream: RandomStream, chest: Chest): Lesion[] {
  const count = 3 + stream.integer(3)
  const zones = [...stream.permutation(6).slice(0, count)].sort((a, b) => a - b)
  return zones.map((zone) => {
    const draw = stream.fork(`zone${zone}`)
    const lung = chest.lungs[zone < 3 ? 0 : 1]
    const top = lung.y - lung.ry * 0.92
    const third = (lung.floor - lung.dome * 0.8 - top) / 3
    const from = top + third * (zone % 3)
    // The apex is narrow and the mediastinum takes the inner part, so centres lean outwards.
    const outward = zone < 3 ? -1 : 1
    return {
      zone,
      x: lung.x + outward * (draw.uniform(-0.01, 0.03) + (zone === 5 ? 0.025 : 0)) * (zone % 3 === 0 ? 0.5 : 1),
      y: from + third * draw.uniform(0.44, 0.56),
      rx: draw.uniform(0.065, 0.1),
      ry: third * draw.uniform(0.36, 0.46),
      waves: [2, 3, 4].map(() => [draw.uniform(0, 0.14), draw.uniform(0, 2 * Math.PI)] as const),
      brightness: draw.uniform(0.2, 0.34),
      from: from + 0.012,
      to: from + third - 0.012,
    }
  })
}

interface Field {
  /** [size * size]: brightness before exposure, about 0 to 1. */
  readonly density: Float64Array
  /** [size * size]: 1 inside the lung fields, 0 outside, soft edges. */
  readonly lung: Float64Array
}

/** 0 below -width/2, 1 above width/2, smooth between. */
function edge(distance: number, width: number): number {
  const t = Math.min(1, Math.max(0, distance / width + 0.5))
  return t * t * (3 - 2 * t)
}

function renderChest(chest: Chest, stream: RandomStream, size: number): Field {
  const density = new Float64Array(size * size)
  const lungField = new Float64Array(size * size)
  const soft = Math.max(0.012, 1.2 / size)
  const { midline, mediastinum, body } = chest
  const shade = smoothField(stream.fork("shade"), 3)
  const lungShade = smoothField(stream.fork("lung"), 9)
  const ribs = { spacing: stream.uniform(0.085, 0.1), phase: stream.uniform(0, 1), slope: stream.uniform(0.7, 1) }
  const air = stream.uniform(0.16, 0.24)
  const outside = stream.uniform(0.02, 0.05)
  const clavicle = stream.uniform(0.17, 0.2)
  for (let row = 0; row < size; row++) {
    const y = (row + 0.5) / size
    // The trunk widens from the neck over the shoulders; the arms leave the picture at its sides.
    const shoulders = edge(y - body.shoulder - 0.07, 0.14)
    const halfBody = body.neck + (body.halfWidth - body.neck) * shoulders
    const below = edge(y - 0.8, 0.3)
    // The mediastinum's edges: the aortic knob and the heart bulge to the picture's right, the right atrium to its left.
    const bump = (centre: number, width: number) => Math.exp(-(((y - centre) / width) ** 2))
    const heart = bump(mediastinum.heartY, 0.15)
    const leftEdge = mediastinum.half + 0.35 * mediastinum.heart * heart
    const rightEdge = mediastinum.half + mediastinum.knob * bump(mediastinum.knobY, 0.04) + mediastinum.heart * heart
    for (let column = 0; column < size; column++) {
      const x = (column + 0.5) / size
      const at = row * size + column
      const fromMidline = x - midline
      const inBody = edge(halfBody - Math.abs(fromMidline), 0.05)
      // Less tissue is crossed near the skin.
      const thickness = 0.72 + 0.28 * edge(halfBody - Math.abs(fromMidline) - 0.07, 0.16)
      let tissue = (0.52 + 0.16 * below) * thickness
      const lung = chest.lungs[fromMidline < 0 ? 0 : 1]
      const dy = (y - lung.y) / lung.ry
      const dx = (x - lung.x) / (lung.rx * (0.9 + 0.1 * dy))
      const across = Math.abs(dx) ** 2.4 + Math.abs(dy) ** 2.4
      const floor = lung.floor - lung.dome * Math.max(0, 1 - dx * dx)
      const centre = edge((fromMidline < 0 ? leftEdge : rightEdge) - Math.abs(fromMidline), 0.04)
      const inLung = edge((1 - across) * 0.12, soft * 1.8) * edge(floor - y, soft * 1.4) * (1 - centre)
      lungField[at] = inLung
      if (inLung > 0.01) {
        // Ribs run down and outwards; further out they drop faster.
        const out = Math.abs(fromMidline) - 0.1
        const phase = (y - ribs.slope * out * (0.25 + out)) / ribs.spacing + ribs.phase
        const wave = 0.5 + 0.5 * Math.cos(2 * Math.PI * phase)
        const hilum = Math.exp(-((Math.abs(fromMidline) - 0.09) ** 2) / 0.0028 - (y - lung.y) ** 2 / 0.016)
        const inside = air + 0.075 * wave * wave * wave + 0.14 * hilum + 0.05 * lungShade(x, y) + 0.05 * (y - 0.5)
        tissue += (inside - tissue) * inLung
      }
      const spine = edge(0.035 - Math.abs(fromMidline), 0.04)
      tissue += (0.13 * centre + 0.04 * spine) * (1 - 0.6 * below)
      // Clavicles: a shallow arch on each side of the neck.
      const arch = clavicle - 0.13 * (Math.abs(fromMidline) - 0.05) + 0.3 * (Math.abs(fromMidline) - 0.2) ** 2
      if (Math.abs(fromMidline) > 0.04 && Math.abs(fromMidline) < 0.34) {
        tissue += 0.1 * Math.exp(-((y - arch) ** 2) / 0.00022)
      }
      density[at] = outside + (tissue + 0.045 * shade(x, y) - outside) * inBody
    }
  }
  return { density, lung: lungField }
}

/** Adds a lesion to the picture, and to the mask if it is a named one. */
function addLesion(
  lesion: Lesion,
  field: Field,
  size: number,
  mask: Uint8Array | undefined,
  stream: RandomStream,
): void {
  const patches = smoothField(stream, 12)
  const reach = 1.5
  const clampRow = (value: number) => Math.min(size, Math.max(0, Math.round(value * size)))
  for (let row = clampRow(lesion.y - reach * lesion.ry); row < clampRow(lesion.y + reach * lesion.ry); row++) {
    for (
      let column = clampRow(lesion.x - reach * lesion.rx);
      column < clampRow(lesion.x + reach * lesion.rx);
      column++
    ) {
      const x = (column + 0.5) / size
      const y = (row + 0.5) / size
      const dx = (x - lesion.x) / lesion.rx
      const dy = (y - lesion.y) / lesion.ry
      const angle = Math.atan2(dy, dx)
      let outline = 1
      lesion.waves.forEach(
        ([amplitude, phase], index) => (outline += amplitude * Math.cos((index + 2) * angle + phase)),
      )
      const window = edge(y - lesion.from, 0.02) * edge(lesion.to - y, 0.02)
      const at = row * size + column
      const inside = edge(outline - Math.hypot(dx, dy), 0.7) * window * (field.lung[at] as number)
      if (inside <= 0) continue
      field.density[at] = (field.density[at] as number) + lesion.brightness * inside * (1 + 0.14 * patches(x, y))
      if (mask && inside > 0.5) mask[at] = 1
    }
  }
}

/** A smooth function on the unit square, about -1 to 1: six plane waves of up to `waves` periods. */
function smoothField(stream: RandomStream, waves: number): (x: number, y: number) => number {
  const terms = Array.from({ length: 6 }, () => {
    const direction = stream.uniform(0, 2 * Math.PI)
    const frequency = 2 * Math.PI * stream.uniform(0.25 * waves, waves)
    return [frequency * Math.cos(direction), frequency * Math.sin(direction), stream.uniform(0, 2 * Math.PI)] as const
  })
  return (x, y) => {
    let sum = 0
    for (const [fx, fy, phase] of terms) sum += Math.cos(fx * x + fy * y + phase)
    return sum / 3
  }
}

/** From brightness to grey values: a tilt of the light, contrast, grain. */
function expose(density: Float64Array, stream: RandomStream, size: number): Uint8Array {
  const tiltX = stream.uniform(-0.08, 0.08)
  const tiltY = stream.uniform(-0.05, 0.05)
  const gain = stream.uniform(0.95, 1.25)
  const gamma = stream.uniform(0.85, 1.2)
  const grain = stream.uniform(0.012, 0.028)
  return Uint8Array.from(density, (value, at) => {
    const light = 1 + tiltX * ((at % size) / size - 0.5) + tiltY * (Math.floor(at / size) / size - 0.5)
    const bright = gain * Math.max(0, value * light) ** gamma + grain * stream.normal()
    return Math.min(255, Math.max(0, Math.round(255 * bright)))
  })
}
