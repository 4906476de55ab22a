// tfjs-node's native binding, compiled against the TensorFlow in the stage.
//
// Takes:  a stage with deps/lib and build/deps/include; the installed package @tensorflow/tfjs-node-gpu.
// Gives:  stage/lib/napi-vN/tfjs_binding.node and process_addon.node, loaded once to prove that they work.
// Why so: it compiles in a copy of the package, so that node_modules stays as npm made it until everything works.
//         The stage has the package's own layout (deps/lib beside lib/napi-vN) because the binding finds TensorFlow
//         by a path relative to itself.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs"
import { createRequire } from "node:module"
import { availableParallelism, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { findProgram, tellingLines, run, saysDiskFull } from "./commands.mjs"
import { SetupProblem } from "./output.mjs"
import { diskFull } from "./tensorflow.mjs"
import { whileUnfinished } from "./unfinished.mjs"

/** The folder of @tensorflow/tfjs-node-gpu as this checkout (or the place MDL is installed in) resolves it. */
export function bindingPackage(root) {
  const require = createRequire(join(root, "package.json"))
  let file
  try {
    file = require.resolve("@tensorflow/tfjs-node-gpu/package.json")
  } catch (error) {
    throw new SetupProblem(`the package @tensorflow/tfjs-node-gpu is not installed (${error.code ?? error.message}).`, {
      fix: ["npm ci --ignore-scripts"],
    })
  }
  const { version, binary } = JSON.parse(readFileSync(file, "utf8"))
  return { folder: dirname(file), version, napiLevels: binary.napi_versions }
}

/** The C++ compiler that node-gyp's makefiles will call. */
export function compilerProgram(env = process.env) {
  return env.CXX !== undefined && env.CXX !== "" ? env.CXX : "g++"
}

/** Throws the problem that names the missing compiler or make. */
export function requireCompiler(find = findProgram, env = process.env) {
  const missing = [compilerProgram(env).split(" ")[0], "make"].filter((name) => find(name) === undefined)
  if (missing.length > 0) {
    const verb = missing.length === 1 ? "is" : "are"
    throw new SetupProblem(
      `${missing.join(" and ")} ${verb} not on PATH, but needed to compile TensorFlow's Node binding.`,
      {
        fix: ["apt-get install g++ make   (Fedora: dnf install gcc-c++ make; or set CXX)"],
        native: true,
      },
    )
  }
}

/**
 * The folder that holds include/node/node.h of the running Node, for node-gyp's --nodedir; undefined when the user has
 * set one, or there is none of the same major version (node-gyp then downloads the headers).
 */
export function nodeHeaders(env = process.env, executable = process.execPath, version = process.versions.node) {
  if (env.npm_config_nodedir !== undefined && env.npm_config_nodedir !== "") return undefined
  const prefix = dirname(dirname(realpathSync(executable)))
  const header = join(prefix, "include", "node", "node_version.h")
  if (!existsSync(header) || !existsSync(join(prefix, "include", "node", "node.h"))) return undefined
  const major = /#define\s+NODE_MAJOR_VERSION\s+(\d+)/.exec(readFileSync(header, "utf8"))?.[1]
  return major === version.split(".")[0] ? prefix : undefined
}

/**
 * npm's own node-gyp, when node-pre-gyp would not find it: it looks beside the running Node only, and npm may lie
 * elsewhere (a distribution's package, a Node without npm).
 */
export function nodeGyp(env = process.env, npm = findProgram("npm")) {
  if (npm === undefined || (env.npm_config_node_gyp !== undefined && env.npm_config_node_gyp !== "")) return undefined
  try {
    const manifest = createRequire(realpathSync(npm)).resolve("node-gyp/package.json")
    return join(dirname(manifest), "bin", "node-gyp.js")
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND") return undefined // then node-pre-gyp looks on PATH
    throw error
  }
}

function compileProblem(result, log, folder) {
  if (saysDiskFull(result.output)) return diskFull(folder, "the compiler could not write", log)
  const fix = []
  if (/ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|getaddrinfo|network connectivity/.test(result.output)) {
    fix.push(
      "node-gyp needs the headers of this Node: install them (apt-get install libnode-dev, or a Node from nodejs.org)",
    )
    fix.push("or name the folder that has include/node/node.h: npm_config_nodedir=/usr/local npm run setup")
  }
  if (/spawn node-gyp ENOENT/.test(result.output)) fix.push("npm install --global node-gyp")
  if (/gyp ERR! find Python/.test(result.output)) fix.push("apt-get install python3   (or set PYTHON)")
  return new SetupProblem(`the binding did not compile:\n${tellingLines(result.output)}`, { fix, log, native: true })
}

/**
 * The folder to compile in: inside the stage, unless its path holds what make cannot have in a path.
 * @returns {string} an existing folder
 */
export function workshopFor(stage, temporary = tmpdir()) {
  const hostile = (path) => /[^\w./@+,:=~-]/.test(path)
  if (!hostile(stage)) return join(stage, "build")
  if (hostile(temporary)) {
    throw new SetupProblem(
      `make cannot work in ${stage}, nor in ${temporary}: blanks or special characters in the path.`,
      {
        fix: ["name another folder for temporary files: TMPDIR=/path/without/blanks npm run setup"],
        native: true,
      },
    )
  }
  const workshop = mkdtempSync(join(temporary, "mdl-binding-"))
  mkdirSync(join(workshop, "deps"))
  symlinkSync(join(stage, "build", "deps", "include"), join(workshop, "deps", "include"))
  return workshop
}

/** Fills the workshop: the package's sources and the libraries under the names that the linker is told to look for. */
function prepare(workshop, stage, packageFolder) {
  for (const name of ["binding", "binding.gyp", "package.json"]) {
    cpSync(join(packageFolder, name), join(workshop, name), { recursive: true })
  }
  const libraries = join(workshop, "deps", "lib")
  mkdirSync(libraries, { recursive: true })
  for (const [link, file] of [
    ["libtensorflow.so", "libtensorflow_cc.so.2"],
    ["libtensorflow_cc.so.2", "libtensorflow_cc.so.2"],
    ["libtensorflow_framework.so", "libtensorflow_framework.so.2"],
    ["libtensorflow_framework.so.2", "libtensorflow_framework.so.2"],
  ]) {
    symlinkSync(join(stage, "deps", "lib", file), join(libraries, link))
  }
}

/**
 * Compiles the binding and the small addon beside it.
 * @returns {Promise<object>} facts for the manifest
 */
export async function compileBinding(stage, { root, napi, output, log }) {
  const source = bindingPackage(root)
  const workshop = workshopFor(stage)
  try {
    await whileUnfinished(workshop, async () => {
      prepare(workshop, stage, source.folder)
      const binding = await compile(workshop, { source, napi, output, log, stage })
      const target = join(stage, "lib", `napi-v${napi}`)
      mkdirSync(target, { recursive: true })
      copyFileSync(binding, join(target, "tfjs_binding.node"))
      await compileProcessAddon(join(target, "process_addon.node"), { log, stage })
    })
  } finally {
    rmSync(workshop, { recursive: true, force: true })
  }
  return { binding: source.version, napi, node: process.versions.node }
}

async function compile(workshop, { source, napi, output, log, stage }) {
  const require = createRequire(join(source.folder, "package.json"))
  const preGyp = join(dirname(require.resolve("@mapbox/node-pre-gyp/package.json")), "bin", "node-pre-gyp")
  const headers = nodeHeaders()
  const args = [preGyp, "install", "--build-from-source", ...(headers === undefined ? [] : [`--nodedir=${headers}`])]
  const end = output.during("compiling the binding, 10 seconds to 5 minutes")
  const jobs = process.env.JOBS ?? String(Math.min(2, availableParallelism()))
  const gyp = nodeGyp()
  const extraEnv = { JOBS: jobs, ...(gyp === undefined ? {} : { npm_config_node_gyp: gyp }) }
  const result = await run(process.execPath, args, { cwd: workshop, log, extraEnv })
  const binding = join(workshop, "lib", `napi-v${napi}`, "tfjs_binding.node")
  const done = result.code === 0 && existsSync(binding)
  end(done ? "done" : "failed")
  if (!done) throw compileProblem(result, log, stage)
  return binding
}

async function compileProcessAddon(target, { log, stage }) {
  const source = fileURLToPath(new URL("./process-addon.cc", import.meta.url))
  const [compiler, ...flags] = compilerProgram().split(" ")
  const args = [...flags, "-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", source, "-o", target]
  const result = await run(compiler, args, { log })
  if (result.code !== 0) throw compileProblem(result, log, stage)
}

const PROBE = `
const binding = require(process.argv[1])
process.stdout.write(JSON.stringify({ tensorflow: binding.TF_Version, gpu: binding.isUsingGpuDevice() }))
`

/** Loads the finished binding in a process of its own: what does not load must not become an entry. */
export async function probeBinding(stage, { napi, tensorflow, variant, output, log, runner = run }) {
  const end = output.during("loading TensorFlow once, to see that it works")
  const binding = join(stage, "lib", `napi-v${napi}`, "tfjs_binding.node")
  const result = await runner(process.execPath, ["-e", PROBE, binding], { log })
  end(result.code === 0 ? "done" : "failed")
  let found
  try {
    found = JSON.parse(result.stdout)
  } catch {
    throw new SetupProblem(`the binding was built but does not load:\n${tellingLines(result.output)}`, {
      log,
      native: true,
    })
  }
  if (found.tensorflow !== tensorflow) {
    throw new SetupProblem(
      `the binding loads TensorFlow ${found.tensorflow}, not ${tensorflow}: another copy is in its way.`,
      {
        fix: ["unset LD_LIBRARY_PATH and run the set-up again"],
        log,
        native: true,
      },
    )
  }
  if (variant === "gpu" && !found.gpu) {
    output.say("TensorFlow's GPU build works but sees no GPU; it will train on the CPU. `mdl doctor` says more.")
    output.say(`what TensorFlow said about the GPU: ${log}`)
  }
  return found
}
