/**
 * The frame of a page that stands in one file.
 *
 * Takes: a title, a style and what the page shows. Gives: the whole text. The policy in its head lets it load nothing: what
 * a page shows is in it, and what somebody else's text in it would load is refused.
 */

import { Html, markup, type Part } from "./html.js"

const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** A page, as UTF-8 text. @param title that of the window; @param body between `<main>` and `</main>` */
export function documentText(title: Part, style: string, body: Html): string {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="mdl">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`.text
}
