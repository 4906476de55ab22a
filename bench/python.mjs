// A Python with PyTorch, for the peers that need one.
//
// Takes: the cache folder; MDL_BENCH_PYTHON, an interpreter that has PyTorch already; MDL_BENCH_TORCH, what to ask pip for;
//        further packages that are needed.
// Gives: the path of an interpreter that imports torch, numpy and those.
// Why so: PyTorch is no dependency of MDL. It is installed on demand into an environment of its own, with the user's own
//         pip configuration; an environment left half made is made again.
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { cacheFolder } from "../scripts/setup/cache.mjs"
import { run, tellingLines } from "../scripts/setup/commands.mjs"

const works = async (python, packages) => (await run(python, ["-c", `import ${packages.join()}`])).code === 0

/** @param {(text: string) => void} say @param {readonly string[]} more @returns {Promise<string>} */
export async function pythonWithTorch(say, more = []) {
  const basic = ["torch", "numpy"]
  const packages = [...basic, ...more]
  const given = process.env.MDL_BENCH_PYTHON
  if (given) {
    if (await works(given, packages)) return given
    throw new Error(`MDL_BENCH_PYTHON is ${given}, which does not import ${packages.join(", ")}`)
  }
  const folder = join(cacheFolder(), "bench-venv")
  const python = join(folder, "bin", "python")
  if (existsSync(python) && (await works(python, packages))) return python
  if (!existsSync(python) || !(await works(python, basic))) {
    rmSync(folder, { recursive: true, force: true })
    say(`installing PyTorch into ${folder} (once)`)
    await required("python3", ["-m", "venv", folder])
    await required(python, ["-m", "pip", "install", process.env.MDL_BENCH_TORCH || "torch", "numpy"])
  }
  if (more.length > 0) {
    say(`installing ${more.join(", ")} into ${folder} (once)`)
    await required(python, ["-m", "pip", "install", ...more])
  }
  if (await works(python, packages)) return python
  throw new Error(`${packages.join(", ")} were installed into ${folder} but do not load there`)
}

async function required(program, args) {
  const { code, output } = await run(program, args)
  if (code === 0) return
  throw new Error(
    `${[program, ...args].join(" ")} failed:\n${tellingLines(output)}\n` +
      "  Leave PyTorch out with --without torch, or name an interpreter that has it: MDL_BENCH_PYTHON=/path/to/python",
  )
}
