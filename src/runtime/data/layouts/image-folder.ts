/**
 * The image files of a folder, found by names that are written in other ways.
 *
 * Takes: a folder. Gives: its images, and for a name from an index the file that is meant, with how far the two agree.
 *
 * Why so: published sets disagree with themselves. LViT's MoNuSeg lists `X.png` for `X.tif`, QaTa holds files under two
 * spellings, masks of JPEG images are PNG. A name is therefore looked up as written, then without letter case, then
 * without its ending; the layout tells which of these it needed, so that nothing is matched in silence.
 */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { isNoFolder } from "../data-error.js"
import { isImageName, stemOf } from "../formats/names.js"
import type { MaskRule } from "../images.js"
import type { Sample } from "../sample.js"
import { subjectOf } from "./subjects.js"

/** A file that a name means. `how`: the two are the same; or are without letter case; or only without their endings. */
export interface NameMatch {
  readonly name: string
  readonly how: "as written" | "without case" | "without ending"
}

/** The name that files are matched by: no ending, lower case. */
export function matchingStem(name: string): string {
  return stemOf(name).toLowerCase()
}

export class ImageFolder {
  /** Image files; of names that differ in letter case only, one: the spelling with the most lower-case letters. Sorted. */
  readonly images: readonly string[]
  /** The other spellings. */
  readonly otherSpellings: readonly string[]
  /** Files and folders that are no images. */
  readonly others: readonly string[]
  private readonly byName = new Map<string, string>()
  private readonly byStem = new Map<string, string[]>()
  private readonly exact = new Set<string>()

  private constructor(entries: readonly string[]) {
    const otherSpellings: string[] = []
    const others: string[] = []
    // Lower-case letters sort after upper-case ones, so the descending order meets the lower-case spelling first.
    for (const name of [...entries].sort().reverse()) {
      const key = name.toLowerCase()
      if (!isImageName(name)) others.push(name)
      else if (this.byName.has(key)) otherSpellings.push(name)
      else {
        this.byName.set(key, name)
        this.exact.add(name)
      }
    }
    this.images = [...this.byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name)
    for (const name of this.images) {
      const stem = matchingStem(name)
      this.byStem.set(stem, [...(this.byStem.get(stem) ?? []), name])
    }
    this.otherSpellings = otherSpellings.reverse()
    this.others = others.reverse()
  }

  /** The folder's listing, or undefined when there is no such folder. */
  static async list(folder: string): Promise<ImageFolder | undefined> {
    try {
      return new ImageFolder(await readdir(folder))
    } catch (thrown) {
      if (isNoFolder(thrown)) return undefined
      throw thrown
    }
  }

  /** As {@link list}; a folder that is not there has no files. */
  static async listOrEmpty(folder: string): Promise<ImageFolder> {
    return (await ImageFolder.list(folder)) ?? new ImageFolder([])
  }

  /** The image that `name` means. Undefined for none, and for one that only its ending could tell from another. */
  find(name: string): NameMatch | undefined {
    if (this.exact.has(name)) return { name, how: "as written" }
    const sameName = this.byName.get(name.toLowerCase())
    if (sameName !== undefined) return { name: sameName, how: "without case" }
    const [first, second] = this.byStem.get(matchingStem(name)) ?? []
    return first === undefined || second !== undefined ? undefined : { name: first, how: "without ending" }
  }

  /** The images that can be told from each other without their endings; the others are told, as `where`/name. */
  distinct(findings: { add(kind: "ambiguous-name", name: string): void }, where: string): readonly string[] {
    const ambiguous = [...this.byStem.values()].filter((names) => names.length > 1)
    for (const [first = "", ...others] of ambiguous)
      findings.add("ambiguous-name", [`${where}/${first}`, ...others].join(" and "))
    return this.images.filter((name) => this.byStem.get(matchingStem(name))?.length === 1)
  }

  /** Tells what in the folder is left out, with `where` before each name. */
  report(findings: { add(kind: "not-an-image" | "names-differ-in-case", name: string): void }, where: string): void {
    for (const name of this.others) findings.add("not-an-image", `${where}/${name}`)
    for (const name of this.otherSpellings) findings.add("names-differ-in-case", `${where}/${name}`)
  }
}

/**
 * How a mask of this name becomes 0 or 1: JPEG blurs edges, so values below the middle are no foreground ("half"). Other
 * formats keep what was written, and follow the reader's rule.
 */
export function maskRuleOf(maskName: string): MaskRule | undefined {
  return /\.jpe?g$/i.test(maskName) ? "half" : undefined
}

/** The optional fields of a sample that file names decide. */
export function fieldsByName(imageName: string, maskName: string): Pick<Sample, "subject" | "maskRule"> {
  const subject = subjectOf(imageName)
  const maskRule = maskRuleOf(maskName)
  return { ...(subject === undefined ? {} : { subject }), ...(maskRule === undefined ? {} : { maskRule }) }
}

/** Listings of a folder and the folders in it, each read once, for names that hold folders (`mask_1/patient0001.png`). */
export class ImageTree {
  private readonly folders = new Map<string, Promise<ImageFolder>>()

  constructor(private readonly root: string) {}

  /** The image that a path below the root means, as a path below the root. */
  async find(path: string): Promise<NameMatch | undefined> {
    const at = path.lastIndexOf("/") + 1
    const folder = path.slice(0, at)
    let listing = this.folders.get(folder)
    if (listing === undefined) {
      listing = ImageFolder.listOrEmpty(join(this.root, folder))
      this.folders.set(folder, listing)
    }
    const found = (await listing).find(path.slice(at))
    return found && { ...found, name: folder + found.name }
  }

  /** Images at the root itself. */
  async images(): Promise<readonly string[]> {
    return (await ImageFolder.listOrEmpty(this.root)).images
  }
}
