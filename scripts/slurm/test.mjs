#!/usr/bin/env node
/**
 * `mdl ablate --engine slurm` on a real Slurm, whose node dies.
 *
 * Takes the compiled program in dist/ and Debian's packages of Slurm, which it installs when it may. Gives a line for each
 * thing that happens. Ends with 1 when anything is lost; with 0 and a notice when Slurm cannot be had (1 with --require).
 *
 *   node scripts/slurm/test.mjs [--require] [--keep]
 *
 * A sweep of two models is run by the engine of this machine, and by Slurm, where in the meantime
 *   - slurmd is killed and started again, while a member trains: the member does not notice;
 *   - the node is killed with all that runs on it, and `mdl ablate` too; Slurm starts the member again, and the same
 *     command finds the job;
 *   - the node is killed once more, and Slurm may not start the member again: the engine submits it;
 *   - that job is cancelled: the member leaves a checkpoint, and the engine submits it again.
 * In the end both sweeps are the same, scores and weights bit for bit. (`npm test` has the engine on a Slurm that is made
 * up, for what a real one does not do on demand: accounting, other ends of a task, crashes at a given line.)
 */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { isDeepStrictEqual, parseArgs } from "node:util"
import { startCluster } from "./cluster.mjs"
import { installSlurm } from "./install.mjs"

const MDL = fileURLToPath(new URL("../../bin/mdl.mjs", import.meta.url))
/** It takes two; a busy machine may need more. */
const MINUTES = 10
const MEMBERS = ["Small/seed-1", "without_note/seed-1"]

const MODEL = `
model Small(note_counts: bool = true) {
  input image: f32[N, 3, H = 32, W = 32]
  input note: tokens[N, T = 24] using words(64)
  target mask: f32[N, 1, H, W]

  encoder vision {
    let v = conv2d(image, 6, kernel = 3) |> batch_norm() |> relu()
  }
  encoder language {
    let words = Embedding(note.vocabulary, 6)(note.ids) * reshape(note.valid, [N, T, 1])
    let t = sum(words, axes = [1]) |> linear(6)
  }
  decoder {
    let joined = if note_counts then v + reshape(t, [N, 6, 1, 1]) else v
    output probability = dropout(joined, 0.1) |> conv2d(1, kernel = 3) |> sigmoid()
  }
  loss cross_entropy = bce(probability, mask)

  train {
    optimizer = adam(lr = 0.02)
    batch = 4
    epochs = 200
  }
}

ablation without_note of Small { without language  set note_counts = false }
`

const { values: options } = parseArgs({
  options: { require: { type: "boolean", default: false }, keep: { type: "boolean", default: false } },
})

const begun = performance.now()
const say = (text) =>
  process.stdout.write(`${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${text}\n`)

const why = installSlurm(say)
if (why !== undefined) {
  const rule = "=".repeat(100)
  process.stderr.write(`${rule}\nNOTICE: the Slurm engine was NOT tested on a real Slurm.\n${why}\n${rule}\n`)
  process.exit(options.require ? 1 : 0)
}

const folder = mkdtempSync(join(tmpdir(), "mdl-slurm-"))
// Names that a shell must not take apart.
const work = join(folder, `it's a "sweep" of $5`)
mkdirSync(work)
writeFileSync(join(work, "small.mdl"), MODEL)

let cluster

async function cleanUp() {
  await cluster?.stop()
  if (options.keep) say(`kept: ${folder}`)
  else rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
}

async function test() {
  const slurm = spawnSync("sbatch", ["--version"], {
    encoding: "utf8",
    env: { ...process.env, SLURM_CONF: "/dev/null" },
  })
  mkdirSync(join(folder, "cluster"))
  cluster = await startCluster(join(folder, "cluster"))
  say(`a cluster of one node runs (${(slurm.stdout || cluster.ask("sinfo", ["--version"])).trim()}, accounting off)`)
  mdl(["data", "synth", "data", "--train", "16", "--valid", "4", "--test", "4", "--size", "32"])
  const local = ablate("local", ["--engine", "local", "--jobs", "1"])

  const first = ablate("slurm", SLURM)
  await isTraining(MEMBERS[0])
  await cluster.killNodeDaemon()
  const before = steps(MEMBERS[0])
  await cluster.until("the member goes on without slurmd", () => steps(MEMBERS[0]) > before)
  cluster.startNode()
  say("slurmd was killed and started again; the member went on")

  first.child.kill("SIGKILL")
  await first.ended
  const dead = await cluster.killNode()
  expect(
    dead.some((command) => command.includes(MEMBERS[0])),
    `the task was among ${dead}`,
  )
  expect(!isDone(MEMBERS[0]), "the member was in the middle of its training")
  say(`mdl ablate was killed, and the node, at step ${steps(MEMBERS[0])} of ${MEMBERS[0]}`)
  await mendNode()
  await cluster.until("Slurm has put the task back", () => stateOf(0) === "PENDING")
  say("the node is back; Slurm has put the task back into the queue")

  const second = ablate("slurm", SLURM)
  await second.hears("watching it")
  say("the same command again: it watches the job that is there")
  // Slurm lets such a task wait for two minutes, and begins with the other one.
  await isTraining(MEMBERS[1])
  cluster.ask("scontrol", ["update", `JobId=${jobs()[0].job}_1`, "Requeue=0"])
  await cluster.killNode()
  expect(!isDone(MEMBERS[1]), "the member was in the middle of its training")
  say(`the node was killed at step ${steps(MEMBERS[1])} of ${MEMBERS[1]}, which Slurm may not start again`)
  await mendNode()
  await second.hears("NODE_FAIL")
  await second.hears("it is submitted again (1 of 2)")
  say("the engine submitted it again")
  cluster.ask("scontrol", ["update", `JobId=${jobs()[0].job}_0`, "StartTime=now"])

  const stood = steps(MEMBERS[1])
  await cluster.until(`${MEMBERS[1]} trains again`, () => steps(MEMBERS[1]) > stood, 90)
  cluster.ask("scancel", [String(jobs()[1].job)])
  await second.hears("it is submitted again (2 of 2)")
  expect(/CANCELLED/.test(second.said.stderr), "the reason is named")
  expect(!isDone(MEMBERS[1]), "the member was in the middle of its training")
  expect(/SIGTERM: finishing the step and writing a checkpoint/.test(log(MEMBERS[1])), "it left a checkpoint")
  say(`the job was cancelled at step ${steps(MEMBERS[1])} of ${MEMBERS[1]}; the engine submitted it again`)

  const results = [await second.ended, await local.ended]
  for (const { code, stderr } of results) expect(code === 0, `mdl ablate ended with ${code}:\n${stderr}`)
  for (const name of MEMBERS) expect(/from step [1-9]/.test(log(name)), `${name} went on from a checkpoint`)
  expect(jobs().length === 3, `three jobs were submitted: ${JSON.stringify(jobs())}`)
  for (const name of MEMBERS) {
    const [there, here] = ["slurm", "local"].map((run) => evaluation(run, name))
    // Time is the machine's.
    expect(
      isDeepStrictEqual({ ...there, stepSeconds: 0 }, { ...here, stepSeconds: 0 }),
      `${name} is the same bit for bit`,
    )
    say(`${name}: the same as here, ${here.cases.length} scores and weights ${here.checkpoint.sha256.slice(0, 12)}`)
  }
  const [there, here] = results.map(({ stdout }) => withoutTimes(JSON.parse(stdout)))
  expect(there.complete && isDeepStrictEqual(there, here), "the conclusion is the same")
}

function expect(holds, what) {
  if (!holds) throw new Error(`it is not so that ${what}`)
}

const SLURM = ["--engine", "slurm", "--jobs", "1", "--cpus", "1", "--retries", "2"]

/** Starts `mdl ablate`, in a folder of its own for its run. */
function ablate(run, words) {
  const all = [
    "ablate",
    "small.mdl",
    "--data",
    "data",
    "--run",
    run,
    "--seeds",
    "1",
    "--workers",
    "0",
    "--json",
    ...words,
  ]
  // One thread in both: sums in another order are other sums.
  const env = { ...cluster.env, MDL_THREADS: "1", NO_COLOR: "1" }
  const child = spawn(process.execPath, [MDL, ...all], { cwd: work, env, stdio: ["ignore", "pipe", "pipe"] })
  const said = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (text) => {
      said[name] += text
      if (name === "stderr") process.stdout.write(text.replace(/^(?=.)/gm, `        ${run}: `))
    })
  return {
    child,
    said,
    ended: once(child, "close").then(([code]) => ({ code, ...said })),
    hears: (text, seconds) =>
      cluster
        .until(`mdl ablate says "${text}"`, () => said.stderr.includes(text) || child.exitCode !== null, seconds)
        .then(() => expect(said.stderr.includes(text), `mdl ablate said "${text}" before it ended`)),
  }
}

function mdl(words) {
  const { status, stderr } = spawnSync(process.execPath, [MDL, ...words], { cwd: work, encoding: "utf8" })
  expect(status === 0, `mdl ${words.join(" ")} goes well:\n${stderr}`)
}

const inRun = (name, file) => join(work, "slurm", "runs", name, file)
const isDone = (name) => existsSync(inRun(name, "evaluation.json"))
const logOf = (name) => join(work, "slurm", "logs", `${name.replace("/", ".")}.log`)
const log = (name) => readFileSync(logOf(name), "utf8")
const jobs = () => JSON.parse(readFileSync(join(work, "slurm", "slurm", "jobs.json"), "utf8")).jobs
const evaluation = (run, name) => JSON.parse(readFileSync(join(work, run, "runs", name, "evaluation.json"), "utf8"))

/** The ends of what the members wrote. */
function memberLogs() {
  return MEMBERS.filter((name) => existsSync(logOf(name)))
    .map((name) => [`--- ${name}`, ...log(name).trimEnd().split("\n").slice(-15)].join("\n"))
    .join("\n")
}

/** The last step in the log of a run. */
function steps(name) {
  if (!existsSync(inRun(name, "log.jsonl"))) return 0
  const found = readFileSync(inRun(name, "log.jsonl"), "utf8").matchAll(/"step":(\d+)/g)
  return Math.max(0, ...[...found].map(([, step]) => Number(step)))
}

/** Far enough to have a checkpoint. */
async function isTraining(name) {
  await cluster.until(`${name} trains`, () => steps(name) >= 20, 120)
}

async function tooLong() {
  await delay(60_000 * MINUTES, undefined, { ref: false })
  throw new Error(`it is not done after ${MINUTES} minutes`)
}

/** A node that is away for so long that Slurm notices. */
async function mendNode() {
  await cluster.until("Slurm misses the node", () => /[*]|down/.test(cluster.nodeState()))
  cluster.startNode()
  await cluster.until(
    "the node takes jobs again",
    () => cluster.nodeState() !== "" && !/[*]|down/.test(cluster.nodeState()),
  )
}

const stateOf = (index) =>
  cluster
    .ask("squeue", ["--noheader", "--array", "--states=all", `--jobs=${jobs()[0].job}_${index}`, "--format=%T"])
    .trim()

/** A conclusion without how long training took. */
function withoutTimes(result) {
  return JSON.parse(JSON.stringify(result), (key, value) => (/seconds/i.test(key) ? undefined : value))
}

let failed = false
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.once(signal, () => void cleanUp().then(() => process.exit(1)))
try {
  await Promise.race([test(), tooLong()])
  say("nothing is lost")
} catch (thrown) {
  failed = true
  process.stderr.write(`failed: ${thrown.stack}\n${cluster?.logs() ?? ""}\n${memberLogs()}\n`)
}
await cleanUp()
process.exitCode = failed ? 1 : 0
