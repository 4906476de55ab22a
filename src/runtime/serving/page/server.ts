/**
 * What the page asks its server: the model, images made ready, notes in tokens.
 *
 * Takes what the person gave; gives the server's answers with their arrays unpacked. An answer that is not 200 becomes an
 * error with the server's own words.
 */

import type { NotePiece } from "../../prediction/interest.js"
import type { Extent } from "../../prediction/resize.js"
import type { ServedImage, ServedModel, ServedNote, ServedProblem } from "../protocol.js"

export interface ReadyImage {
  readonly name: string
  /** of the file */
  readonly size: Extent
  readonly shown: Extent
  readonly picture: ImageBitmap
  /** [3, H, W] */
  readonly input: Float32Array
  /** [H, W], 0 and 1; undefined where it is not known */
  readonly truth: Uint8Array | undefined
}

export interface ReadyNote {
  readonly text: string
  readonly ids: Int32Array
  readonly valid: number
  readonly total: number
  readonly pieces: readonly NotePiece[] | undefined
}

export const fetchModel = (): Promise<ServedModel> => asked<ServedModel>("/api/model")

/** @param part which picture of a volume, such as `z=12`; "" for none */
export async function sendImage(file: File, part: string): Promise<ReadyImage> {
  const query = new URLSearchParams({ name: file.name, part })
  const headers = { "Content-Type": "application/octet-stream" }
  return ready(await asked<ServedImage>(`/api/image?${query}`, { method: "POST", headers, body: file }))
}

export async function fetchExample(index: number): Promise<ReadyImage> {
  return ready(await asked<ServedImage>(`/api/examples/${index}`, { method: "POST" }))
}

export async function sendNote(note: string): Promise<ReadyNote> {
  const headers = { "Content-Type": "application/json" }
  const body = JSON.stringify({ note })
  const { ids, valid, total, pieces } = await asked<ServedNote>("/api/note", { method: "POST", headers, body })
  return { text: note, ids: Int32Array.from(ids), valid, total, pieces: pieces ?? undefined }
}

async function asked<T>(path: string, init?: RequestInit): Promise<T> {
  let response: Response
  try {
    response = await fetch(path, init)
  } catch (thrown) {
    throw new Error("the server does not answer: is `mdl serve` still running?", { cause: thrown })
  }
  if (response.ok) return (await response.json()) as T
  throw new Error(((await response.json()) as ServedProblem).problem)
}

async function ready({ name, size, shown, picture, input, truth }: ServedImage): Promise<ReadyImage> {
  const png = bytesOf(picture)
  return {
    name,
    size,
    shown,
    picture: await createImageBitmap(new Blob([png], { type: "image/png" })),
    input: new Float32Array(bytesOf(input).buffer),
    truth: truth === null ? undefined : bytesOf(truth),
  }
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}
