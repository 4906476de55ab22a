import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { emptyFolder, recorder, setup, type Problem, type Ran, type Runner } from "./setup-modules.js"

const { cacheFolder, chooseVariant, entryKey, machineProblem, napiLevel } = await setup("cache")
const { cudaRequirements, systemHasCuda } = await setup("cuda")
const { fetchTensorFlow, pipProblem, requirePip, requireSpace, wheelFor } = await setup("tensorflow")
const { nodeHeaders, probeBinding, requireCompiler, workshopFor } = await setup("binding")
const { run, tellingLines } = await setup("commands")
const { SetupProblem } = await setup("output")
const { inRange, nodeVersionProblem } = await setup("node-version")

const ran = (code: number, output = ""): Ran => ({ code, stdout: output, output })

async function problemOf(work: () => unknown): Promise<Problem> {
  try {
    await work()
  } catch (error) {
    if (error instanceof SetupProblem) return error
    throw error
  }
  throw new Error("expected a SetupProblem")
}

describe("the Node version", () => {
  it("fits the range of package.json or is refused with the reason and a command", () => {
    const range = ">=20.11 <23"
    expect(["20.11.0", "20.20.2", "22.23.3"].map((version) => nodeVersionProblem(version, range))).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(["18.20.0", "20.10.9", "23.0.0", "24.1.0"].map((version) => inRange(version, range))).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect(nodeVersionProblem("24.1.0", range)).toMatch(/Node 24\.1\.0 is outside.*\n.*tfjs-node[^]*nvm install 22/)
  })
})

describe("the cache", () => {
  it("lies in XDG_CACHE_HOME when that is an absolute path, else in the home folder", () => {
    expect(cacheFolder({ XDG_CACHE_HOME: "/c" }, "/home/a")).toBe("/c/mdl")
    expect(cacheFolder({}, "/home/a")).toBe("/home/a/.cache/mdl")
    expect(cacheFolder({ XDG_CACHE_HOME: "relative" }, "/home/a")).toBe("/home/a/.cache/mdl")
  })

  it("has one key for everything the files depend on", () => {
    const facts = { tensorflow: "2.21.0", binding: "4.22.0", napi: 8, platform: "linux", arch: "x64", variant: "cpu" }
    const key = entryKey(facts)
    expect(key).toBe("tensorflow-2.21.0_binding-4.22.0_addon-2_napi-v8_linux-x64_cpu")
    for (const change of Object.keys(facts)) expect(entryKey({ ...facts, [change]: "other" })).not.toBe(key)
  })

  it("takes the highest N-API level that the package and Node both know", () => {
    expect(napiLevel([3, 4, 8], 9)).toBe(8)
    expect(napiLevel([3, 4, 8], 7)).toBe(4)
  })
})

describe("the choice of TensorFlow's build", () => {
  const linux = { platform: "linux", arch: "x64" }

  it("follows MDL_TENSORFLOW, else the GPU that is seen", () => {
    expect(chooseVariant({ ...linux, env: {}, gpu: true }).variant).toBe("gpu")
    expect(chooseVariant({ ...linux, env: {}, gpu: false }).variant).toBe("cpu")
    expect(chooseVariant({ ...linux, env: { MDL_TENSORFLOW: "cpu" }, gpu: true }).variant).toBe("cpu")
    expect(chooseVariant({ ...linux, env: { MDL_TENSORFLOW: "gpu" }, gpu: false }).variant).toBe("gpu")
  })

  it("refuses what it does not know and what does not exist", async () => {
    const unknown = await problemOf(() => chooseVariant({ ...linux, env: { MDL_TENSORFLOW: "tpu" } }))
    expect(unknown.message).toContain('"tpu"')
    const arm = await problemOf(() =>
      chooseVariant({ platform: "linux", arch: "arm64", env: { MDL_TENSORFLOW: "gpu" } }),
    )
    expect(arm.message).toContain("x86-64")
  })

  it("names what a machine lacks, and what works without", () => {
    const flags = "flags\t\t: fpu sse2 avx avx2\n"
    expect(machineProblem({ ...linux, glibc: "2.36", cpuinfo: flags })).toBeUndefined()
    expect(machineProblem({ ...linux, glibc: "2.36", cpuinfo: "flags\t\t: fpu sse2\n" })?.message).toContain("AVX")
    expect(machineProblem({ ...linux, glibc: undefined, cpuinfo: flags })?.message).toContain("glibc")
    const mac = machineProblem({ platform: "darwin", arch: "arm64" })
    expect(mac?.message).toContain("darwin-arm64")
    expect(mac?.report()).toContain("reference target")
  })
})

describe("the wheel", () => {
  it("is pinned by checksum where it was measured", () => {
    expect(wheelFor({ arch: "x64", variant: "cpu" })).toMatchObject({ project: "tensorflow-cpu" })
    expect(wheelFor({ arch: "x64", variant: "cpu" }).sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(wheelFor({ arch: "x64", variant: "gpu" })).toMatchObject({ project: "tensorflow", sha256: undefined })
  })

  it("is refused when it is not the file that was tested", async () => {
    const stage = emptyFolder()
    const runner: Runner = (_program, args) => {
      const folder = args[args.indexOf("--dest") + 1] ?? ""
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, "tensorflow_cpu-2.21.0-cp311.whl"), "not the wheel")
      return Promise.resolve(ran(0))
    }
    const options = { arch: "x64", variant: "cpu", output: recorder(), log: "setup.log", runner }
    const problem = await problemOf(() => fetchTensorFlow(stage, options))
    expect(problem.message).toMatch(/tensorflow_cpu-2\.21\.0-cp311\.whl has sha256 [0-9a-f]{64}, but 2b847d2/)
  })

  it("lists its CUDA packages, which are fetched unless the system has them", () => {
    const metadata = [
      "Requires-Dist: numpy>=1.26.0",
      'Requires-Dist: nvidia-cuda-runtime-cu12<13.0,>=12.5.82; extra == "and-cuda"',
      "Requires-Dist: nvidia-cudnn-cu12 (>=9.3.0.75,<10.0) ; extra == 'and-cuda'",
      'Requires-Dist: tensorboard; extra == "other"',
    ].join("\n")
    const requirements = cudaRequirements(metadata)
    expect(requirements).toEqual(["nvidia-cuda-runtime-cu12<13.0,>=12.5.82", "nvidia-cudnn-cu12>=9.3.0.75,<10.0"])
    expect(systemHasCuda("libcudart.so.12 (x) => /a\nlibcudnn.so.9 (x) => /b", requirements)).toBe(true)
    expect(systemHasCuda("libcudart.so.11.0 (x) => /a\nlibcudnn.so.9 (x) => /b", requirements)).toBe(false)
  })
})

describe("what is missing", () => {
  it("pip: named before anything is downloaded, with the command that gets it", async () => {
    const runner: Runner = () => Promise.resolve(ran(1, "No module named pip"))
    const problem = await problemOf(() => requirePip({ find: () => "/bin/python3", runner }))
    expect(problem.report()).toMatch(/has no pip[^]*apt-get install python3-pip[^]*reference target[^]*training/)
    expect((await problemOf(() => requirePip({ find: () => undefined, runner }))).message).toContain("not on PATH")
  })

  it("compiler and make", async () => {
    const problem = await problemOf(() => requireCompiler(() => undefined, {}))
    expect(problem.message).toContain("g++ and make are not on PATH")
    expect(problem.fix[0]).toContain("apt-get install g++ make")
    const onlyMake = await problemOf(() =>
      requireCompiler((name) => (name === "clang++" ? "/c" : undefined), { CXX: "clang++" }),
    )
    expect(onlyMake.message).toMatch(/^make is not on PATH/)
  })

  it("disk space, before and while", async () => {
    const before = await problemOf(() => requireSpace("/cache", 1.3e9, () => ({ bavail: 10, bsize: 1e6 })))
    expect(before.message).toContain("10 MB are free, 1300 MB are needed")
    const during = pipProblem(
      "tensorflow",
      ran(1, "OSError: [Errno 28] No space left on device"),
      "setup.log",
      "/cache",
    )
    expect(during.report()).toMatch(/disk[^]*\/cache[^]*XDG_CACHE_HOME[^]*setup\.log/)
  })

  it("the package index: what pip said last, and where to look", () => {
    const output = "Looking in indexes\nERROR: No matching distribution found for tensorflow-cpu==2.21.0\n"
    const problem = pipProblem("tensorflow-cpu==2.21.0", ran(1, output), "setup.log", "/cache")
    expect(problem.report()).toMatch(/No matching distribution found[^]*index-url/)
  })
})

describe("the binding", () => {
  it("uses the running Node's headers when they are of the same major version and nothing else was asked for", () => {
    const prefix = emptyFolder()
    mkdirSync(join(prefix, "bin"))
    mkdirSync(join(prefix, "include", "node"), { recursive: true })
    const node = join(prefix, "bin", "node")
    writeFileSync(node, "")
    expect(nodeHeaders({}, node, "20.1.0")).toBeUndefined()
    writeFileSync(join(prefix, "include", "node", "node.h"), "")
    writeFileSync(join(prefix, "include", "node", "node_version.h"), "#define NODE_MAJOR_VERSION 20\n")
    expect(nodeHeaders({}, node, "20.1.0")).toBe(prefix)
    expect(nodeHeaders({}, node, "22.1.0")).toBeUndefined()
    expect(nodeHeaders({ npm_config_nodedir: "/elsewhere" }, node, "20.1.0")).toBeUndefined()
  })

  it("is compiled elsewhere when make cannot have the cache's path in its rules", async () => {
    const root = emptyFolder()
    expect(workshopFor(join(root, "stage"), root)).toBe(join(root, "stage", "build"))
    const workshop = workshopFor(join(root, "a stage"), root)
    expect(workshop.startsWith(join(root, "mdl-binding-"))).toBe(true)
    expect(readlinkSync(join(workshop, "deps", "include"))).toBe(join(root, "a stage", "build", "deps", "include"))
    expect((await problemOf(() => workshopFor(join(root, "a stage"), "/t m p"))).fix[0]).toContain("TMPDIR")
  })

  it("is not accepted when it does not load, or loads another TensorFlow", async () => {
    const options = { napi: 8, tensorflow: "2.21.0", variant: "cpu", output: recorder(), log: "setup.log" }
    const dies: Runner = () => Promise.resolve(ran(1, "Error: libtensorflow_cc.so.2: cannot open shared object file"))
    expect((await problemOf(() => probeBinding("/stage", { ...options, runner: dies }))).message).toContain(
      "cannot open shared object",
    )
    const old: Runner = () => Promise.resolve(ran(0, JSON.stringify({ tensorflow: "2.9.1", gpu: false })))
    expect((await problemOf(() => probeBinding("/stage", { ...options, runner: old }))).message).toContain("2.9.1")
  })

  it("says so when the GPU build sees no GPU", async () => {
    const output = recorder()
    const runner: Runner = () => Promise.resolve(ran(0, JSON.stringify({ tensorflow: "2.21.0", gpu: false })))
    await probeBinding("/stage", { napi: 8, tensorflow: "2.21.0", variant: "gpu", output, log: "setup.log", runner })
    expect(output.lines.join("\n")).toMatch(/sees no GPU; it will train on the CPU/)
  })
})

describe("another program", () => {
  it("runs with its output kept in the log, and gives its exit code", async () => {
    const log = join(emptyFolder(), "setup.log")
    const script = "console.log('out'); console.error('err'); process.exit(3)"
    const result = await run(process.execPath, ["-e", script], { log })
    expect(result).toMatchObject({ code: 3, stdout: "out\n" })
    expect(readFileSync(log, "utf8")).toMatch(/^\n\$ .*-e[^]*out\n/)
    expect(readFileSync(log, "utf8")).toContain("err\n")
  })

  it("that is not there is an answer, not an exception", async () => {
    expect(await run("mdl-no-such-program", [])).toMatchObject({ code: 127 })
  })

  it("is quoted by the lines that tell why it failed, each once", () => {
    const output =
      "gyp info it\nx.cc:1: error: no such thing\nx.cc:1: error: no such thing\nmake: *** Error 1\ngyp info end\n"
    expect(tellingLines(output)).toBe("    x.cc:1: error: no such thing\n    make: *** Error 1")
    expect(tellingLines("one\ntwo\n\nthree\n", 2)).toBe("    two\n    three")
  })
})
