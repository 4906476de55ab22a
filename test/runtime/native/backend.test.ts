import { describe, expect, it } from "vitest"
import {
  applyEnvironment,
  BackendUnavailable,
  dropBanners,
  requireInstalled,
} from "../../../src/runtime/native/backend.js"

function refusal(work: () => unknown): BackendUnavailable {
  try {
    work()
  } catch (error) {
    if (error instanceof BackendUnavailable) return error
    throw error
  }
  throw new Error("expected BackendUnavailable")
}

describe("BackendUnavailable", () => {
  it("says what is missing, the command that gets it, and what works without", () => {
    const error = refusal(() =>
      requireInstalled({ state: "no-binding", packageFolder: "/p", bindingVersion: "4.22.0" }),
    )
    expect(error.name).toBe("BackendUnavailable")
    expect(error.exitCode).toBe(2)
    expect(error.fix).toBe("npm run setup")
    expect(error.message).toBe(
      "The native TensorFlow backend is not available: TensorFlow's library and its Node binding are not set up yet.\n" +
        "  fix: npm run setup\n" +
        "  Without it `mdl check`, `summary`, `diff` and `export` of untrained models still work;\n" +
        "  training, evaluation and prediction need it. `mdl doctor` shows what is missing.",
    )
  })

  it("names the missing package and the damaged files", () => {
    expect(refusal(() => requireInstalled({ state: "no-package", detail: "" })).reason).toContain("tfjs-node-gpu")
    const damage = ["deps/lib/libtensorflow_cc.so.2"]
    const installation = {
      state: "installed",
      packageFolder: "/p",
      bindingVersion: "4",
      addonFolder: "/a",
      damage,
    } as const
    expect(refusal(() => requireInstalled(installation)).reason).toContain("deps/lib/libtensorflow_cc.so.2")
    expect(requireInstalled({ ...installation, damage: [] }).addonFolder).toBe("/a")
  })
})

describe("TensorFlow's environment", () => {
  it("is set where the user has not set it", () => {
    const env: NodeJS.ProcessEnv = { MDL_THREADS: "4", TF_NUM_INTEROP_THREADS: "1" }
    applyEnvironment(env)
    expect(env).toMatchObject({ TF_CPP_MIN_LOG_LEVEL: "2", TF_NUM_INTRAOP_THREADS: "4", TF_NUM_INTEROP_THREADS: "1" })
    const own: NodeJS.ProcessEnv = { TF_CPP_MIN_LOG_LEVEL: "0" }
    applyEnvironment(own)
    expect(own["TF_CPP_MIN_LOG_LEVEL"]).toBe("0")
    expect(own["TF_NUM_INTRAOP_THREADS"]).toBeUndefined()
  })

  it.each(["0", "-1", "two", "1.5"])("refuses MDL_THREADS=%s", (threads) => {
    expect(refusal(() => applyEnvironment({ MDL_THREADS: threads })).message).toContain(`MDL_THREADS is "${threads}"`)
  })
})

describe("the banners", () => {
  it("are dropped, and nothing else is", () => {
    const text =
      "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n" +
      "I0000 00:00:1 2 port.cc:153] oneDNN custom operations are on. You may see slightly different results\n" +
      "E0000 00:00:1 2 cuda_driver.cc:1] failed call to cuInit: CUDA_ERROR_NO_DEVICE\n" +
      "the last line has no end"
    expect(dropBanners(text)).toBe(
      "E0000 00:00:1 2 cuda_driver.cc:1] failed call to cuInit: CUDA_ERROR_NO_DEVICE\nthe last line has no end",
    )
  })
})
