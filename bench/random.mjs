// Repeatable numbers for benchmarks.
//
// Takes: a seed. Gives: a function that gives the next number in [0, 1) (mulberry32): the same on each machine and in each run.

export function generator(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
