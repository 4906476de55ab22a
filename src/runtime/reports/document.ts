/**
 * The frame of a page that stands in one file.
 *
 * Takes: a title, a style, what the page shows, and a script where it has one. Gives: the whole text. The policy in its head
 * lets it load nothing: what a page shows is in it, and what somebody else's text in it would load is refused. The one
 * script that may run is named by its hash.
 */

import { createHash } from "node:crypto"
import { Html, markup, type Part } from "./html.js"

const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/**
 * A page, as UTF-8 text.
 *
 * @param title that of the window
 * @param body between `<main>` and `</main>`
 * @param script a module without imports, which runs when the page is there
 */
export function documentText(title: Part, style: string, body: Html, script?: string): string {
  const allowed = script === undefined ? "" : `; script-src '${hashOf(script)}'`
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(POLICY + allowed)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="mdl">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${body}
</main>
${script !== undefined && markup`<script type="module">${new Html(script)}</script>\n`}</body>
</html>
`.text
}

/** As a policy names what may run. */
const hashOf = (script: string): string => `sha256-${createHash("sha256").update(script).digest("base64")}`
