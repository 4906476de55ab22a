/**
 * What a run will take, and what is said when there is less.
 */
import { expect, test } from "vitest"
import type { SignatureEntries } from "../../../src/compiler/targets/tensorflow/signatures.js"
import { availableMemory } from "../../../src/runtime/native/available-memory.js"
import { explained, isOutOfMemory, OutOfMemory } from "../../../src/runtime/training/out-of-memory.js"
import { memoryNeeded, memoryWarning, stateBytes } from "../../../src/runtime/training/resources.js"
import { SessionError } from "../../../src/runtime/session.js"
import { UserError } from "../../../src/runtime/user-error.js"
import { RECORD } from "../runs/records.js"

test("a checkpoint has the bytes of all variables", () => {
  const output = (dtype: "f32" | "bool", shape: number[]) => ({ name: "", tensor: "", dtype, shape })
  const read: SignatureEntries = {
    inputs: [],
    outputs: [output("f32", [2, 3]), output("f32", []), output("bool", [5])],
  }
  expect(stateBytes(new Map([["read", read]]))).toBe(24 + 4 + 5)
})

test("memory grows with state, its copy, gradients and activations", () => {
  const description = {
    ...RECORD.description,
    parameters: [{ name: "a", role: "param" as const, shape: [10, 10], section: "", frozen: false }],
  }
  const least = memoryNeeded(RECORD.description, 0, 0)
  expect(least).toBeGreaterThan(5e8)
  expect(memoryNeeded(description, 1200, 5000) - least).toBe(2 * 1200 + 400 + 5000)
})

test("too little memory is told with both numbers and what to change; enough is not", () => {
  expect(memoryWarning(3.2e9, 2e9, 8)).toMatch(
    /needs about 3\.2GB of memory and 2GB are available: it may be killed; with a smaller --batch \(it is 8\), or --memory/,
  )
  expect(memoryWarning(2e9, 2e9, 8)).toBeUndefined()
})

test.each<[string, number | undefined, Record<string, string>, number]>([
  ["no limit", undefined, {}, 8e9],
  ["a limit above the machine's memory", 2 ** 63, {}, 8e9],
  ["cgroup v2", 4e9, { "/sys/fs/cgroup/memory.current": "3000000000\n", "/sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 1000000000\nactive_file 7\n" }, 2e9], // prettier-ignore
  ["cgroup v1", 4e9, { "/sys/fs/cgroup/memory/memory.usage_in_bytes": "3500000000\n", "/sys/fs/cgroup/memory/memory.stat": "cache 5\ntotal_inactive_file 500000000\n" }, 1e9], // prettier-ignore
  ["a limit whose use is not known", 4e9, {}, 4e9],
  ["more in use than allowed", 1e9, { "/sys/fs/cgroup/memory.current": "2000000000" }, 0],
])("memory that can be taken: %s", (_, limit, files, expected) => {
  expect(availableMemory({ free: 8e9, total: 16e9, limit, read: (path) => files[path] })).toBe(expected)
})

test("of this machine it is a number between nothing and all of it", () => {
  expect(availableMemory()).toBeGreaterThan(0)
})

test.each([
  "train_step failed: Session fail to run with error: OOM when allocating tensor with shape[8,64,224,224] and type float on /job:localhost",
  "RESOURCE_EXHAUSTED: failed to allocate memory",
  "std::bad_alloc",
  "Array buffer allocation failed",
])("out of memory: %s", (message) => {
  const thrown = explained(new SessionError(`${message}\nand pages of allocator statistics`), RECORD, "/none/last")
  expect(thrown).toBeInstanceOf(OutOfMemory)
  const text = (thrown as OutOfMemory).message
  expect(text).toContain(`out of memory while training with batch 2, without --memory: ${message}\n`)
  expect(text).not.toContain("pages of allocator")
  expect(text).toMatch(/smaller --batch \(with --accumulate 2 [^]*--size[^]*--memory SIZE/)
  expect((thrown as OutOfMemory).cause).toBeInstanceOf(SessionError)
})

test("other errors stay what they are", () => {
  const others = [new SessionError("feeds do not fit"), new UserError("the disk allocation failed"), "text"]
  for (const other of others) expect(explained(other, RECORD, "/none/last")).toBe(other)
  expect(isOutOfMemory(new Error("no such file"))).toBe(false)
})
