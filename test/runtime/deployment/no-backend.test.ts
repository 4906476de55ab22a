import { existsSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { ParityNotChecked } from "../../../src/runtime/deployment/compare-with-trainer.js"
import { exportModel } from "../../../src/runtime/deployment/export-model.js"
import { openWorkshop, type Workshop } from "./looking-model.js"

// A machine without TensorFlow: loading it fails as it does there.
vi.mock("../../../src/runtime/native/backend.js", async (original) => {
  const real = await original<typeof import("../../../src/runtime/native/backend.js")>()
  return {
    ...real,
    loadBackend: () => Promise.reject(new real.BackendUnavailable("it is not set up.", "npm run setup")),
  }
})

describe("export without a native backend", () => {
  let workshop: Workshop
  beforeAll(async () => void (workshop = await openWorkshop()))
  afterAll(() => workshop.remove())

  it("says that parity was not checked, writes nothing, and tells how to go without", async () => {
    const out = join(workshop.folder, "a.onnx")
    const error = await exportModel({ source: `${workshop.model}#Looking`, out }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ParityNotChecked)
    expect((error as ParityNotChecked).exitCode).toBe(2)
    expect((error as ParityNotChecked).message).toMatch(
      /^parity not checked: native backend missing; nothing was written/,
    )
    expect((error as ParityNotChecked).message).toContain("npm run setup")
    expect((error as ParityNotChecked).message).toContain("--no-parity")
    expect(existsSync(out)).toBe(false)
  })

  it("writes the file when no comparison is asked for", async () => {
    const out = join(workshop.folder, "b.onnx")
    await exportModel({ source: `${workshop.model}#Looking`, out, parity: false })
    expect(existsSync(out)).toBe(true)
  })
})
