/**
 * A Slurm cluster of one machine, in one folder: munged, slurmctld and slurmd as processes of this one.
 *
 * Takes a folder. Gives the environment that Slurm's commands need to speak to it, and ways to break and mend its node. Its
 * ports are free ones, its key is its own, and whatever it starts knows the folder's name, by which it is found and ended: it
 * gets along with another Slurm on the machine. Needs no root, systemd or control groups; accounting is off, because
 * slurmdbd wants a data base.
 */
import { spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdirSync, openSync, closeSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { hostname } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"

const NODE = "node1"
/** Tasks that fit on the node at once. */
const CPUS = 2

/** Where Debian has daemons, which is not in every user's PATH. */
export const PATH = [process.env.PATH, "/usr/sbin", "/sbin"].join(":")

/** Starts a cluster in an empty folder; resolves when its node takes jobs. */
export async function startCluster(folder) {
  const cluster = new Cluster(folder)
  await cluster.start()
  return cluster
}

class Cluster {
  constructor(folder) {
    this.folder = folder
    this.config = join(folder, "slurm.conf")
    this.env = { ...process.env, PATH, SLURM_CONF: this.config }
    for (const name of Object.keys(this.env)) if (/^(SLURM|SBATCH|SQUEUE)_(?!CONF$)/.test(name)) delete this.env[name]
    this.daemons = new Map()
  }

  async start() {
    const { folder } = this
    for (const name of ["state", "spool", "log"]) mkdirSync(join(folder, name))
    const socket = join(folder, "munge.socket")
    const key = join(folder, "munge.key")
    writeFileSync(key, randomBytes(1024), { mode: 0o600 })
    const [controller, node] = await freePorts(2)
    writeFileSync(this.config, configuration({ folder, socket, controller, node }))
    // --force: the folder above ours may be anybody's to write, as /tmp is.
    const own = ["pid-file", "log-file", "seed-file"].map((name) => `--${name}=${join(folder, `munge.${name}`)}`)
    this.daemon("munged", ["--foreground", "--force", `--key-file=${key}`, `--socket=${socket}`, ...own])
    this.daemon("slurmctld", ["-D", "-c", "-f", this.config])
    this.startNode()
    await this.until("the node takes jobs", () => this.nodeState() === "idle")
  }

  startNode() {
    this.daemon("slurmd", ["-D", "-N", NODE, "-f", this.config])
  }

  daemon(name, words) {
    const log = openSync(join(this.folder, "log", `${name}.out`), "a")
    const child = spawn(name, words, { env: this.env, detached: true, stdio: ["ignore", log, log] })
    closeSync(log)
    this.daemons.set(name, child)
    child.once("exit", () => this.daemons.get(name) === child && this.daemons.delete(name))
  }

  /** Ends slurmd as a power cut would. What it has started goes on. */
  async killNodeDaemon() {
    const child = this.daemons.get("slurmd")
    child.kill("SIGKILL")
    await once(child, "exit")
  }

  /** Ends slurmd and all that runs on the node as a power cut would; the processes that it was. */
  async killNode() {
    await this.killNodeDaemon()
    const daemons = [...this.daemons.values()].map(({ pid }) => pid)
    return killAll(() => this.processes().filter(({ pid, isOnNode }) => isOnNode && !daemons.includes(pid)))
  }

  nodeState() {
    return this.ask("sinfo", ["--noheader", "--Node", "--format=%T"]).trim()
  }

  /** What a command of Slurm's says; empty as long as the controller does not answer. */
  ask(program, words) {
    const { status, stdout, error } = spawnSync(program, words, { env: this.env, encoding: "utf8" })
    if (error) throw error
    return status === 0 ? stdout : ""
  }

  async until(what, test, seconds = 60) {
    const end = performance.now() + 1000 * seconds
    for (let done = await test(); !done; done = await test()) {
      if (performance.now() > end) throw new Error(`after ${seconds} s it is not so that ${what}`)
      await delay(100)
    }
  }

  /** Processes of this cluster: those whose environment or command names its folder. */
  processes() {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .flatMap((pid) => {
        const environment = textOf(`/proc/${pid}/environ`)
        const command = textOf(`/proc/${pid}/cmdline`)
        if (!environment.includes(this.config) && !command.includes(this.folder)) return []
        const isOnNode = environment.includes("SLURM_JOB_ID=") || command.startsWith("slurmstepd")
        return [{ pid: Number(pid), isOnNode, command: command.replaceAll("\0", " ").trim() }]
      })
  }

  /** Ends everything: the daemons as they want it, so that none leaves a process behind, and then what is left. */
  async stop() {
    for (const child of this.daemons.values()) child.kill("SIGTERM")
    await Promise.race([delay(5000), this.until("the daemons have ended", () => this.daemons.size === 0)])
    await killAll(() => this.processes())
  }

  /** The ends of all logs, for when something went wrong. */
  logs(lines = 15) {
    const folder = join(this.folder, "log")
    return readdirSync(folder)
      .filter((name) => name.endsWith(".out"))
      .map((name) => [`--- ${name}`, ...textOf(join(folder, name)).trimEnd().split("\n").slice(-lines)].join("\n"))
      .join("\n")
  }
}

/** Kills until none is left; those that were. */
async function killAll(find) {
  const killed = new Map()
  for (let found = find(); found.length > 0; found = find()) {
    for (const { pid, command } of found) {
      killed.set(pid, command)
      try {
        process.kill(pid, "SIGKILL")
      } catch (thrown) {
        if (thrown.code !== "ESRCH") throw thrown
      }
    }
    await delay(50)
  }
  return [...killed.values()]
}

/** A file of a process that may end at any moment, or be somebody else's. */
function textOf(path) {
  try {
    return readFileSync(path, "utf8")
  } catch (thrown) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(thrown.code)) return ""
    throw thrown
  }
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1")
      await once(server, "listening")
      return server
    }),
  )
  const ports = servers.map((server) => server.address().port)
  for (const server of servers) server.close()
  return ports
}

function configuration({ folder, socket, controller, node }) {
  const host = hostname().split(".")[0]
  const user = spawnSync("id", ["--user", "--name"], { encoding: "utf8" }).stdout.trim()
  const place = (name) => join(folder, name)
  return `# Written by scripts/slurm/test.mjs for its own use.
ClusterName=mdltest
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${controller}
SlurmdPort=${node}
SlurmUser=${user}
SlurmdUser=${user}
AuthType=auth/munge
AuthInfo=socket=${socket}
CredType=cred/munge
StateSaveLocation=${place("state")}
SlurmdSpoolDir=${place("spool")}
SlurmctldPidFile=${place("slurmctld.pid")}
SlurmdPidFile=${place("slurmd.pid")}
SlurmctldLogFile=${place("log/slurmctld.log")}
SlurmdLogFile=${place("log/slurmd.log")}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=5
SlurmdParameters=config_overrides
SlurmdTimeout=5
KillWait=5
ReturnToService=2
MailProg=/bin/true
MpiDefault=none
NodeName=${NODE} NodeHostname=${host} NodeAddr=127.0.0.1 CPUs=${CPUS} RealMemory=4000
PartitionName=main Nodes=${NODE} Default=YES MaxTime=INFINITE State=UP
`
}
