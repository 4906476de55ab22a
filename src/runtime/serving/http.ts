/**
 * The parts of HTTP that keep a local server local.
 *
 * Takes: requests. Gives: bodies within a limit, answers with the headers of a page that loads nothing from elsewhere, and
 * refusals.
 *
 * Why so: a server on this machine can be reached by every page that the browser has open. A page of another site is told
 * apart by the Host header (another name that resolves to 127.0.0.1: DNS rebinding) and by Origin (a form or a script that
 * posts across sites). Images here may be of patients: nothing is cached, and nothing leaves.
 */

import type { IncomingMessage, ServerResponse } from "node:http"

/** A request that is refused; `status` is that of HTTP. */
export class Refusal extends Error {
  override readonly name = "Refusal"
  constructor(
    readonly status: 400 | 403 | 404 | 405 | 413 | 415 | 422,
    message: string,
  ) {
    super(message)
  }
}

/** Names of this machine; a server that listens to others could be reached by anybody. */
export const LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "::1"] as const

/** What the browser may load: this server's own files, pictures made in the page, and WebAssembly. */
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; object-src 'none'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
  // Together they isolate the page, which is what the browser asks of pages with threads in WebAssembly.
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const

/** The address of a host and a port, as in a URL. */
export function addressOf(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`
}

/** @throws Refusal for a request that was not made by this server's own page (or a person's tool) */
export function checkOrigin(request: IncomingMessage, port: number): void {
  const addresses = LOOPBACK_HOSTS.map((host) => addressOf(host, port))
  const host = request.headers.host?.toLowerCase()
  if (host === undefined || !addresses.includes(host)) {
    throw new Refusal(403, `this server answers to ${addresses.join(", ")} only`)
  }
  const { origin } = request.headers
  if (origin !== undefined && !addresses.some((address) => origin === `http://${address}`)) {
    throw new Refusal(403, "this server answers to its own page only")
  }
}

/**
 * The body of a request.
 *
 * @param type the media type that is wanted; other sites cannot send it without being asked
 * @throws Refusal when it is of another type or longer than `most` bytes
 */
export async function readBody(request: IncomingMessage, type: string, most: number): Promise<Buffer> {
  if (request.headers["content-type"]?.split(";")[0] !== type) throw new Refusal(415, `send ${type}`)
  const tooLong = new Refusal(413, `the request is longer than ${Math.floor(most / 2 ** 20)} MiB`)
  if (Number(request.headers["content-length"] ?? 0) > most) throw tooLong
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length > most) throw tooLong
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Sends an answer; a HEAD request gets the headers alone. */
export function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Uint8Array,
  more: Readonly<Record<string, string>> = {},
): void {
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body
  response.writeHead(status, { ...HEADERS, "Content-Type": type, "Content-Length": bytes.length, ...more })
  response.end(response.req.method === "HEAD" ? undefined : bytes)
}

/** Sends JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, "application/json; charset=utf-8", JSON.stringify(value))
}
