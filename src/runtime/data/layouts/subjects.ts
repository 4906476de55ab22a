/**
 * Who an image is of, where its file name says so.
 *
 * Takes: a file name. Gives: the subject, in lower case, or nothing.
 *
 * Why so: two pictures of one person in two splits make a score that means little, and `mdl data inspect` looks for them.
 * Only namings that are documented are read; a guess would report leakage that is none.
 */

const NAMINGS: readonly RegExp[] = [
  // BIDS (bids-specification, "Entities"): sub-LABEL, as in QaTa's sub-S09308_ses-E17491_....
  /(?:^|_)(sub-[a-z0-9]+)(?=_|\.|$)/,
  // TCGA barcodes (GDC "TCGA Barcode"): project, tissue source site, participant; what follows is sample, vial, slide.
  /^(tcga-[a-z0-9]{2}-[a-z0-9]{4})(?=-|\.|$)/,
  // CAMUS patient0001_2CH_ED, CheXlocalize patient64677_study1_view1_frontal.
  /^(patient\d{4,})(?=_|\.|$)/,
]

/** The subject that a file name gives (`sub-s09308`, `tcga-21-5784`, `patient0001`), or undefined. */
export function subjectOf(name: string): string | undefined {
  const lower = name.toLowerCase()
  for (const naming of NAMINGS) {
    const found = naming.exec(lower)?.[1]
    if (found !== undefined) return found
  }
  return undefined
}
