/** The server of `mdl serve` answers its own page, on this machine, and gives away nothing but its list. */
import { request } from "node:http"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readImage } from "../../../src/runtime/data/images.js"
import { openOnnxPredictor } from "../../../src/runtime/prediction/onnx-predictor.js"
import type { ServedImage, ServedModel, ServedNote } from "../../../src/runtime/serving/protocol.js"
import { openModelToServe } from "../../../src/runtime/serving/served-model.js"
import {
  MOST_IMAGE_BYTES,
  MOST_NOTE_BYTES,
  type RunningServer,
  startServer,
} from "../../../src/runtime/serving/server.js"
import { openServedFiles, readModule, type ServedFiles } from "./served-files.js"

let files: ServedFiles
let server: RunningServer
let port: number
const reported: string[] = []
beforeAll(async () => {
  files = await openServedFiles()
  const report = (problem: string): void => void reported.push(problem)
  server = await startServer(files.toServe, { host: "127.0.0.1", port: 0, readModule, report })
  port = Number(new URL(server.url).port)
})
afterAll(async () => {
  await server.close()
  files.remove()
})

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** A request as it is written, which `fetch` would not send: any path, any Host. */
function ask(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: Uint8Array | string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = "GET", headers = {}, body } = options
    const sent = request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      const parts: Buffer[] = []
      response.on("data", (part: Buffer) => parts.push(part))
      response.on("end", () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }),
      )
    })
    sent.on("error", reject)
    sent.end(body)
  })
}
const post = (path: string, type: string, body: Uint8Array | string, headers: Record<string, string> = {}) =>
  ask(path, { method: "POST", headers: { "Content-Type": type, ...headers }, body })
const problemOf = ({ body }: Answer): string => (JSON.parse(body.toString()) as { problem: string }).problem
const BINARY = "application/octet-stream"

describe("what is served", () => {
  it("is the page, with everything that it loads", async () => {
    const page = await ask("/")
    expect(page.status).toBe(200)
    const wanted = [...page.body.toString().matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path!)
    expect(wanted).toContain("/app/serving/page/main.js")
    const seen = new Set<string>()
    while (wanted.length > 0) {
      const path = wanted.pop()!
      if (seen.has(path)) continue
      seen.add(path)
      const { status, body } = await ask(path)
      expect([path, status]).toEqual([path, 200])
      if (!path.startsWith("/app/")) continue
      const imports = [...body.toString().matchAll(/(?:from|URL\() ?"(\.[^"]+)"/g)]
      wanted.push(...imports.map(([, target]) => new URL(target!, `http://x${path}`).pathname))
    }
    expect([...seen]).toContain("/app/serving/page/inference-worker.js")
    expect([...seen]).toContain("/app/data/heat-map.js")
    for (const name of ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]) {
      expect((await ask(`/ort/${name}`, { method: "HEAD" })).status).toBe(200)
    }
  })

  it("may load nothing from elsewhere", async () => {
    const { headers } = await ask("/")
    const policy = String(headers["content-security-policy"])
    expect(policy).toContain("default-src 'self'")
    expect(policy).not.toContain("unsafe-inline")
    expect(policy).not.toMatch(/https?:|\*/)
    expect(headers["x-content-type-options"]).toBe("nosniff")
    expect(headers["cache-control"]).toBe("no-store")
  })

  it("is the model that was named", async () => {
    expect((await ask("/model.onnx")).body.equals(readFileSync(files.onnx))).toBe(true)
    const model = JSON.parse((await ask("/api/model")).body.toString()) as ServedModel
    expect(model).toMatchObject({
      variant: "Looking",
      weights: "first values, seed 5 (not trained)",
      image: { name: "image", size: { height: 32, width: 32 } },
      note: { name: "note", length: 12 },
      mask: "probability",
    })
    expect(model.examples).toHaveLength(5)
    expect(JSON.stringify(model)).not.toContain(files.folder)
  })
})

describe("images and notes", () => {
  it("become what the predictor in Node is fed", async () => {
    const { imagePath, note } = files.toServe.examples[0]!
    const sent = await post("/api/image?name=a.png", BINARY, readFileSync(imagePath))
    const image = JSON.parse(sent.body.toString()) as ServedImage
    const bytes = Buffer.from(image.input, "base64")
    const input = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
    expect(input).toEqual(await readImage(imagePath, { height: 32, width: 32 }, "bgr"))
    expect(image).toMatchObject({ name: "a.png", size: { height: 40, width: 40 }, truth: null })
    const encoded = JSON.parse((await post("/api/note", "application/json", JSON.stringify({ note }))).body.toString())
    const predictor = await openOnnxPredictor(files.onnx, 1)
    try {
      const { ids, valid } = predictor.tokenizer!.encode(note, 12)
      expect(encoded).toMatchObject({ ids: [...ids], valid } satisfies Partial<ServedNote>)
    } finally {
      await predictor.close()
    }
    const example = JSON.parse((await post("/api/examples/0", BINARY, "")).body.toString()) as ServedImage
    expect(example.input).toBe(image.input)
    expect(Buffer.from(example.truth!, "base64")).toHaveLength(32 * 32)
  })

  it("of a volume are one slice of it, drawn as everywhere", async () => {
    const volume = "test/fixtures/images/ct.nii.gz"
    const upload = (part: string) =>
      post(`/api/image?${new URLSearchParams({ name: "ct.nii.gz", part }).toString()}`, BINARY, readFileSync(volume))
    const whole = await upload("")
    expect([whole.status, problemOf(whole)]).toEqual([422, expect.stringMatching(/^ct\.nii\.gz .*z=/s)])
    const part = "z=1&window=-100:200"
    const { input } = JSON.parse((await upload(part)).body.toString()) as ServedImage
    const expected = await readImage(`${volume}#${part}`, { height: 32, width: 32 }, "bgr")
    expect(Buffer.from(input, "base64").equals(Buffer.from(expected.buffer))).toBe(true)
  })

  it("that cannot be read are told by the name that the browser knows", async () => {
    const broken = await post("/api/image?name=x%2F..%2Fsecret.png", BINARY, "no picture")
    expect(broken.status).toBe(422)
    expect(problemOf(broken)).toContain("secret.png")
    expect(problemOf(broken)).not.toMatch(/mdl-serve-/)
    expect((await post("/api/image?name=a.nii&part=z%3D1%2F..", BINARY, "")).status).toBe(400)
    expect((await post("/api/note", "application/json", "{")).status).toBe(400)
    expect((await post("/api/note", "application/json", '{"note": 3}')).status).toBe(400)
    expect(reported).toEqual([])
  })

  it("have limits", async () => {
    const long = await post("/api/note", "application/json", Buffer.alloc(MOST_NOTE_BYTES + 1, "a"))
    expect([long.status, problemOf(long)]).toEqual([413, "the request is longer than 1 MiB"])
    const declared = await ask("/api/image?name=a.png", {
      method: "POST",
      headers: { "Content-Type": BINARY, "Content-Length": String(MOST_IMAGE_BYTES + 1), Connection: "close" },
      body: "",
    }).catch((error: unknown) => error as Answer)
    expect(declared.status).toBe(413)
    const chunked = { "Transfer-Encoding": "chunked" }
    const streamed = await post("/api/note", "application/json", Buffer.alloc(MOST_NOTE_BYTES + 1, "a"), chunked)
    expect(streamed.status).toBe(413)
  })
})

describe("what is refused", () => {
  it.each(["evil.example", "evil.example:8421", "127.0.0.1:1", "localhost"])(
    "a request for the host %j",
    async (host) => {
      const answer = await ask("/api/model", { headers: { Host: host } })
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.body.toString()).not.toContain("Looking")
    },
  )
  it("a request of another site's page", async () => {
    const foreign = { method: "POST", headers: { "Content-Type": BINARY, Origin: "http://evil.example" }, body: "" }
    expect((await ask("/api/examples/0", foreign)).status).toBe(403)
    const own = { ...foreign, headers: { ...foreign.headers, Origin: server.url.slice(0, -1) } }
    expect((await ask("/api/examples/0", own)).status).toBe(200)
    expect((await post("/api/note", "text/plain", '{"note": "a"}')).status).toBe(415)
  })
  it.each([
    "/../package.json",
    "/app/../../../package.json",
    "/app/%2e%2e/%2e%2e/package.json",
    "/ort/..%2f..%2fpackage.json",
    "/app/serving/server.js",
    "/etc/passwd",
    "//etc/passwd",
    "/api/examples/99",
    "/api/examples/0/../../../x",
    "/__proto__",
    "//etc",
    "///etc/passwd",
  ])("the path %s", async (path) => {
    expect((await ask(path)).status).toBe(404)
  })
  it("another method", async () => {
    expect((await ask("/api/model", { method: "DELETE" })).status).toBe(405)
    expect((await ask("/api/note")).status).toBe(405)
  })
  it("to listen to anybody but this machine, or on a port that is taken", async () => {
    await expect(startServer(files.toServe, { host: "0.0.0.0", port: 0 })).rejects.toThrow(/this machine only/)
    await expect(startServer(files.toServe, { host: "127.0.0.1", port })).rejects.toThrow(
      `port ${port} is in use: choose another with --port`,
    )
  })
})

describe("openModelToServe", () => {
  it("refuses what is no model with weights", async () => {
    await expect(openModelToServe(join(files.folder, "none.onnx"))).rejects.toThrow(/no run or ONNX file/)
    await expect(openModelToServe(files.model)).rejects.toThrow(/model text without trained weights/)
    const images = join(files.data, "test", "images")
    await expect(openModelToServe(join(images, readdirSync(images)[0]!))).rejects.toThrow(/not an ONNX file/)
    await expect(openModelToServe(files.onnx, { checkpoint: "last" })).rejects.toThrow(/--checkpoint/)
  })
})
