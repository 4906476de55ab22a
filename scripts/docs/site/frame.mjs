// What stands around every page: the list of pages, and the sections of this one.
//
// Takes: a page. Gives: its HTML. Nothing is loaded but the style sheet, and no script runs: lists fold by themselves.
export function framed({ title, body, headings, file, toRoot, navigation }) {
  const name = title === "MDL" ? "MDL" : `${plain(title)} · MDL`
  const sections = headings.filter(({ level }) => level === 2)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${name}</title>
<link rel="stylesheet" href="${toRoot}/style.css">
</head>
<body>
<a class="skip" href="#content">To the text</a>
<nav class="pages" aria-label="Pages">
<details class="menu"><summary>MDL</summary>
${pageList(navigation)}
</details>
<div class="always">
<p class="name"><a href="${toRoot}/index.html">MDL</a></p>
${pageList(navigation)}
</div>
</nav>
<main id="content" data-source="${plain(file)}">
${body}
</main>
${sections.length > 1 ? sectionList(sections) : ""}
</body>
</html>
`
}

function pageList(groups) {
  const item = ({ title, href, isHere }) =>
    `<li><a href="${href}"${isHere ? ' aria-current="page"' : ""}>${plain(title)}</a></li>`
  return groups.map(({ name, pages }) => `<p>${plain(name)}</p>\n<ul>${pages.map(item).join("")}</ul>`).join("\n")
}

function sectionList(sections) {
  const items = sections.map(({ id, html }) => `<li><a href="#${id}">${html.replace(/<\/?a\b[^>]*>/g, "")}</a></li>`)
  return `<nav class="sections" aria-label="On this page"><p>On this page</p><ul>${items.join("")}</ul></nav>`
}

const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")
