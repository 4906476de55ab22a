/**
 * A training step that times its own nodes.
 *
 * Takes the nodes of a step as they are appended; gives the same nodes in one chain, with the clock read between them, and
 * for each of them where it came from. tfjs-node runs sessions without TensorFlow's trace options, so the measuring is part
 * of the graph: control inputs make every node (constants, handles and fed tensors apart) wait for the clock reading after
 * the one before it, in the order in which they were written. The step then gives a vector of seconds beside its losses.
 *
 * What a chain cannot show is what overlaps or is fused in the step as it is trained; the sum is therefore not the time of
 * that step, and whoever tells it tells both. Reading the clock costs something itself, which is measured by readings that
 * follow each other directly.
 */

import type { Graph, NodeId, Origin, Parameter, ValueId } from "../../ir/graph.js"
import { neededNodes } from "../../ir/graph.js"
import { GraphDefBuilder, nodeNamePart, type NodeAttribute } from "./graphdef.js"
import type { Signature } from "./signatures.js"

/** What a node of a step is there for. Statistics of normalisation are updated, as parameters are. */
export type Phase = "forward" | "backward" | "update"

/** One timed node, in the order of the vector of seconds. */
export interface TimedNode {
  readonly name: string
  /** TensorFlow's */
  readonly op: string
  /** undefined for what belongs to the step as a whole: the gradient's norm, the learning rate, the results */
  readonly origin: Origin | undefined
  readonly phase: Phase
}

/** What a timed step gives and how to read it. */
export interface StepTiming {
  /** the output of `train_step`: first the nodes, then `links` readings with nothing in between; f32 seconds */
  readonly output: typeof SECONDS
  readonly nodes: readonly TimedNode[]
  readonly links: number
}

/** Output of `train_step`, beside the losses. No loss has a slash in its name. */
const SECONDS = "profile/seconds"
/** Readings that follow each other directly: enough for a mean of what one costs, at a clock of microseconds. */
const LINKS = 64

/** Nodes that do nothing when a step runs: what they hold is there before it begins. */
const AT_REST: ReadonlySet<string> = new Set(["Const", "Placeholder", "VarHandleOp"])

const F64 = { type: "DT_DOUBLE" } as const
const F32 = { type: "DT_FLOAT" } as const

interface Written {
  readonly name: string
  readonly op: string
  readonly place: Place | undefined
  phase: Phase
}

/** Where the nodes that are being appended come from. */
export interface Place {
  /** of the graph that is lowered; undefined for a parameter that is read */
  readonly id?: NodeId
  readonly origin: Origin
}

/** Writes a graph like its base class, and chains what is appended between `start` and `stop`. */
export class TimingBuilder extends GraphDefBuilder {
  private readonly written: Written[] = []
  private clock: string[] | undefined
  private place: Place | undefined
  private phase: Phase = "forward"

  /** From here on nodes belong to the step. */
  start(): void {
    this.clock = [this.readClock(undefined)]
  }

  /** From here on nodes come from `place`. */
  at(place: Place | undefined): void {
    this.place = place
  }

  /**
   * The graph has been lowered: tells its nodes' phases. What is appended from now on is part of the update.
   *
   * @param wanted first `results` values that the forward pass is for, then `gradients` of the backward pass
   */
  lowered(graph: Graph, wanted: readonly ValueId[], results: number, gradients: number): void {
    const forward = neededNodes(graph, wanted.slice(0, results))
    const backward = neededNodes(graph, wanted.slice(results, results + gradients))
    for (const node of this.written) {
      const id = node.place?.id
      if (id === undefined || forward.has(id)) continue
      node.phase = backward.has(id) ? "backward" : "update"
    }
    this.phase = "update"
    this.place = undefined
  }

  /** The step ends here. Gives its signature with the seconds. @param program first part of the node names */
  stop(program: string, step: Signature): Signature {
    const readings = this.clock!
    for (let link = 0; link < LINKS; link++) readings.push(this.readClock(readings.at(-1)))
    this.clock = undefined
    const count = readings.length - 1
    const pack = (part: readonly string[]): string =>
      this.node("Pack", `${program}/profile`, part, { N: { i: count }, T: F64, axis: { i: 0 } })
    const spent = this.node("Sub", `${program}/profile`, [pack(readings.slice(1)), pack(readings.slice(0, -1))], {
      T: F64,
    })
    const cast = { SrcT: F64, DstT: F32, Truncate: { b: false } } as const
    const tensor = this.named("Cast", `${program}/profile/seconds`, [spent], cast)
    return { ...step, outputs: { ...step.outputs, [SECONDS]: { tensor, type: "DT_FLOAT", shape: [count] } } }
  }

  /** What was timed. @param parameters to tell by their names what updates them */
  timing(parameters: readonly Parameter[]): StepTiming {
    const byPath = new Map(parameters.map(({ name, origin }) => [nodeNamePart(name), origin]))
    const nodes = this.written.map(({ name, op, place, phase }) => {
      return { name, op, origin: place?.origin ?? parameterOf(name, byPath), phase }
    })
    return { output: SECONDS, nodes, links: LINKS }
  }

  protected override append(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, NodeAttribute>>,
    controls: readonly string[],
  ): string {
    const { clock } = this
    if (!clock || AT_REST.has(op)) return super.append(op, name, inputs, attributes, controls)
    const node = super.append(op, name, inputs, attributes, [...controls, clock.at(-1)!])
    this.written.push({ name, op, place: this.place, phase: this.phase })
    clock.push(this.readClock(node))
    return node
  }

  /** Reads the clock after `node` has run. */
  private readClock(node: string | undefined): string {
    const name = `profile/clock_${this.clock?.length ?? 0}`
    return super.append("Timestamp", this.unique(name), [], {}, node === undefined ? [] : [node])
  }
}

/** The origin of the parameter whose path is in the name of a node, as in `train/optimizer/vision/inc/weight/Mul`. */
function parameterOf(node: string, byPath: ReadonlyMap<string, Origin>): Origin | undefined {
  const parts = node.split("/")
  for (const end of [parts.length, parts.length - 1]) {
    for (let begin = 1; begin < end; begin++) {
      const found = byPath.get(parts.slice(begin, end).join("/"))
      if (found) return found
    }
  }
  return undefined
}
