/**
 * The messages of TensorFlow's event files, as far as a run needs them: a file's version, a start, and scalars.
 *
 * Takes events; gives the bytes of `tensorflow.Event`, and the way back (tensorflow/core/util/event.proto and
 * core/framework/summary.proto). By hand, because it is five fields, and the protobuf classes that are there lack them.
 */

export interface RunEvent {
  /** seconds since 1970 */
  readonly time: number
  readonly step: number
  /** what the event is: the first of a file, the start of a session, or values by tag */
  readonly content:
    | { readonly kind: "version" }
    | { readonly kind: "start" }
    | { readonly kind: "scalars"; readonly values: Readonly<Record<string, number>> }
}

/** What TensorBoard expects as the first event of a file. */
const FILE_VERSION = "brain.Event:2"
const SESSION_START = 1

/** Field numbers. */
const EVENT = { time: 1, step: 2, version: 3, summary: 5, session: 7 } as const
const SUMMARY_VALUE = 1
const VALUE = { tag: 1, simple: 2 } as const
const SESSION_STATUS = 1

/** Wire types. */
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** The bytes of an event. */
export function encodeEvent({ time, step, content }: RunEvent): Buffer {
  const clock = Buffer.alloc(8)
  clock.writeDoubleLE(time)
  // As protobuf does it, a 0 is not written.
  const steps = step === 0 ? [] : [field(EVENT.step, VARINT, varint(step))]
  return Buffer.concat([field(EVENT.time, FIXED64, clock), ...steps, body(content)])
}

function body(content: RunEvent["content"]): Buffer {
  switch (content.kind) {
    case "version":
      return sized(EVENT.version, Buffer.from(FILE_VERSION))
    case "start":
      return sized(EVENT.session, field(SESSION_STATUS, VARINT, varint(SESSION_START)))
    case "scalars": {
      const values = Object.entries(content.values).map(([tag, value]) => {
        const number = Buffer.alloc(4)
        number.writeFloatLE(value)
        return sized(
          SUMMARY_VALUE,
          Buffer.concat([sized(VALUE.tag, Buffer.from(tag)), field(VALUE.simple, FIXED32, number)]),
        )
      })
      return sized(EVENT.summary, Buffer.concat(values))
    }
  }
}

function field(number: number, wire: number, content: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + wire), content])
}

function sized(number: number, content: Buffer): Buffer {
  return field(number, BYTES, Buffer.concat([varint(content.length), content]))
}

/** @param value a whole number from 0 on */
function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}

/**
 * The event in bytes that `encodeEvent` wrote.
 *
 * @throws RangeError for bytes that end too early
 */
export function decodeEvent(bytes: Uint8Array): RunEvent {
  let [time, step] = [0, 0]
  let content: RunEvent["content"] = { kind: "scalars", values: {} }
  for (const { number, data, value } of fieldsOf(bytes)) {
    if (number === EVENT.time) time = data.readDoubleLE()
    else if (number === EVENT.step) step = value
    else if (number === EVENT.version) content = { kind: "version" }
    else if (number === EVENT.session) content = { kind: "start" }
    else if (number === EVENT.summary) content = { kind: "scalars", values: scalarsOf(data) }
  }
  return { time, step, content }
}

function scalarsOf(summary: Buffer): Record<string, number> {
  return Object.fromEntries(
    [...fieldsOf(summary)].map(({ data }) => {
      const parts = new Map([...fieldsOf(data)].map((part) => [part.number, part.data]))
      return [parts.get(VALUE.tag)!.toString("utf8"), parts.get(VALUE.simple)!.readFloatLE()]
    }),
  )
}

/** The fields of a message: bytes for those that have them, a number for a varint. */
function* fieldsOf(
  message: Uint8Array,
): Generator<{ readonly number: number; readonly data: Buffer; readonly value: number }> {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  let at = 0
  const number = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes.readUInt8(at++)
      value += (byte % 128) * scale
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = number()
    const wire = key % 8
    const value = wire === VARINT || wire === BYTES ? number() : 0
    const length = wire === VARINT ? 0 : wire === BYTES ? value : wire === FIXED64 ? 8 : 4
    yield { number: Math.floor(key / 8), data: bytes.subarray(at, at + length), value }
    at += length
  }
}
