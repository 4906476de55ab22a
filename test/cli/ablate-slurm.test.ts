/**
 * `mdl ablate --engine slurm` as a person calls it, on a fake cluster whose queue does not move.
 */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Cluster, fakeCluster } from "../runtime/ablation/slurm/fake-cluster.js"
import { openWorkshop, type Workshop } from "../runtime/training/tiny.js"
import { mdl } from "./command-line.js"

const MDL = fileURLToPath(new URL("../../bin/mdl.mjs", import.meta.url))

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.remove())

const words = (run: string, ...more: string[]) => [
  ...["ablate", shop.model(), "--data", shop.data, "--run", run, "--only", "no_note", "--seeds", "1"],
  ...["--engine", "slurm", ...more],
]
const heldCluster = async (): Promise<Cluster> => {
  const cluster = await fakeCluster({ programs: true })
  cluster.scene("held", "")
  return cluster
}

describe("mdl ablate --engine slurm", () => {
  test("--no-wait submits, says what to do next, and submits nothing twice", async () => {
    const { calls } = await heldCluster()
    const run = shop.run("no-wait")
    const first = await mdl(
      ...words(run, "--no-wait", "--partition", "gpu", "--sbatch-args", "--account=lab --qos='a b'"),
    )
    expect(first).toMatchObject({ code: 0, stdout: "" })
    expect(first.stderr).toBe(
      "2 models x 1 seeds: 0 members done, 2 to do\n" +
        "job 41 submitted with 2 members\n" +
        "Slurm goes on with the sweep:\n" +
        "  job 41: 2 members to do\n" +
        "to come back, give the same command: it watches these jobs, submits none twice, and concludes (--no-wait left out)\n" +
        "to end them: scancel 41\n",
    )
    const second = await mdl(...words(run, "--no-wait", "--json"))
    expect(second.code).toBe(0)
    expect(JSON.parse(second.stdout)).toEqual({
      jobs: [{ job: 41, name: expect.stringMatching(/^mdl-[0-9a-f]{12}$/), tasks: ["Tiny/seed-1", "no_note/seed-1"] }],
    })
    expect(calls("sbatch")).toHaveLength(1)
    expect(calls("sbatch")[0]).toEqual(expect.arrayContaining(["--partition=gpu", "--account=lab", "--qos=a b"]))
  })

  test("Ctrl-C leaves the job running; meanwhile a second call is told that there is one", async () => {
    const { calls } = await heldCluster()
    const run = shop.run("interrupted")
    const child = spawn(process.execPath, [MDL, ...words(run)], { stdio: ["ignore", "pipe", "pipe"] })
    const ended = once(child, "close") as Promise<[number | null]>
    let stderr = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    await expect.poll(() => stderr, { timeout: 60_000 }).toContain("job 41 submitted with 2 members")
    const second = spawnSync(process.execPath, [MDL, ...words(run)], { encoding: "utf8" })
    expect(second.status).toBe(1)
    expect(second.stderr).toContain(`${run} is being trained by process ${child.pid}`)
    child.kill("SIGINT")
    expect((await ended)[0]).toBe(130)
    expect(stderr).toContain("SIGINT: leaving the jobs to Slurm (Ctrl-C again ends at once)")
    expect(stderr).toContain("Slurm goes on with the sweep:\n  job 41: 2 members to do\n")
    expect(stderr).toContain("to end them: scancel 41")
    expect(stderr).toContain("error: no longer watching")
    expect(calls("sbatch")).toHaveLength(1)
    expect(calls("scancel")).toHaveLength(0)
  })

  test.each<[string[], RegExp]>([
    [["--engine", "local", "--partition", "gpu"], /--partition is an option of Slurm: add --engine slurm/],
    [["--no-wait"], /--no-wait is an option of Slurm/],
    [["--retries", "3"], /--retries is an option of Slurm/],
    [["--engine", "kubernetes"], /Allowed choices are local, slurm/],
    [["--engine", "slurm", "--sbatch-args", "--array=0-3"], /--array=0-3 is not to be given/],
    [["--engine", "slurm", "--sbatch-args", "-J name"], /-J is not to be given/],
    [["--engine", "slurm", "--sbatch-args", "--comment='a"], /the quote at the end closes nothing/],
  ])("%j is refused", async (more, message) => {
    const { code, stderr } = await mdl("ablate", "m.mdl", "--data", "d", "--run", "r", ...more)
    expect(stderr).toMatch(message)
    expect(code).toBe(1)
  })
})
