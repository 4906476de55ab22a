// The npm packages, exactly as package-lock.json names them.
//
// Takes:  the checkout.
// Gives:  node_modules that matches the lock file, and a stamp in it that says so.
// Why so: install scripts are not run: tfjs-node's downloads an old TensorFlow, onnxruntime-node's downloads CUDA, and
//         nothing else needs one. An `npm ci` that somebody ran by hand is recognised by npm's own record of what it
//         installed, and not repeated.
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { tellingLines, npmCommand, run, saysDiskFull } from "./commands.mjs"
import { acquireLock } from "./lock.mjs"
import { SetupProblem } from "./output.mjs"

const STAMP = ".mdl-lock-hash"

function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined
}

/** Whether npm's record of an installation holds every package of the lock file that this machine needs, and no other. */
export function installationMatches(lock, installed) {
  const wanted = lock.packages ?? {}
  const found = installed.packages ?? {}
  const same = (a, b) => a.version === b.version && a.integrity === b.integrity
  return (
    Object.entries(wanted).every(([path, entry]) => {
      if (path === "" || entry.link === true) return true
      return path in found ? same(entry, found[path]) : entry.optional === true || entry.devOptional === true
    }) && Object.keys(found).every((path) => path in wanted)
  )
}

/**
 * What is to be done about the packages.
 * @returns {"published" | "ready" | "unstamped" | "missing" | "changed"} "published": MDL itself was installed by npm
 */
export function packagesState(root) {
  const lockText = readIfThere(join(root, "package-lock.json"))
  if (lockText === undefined) return "published"
  const modules = join(root, "node_modules")
  if (!existsSync(modules)) return "missing"
  if (readIfThere(join(modules, STAMP)) === lockHash(lockText)) return "ready"
  const installed = readIfThere(join(modules, ".package-lock.json"))
  if (installed === undefined) return "missing" // npm writes it last: an installation was cut off
  return installationMatches(JSON.parse(lockText), JSON.parse(installed)) ? "unstamped" : "changed"
}

/** The hash kept in the stamp. */
export function lockHash(lockText) {
  return createHash("sha256").update(lockText).digest("hex")
}

function writeStamp(root) {
  writeFileSync(join(root, "node_modules", STAMP), lockHash(readFileSync(join(root, "package-lock.json"), "utf8")))
}

/**
 * Makes node_modules match package-lock.json.
 * @param {{root: string, lockFile: string, output: object, log: string, runner?: typeof run}} request
 */
export async function ensurePackages({ root, lockFile, output, log, runner = run }) {
  const settled = () => {
    const state = packagesState(root)
    if (state === "unstamped") writeStamp(root)
    return state === "missing" || state === "changed" ? undefined : state
  }
  const before = settled()
  if (before !== undefined) {
    output.say(before === "published" ? "packages: installed with MDL" : "packages: up to date")
    return
  }
  const release = await acquireLock(lockFile, {
    onWait: ({ pid }) => output.say(`another set-up of this checkout (process ${pid}) is at work; waiting`),
  })
  try {
    if (settled() !== undefined) {
      output.say("packages: up to date")
      return
    }
    const why = packagesState(root) === "missing" ? "none are installed" : "package-lock.json has changed"
    const [program, ...args] = npmCommand()
    const end = output.during(`packages: npm ci (${why})`)
    const result = await runner(program, [...args, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: root,
      log,
    })
    end(result.code === 0 ? "done" : "failed")
    if (result.code !== 0) {
      const what = saysDiskFull(result.output) ? "npm ci failed: the disk is full" : "npm ci failed"
      throw new SetupProblem(`${what}\n${tellingLines(result.output)}`, {
        fix: ["npm ci --ignore-scripts   (shows everything npm says)"],
        log,
      })
    }
    writeStamp(root)
  } finally {
    release()
  }
}
