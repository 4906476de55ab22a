/**
 * Whose words the rows of a word table are.
 *
 * Takes tokenizers and a weights file; gives what a file says of its vocabularies, and warnings where weights belong to
 * others than a run has. `words` numbers the words of its own training notes, so that tables of two data sets have the same
 * name and shape and mean different words, which nothing later would show.
 */

import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import type { ModelInput } from "../../compiler/elaborate/model.js"
import { RunFolder } from "../runs/run-folder.js"
import type { TokenizerDescription } from "../tokenizers/tokenizer.js"
import type { FoundScheme } from "./published-fit.js"
import type { WeightsFile } from "./weights-file.js"

export type Tokenizers = Readonly<Record<string, TokenizerDescription>>

/** Metadata key: for each note, which vocabulary its ids are of. */
export const VOCABULARIES = "vocabularies"
/** Metadata key: whose published names the tensors had. */
export const PUBLISHED_NAMES = "published_names"

/** What a file's metadata says of the vocabularies that its weights were trained with, as JSON. */
export function vocabulariesText(tokenizers: Tokenizers): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(tokenizers).map(([name, description]) => [name, vocabularyOf(description)])),
  )
}

function vocabularyOf(description: TokenizerDescription): string {
  if (description.kind === "clip") return description.vocabulary
  return `words:${createHash("sha256").update(JSON.stringify(description.words)).digest("hex")}`
}

/**
 * A sentence for each note whose vocabulary is not the one that the weights belong to.
 *
 * @param text what the user called the file
 * @param loaded shapes of what is loaded
 * @throws UserError when the run behind a checkpoint cannot be read
 */
export async function vocabularyWarnings(
  text: string,
  file: Pick<WeightsFile, "path" | "metadata">,
  schemes: readonly FoundScheme[],
  loaded: readonly (readonly number[])[],
  inputs: readonly Pick<ModelInput, "name" | "tokenizer">[],
  tokenizers: Tokenizers,
): Promise<readonly string[]> {
  const stored = await storedVocabularies(file)
  const published = schemes[0]?.scheme ?? file.metadata.get(PUBLISHED_NAMES)
  return Object.entries(tokenizers).flatMap(([name, description]) => {
    if (description.kind !== "words") return []
    const rows = inputs.find((input) => input.name === name)?.tokenizer?.arguments["vocabulary"]
    // Without a table of words nothing depends on their numbers.
    if (!loaded.some((shape) => shape.length > 1 && shape[0] === rows)) return []
    const known = stored.get(name)
    if (known === vocabularyOf(description) || (known === undefined && published === undefined)) return []
    const whose = known === undefined ? `those of ${published}, which has a tokenizer of its own` : "other ones"
    return [
      `the words of ${name} are numbered by this run's training notes, and the word table in ${text} is for ${whose}: ` +
        `its rows mean other words here`,
    ]
  })
}

/** By note; of a checkpoint, what its run says. */
async function storedVocabularies({
  path,
  metadata,
}: Pick<WeightsFile, "path" | "metadata">): Promise<ReadonlyMap<string, string>> {
  const text = metadata.get(VOCABULARIES)
  if (text !== undefined) return new Map(entriesOf(text))
  const run = dirname(dirname(path))
  if (basename(dirname(path)) !== "checkpoints" || !existsSync(join(run, "run.json"))) return new Map()
  const { record } = await RunFolder.open(run)
  return new Map(Object.entries(record.tokenizers).map(([name, description]) => [name, vocabularyOf(description)]))
}

/** Metadata of others may hold anything under the key; what is no vocabulary says nothing. */
function entriesOf(text: string): readonly (readonly [string, string])[] {
  try {
    const json: unknown = JSON.parse(text)
    if (typeof json !== "object" || json === null) return []
    return Object.entries(json).filter((entry): entry is [string, string] => typeof entry[1] === "string")
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return []
    throw thrown
  }
}
