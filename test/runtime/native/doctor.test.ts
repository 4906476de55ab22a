import { describe, expect, it } from "vitest"
import { formatReport } from "../../../src/cli/doctor.js"
import { examine, satisfies, type DoctorReport } from "../../../src/runtime/native/doctor.js"
import type { Installation, Manifest } from "../../../src/runtime/native/installation.js"
import type { Answer, Probes } from "../../../src/runtime/native/probes.js"

const MANIFEST: Manifest = {
  format: 1,
  tensorflow: "2.21.0",
  binding: "4.22.0",
  napi: 8,
  variant: "cpu",
  built: "2026-01-01T00:00:00.000Z",
  files: {},
}

const INSTALLED: Installation = {
  state: "installed",
  packageFolder: "/modules/tfjs-node-gpu",
  bindingVersion: "4.22.0",
  addonFolder: "/modules/tfjs-node-gpu/lib/napi-v8",
  manifest: MANIFEST,
  damage: [],
}

const answer = (stdout: string): Answer => ({ code: 0, stdout, stderr: "" })
const notThere: Answer = { code: 127, stdout: "", stderr: "not found" }

/** A machine on which everything is there, except a GPU; `programs` overrides answers by program name. */
function machine(changes: Partial<Probes> = {}, programs: Record<string, Answer> = {}): Probes {
  const answers: Record<string, Answer> = {
    npm: answer("11.0.0\n"),
    python3: answer("Python 3.11.7\n"),
    "g++": answer("g++ 12.2.0\nCopyright\n"),
    make: answer("GNU Make 4.3\n"),
    "nvidia-smi": notThere,
    [process.execPath]: answer('noise\n{"tensorflow":"2.21.0","gpu":false}'),
    ...programs,
  }
  return {
    run: (program) => Promise.resolve(answers[program] ?? notThere),
    load: () => Promise.resolve({ version: "1.0.0" }),
    installation: () => INSTALLED,
    nodeVersion: "20.20.2",
    nodeRange: ">=20.11 <23",
    cpuinfo: "flags\t\t: fpu sse2 avx avx2 fma avx512f amx_bf16\n",
    cpuModel: "A processor",
    cores: 2,
    memory: 16e9,
    cache: { folder: "/home/a/.cache/mdl", bytes: 854e6 },
    env: {},
    ...changes,
  }
}

function item(report: DoctorReport, name: string): DoctorReport["items"][number] | undefined {
  return report.items.find((candidate) => candidate.name === name)
}

describe("mdl doctor", () => {
  it("reports a machine that is ready, item by item", async () => {
    const report = await examine({ load: true, probes: machine() })
    expect(report.ready).toBe(true)
    expect(report.withoutBackend).toBeUndefined()
    expect(report.items.map(({ name, status }) => `${name}: ${status}`)).toEqual([
      "node: ok",
      "npm: ok",
      "python: ok",
      "pip: ok",
      "compiler: ok",
      "make: ok",
      "cache: ok",
      "native backend: ok",
      "native backend loads: ok",
      "gpu: ok",
      "cpu: ok",
      "memory: ok",
      "onnxruntime-node: ok",
      "sharp: ok",
    ])
    expect(item(report, "native backend")?.value).toBe("TensorFlow 2.21.0 (cpu), binding 4.22.0, N-API 8")
    expect(item(report, "cpu")?.value).toBe("A processor, 2 cores, avx2 fma avx512f amx_bf16")
    expect(item(report, "cache")?.value).toBe("/home/a/.cache/mdl (854 MB)")
  })

  it("does not load TensorFlow unless asked", async () => {
    const report = await examine({ probes: machine() })
    expect(item(report, "native backend loads")).toBeUndefined()
    expect(report.ready).toBe(true)
  })

  it("names a missing backend, what is needed to get it, and what works without", async () => {
    const installation: Installation = { state: "no-binding", packageFolder: "/p", bindingVersion: "4.22.0" }
    const probes = machine({ installation: () => installation }, { "g++": notThere })
    const report = await examine({ load: true, probes })
    expect(report.ready).toBe(false)
    expect(item(report, "native backend")).toMatchObject({ status: "missing", fix: "npm run setup" })
    expect(item(report, "compiler")).toMatchObject({ status: "missing", fix: "apt-get install g++" })
    expect(report.withoutBackend).toMatch(/reference target.*training.*wheel or a compiler/)
    expect(formatReport(report)).toMatch(/missing.*native backend .*\n.*fix: .*npm run setup/)
  })

  it("only warns about a missing compiler once the backend is installed", async () => {
    const report = await examine({ probes: machine({}, { "g++": notThere, python3: notThere }) })
    expect(item(report, "compiler")?.status).toBe("warning")
    expect(item(report, "pip")?.status).toBe("warning")
    expect(report.ready).toBe(true)
  })

  it("tells how the load failed", async () => {
    const stderr = "node:internal:1\n  x\n\nError: libtensorflow_cc.so.2: cannot open shared object file\n    at a\n"
    const probes = machine({}, { [process.execPath]: { code: 1, stdout: "", stderr } })
    const report = await examine({ load: true, probes })
    expect(item(report, "native backend loads")).toEqual({
      name: "native backend loads",
      status: "missing",
      value: "no: Error: libtensorflow_cc.so.2: cannot open shared object file",
      fix: "npm run setup -- --force-native",
    })
    expect(report.withoutBackend).toBeDefined()
  })

  it("reports a process that died while loading", async () => {
    const died: Answer = { code: 1, stdout: "", stderr: "\nended by SIGILL" }
    const report = await examine({ load: true, probes: machine({}, { [process.execPath]: died }) })
    expect(item(report, "native backend loads")?.value).toBe("no: ended by SIGILL")
  })

  it("warns when there is a GPU that TensorFlow cannot use, with the command for its build", async () => {
    const smi = { "nvidia-smi": answer("NVIDIA H200, 143771 MiB\n") }
    const cpuBuild = await examine({ probes: machine({}, smi) })
    expect(item(cpuBuild, "gpu")).toMatchObject({ status: "warning", fix: "MDL_TENSORFLOW=gpu npm run setup" })
    const gpuInstallation = (): Installation => ({ ...INSTALLED, manifest: { ...MANIFEST, variant: "gpu" } })
    const unused = await examine({ load: true, probes: machine({ installation: gpuInstallation }, smi) })
    expect(item(unused, "gpu")?.value).toContain("TensorFlow does not use it")
    const uses = { ...smi, [process.execPath]: answer('{"tensorflow":"2.21.0","gpu":true}') }
    const used = await examine({ load: true, probes: machine({ installation: gpuInstallation }, uses) })
    expect(item(used, "gpu")).toMatchObject({ status: "ok", value: "NVIDIA H200, 143771 MiB, used by TensorFlow" })
  })

  it("names a processor that TensorFlow's library does not run on, and one without bf16", async () => {
    const old = await examine({ probes: machine({ cpuinfo: "flags : fpu sse2\n" }) })
    expect(item(old, "cpu")).toMatchObject({ status: "missing" })
    const usual = await examine({ probes: machine({ cpuinfo: "flags : sse2 avx avx2 fma\n" }) })
    expect(item(usual, "cpu")?.value).toContain("no bf16 instructions")
  })

  it("names an unsupported Node, little memory and packages that do not load", async () => {
    const load: Probes["load"] = (name) => Promise.resolve({ problem: `cannot load ${name}` })
    const report = await examine({ probes: machine({ nodeVersion: "24.0.0", memory: 2e9, load }) })
    expect(report.ready).toBe(false)
    expect(item(report, "node")?.status).toBe("missing")
    expect(item(report, "memory")?.status).toBe("warning")
    expect(item(report, "sharp")?.value).toBe("does not load: cannot load sharp")
  })

  it("warns about a TensorFlow that the set-up did not install", async () => {
    const { manifest: _, ...foreign } = INSTALLED
    const report = await examine({ probes: machine({ installation: () => foreign }) })
    expect(item(report, "native backend")).toMatchObject({ status: "warning", fix: "npm run setup" })
  })

  it("survives as JSON without loss", async () => {
    const report = await examine({ load: true, probes: machine() })
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  })
})

describe("the version range", () => {
  it("is read as package.json writes it", () => {
    expect(["20.10.0", "20.11.0", "22.99.0", "23.0.0"].map((version) => satisfies(version, ">=20.11 <23"))).toEqual([
      false,
      true,
      true,
      false,
    ])
  })
})
