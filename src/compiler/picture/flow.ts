/**
 * What goes from where to where in a picture, at every level of it.
 *
 * Takes the tree of members and the graph; gives, for the whole and for the inside of each member, the arrows between its
 * children and what comes in and goes out. A tensor that has several names is read under the one that the reading
 * statement writes: after `let deep = v`, what says `deep` reads it from there.
 */

import type { Graph, ValueId } from "../ir/graph.js"
import type { Member } from "./members.js"

export interface Flow {
  /** between children: from, to, and the tensors */
  readonly edges: readonly { readonly from: Member; readonly to: Member; readonly values: ReadonlySet<ValueId> }[]
  /** tensors from outside, with the children that read them */
  readonly given: ReadonlyMap<ValueId, ReadonlySet<Member>>
  /** tensors that are read outside, with the children that make them */
  readonly results: ReadonlyMap<ValueId, Member>
}

interface OpenFlow {
  readonly edges: Map<Member, Map<Member, Set<ValueId>>>
  readonly given: Map<ValueId, Set<Member>>
  readonly results: Map<ValueId, Member>
}

export interface Flows {
  /** of the inside of a member; of the whole model for undefined */
  readonly of: (member: Member | undefined) => Flow
  /** members around each node, outermost first */
  readonly paths: readonly (readonly Member[])[]
}

/** The flow in the whole model and in every member of it. */
export function flowsOf(members: readonly Member[], graph: Graph): Flows {
  const open = new Map<Member | undefined, OpenFlow>()
  const at = (member: Member | undefined): OpenFlow => {
    const known = open.get(member) ?? { edges: new Map(), given: new Map(), results: new Map() }
    open.set(member, known)
    return known
  }
  const paths: (readonly Member[])[] = graph.nodes.map(() => [])
  const fillPaths = (member: Member, around: readonly Member[]): void => {
    const path = [...around, member]
    for (const node of member.nodes) paths[node.id] = path
    for (const child of member.children) fillPaths(child, path)
  }
  for (const member of members) fillPaths(member, [])

  const holders = new Map<ValueId, Member[]>()
  for (const member of members) {
    for (const value of member.holds) holders.set(value, [...(holders.get(value) ?? []), member])
  }
  // Numbers are made once and shared between statements; that is no flow.
  const isConstant = (value: ValueId): boolean => graph.nodes[graph.values[value]!.node]?.op === "constant"
  /** who makes or holds a tensor; undefined for parameters */
  const origin = (value: ValueId): readonly Member[] => {
    const source = graph.values[value]!
    const path = paths[source.node] ?? []
    const [input] = holders.get(value) ?? []
    return path.length > 0 ? path : input ? [input] : []
  }
  const connect = (value: ValueId, reader: readonly Member[]): void => {
    const maker = origin(value)
    if (maker.length === 0 || isConstant(value)) return
    let shared = 0
    while (maker[shared] !== undefined && maker[shared] === reader[shared]) shared++
    const to = reader[shared]
    const from = shared === 0 && to ? asRead(value, maker[0]!, to) : maker[shared]
    if (from && to && from !== to) {
      const { edges } = at(shared === 0 ? undefined : maker[shared - 1])
      const byTarget = edges.get(from) ?? new Map<Member, Set<ValueId>>()
      edges.set(from, byTarget)
      byTarget.set(to, (byTarget.get(to) ?? new Set()).add(value))
    }
    for (let level = shared + 1; level < reader.length; level++) {
      const { given } = at(reader[level - 1])
      given.set(value, (given.get(value) ?? new Set()).add(reader[level]!))
    }
    // Where what reads it stands directly in the member around, the tensor leaves the inside at once.
    const first = to || shared === 0 ? shared + 1 : shared
    for (let level = first; level < maker.length; level++) at(maker[level - 1]).results.set(value, maker[level]!)
  }
  /**
   * The member that `reader` means, of those that hold `value`: the maker where its name is read. Which of several names a
   * tensor has in a record is not known; another name for it, where one is read, is then the likelier one.
   */
  const asRead = (value: ValueId, maker: Member, reader: Member): Member => {
    const isRead = ({ names }: Member): boolean => names.some((name) => reader.words.has(name))
    if (maker.names.length === 1 && isRead(maker)) return maker
    return holders.get(value)?.find((one) => one !== maker && one !== reader && isRead(one)) ?? maker
  }

  for (const node of graph.nodes) {
    const reader = paths[node.id]!
    for (const value of node.inputs) connect(value, reader)
  }
  for (const [value, some] of holders) {
    const maker = origin(value)
    for (const member of some) if (member !== maker[0]) connect(value, [member])
    // A statement gives its tensor to the outside also where nothing reads it.
    connect(value, [])
  }
  return {
    paths,
    of: (member) => {
      const { edges, given, results } = at(member)
      const flat = [...edges].flatMap(([from, byTarget]) => [...byTarget].map(([to, values]) => ({ from, to, values })))
      return { edges: flat, given, results }
    },
  }
}
