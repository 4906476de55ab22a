// The cache entry, put where the package looks for it.
//
// Takes:  the entry's folder and the package's folder in node_modules.
// Gives:  deps and lib/napi-vN of the package as symbolic links into the entry.
// Why so: `npm ci` wipes them each time and 850 MB are not to be copied. Node resolves the link before it loads the
//         binding, so the binding's relative path to TensorFlow leads into the entry. Each link is replaced by a rename:
//         another process that loads at this moment finds the old or the new one.
import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"

function pointsTo(link, target) {
  const found = lstatSync(link, { throwIfNoEntry: false })
  return found?.isSymbolicLink() === true && readlinkSync(link) === target
}

function putLink(link, target) {
  mkdirSync(dirname(link), { recursive: true })
  const found = lstatSync(link, { throwIfNoEntry: false })
  // What the package's own installer downloaded (TensorFlow 2.9.1) may lie here as a folder; a rename cannot replace it.
  if (found !== undefined && !found.isSymbolicLink()) rmSync(link, { recursive: true, force: true })
  const fresh = `${link}.new-${process.pid}`
  rmSync(fresh, { force: true })
  symlinkSync(target, fresh)
  renameSync(fresh, link)
}

/** Links the entry into the package; returns whether anything had to change. */
export function linkEntry(entry, packageFolder, napi) {
  const links = [
    [join(packageFolder, "deps"), join(entry, "deps")],
    [join(packageFolder, "lib", `napi-v${napi}`), join(entry, "lib", `napi-v${napi}`)],
  ]
  const wrong = links.filter(([link, target]) => !pointsTo(link, target))
  for (const [link, target] of wrong) putLink(link, target)
  return wrong.length > 0
}
