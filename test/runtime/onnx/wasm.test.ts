/** The WebAssembly of ONNX Runtime, which browsers run, gives what its native library gives. */

import { describe, expect, it } from "vitest"
import { openExportSource } from "../../../src/runtime/deployment/export-source.js"
import { toOnnx } from "../../../src/runtime/deployment/export-model.js"
import { randomInputs } from "../../../src/runtime/deployment/parity-inputs.js"
import { PACKAGE_ROOT } from "../../../src/runtime/model-file.js"
import { checkParity } from "../../../src/runtime/onnx/parity.js"
import { openOnnx, runOnnx } from "../../../src/runtime/onnx/run.js"

describe("ONNX Runtime as WebAssembly", () => {
  it("agrees with the native library on RecLMIS quick, at two batch sizes", async () => {
    const source = await openExportSource(`${PACKAGE_ROOT}/models/reclmis.mdl#quick`, { checkpoint: "best", seed: 1 })
    const exported = toOnnx(source)
    const report = await checkParity({
      onnx: exported.bytes,
      predict: (feeds) => runOnnx(exported.bytes, feeds),
      inputs: randomInputs(source.model, exported.inputs),
      tolerance: 1e-4,
      engine: "wasm",
    })
    expect(report.cases.map(({ batch }) => batch)).toEqual([1, 3])
    expect(report.passed).toBe(true)
  })

  it("takes bytes, not a path", async () => {
    await expect(openOnnx("m.onnx", { engine: "wasm" })).rejects.toThrow("WebAssembly reads no files")
  })
})
