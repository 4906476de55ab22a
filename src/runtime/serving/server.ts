/**
 * The server of `mdl serve`.
 *
 * Takes: a model, and where to listen. Gives: an address on this machine that serves the page, the model and its examples,
 * reads images and tokenises notes. The network itself runs in the browser.
 *
 * Why so: everything that a request can name is in a table; there is no path to any other file. Requests that fail say why
 * in JSON; what is not the request's fault goes to `report`, and the server goes on.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { codeOf, DataError, messageOf } from "../data/data-error.js"
import { notePieces } from "../prediction/note-pieces.js"
import { roomFor } from "../prediction/predict-case.js"
import { UserError } from "../user-error.js"
import { addressOf, checkOrigin, LOOPBACK_HOSTS, readBody, Refusal, send, sendJson } from "./http.js"
import { type ModuleReader, pageFiles } from "./page-files.js"
import { prepareExample, prepareUpload, thumbnailOf } from "./prepared-image.js"
import type { ServedModel, ServedNote, ServedProblem } from "./protocol.js"
import type { ModelToServe } from "./served-model.js"

/** 64 MiB: a chest film in DICOM has 20, a volume in NIfTI (compressed) seldom more. */
export const MOST_IMAGE_BYTES = 2 ** 26
export const MOST_NOTE_BYTES = 2 ** 20

/** Which picture of a volume: the form of `#z=12`, see docs/images.md. */
const PART = /^[a-z]+=[\w.:&=+-]{1,80}$/i

export interface ServeOptions {
  readonly host: string
  /** 0 for any that is free */
  readonly port: number
  /** the page's JavaScript; as compiled when absent */
  readonly readModule?: ModuleReader
  /** told of failures that are not the request's fault */
  readonly report?: (problem: string) => void
}

export interface RunningServer {
  readonly url: string
  /** Stops listening and ends open connections. */
  close(): Promise<void>
}

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>

interface Route {
  readonly method: "GET" | "POST"
  readonly handle: Handler
}

/**
 * Starts listening.
 *
 * @throws UserError for a host that is not this machine, or a port that cannot be had
 */
export async function startServer(model: ModelToServe, options: ServeOptions): Promise<RunningServer> {
  const { host } = options
  if (!(LOOPBACK_HOSTS as readonly string[]).includes(host)) {
    throw new UserError(
      `the page is for this machine only, so it cannot listen on ${host}: use 127.0.0.1; ` +
        "from another machine, forward the port (ssh -L 8421:127.0.0.1:8421 HOST)",
    )
  }
  const routes = routesOf(model, options.readModule)
  const server = createServer((request, response) => {
    answer(request, response, routes, options.report).catch((thrown: unknown) => {
      // The answer itself could not be sent: the browser has gone.
      response.destroy()
      options.report?.(messageOf(thrown))
    })
  })
  await listen(server, options)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${addressOf(host, port)}/`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()))
        server.closeAllConnections()
      }),
  }
}

async function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, host, resolve)
  }).catch((thrown: unknown) => {
    const why = { EADDRINUSE: "is in use", EACCES: "may not be used" }[codeOf(thrown) ?? ""]
    if (why === undefined) throw thrown
    throw new UserError(`port ${port} ${why}: choose another with --port, or 0 for any`, { cause: thrown })
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: ReadonlyMap<string, Route>,
  report: ServeOptions["report"],
): Promise<void> {
  try {
    checkOrigin(request, request.socket.localPort!)
    // A path of "//" alone would be read as an address without a host.
    const asked = (request.url ?? "/").replace(/^\/+/, "/")
    if (!URL.canParse(asked, "http://localhost")) throw new Refusal(400, "the request names no path")
    const url = new URL(asked, "http://localhost")
    const route = routes.get(url.pathname)
    if (route === undefined) throw new Refusal(404, `there is no ${url.pathname}`)
    const method = request.method === "HEAD" ? "GET" : request.method
    if (method !== route.method) throw new Refusal(405, `${url.pathname} is for ${route.method}`)
    await route.handle(request, response, url)
  } catch (thrown) {
    const { status, problem } = refusalOf(thrown)
    if (status === 500) report?.(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown))
    if (response.headersSent) throw thrown
    // What was not read of the request must not be taken for the next one.
    if (!request.complete) response.setHeader("Connection", "close")
    sendJson(response, status, { problem } satisfies ServedProblem)
  }
}

function refusalOf(thrown: unknown): { readonly status: number; readonly problem: string } {
  if (thrown instanceof Refusal) return { status: thrown.status, problem: thrown.message }
  if (thrown instanceof DataError) return { status: 422, problem: thrown.message }
  if (thrown instanceof UserError) return { status: 422, problem: thrown.message }
  return { status: 500, problem: `the server failed: ${messageOf(thrown)}` }
}

function routesOf(model: ModelToServe, readModule: ModuleReader | undefined): ReadonlyMap<string, Route> {
  const { ports, bytes, examples } = model
  const get = (handle: Handler): Route => ({ method: "GET", handle })
  const post = (handle: Handler): Route => ({ method: "POST", handle })
  const described: ServedModel = {
    variant: ports.variant,
    weights: model.weights,
    image: { name: ports.image.name, size: ports.image.size },
    note: ports.note ?? null,
    outputs: ports.outputs,
    mask: ports.mask,
    bytes: bytes.length,
    examples: examples.map(({ id, note }) => ({ id, note })),
  }
  return new Map<string, Route>([
    ...[...pageFiles(readModule)].map(([path, file]): [string, Route] => [
      path,
      get(async (_request, response) => send(response, 200, file.type, await file.read())),
    ]),
    ["/api/model", get(async (_request, response) => sendJson(response, 200, described))],
    ["/model.onnx", get(async (_request, response) => send(response, 200, "application/octet-stream", bytes))],
    [
      "/api/image",
      post(async (request, response, url) => {
        const part = url.searchParams.get("part") ?? ""
        if (part !== "" && !PART.test(part))
          throw new Refusal(400, `a part of a volume is named such as z=12, not ${part}`)
        const upload = {
          name: url.searchParams.get("name") ?? "image",
          part: part === "" ? undefined : part,
          bytes: await readBody(request, "application/octet-stream", MOST_IMAGE_BYTES),
        }
        sendJson(response, 200, await prepareUpload(ports.image, upload))
      }),
    ],
    [
      "/api/note",
      post(async (request, response) => {
        const body = await readBody(request, "application/json", MOST_NOTE_BYTES)
        sendJson(response, 200, await encoded(model, noteIn(body)))
      }),
    ],
    ...examples.flatMap((sample, index): [string, Route][] => [
      [
        `/api/examples/${index}`,
        post(async (_request, response) => sendJson(response, 200, await prepareExample(ports.image, sample))),
      ],
      [
        `/api/examples/${index}/thumbnail.png`,
        get(async (_request, response) => send(response, 200, "image/png", await thumbnailOf(sample))),
      ],
    ]),
  ])
}

function noteIn(body: Buffer): string {
  let value: unknown
  try {
    value = JSON.parse(body.toString("utf8"))
  } catch (thrown) {
    throw new Refusal(400, `the request is no JSON: ${messageOf(thrown)}`)
  }
  const note = (value as { readonly note?: unknown } | null)?.note
  if (typeof note !== "string") throw new Refusal(400, 'send {"note": "..."}')
  return note
}

async function encoded({ ports, tokenizer }: ModelToServe, note: string): Promise<ServedNote> {
  if (!ports.note || !tokenizer) throw new Refusal(400, `${ports.variant} reads no note`)
  const { length } = ports.note
  const { ids, valid } = tokenizer.encode(note, length)
  return {
    ids: [...ids],
    valid,
    total: tokenizer.encode(note, roomFor(note)).valid,
    pieces: (await notePieces(note, tokenizer.describe(), length)) ?? null,
  }
}
