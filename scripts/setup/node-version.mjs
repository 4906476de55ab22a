// Is this Node one that MDL runs on?
//
// Takes:  the running version and the range in package.json ("engines").
// Gives:  nothing when it fits, else one message that says why and how to get one that does.
// Why so: tfjs-node 4.22 calls util.isNullOrUndefined, which Node 23 removed, so a newer Node fails only once
//         training starts. This module is written in the oldest syntax that still has ES modules.

/** Compares two dotted version numbers: negative, zero or positive. */
export function compareVersions(left, right) {
  const a = left.split(".").map(Number)
  const b = right.split(".").map(Number)
  for (let i = 0; i < 3; i += 1) {
    const difference = (a[i] || 0) - (b[i] || 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** Whether `version` lies in `range`, a list of comparators such as ">=20.11 <23" that must all hold. */
export function inRange(version, range) {
  return range
    .trim()
    .split(/\s+/)
    .every(function (comparator) {
      const match = /^(>=|<=|>|<|=)?(\d+(?:\.\d+){0,2})$/.exec(comparator)
      if (match === null) throw new Error("package.json engines: cannot read the comparator " + comparator)
      const order = compareVersions(version, match[2])
      switch (match[1]) {
        case ">=":
          return order >= 0
        case "<=":
          return order <= 0
        case ">":
          return order > 0
        case "<":
          return order < 0
        default:
          return order === 0
      }
    })
}

/** The message for an unsupported Node, or undefined when the version is fine. */
export function nodeVersionProblem(version, range) {
  if (inRange(version, range)) return undefined
  return (
    "Node " +
    version +
    " is outside the supported range " +
    range +
    ".\n  TensorFlow's Node binding (tfjs-node 4.22) calls functions that newer Node majors no longer have,\n" +
    "  and older ones lack what the compiler uses.\n" +
    "  Get a supported one, for example: nvm install 22 && nvm use 22   (or https://nodejs.org/en/download)"
  )
}
