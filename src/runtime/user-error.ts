/**
 * Errors that are the user's to mend: bad text, bad data, bad arguments. The command line prints the message without a
 * stack and exits with 1. Anything else that is thrown is a fault of the tool or the machine and exits with 2.
 */
export class UserError extends Error {
  override readonly name: string = "UserError"
  readonly exitCode: number = 1
}
