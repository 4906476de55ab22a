/**
 * Where the time of a step goes, by line of the model's text.
 *
 * Takes timed nodes with their origins, and the texts; gives sums by line, section and operation.
 *
 * Why so: a node has a place of its own and the call sites around it. As in any profiler, a line has a time of its own
 * (`self`: what is written on it) and one with all that it calls (`seconds`); a line of the model file tells which part is
 * slow, the line in the library below it tells why. Own times add up to the whole.
 */
import { Sources, type SourceTexts } from "../../compiler/diagnostics/source-lines.js"
import type { Origin } from "../../compiler/ir/graph.js"
import type { Phase, TimedNode } from "../../compiler/targets/tensorflow/profile.js"

/** Seconds in one step. */
export interface Times {
  /** of the sum over all nodes; 0 to 1 */
  readonly share: number
  readonly seconds: number
  readonly forward: number
  readonly backward: number
  /** of parameters, their moments and averages, and normalisation statistics */
  readonly update: number
}

export interface LineTimes extends Times {
  /** null: what belongs to the step as a whole, such as the gradient's norm and the learning rate */
  readonly file: string | null
  readonly line: number | null
  readonly text: string
  /** without what the line calls; over all lines these are the time of all nodes */
  readonly self: number
  /** seconds by operation of TensorFlow, what the line calls included, longest first */
  readonly ops: Readonly<Record<string, number>>
}

export interface SectionTimes extends Times {
  /** "" for what is outside of any section; null for the step as a whole */
  readonly section: string | null
}

export interface OpTimes extends Times {
  /** TensorFlow's name of it */
  readonly op: string
  readonly count: number
}

export interface NodeTime {
  readonly name: string
  readonly op: string
  readonly phase: Phase
  readonly seconds: number
  readonly section: string | null
  readonly file: string | null
  readonly line: number | null
}

export interface ProfileReport {
  readonly phases: Times
  /** longest first, as all lists */
  readonly lines: readonly LineTimes[]
  readonly sections: readonly SectionTimes[]
  readonly ops: readonly OpTimes[]
  readonly nodes: readonly NodeTime[]
}

/** What stands for the text of no line. */
const WHOLE_STEP = "the step as a whole: gradient norm, learning rate, results"

/**
 * Sums up.
 *
 * @param seconds of each node, in the order of `nodes`
 */
export function profileReport(
  nodes: readonly TimedNode[],
  seconds: readonly number[],
  texts: SourceTexts,
): ProfileReport {
  const sources = new Sources(texts)
  const whole = seconds.reduce((sum, value) => sum + value, 0)
  const all = new Tally(whole)
  const bySection = new Map<string | null, Tally>()
  const byOp = new Map<string, Tally>()
  const byLine = new Map<string, LineTally>()
  const told = nodes.map((node, index): NodeTime => {
    const { name, op, phase, origin } = node
    const spent = seconds[index]!
    const places = placesOf(origin, sources)
    const own = places.at(-1)!
    const section = own.file === null ? null : origin!.section
    all.add(phase, spent)
    entry(bySection, section, () => new Tally(whole)).add(phase, spent)
    entry(byOp, op, () => new Tally(whole)).add(phase, spent)
    // A line that calls itself (a repeated layer does) still holds the node once.
    for (const [key, place] of new Map(places.map((place) => [`${place.file}:${place.line}`, place]))) {
      const line = entry(byLine, key, () => new LineTally(whole, place))
      line.add(phase, spent)
      line.ops.set(op, (line.ops.get(op) ?? 0) + spent)
      if (place.file === own.file && place.line === own.line) line.self += spent
    }
    return { name, op, phase, seconds: spent, section, file: own.file, line: own.line }
  })
  return {
    phases: all.times(),
    lines: [...byLine.values()].map((line) => line.row()).sort(longestFirst),
    sections: [...bySection].map(([section, tally]) => ({ section, ...tally.times() })).sort(longestFirst),
    ops: [...byOp].map(([op, tally]) => ({ op, count: tally.count, ...tally.times() })).sort(longestFirst),
    nodes: told.sort(longestFirst),
  }
}

interface Place {
  readonly file: string | null
  readonly line: number | null
  readonly text: string
}

const NO_LINE: Place = { file: null, line: null, text: WHOLE_STEP }

/** The lines that a node comes from, outermost first; never none. */
function placesOf(origin: Origin | undefined, sources: Sources): readonly Place[] {
  if (!origin) return [NO_LINE]
  const places = [...origin.chain, origin.span].flatMap(({ file, start }): Place[] => {
    const lines = sources.lines(file)
    if (!lines) return []
    const { line } = lines.position(start)
    return [{ file, line, text: lines.content(line).trim() }]
  })
  return places.length > 0 ? places : [NO_LINE]
}

/** Seconds by phase. */
class Tally {
  count = 0
  private readonly phases: Record<Phase, number> = { forward: 0, backward: 0, update: 0 }

  constructor(private readonly whole: number) {}

  add(phase: Phase, seconds: number): void {
    this.count++
    this.phases[phase] += seconds
  }

  times(): Times {
    const { forward, backward, update } = this.phases
    const seconds = forward + backward + update
    return { share: this.whole === 0 ? 0 : seconds / this.whole, seconds, forward, backward, update }
  }
}

class LineTally extends Tally {
  self = 0
  readonly ops = new Map<string, number>()

  constructor(
    whole: number,
    private readonly place: Place,
  ) {
    super(whole)
  }

  row(): LineTimes {
    const ops = Object.fromEntries([...this.ops].sort(([, a], [, b]) => b - a))
    return { ...this.place, ...this.times(), self: this.self, ops }
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

const longestFirst = (a: { readonly seconds: number }, b: { readonly seconds: number }): number => b.seconds - a.seconds
