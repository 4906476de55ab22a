/**
 * Writes a report page to a file, whole or not at all.
 *
 * Takes: what to show and a path. Gives: the path. A report is rewritten each time a run goes on, and somebody may have
 * the earlier one open.
 */

import { makeFolderFor } from "../deployment/target-folder.js"
import { renderReport } from "./page.js"
import type { ReportData } from "./report-data.js"
import { writeAtomically } from "../runs/atomic-file.js"

/**
 * Renders `data` and replaces the file at `path`.
 *
 * @throws UserError when the folder cannot be written; the earlier file is then still there
 */
export async function writeReport(data: ReportData, path: string): Promise<string> {
  await makeFolderFor(path)
  await writeAtomically(path, renderReport(data))
  return path
}
