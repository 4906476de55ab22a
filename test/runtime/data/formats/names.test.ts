import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { FormatError } from "../../../../src/runtime/data/formats/format.js"
import { IMAGE_ENDINGS, isImageName, splitFragment, stemOf } from "../../../../src/runtime/data/formats/names.js"
import { parseSelection } from "../../../../src/runtime/data/formats/selection.js"

describe("names of images", () => {
  it.each(["a.png", "A.JPG", "x.y.jpeg", "b.bmp", "c.TIF", "c.tiff", "d.nii", "d.nii.gz", "e.dcm", "a.nii.gz#z=3"])(
    "%s is one",
    (name) => expect(isImageName(name)).toBe(true),
  )
  it.each(["a.gz", "png", "a.png.txt", "a.png~", "a.txt#z=3", "Thumbs.db", "a.nii.zip"])("%s is none", (name) =>
    expect(isImageName(name)).toBe(false),
  )
  it("are taken apart into stem, file and fragment", () => {
    expect(["a.nii.gz", "a.b.png", "a.nii.gz#z=3", "a.txt"].map(stemOf)).toEqual(["a", "a.b", "a#z=3", "a.txt"])
    expect(splitFragment("dir#1/a.nii.gz#z=3&label=2")).toEqual({ file: "dir#1/a.nii.gz", fragment: "z=3&label=2" })
    expect(splitFragment("a#z=1.png")).toEqual({ file: "a#z=1.png", fragment: undefined })
    expect(splitFragment("notes.txt#z=1")).toEqual({ file: "notes.txt#z=1", fragment: undefined })
  })
  it("never lose a character", () => {
    const part = fc.string({ unit: fc.constantFrom("a", "/", "#", "z=1", ".", ".png", ".nii.gz", "&", "\n") })
    fc.assert(
      fc.property(part, fc.constantFrom(...IMAGE_ENDINGS), part, (before, ending, after) => {
        const path = `${before}.${ending}${after}`
        const { file, fragment } = splitFragment(path)
        expect(fragment === undefined ? file : `${file}#${fragment}`).toBe(path)
      }),
    )
  })
})

describe("selections", () => {
  it("are read as they are written", () => {
    expect(parseSelection(undefined)).toEqual({})
    expect(parseSelection("z=12&t=0&window=-160:2.5e2&label=-1")).toEqual({
      plane: { axis: "z", index: 12 },
      t: 0,
      label: -1,
      window: [-160, 250],
    })
    expect(parseSelection("Sagittal=3")).toEqual({ plane: { axis: "sagittal", index: 3 } })
    expect(parseSelection("frame=3&page=2")).toEqual({ frame: 3, page: 2 })
  })
  it.each([
    "z",
    "z=",
    "z=-1",
    "z=1.5",
    "z=1e3",
    "label=x",
    "window=1",
    "window=2:1",
    "window=:5",
    "window=0:1:2",
    "window=0:Infinity",
    "__proto__=1",
    "constructor=1",
    "",
  ])("%s is refused", (text) => expect(() => parseSelection(text)).toThrow(FormatError))
  it("are refused or read, whatever is written", () => {
    const piece = fc.constantFrom(
      "z",
      "axial",
      "t",
      "window",
      "label",
      "=",
      "&",
      ":",
      "1",
      "-2",
      "9999999999",
      "%",
      " ",
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          parseSelection(pieces.join(""))
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(FormatError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
