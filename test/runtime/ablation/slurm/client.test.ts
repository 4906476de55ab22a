/**
 * What Slurm's commands write, as it is read: lines as Slurm 22.05 writes them.
 */
import { describe, expect, test } from "vitest"
import { slurmClient, SlurmSilent } from "../../../../src/runtime/ablation/slurm/client.js"
import type { ProgramEnd } from "../../../../src/runtime/ablation/slurm/run-program.js"
import { isUsual, phaseOf, sightingText } from "../../../../src/runtime/ablation/slurm/task-states.js"
import { UserError } from "../../../../src/runtime/user-error.js"

const answering = (end: Partial<ProgramEnd>) => slurmClient(async () => ({ code: 0, stdout: "", stderr: "", ...end }))

describe("sbatch", () => {
  test.each([
    ["12\n", 12],
    ["4711;cluster2\n", 4711],
    ["Welcome to the cluster!\n4711\n", 4711],
  ])("%j is a number", async (stdout, job) => {
    expect(await answering({ stdout }).submit([])).toBe(job)
  })
  test.each<[string, Partial<ProgramEnd>, typeof SlurmSilent | typeof UserError]>([
    ["refused", { code: 1, stderr: "sbatch: error: Batch job submission failed: Invalid account\n" }, UserError],
    ["not heard", { code: 1, stderr: "sbatch: error: Socket timed out on send/recv operation\n" }, SlurmSilent],
    ["away", { code: 1, stderr: "sbatch: error: Unable to contact slurm controller\n" }, SlurmSilent],
    ["killed", { code: null }, SlurmSilent],
    ["nothing said", { code: 0 }, SlurmSilent],
  ])("%s: what is known of the job decides", async (_, end, type) => {
    await expect(answering(end).submit(["--array=0-1"])).rejects.toBeInstanceOf(type)
  })
})

describe("squeue and sacct", () => {
  test("tasks of an array, and nothing else", async () => {
    const stdout = [
      "12|0|mdl-1|RUNNING|n1|None",
      "12|1|mdl-1|PENDING||Nodes required for job are DOWN, DRAINED or reserved",
      "13|N/A|other|RUNNING|n1|None",
      "",
    ].join("\n")
    const found = await answering({ stdout }).queue(["mdl-1"])
    expect(found).toMatchObject([
      { job: 12, index: 0, name: "mdl-1", state: "RUNNING", node: "n1" },
      { job: 12, index: 1, state: "PENDING", node: "", reason: expect.stringContaining("DRAINED") },
    ])
  })
  test("tasks that accounting has in one line, with exit codes", async () => {
    const stdout = [
      "12_[0-2,5,7-11:2%4]|mdl-1|CANCELLED by 1000|0:0|None assigned",
      "12_3|mdl-1|FAILED|3:0|n1",
      "12_4|mdl-1|FAILED|0:9|n1",
      "",
    ].join("\n")
    const found = (await answering({ stdout }).accounting({ jobs: [12] }))!
    expect(found.map(({ index }) => index)).toEqual([0, 1, 2, 5, 7, 9, 11, 3, 4])
    expect(found[0]).toMatchObject({ state: "CANCELLED", code: null, node: "" })
    expect(found.slice(-2).map(({ code }) => code)).toEqual([3, null])
  })
  test("accounting that is off, not there, or silent", async () => {
    expect(
      await answering({ code: 1, stderr: "Slurm accounting storage is disabled\n" }).accounting({ jobs: [1] }),
    ).toBeUndefined()
    const none = slurmClient(async () => {
      throw Object.assign(new Error("spawn sacct ENOENT"), { code: "ENOENT" })
    })
    expect(await none.accounting({ jobs: [1] })).toBeUndefined()
    await expect(none.queue(["a"])).rejects.toThrow("squeue is not found")
    const silent = answering({ code: 1, stderr: "sacct: error: Problem talking to the database" })
    await expect(silent.accounting({ name: "mdl-1", since: "2026-01-01T00:00:00" })).rejects.toBeInstanceOf(SlurmSilent)
  })
  test("an exit code, as long as the controller has it", async () => {
    const known =
      "JobId=13 ArrayJobId=12 ArrayTaskId=1 JobState=FAILED Reason=NonZeroExitCode ExitCode=3:0 RunTime=00:00:01"
    expect(await answering({ stdout: known }).exitCode("12_1")).toBe(3)
    expect(await answering({ stdout: known.replace("3:0", "0:15") }).exitCode("12_1")).toBeNull()
    expect(
      await answering({ code: 1, stderr: "slurm_load_jobs error: Invalid job id specified" }).exitCode("12_1"),
    ).toBeNull()
  })
})

test("states: what is over is known by name, and what is not known waits", () => {
  const phases = ["PENDING", "REQUEUE_HOLD", "RUNNING", "COMPLETING", "COMPLETED", "TIMEOUT", "SOMETHING_NEW"].map(
    phaseOf,
  )
  expect(phases).toEqual(["waiting", "waiting", "running", "running", "done", "broken", "waiting"])
  expect([isUsual("Priority"), isUsual("launch failed requeued held")]).toEqual([true, false])
  const sighting = { job: 12, index: 3, name: "mdl-1", state: "TIMEOUT", code: null, reason: "TimeLimit", node: "n7" }
  expect(sightingText(sighting)).toBe("TIMEOUT (TimeLimit, job 12_3 on n7)")
})
