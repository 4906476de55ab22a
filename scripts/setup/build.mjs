// The compiled tool in dist/.
//
// Takes:  grammar/, src/ and the TypeScript configuration of the checkout.
// Gives:  dist/, and in it a record of the sources it came from.
// Why so: `mdl` runs from dist/, so it must never be older than the sources without anybody noticing. Contents are
//         compared, not times: a git checkout changes times. tsc itself is incremental, but starting it takes seconds.
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { run } from "./commands.mjs"
import { acquireLock } from "./lock.mjs"
import { SetupProblem } from "./output.mjs"

const STAMP = ".source-hash"
/** The tool, and the page of `mdl serve`, which is compiled for browsers. */
const PROGRAMS = ["tsconfig.build.json", "src/runtime/serving/page/tsconfig.json"]
const CONFIGURATION = ["tsconfig.json", ...PROGRAMS, "package-lock.json"]

function typeScriptFiles(root, folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((item) => item.isFile() && item.name.endsWith(".ts"))
    .map((item) => join(item.parentPath ?? item.path, item.name).slice(root.length + 1))
}

/** What dist/ is made of: the list of sources and one hash over their paths and contents. */
export function sourcesOf(root) {
  const files = [...typeScriptFiles(root, "grammar"), ...typeScriptFiles(root, "src")].sort()
  const hash = createHash("sha256")
  for (const file of [...CONFIGURATION.filter((name) => existsSync(join(root, name))), ...files]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0")
  }
  return { hash: hash.digest("hex"), files }
}

function outputsOf(file) {
  const base = file.replace(/\.ts$/, "")
  return [`${base}.js`, `${base}.js.map`, `${base}.d.ts`]
}

/** The sources that dist/ was built from, as last recorded; undefined when there is no readable record. */
export function builtFrom(root) {
  const file = join(root, "dist", STAMP)
  if (!existsSync(file)) return undefined
  try {
    const record = JSON.parse(readFileSync(file, "utf8"))
    return typeof record.hash === "string" && Array.isArray(record.files) ? record : undefined
  } catch {
    return undefined // cut off while it was written: build again
  }
}

function outputMissing(root, files) {
  return files.some((file) => !file.endsWith(".d.ts") && !existsSync(join(root, "dist", outputsOf(file)[0])))
}

/** Whether dist/ is what the sources compile to. */
export function isBuilt(root, sources = sourcesOf(root)) {
  return builtFrom(root)?.hash === sources.hash && !outputMissing(root, sources.files)
}

/**
 * Brings dist/ up to date.
 * @param {{root: string, lockFile: string, output: object, log: string, runner?: typeof run}} request
 */
export async function ensureBuild({ root, lockFile, output, log, runner = run }) {
  if (!existsSync(join(root, "tsconfig.build.json"))) {
    output.say("build: comes with MDL")
    return
  }
  if (isBuilt(root)) {
    output.say("build: up to date")
    return
  }
  const release = await acquireLock(lockFile, {
    onWait: ({ pid }) => output.say(`another set-up of this checkout (process ${pid}) is at work; waiting`),
  })
  try {
    const sources = sourcesOf(root)
    const before = builtFrom(root)
    if (before?.hash === sources.hash && !outputMissing(root, sources.files)) {
      output.say("build: up to date")
      return
    }
    const dist = join(root, "dist")
    mkdirSync(dist, { recursive: true })
    // tsc trusts its record of what it has written; when somebody removed output, that record must go.
    if (before === undefined || outputMissing(root, before.files)) rmSync(join(dist, ".tsbuildinfo"), { force: true })
    for (const gone of (before?.files ?? []).filter((file) => !sources.files.includes(file))) {
      for (const name of outputsOf(gone)) rmSync(join(dist, name), { force: true })
    }
    const end = output.during("build: tsc into dist/")
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
    for (const program of PROGRAMS.filter((name) => existsSync(join(root, name)))) {
      const result = await runner(process.execPath, [tsc, "-p", program, "--noEmitOnError"], { cwd: root, log })
      if (result.code === 0) continue
      end("failed")
      throw new SetupProblem(`the sources do not compile:\n${result.output.trimEnd()}`, { fix: ["npm run build"] })
    }
    end("done")
    writeFileSync(join(dist, STAMP), JSON.stringify(sources))
  } finally {
    release()
  }
}
