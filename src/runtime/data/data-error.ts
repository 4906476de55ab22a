/**
 * The one error that everything about data throws.
 *
 * Takes: what is wrong (naming the file, sample or option) and what the user can do about it.
 * Gives: an Error whose message holds both, with the exit code the command line wants (1: the input is wrong), and a
 * plain-object form, because an error that crosses a worker's boundary as a structured clone loses its class.
 */

/** The plain form of a {@link DataError}: what a worker posts to the main thread. */
export interface DataErrorFields {
  readonly what: string
  readonly fix: string
}

/** The data (a folder, a file, an annotation, an option about data) is wrong. `what` says how, `fix` says what to do. */
export class DataError extends Error {
  override readonly name = "DataError"
  readonly what: string
  readonly fix: string
  /** Exit code of the command line: 1, the user's input is wrong. */
  readonly exitCode = 1

  constructor(fields: DataErrorFields, options?: { cause?: unknown }) {
    super(`${fields.what}\n  fix: ${fields.fix}`, options)
    this.what = fields.what
    this.fix = fields.fix
  }

  /** The plain form, for `postMessage` and `--json`. */
  toFields(): DataErrorFields {
    return { what: this.what, fix: this.fix }
  }
}

/** The text of anything thrown, for use inside another message. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** Whether a folder could not be listed because there is none of that name. */
export function isNoFolder(thrown: unknown): boolean {
  const code = codeOf(thrown)
  return code === "ENOENT" || code === "ENOTDIR"
}

/** Node's error code (`ENOENT`, ...) of anything thrown, or undefined. */
export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined
}
