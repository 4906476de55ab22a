import { existsSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { openDataset } from "../../../src/runtime/data/dataset.js"
import { cleanNote, wordCount } from "../../../src/runtime/tokenizers/cleanup.js"
import { CLIP_END, CLIP_START, ClipTokenizer } from "../../../src/runtime/tokenizers/clip.js"
import { createTokenizer } from "../../../src/runtime/tokenizers/tokenizer.js"
import { splitWords, UNKNOWN_ID, WordsTokenizer } from "../../../src/runtime/tokenizers/words.js"
import { dataErrorOf, REAL_QATA } from "../data/temporary.js"

const clip = new ClipTokenizer()

describe("ClipTokenizer", () => {
  it.each([
    ["hello world", [3306, 1002]],
    ["Hello   World!", [3306, 1002, 256]],
    ["a photo of a cat", [320, 1125, 539, 320, 2368]],
    ["a diagram", [320, 22697]],
    ["a dog", [320, 1929]],
    ["a cat", [320, 2368]],
    ["", []],
  ])("encodes %j as OpenAI's does", (text, tokens) => {
    expect(clip.tokens(text)).toEqual(tokens)
    expect([...clip.encode(text, 12).ids].slice(0, tokens.length + 2)).toEqual([CLIP_START, ...tokens, CLIP_END])
  })

  it("pads with 0 and counts start and end as valid", () => {
    expect(clip.encode("hello world", 6)).toEqual({
      ids: Int32Array.of(49406, 3306, 1002, 49407, 0, 0),
      valid: 4,
      truncated: false,
    })
  })

  it("cuts a long note and ends it with the end token", () => {
    expect(clip.encode("a photo of a cat", 5)).toEqual({
      ids: Int32Array.of(49406, 320, 1125, 539, 49407),
      valid: 5,
      truncated: true,
    })
    expect(clip.encode("a photo of a cat", 7).truncated).toBe(false)
  })

  it("takes a character's UTF-8 bytes", () => {
    // "é" is C3 A9: two byte symbols, which CLIP's vocabulary merges into one token.
    expect(clip.tokens("é")).toHaveLength(1)
    expect(clip.tokens("é")).not.toEqual(clip.tokens("\u00c3"))
    expect(clip.tokens("e\u0301")).toEqual(clip.tokens("é"))
    expect(clip.tokens("肺 🫁").length).toBeGreaterThan(1)
  })

  it("knows words that are names of JavaScript properties", () => {
    for (const word of ["constructor", "hasownproperty", "valueof", "__proto__"]) {
      expect(clip.tokens(word).every((id) => Number.isInteger(id))).toBe(true)
    }
  })

  it("makes curly quotes plain and decodes entities", () => {
    expect(clip.tokens("patient\u2019s lung")).toEqual(clip.tokens("patient's lung"))
    expect(clip.tokens("a &amp;amp; b &#60; c &unknown;")).toEqual(clip.tokens("a & b < c &unknown;"))
  })

  it("fills exactly the length, for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.integer({ min: 3, max: 40 }), (note, length) => {
        const { ids, valid, truncated } = clip.encode(note, length)
        expect(ids).toHaveLength(length)
        expect(ids[0]).toBe(CLIP_START)
        expect(ids[valid - 1]).toBe(CLIP_END)
        expect(ids.slice(valid).every((id) => id === 0)).toBe(true)
        expect(ids.every((id) => id >= 0 && id < clip.vocabularySize)).toBe(true)
        expect(truncated).toBe(clip.tokens(note).length + 2 > length)
      }),
    )
  })

  it("refuses a length that holds no token", async () => {
    expect((await dataErrorOf(Promise.resolve().then(() => clip.encode("a", 2)))).what).toContain("token length of 2")
  })
})

describe("WordsTokenizer", () => {
  const notes = ["Lower left lung.", "lower right lung, lower left", "3 nodules (2.5cm)"]

  it("splits words, numbers and marks", () => {
    expect(splitWords("Lower-left lung, 2.5cm.")).toEqual(["lower", "-", "left", "lung", ",", "2", ".", "5", "cm", "."])
  })

  it("gives ids by frequency, then alphabet, whatever the order of the notes", () => {
    const tokenizer = WordsTokenizer.fromNotes(notes)
    expect(tokenizer.describe().words.slice(0, 5)).toEqual(["lower", ".", "left", "lung", "("])
    expect(WordsTokenizer.fromNotes([...notes].reverse()).describe()).toEqual(tokenizer.describe())
  })

  it("marks unknown words and counts what it cut", () => {
    const tokenizer = WordsTokenizer.fromNotes(notes)
    expect(tokenizer.encode("lower middle lung", 4)).toEqual({
      ids: Int32Array.of(2, UNKNOWN_ID, 5, 0),
      valid: 3,
      truncated: false,
    })
    expect(tokenizer.encode("lower lower lower", 2)).toEqual({ ids: Int32Array.of(2, 2), valid: 2, truncated: true })
  })

  it("takes a note without a word for one unknown word", () => {
    expect(WordsTokenizer.fromNotes(notes).encode("  ", 2)).toEqual({
      ids: Int32Array.of(1, 0),
      valid: 1,
      truncated: false,
    })
  })

  it("keeps to a cap by leaving out the rarest words", () => {
    const tokenizer = WordsTokenizer.fromNotes(notes, { most: 5 })
    expect(tokenizer.vocabularySize).toBe(5)
    expect(tokenizer.describe().words).toEqual(["lower", ".", "left"])
    expect(() => WordsTokenizer.fromNotes(notes, { most: 2 })).toThrow(RangeError)
  })

  it("is rebuilt from its description, through JSON", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: "binary" })), fc.string(), async (training, note) => {
        const tokenizer = WordsTokenizer.fromNotes(training, { cleanup: "lvit" })
        const again = await createTokenizer(JSON.parse(JSON.stringify(tokenizer.describe())))
        expect(again.describe()).toEqual(tokenizer.describe())
        expect(again.encode(note, 9)).toEqual(tokenizer.encode(note, 9))
        expect(again.encode(note, 9).ids.every((id) => id < again.vocabularySize)).toBe(true)
      }),
    )
  })
})

describe("createTokenizer", () => {
  it("rebuilds CLIP's with its clean-up", async () => {
    const tokenizer = await createTokenizer(new ClipTokenizer("lvit").describe())
    expect(tokenizer.encode("left lung", 18)).toEqual(
      clip.encode("left lung EOF XXX EOF XXX EOF XXX EOF XXX EOF XXX EOF XXX EOF XXX", 18),
    )
  })

  it.each([
    [null, "is not an object"],
    [{ kind: "clip", cleanup: "mine" }, 'has the cleanup "mine"; known: none, lvit'],
    [{ kind: "clip", cleanup: "none", vocabulary: "other" }, 'names the vocabulary "other"'],
    [{ kind: "bert", cleanup: "none" }, 'has the kind "bert"; known: clip, words'],
    [{ kind: "words", cleanup: "none", words: [1] }, "has no list of words"],
    [{ kind: "words", cleanup: "none", words: ["a", "a"] }, "names a word twice"],
  ])("refuses %j", async (description, message) => {
    expect((await dataErrorOf(createTokenizer(description))).what).toContain(message)
  })
})

describe("cleanNote", () => {
  it("appends EOF XXX to notes of fewer than nine words, as LViT does", () => {
    expect(cleanNote("one two three four five six seven", "lvit")).toBe(
      "one two three four five six seven EOF XXX EOF XXX",
    )
    const nine = "a b c d e f g h i"
    expect(cleanNote(nine, "lvit")).toBe(nine)
    expect(cleanNote("a", "none")).toBe("a")
    expect(wordCount("  a  b\n")).toBe(2)
  })
})

describe.skipIf(!existsSync(REAL_QATA))("QaTa-COV19's captions (skipped where the data is not present)", () => {
  it("all fit CLIP's 77 positions, and few fit RecLMIS's 18", async () => {
    const { samples } = await openDataset(join(REAL_QATA))
    const notes = [...new Set(samples.map((sample) => sample.note))]
    expect(notes.filter((note) => clip.encode(note, 77).truncated)).toEqual([])
    const longest = Math.max(...notes.map((note) => clip.encode(note, 77).valid))
    expect(longest).toMatchInlineSnapshot(`22`)
  })
})
