/**
 * Slurm's programs from Debian's packages.
 *
 * Takes nothing; gives undefined when they are there, or were installed, else in words why they cannot be had.
 */
import { spawnSync } from "node:child_process"
import { PATH } from "./cluster.mjs"

const PROGRAMS = ["slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel", "sinfo"]
/** What `slurm-wlm` puts together, without what it recommends. */
const PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]
const MINUTES = 3

const env = { ...process.env, PATH, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" }

function missing() {
  return PROGRAMS.filter((name) => spawnSync("sh", ["-c", `command -v ${name}`], { env }).status !== 0)
}

/** Makes Slurm's programs be there; why they are not, when that fails. */
export function installSlurm(say) {
  const before = missing()
  if (before.length === 0) return undefined
  const hint = `not found: ${before.join(", ")}`
  if (process.platform !== "linux") return `${hint}; Slurm is for Linux, and this is ${process.platform}`
  if (process.getuid() !== 0)
    return `${hint}; only root can install packages: sudo apt-get install ${PACKAGES.join(" ")}`
  if (spawnSync("apt-get", ["--version"], { env }).error) return `${hint}; there is no apt-get to install them with`
  say(`installing ${PACKAGES.join(" ")} with apt-get`)
  for (const words of [["update"], ["install", "--yes", "--no-install-recommends", ...PACKAGES]]) {
    const { status, signal, stdout, stderr } = spawnSync("apt-get", words, {
      env,
      encoding: "utf8",
      timeout: MINUTES * 60_000,
    })
    if (status === 0) continue
    const end = `${stdout}\n${stderr}`.trim().split("\n").slice(-5).join("\n  ")
    return `${hint}; apt-get ${words[0]} ${signal ? `took longer than ${MINUTES} minutes` : "failed"}:\n  ${end}`
  }
  const after = missing()
  return after.length === 0 ? undefined : `the packages were installed, and there is no ${after.join(", ")}`
}
