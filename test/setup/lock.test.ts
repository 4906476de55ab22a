import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { breath, emptyFolder, setup } from "./setup-modules.js"

const { acquireLock, lockHolder } = await setup("lock")

describe("the lock", () => {
  it("keeps a second set-up waiting until the first is done, and says for whom it waits", async () => {
    const path = join(emptyFolder(), "a.lock")
    const order: string[] = []
    const release = await acquireLock(path)
    const second = acquireLock(path, {
      onWait: ({ pid }) => order.push(`waits for ${pid}`),
      pause: breath,
    }).then((releaseSecond) => {
      order.push("second")
      releaseSecond()
    })
    await breath()
    order.push("first done")
    release()
    await second
    expect(order).toEqual([`waits for ${process.pid}`, "first done", "second"])
    expect(existsSync(path)).toBe(false)
  })

  it("is taken from a process that is gone", async () => {
    const path = join(emptyFolder(), "a.lock")
    writeFileSync(path, JSON.stringify({ pid: 4242, host: "here" }))
    const stale: unknown[] = []
    const options = { host: "here", alive: () => false, pause: breath }
    const release = await acquireLock(path, { ...options, onStale: ({ pid }) => stale.push(pid) })
    expect(stale).toEqual([4242])
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: process.pid, host: "here" })
    release()
  })

  it("is respected while a process of another host touches it, and stale once it was not touched for long", () => {
    const path = join(emptyFolder(), "a.lock")
    writeFileSync(path, JSON.stringify({ pid: 4242, host: "there" }))
    expect(lockHolder(path, { host: "here", alive: () => false })).toMatchObject({ host: "there", stale: false })
    utimesSync(path, new Date(0), new Date(0))
    expect(lockHolder(path, { host: "here", alive: () => false })).toMatchObject({ host: "there", stale: true })
  })

  it("counts as held when it was made but not yet written", () => {
    const path = join(emptyFolder(), "a.lock")
    writeFileSync(path, "")
    expect(lockHolder(path)).toMatchObject({ stale: false })
  })

  it("lets only one of many waiters take over a stale lock at a time", async () => {
    const path = join(emptyFolder(), "a.lock")
    writeFileSync(path, JSON.stringify({ pid: 4242, host: "here" }))
    let inside = 0
    let most = 0
    const alive = (pid: number): boolean => pid === process.pid
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const release = await acquireLock(path, { host: "here", alive, pause: breath })
        inside += 1
        most = Math.max(most, inside)
        await breath()
        inside -= 1
        release()
      }),
    )
    expect(most).toBe(1)
  })

  it("leaves a lock alone on release that another has taken meanwhile", async () => {
    const path = join(emptyFolder(), "a.lock")
    const release = await acquireLock(path)
    writeFileSync(path, JSON.stringify({ pid: 1, host: "there" }))
    release()
    expect(existsSync(path)).toBe(true)
  })
})
