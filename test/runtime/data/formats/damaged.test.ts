/** Files that are cut off, garbled or lie about themselves: always a DataError that names the file. */
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DataError } from "../../../../src/runtime/data/data-error.js"
import { splitFragment } from "../../../../src/runtime/data/formats/names.js"
import { ImageFile, readImageHeader, readMaskPixels, readPixels } from "../../../../src/runtime/data/images.js"
import { dataErrorOf, temporaryFolder } from "../temporary.js"

const FOLDER = fileURLToPath(new URL("../../../fixtures/images", import.meta.url))
const FRAGMENTS: Readonly<Record<string, string>> = {
  "ct.nii.gz": "#axial=1",
  "quaternion-2.nii": "#z=1",
  "cine.dcm": "#frame=1",
  "jpeg.dcm": "#frame=1",
  "enhanced.dcm": "#frame=1",
  "pages.tif": "#page=1",
}

/** One file of each kind of decoder. */
const KINDS = [
  ...["grey.png", "colour.jpg", "pages.tif", "palette.bmp", "fields.bmp", "four.bmp"],
  ...["ct.nii.gz", "extended.nii", "quaternion-2.nii", "type-f8.nii"],
  ...["explicit.dcm", "implicit.dcm", "deflated.dcm", "rle.dcm", "palette.dcm", "cine.dcm", "jpeg.dcm", "enhanced.dcm"],
]

/** Everything that can be asked of a file; what it answers, or the DataErrors. Anything else is thrown. */
async function ask(path: string): Promise<void> {
  const open = () => ImageFile.open(path)
  for (const question of [
    async () => (await open()).header(),
    async () => (await open()).pixels({ height: 4, width: 4 }),
    async () => (await open()).maskValues(),
  ]) {
    try {
      await question()
    } catch (thrown) {
      if (!(thrown instanceof DataError)) throw thrown
      expect(thrown.what.startsWith(`${path} cannot be read as an image: `)).toBe(true)
      expect(thrown.fix).not.toBe("")
    }
  }
}

describe("a damaged file", () => {
  it.each(KINDS)("%s with bytes changed or missing is read or refused, and nothing else happens", async (name) => {
    const whole = await readFile(join(FOLDER, name))
    const file = join(await temporaryFolder(), name)
    // Headers are at the beginning, where a changed byte matters most.
    const place = fc.oneof(fc.nat(Math.min(whole.length, 700) - 1), fc.nat(whole.length - 1))
    const value = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255))
    const changes = fc.array(fc.tuple(place, value), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(changes, fc.oneof(fc.constant(whole.length), fc.nat(whole.length)), async (changed, length) => {
        const bytes = Buffer.from(whole)
        for (const [at, byte] of changed) bytes[at] = byte
        await writeFile(file, bytes.subarray(0, length))
        await ask(file + (FRAGMENTS[name] ?? ""))
      }),
      { numRuns: 40 },
    )
  })

  it.each(KINDS)("%s that ends in the middle of its pixels is refused", async (name) => {
    const whole = await readFile(join(FOLDER, name))
    const file = join(await temporaryFolder(), name)
    await writeFile(file, whole.subarray(0, whole.length - 20))
    const error = await dataErrorOf(readPixels(file + (FRAGMENTS[name] ?? "")))
    expect(error.what).toBe(`${file}${FRAGMENTS[name] ?? ""} cannot be read as an image: it is cut off or damaged`)
  })

  it("declares a size that is refused before anything is allocated", async () => {
    const folder = await temporaryFolder()
    const nifti = await readFile(join(FOLDER, "extended.nii"))
    for (const at of [42, 44, 46]) nifti.writeInt16LE(8000, at)
    const bmp = await readFile(join(FOLDER, "colour.bmp"))
    bmp.writeInt32LE(2 ** 30, 18)
    const dicom = await readFile(join(FOLDER, "explicit.dcm"))
    const rows = dicom.indexOf(Buffer.from([0x28, 0, 0x10, 0]))
    for (const at of [rows, dicom.indexOf(Buffer.from([0x28, 0, 0x11, 0]))]) dicom.writeUInt16LE(65535, at + 8)
    for (const [name, bytes, what] of [
      ["a.nii", nifti, "declares 953.7 GiB of voxels"],
      ["a.nii.gz", gzipSync(nifti), "declares 953.7 GiB of voxels"],
      ["a.bmp", bmp, "pixel limit"],
      ["a.dcm", dicom, "pixel limit"],
    ] as const) {
      await writeFile(join(folder, name), bytes)
      expect(
        (await dataErrorOf(readPixels(join(folder, `${name}${name.includes("nii") ? "#z=0" : ""}`)))).what,
      ).toContain(what)
    }
  })

  it("is a gzip file that holds something else, or far more than its header declares", async () => {
    const file = join(await temporaryFolder(), "a.nii.gz")
    await writeFile(file, gzipSync(Buffer.from("no volume")))
    expect((await dataErrorOf(readPixels(file))).what).toContain("there is no NIfTI volume inside")
    const nifti = await readFile(join(FOLDER, "window.nii"))
    await writeFile(file, gzipSync(Buffer.concat([nifti, Buffer.alloc(2 ** 25)])))
    expect((await dataErrorOf(readPixels(file))).what).toContain("it holds more than its header declares")
  })
})

describe("a file that is not read says why and what to do", () => {
  it.each([
    ["float.tif", 'pixels are of the type "float"', "8 or 16 bits"],
    ["rle.bmp", "compression (RLE8)", "uncompressed BMP"],
    ["jpeg2000.dcm", "compressed as JPEG 2000", "gdcmconv --raw"],
    ["ct.nii.gz", "it holds 4 slices", "#z=0 to #z=3"],
    ["ct.nii.gz#z=4", "it has no z=4", "#z=0 to #z=3"],
    ["ct.nii.gz#axial=9", "it has no axial=9: it holds 5 axial slices", "axial=4"],
    ["ct.nii.gz#z=1&x=2", "x and z behind the # name two slices", "FILE#"],
    ["ct.nii.gz#z=one", "z=one: a whole number is wanted", "FILE#"],
    ["ct.nii.gz#z=1&z=2", '"z" stands twice', "FILE#"],
    ["ct.nii.gz#slice=1", '"slice" behind the # means nothing', "z, axial"],
    ["ct.nii.gz#z=1&window=5:5", "window=5:5: two numbers are wanted", "FILE#"],
    ["ct.nii.gz#z=1&label=2", "a label is chosen in a mask", ""],
    ["moving.nii.gz#z=1", "it holds 3 points in time", "#t=0 to #t=2"],
    ["window.nii#axial=0", "does not say how it lies in the body", "#z=0"],
    ["cine.dcm", "it holds 3 frames", "#frame=0 to #frame=2"],
    ["grey.png#z=3", "a slice (x, y, z, axial, coronal, sagittal) is chosen in a NIfTI volume", "leave that part out"],
    ["grey.png#page=1", "a page is chosen in a TIFF, and this is a png file", "leave out"],
    ["pages.tif#page=7", "it has no such page", ""],
    ["colour.dcm#window=0:9", "it is a colour picture, which has no window", "leave out"],
  ])("%s", async (path, what, fix) => {
    const error = await dataErrorOf(readPixels(join(FOLDER, path)))
    expect(error.what).toMatch(what)
    expect(error.what.startsWith(join(FOLDER, path))).toBe(true)
    expect(error.fix).toContain(fix)
  })

  it("says it in the header too, and for a label in a coloured mask", async () => {
    expect((await dataErrorOf(readImageHeader(join(FOLDER, "ct.nii.gz")))).what).toContain("it holds 4 slices")
    expect((await dataErrorOf(readMaskPixels(join(FOLDER, "colour.bmp#label=2")))).what).toContain(
      "this mask is coloured",
    )
  })
})

describe("the fixtures", () => {
  it("are all named in the list of expected pixels, or in the tests here", async () => {
    const expected = JSON.parse(await readFile(join(FOLDER, "expected.json"), "utf8")) as { path: string }[]
    const used = new Set(expected.map(({ path }) => splitFragment(path).file))
    const left = (await readdir(FOLDER)).filter((name) => !used.has(name)).sort()
    expect(left).toEqual(["expected.json", "float.tif", "jpeg2000.dcm", "rle.bmp"])
  })
})
