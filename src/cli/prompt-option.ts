/**
 * `--prompt`, as the commands that read a data set have it.
 */
import { Option } from "commander"
import { DEFAULT_PROMPT, RANDOM_PROMPT } from "../runtime/data/layouts/prompts.js"

/** @param standard which prompt it is when the option is not given */
export function promptOption(standard: string = DEFAULT_PROMPT): Option {
  return new Option(
    "--prompt <name>",
    `which prompt is the note, in data with several for each case; ${RANDOM_PROMPT} is any but the empty p0 (default: ${standard})`,
  )
}
