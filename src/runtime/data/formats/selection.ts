/**
 * The part of a path behind `#`: which slice, frame or page, which label, which window.
 *
 * Takes: the text, such as `z=12&window=-160:240`. Gives: a {@link Selection}.
 *
 * Why so: a slice is named where the file is named, so a manifest, a layout and a command line need no options of
 * their own for volumes, and a run's record of its files says which slices they were.
 */
import { FormatError, PLANE_AXES, type PlaneAxis, type Selection } from "./format.js"

const WHOLE = { t: "t=0", frame: "frame=0", page: "page=0" } as const
const KNOWN = [...PLANE_AXES, ...Object.keys(WHOLE), "label", "window"]
const FIX =
  `write it as FILE#name=value&name=value with the names ${KNOWN.join(", ")}, ` +
  "such as scan.nii.gz#z=12&window=-160:240"

/** @throws FormatError for a name that is unknown or stands twice, a value that does not fit it, two slices at once. */
export function parseSelection(fragment: string | undefined): Selection {
  if (fragment === undefined) return {}
  const found = new Map<string, string>()
  for (const part of fragment.split("&")) {
    const equals = part.indexOf("=")
    const name = (equals < 0 ? part : part.slice(0, equals)).toLowerCase()
    if (!KNOWN.includes(name)) throw new FormatError(`"${name}" behind the # means nothing`, FIX)
    if (found.has(name)) throw new FormatError(`"${name}" stands twice behind the #`, FIX)
    found.set(name, equals < 0 ? "" : part.slice(equals + 1))
  }
  const whole = (name: string): number | undefined => {
    const text = found.get(name)
    if (text === undefined) return undefined
    if (!/^\d{1,9}$/.test(text)) throw new FormatError(`${name}=${text}: a whole number is wanted, counted from 0`, FIX)
    return Number(text)
  }
  const axes = PLANE_AXES.filter((axis) => found.has(axis))
  if (axes.length > 1) throw new FormatError(`${axes.join(" and ")} behind the # name two slices`, FIX)
  const [axis] = axes
  const plane = axis === undefined ? {} : { plane: { axis: axis satisfies PlaneAxis, index: whole(axis) as number } }
  const counts: { t?: number; frame?: number; page?: number } = {}
  for (const name of Object.keys(WHOLE) as (keyof typeof WHOLE)[]) {
    const value = whole(name)
    if (value !== undefined) counts[name] = value
  }
  const label = found.get("label")
  if (label !== undefined && !/^-?\d{1,9}$/.test(label)) {
    throw new FormatError(`label=${label}: a label is a whole number`, FIX)
  }
  const window = found.get("window")
  return {
    ...plane,
    ...counts,
    ...(label === undefined ? {} : { label: Number(label) }),
    ...(window === undefined ? {} : { window: parseWindow(window) }),
  }
}

function parseWindow(text: string): readonly [number, number] {
  const [low, high, ...rest] = text.split(":").map((part) => (part.trim() === "" ? NaN : Number(part)))
  if (low === undefined || high === undefined || rest.length > 0 || !(low < high) || !isFinite(high - low)) {
    throw new FormatError(
      `window=${text}: two numbers are wanted, the one drawn black and a greater one drawn white`,
      FIX,
    )
  }
  return [low, high]
}

/** How a message calls what a part of a selection chooses. */
const CHOOSES: Readonly<Record<keyof Selection, string>> = {
  plane: "a slice (x, y, z, axial, coronal, sagittal) is chosen in a NIfTI volume",
  t: "a point in time (t) is chosen in a 4-D NIfTI volume",
  frame: "a frame is chosen in a DICOM file",
  page: "a page is chosen in a TIFF",
  label: "a label is chosen in a mask",
  window: "a window is given for a file whose values are not grey values: NIfTI and DICOM",
}

/** @throws FormatError when a selection holds a part that files of this format do not have. */
export function checkSelects(selection: Selection, format: { name: string; selects: readonly string[] }): void {
  for (const part of Object.keys(selection) as (keyof Selection)[]) {
    if (part !== "label" && !format.selects.includes(part)) {
      throw new FormatError(`${CHOOSES[part]}, and this is a ${format.name} file`, "leave that part out of the path")
    }
  }
}

/**
 * The one of `count` pictures that is meant.
 * @param chosen what the path says; undefined is right where there is only one picture.
 * @param name how it is written behind the `#`.
 * @throws FormatError when the path must say which and does not, or names one that is not there.
 */
export function chosenOf(chosen: number | undefined, count: number, name: string, what: string): number {
  const range = `#${name}=0 to #${name}=${count - 1}`
  if (chosen === undefined) {
    if (count === 1) return 0
    throw new FormatError(`it holds ${count} ${what}`, `say which is meant, behind the file's name: ${range}`)
  }
  if (chosen < count) return chosen
  throw new FormatError(`it has no ${name}=${chosen}: it holds ${count} ${what}`, `choose one of ${range}`)
}
