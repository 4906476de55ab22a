/**
 * A headless Chromium for tests, out of an npm package: no browser has to be installed on the machine.
 *
 * Takes nothing. Gives a browser that reaches nothing but this machine; the caller closes it.
 *
 * Why so: `@sparticuz/chromium` carries the browser and the system libraries that it needs (NSS and others, as of Amazon
 * Linux 2023), compressed. They are unpacked once for each user and version into a folder of our own, whole or not at all,
 * and its libraries are put on the path of the browser's process only. The package's flags are for Lambda, where one
 * process must do and web security may be off; here pages are to be isolated as they are for people.
 */
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir, userInfo } from "node:os"
import { dirname, join } from "node:path"
import { type Browser, chromium as playwright } from "playwright-core"

/** The package has binaries for this one kind of machine. */
export const HAS_BROWSER = process.platform === "linux" && process.arch === "x64"

/** Flags that would make a test prove less than it says, and that a machine with a `/tmp` and several processes can spare. */
const UNWANTED = [
  "--disable-web-security",
  "--allow-running-insecure-content",
  "--disable-site-isolation-trials",
  "--single-process",
  "--no-zygote",
]

/** Starts the browser. One for a test file is enough: contexts keep tests apart. */
export async function openBrowser(): Promise<Browser> {
  const { default: chromium } = await import("@sparticuz/chromium")
  const folder = await unpacked()
  return playwright.launch({
    executablePath: join(folder, "chromium"),
    args: [
      ...chromium.args.filter((flag) => !UNWANTED.includes(flag) && !flag.startsWith("--disable-features")),
      // Whatever is asked for by name other than this machine is not found.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ],
    headless: true,
    env: {
      ...process.env,
      LD_LIBRARY_PATH: join(folder, "al2023", "lib"),
      FONTCONFIG_PATH: join(folder, "fonts"),
    },
  })
}

/** The folder of the unpacked browser, made when it is not there. */
async function unpacked(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium")
  const version = await versionOf(entry)
  const home = join(tmpdir(), `mdl-test-browser-${userInfo().uid}`)
  const folder = join(home, version)
  if (existsSync(folder)) return folder
  await mkdir(home, { recursive: true, mode: 0o700 })
  const stage = await mkdtemp(join(home, "unpacking-"))
  try {
    await unpackInto(stage)
    await rename(stage, folder)
  } catch (thrown) {
    await rm(stage, { recursive: true, force: true })
    // Another test run may have been quicker.
    if (!existsSync(folder)) throw thrown
  }
  return folder
}

/** The package unpacks into the temporary folder, and its libraries only where it believes to be on Lambda. */
async function unpackInto(stage: string): Promise<void> {
  const { default: chromium } = await import("@sparticuz/chromium")
  const wanted = { TMPDIR: stage, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs20.x" }
  const before = Object.keys(wanted).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, wanted)
  try {
    await chromium.executablePath()
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

async function versionOf(entry: string): Promise<string> {
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, "package.json")
    if (!existsSync(path)) continue
    const { name, version } = JSON.parse(await readFile(path, "utf8")) as { name?: string; version?: string }
    if (name === "@sparticuz/chromium" && version !== undefined) return version
  }
  throw new Error(`${entry} lies in no package @sparticuz/chromium`)
}
