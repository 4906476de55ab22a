/** Amounts of memory as people write them, and as they are told. */

import { describe, expect, test } from "vitest"
import { parseSize, sizeText } from "../../src/runtime/byte-sizes.js"

describe("amounts of memory", () => {
  test.each([
    ["800MB", 800e6],
    ["2.5 GB", 2.5e9],
    ["1gib", 2 ** 30],
    [" 64KiB ", 65536],
  ])("%s is read", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  test.each(["800", "MB", "-1GB", "0MB", "1,5GB", "2TBs", "1e3MB", ""])("%j is refused", (text) => {
    expect(parseSize(text)).toBeUndefined()
  })

  test.each([
    [999, "1KB"],
    [1.234e6, "1.24MB"],
    [56.71e6, "56.8MB"],
    [2.001e9, "2.01GB"],
    [345.2e6, "346MB"],
  ])("%d bytes are told so that they suffice", (bytes, text) => {
    expect(sizeText(bytes)).toBe(text)
    expect(parseSize(text)).toBeGreaterThanOrEqual(bytes)
  })
})
