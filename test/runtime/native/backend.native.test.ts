import { describe, expect, it } from "vitest"
import { loadBackend } from "../../../src/runtime/native/backend.js"
import { findInstallation } from "../../../src/runtime/native/installation.js"
import { machineProbes } from "../../../src/runtime/native/probes.js"
import { examine } from "../../../src/runtime/native/doctor.js"

// Loading maps 850 MB: seconds, and more on a cold disk.
describe("the native backend", { timeout: 120_000 }, () => {
  it("loads once and computes", async () => {
    const backend = await loadBackend()
    expect(await loadBackend()).toBe(backend)
    const product = backend.tf.tidy(() => backend.tf.matMul([[1, 2]], [[3], [4]]).arraySync())
    expect(product).toEqual([[11]])
  })

  it("is the TensorFlow that the set-up recorded", async () => {
    const backend = await loadBackend()
    const installation = findInstallation()
    if (installation.state !== "installed") throw new Error("the set-up has not run: npm run setup")
    expect(backend.tensorflowVersion).toBe(installation.manifest?.tensorflow)
    expect(backend.bindingVersion).toBe(backend.tf.version["tfjs-node" as keyof typeof backend.tf.version])
    expect(backend.variant).toBe(installation.manifest?.variant)
  })

  it("is found ready by the doctor, in a process of its own", async () => {
    const report = await examine({ load: true, probes: machineProbes() })
    const loads = report.items.find(({ name }) => name === "native backend loads")
    expect(loads).toMatchObject({ status: "ok" })
    expect(report.withoutBackend).toBeUndefined()
  })
})
