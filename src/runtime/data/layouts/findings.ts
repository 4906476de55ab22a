/**
 * What a layout notices while it reads: collected by kind, reported once for each kind with its count.
 *
 * Takes: names, one at a time, each under a kind; and the layout's words for the kinds that are its own. Gives: problems.
 *
 * Why so: 200 images without a mask are one fact with 200 names, not 200 messages. What every layout can meet (a file that
 * is no picture, two spellings of a name) is put into words once, here.
 */
import { type DataProblem, listed, NAMES_KEPT } from "../sample.js"

export type FindingKind = DataProblem["kind"]

/** How a kind of problem is told: its weight, the sentence around the first names, and the remedy. */
export interface FindingWords {
  readonly severity: DataProblem["severity"]
  readonly what: (names: string) => string
  readonly fix: string
}

const COMMON = {
  "unused-annotation": {
    severity: "note",
    what: (names) => `rows whose image is not on disk are left out: ${names}`,
    fix: "nothing to do if this is a subset; else fetch the missing files",
  },
  "mask-without-image": {
    severity: "note",
    what: (names) => `masks without an image are left out: ${names}`,
    fix: "add the image or remove the mask",
  },
  "not-an-image": {
    severity: "note",
    what: (names) => `files that are not images are left out: ${names}`,
    fix: "remove them",
  },
  "names-differ-in-case": {
    severity: "note",
    what: (names) => `files whose names differ from another's in letter case only are left out: ${names}`,
    fix: "nothing to do if they are copies; else give them names of their own",
  },
  "ambiguous-name": {
    severity: "error",
    what: (names) => `files that only their endings tell apart: ${names}`,
    fix: "keep one of them, or give them names of their own: images, masks and rows are matched by name without ending",
  },
  "names-matched-without-case": {
    severity: "note",
    what: (names) => `names that agree only when letter case is ignored were taken as the same: ${names}`,
    fix: "nothing to do if they are; else correct the names",
  },
  "names-matched-without-ending": {
    severity: "note",
    what: (names) => `names that agree only without their endings were taken as the same: ${names}`,
    fix: "nothing to do if they are; else correct the names",
  },
  "repeated-row": {
    severity: "note",
    what: (names) => `rows that say the same as an earlier one are left out: ${names}`,
    fix: "nothing to do; remove them if you like",
  },
} as const satisfies Partial<Record<FindingKind, FindingWords>>

type CommonKind = keyof typeof COMMON

/** Findings of the kinds that every layout has, and of the layout's own kinds `K`. */
export class Findings<K extends FindingKind = never> {
  private readonly found = new Map<K | CommonKind, string[]>()

  constructor(private readonly own: Readonly<Record<K, FindingWords>>) {}

  add(kind: K | CommonKind, name: string): void {
    const names = this.found.get(kind)
    if (names) names.push(name)
    else this.found.set(kind, [name])
  }

  /** One problem for each kind that was met, in the order of meeting. */
  problems(): DataProblem[] {
    return [...this.found].map(([kind, unsorted]) => {
      const { severity, what, fix } =
        (this.own as Partial<Record<FindingKind, FindingWords>>)[kind] ?? COMMON[kind as CommonKind]
      const names = [...unsorted].sort()
      return {
        severity,
        kind,
        what: what(listed(names, 3)),
        fix,
        count: names.length,
        names: names.slice(0, NAMES_KEPT),
      }
    })
  }
}
