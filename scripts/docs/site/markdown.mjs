// Markdown as HTML, with the anchors that GitHub gives to headings.
//
// Takes: how blocks are coloured, and what becomes of a link. Gives: a function from a text to its HTML and headings.
import MarkdownIt from "markdown-it"

export function markdownRenderer(highlighter, linkOf) {
  return (text) => {
    const headings = []
    const seen = new Map()
    const markdown = new MarkdownIt({ html: true })
    const { rules } = markdown.renderer
    rules.fence = (tokens, at) => `${highlighter.block(tokens[at].content, tokens[at].info.trim().split(/\s+/)[0])}\n`
    rules.code_block = (tokens, at) => highlighter.block(tokens[at].content, "text")
    rules.heading_open = (tokens, at) => {
      const inline = tokens[at + 1]
      const words = inline.children.map(({ content }) => content).join("")
      const id = uniqueSlug(words, seen)
      const level = Number(tokens[at].tag.slice(1))
      headings.push({ level, id, text: words, html: markdown.renderer.render([inline], markdown.options, {}) })
      return `<h${level} id="${id}">`
    }
    rules.heading_close = (tokens, at) => {
      const { id } = headings.at(-1)
      return ` <a class="anchor" href="#${id}" aria-label="Link to this section">#</a></${tokens[at].tag}>\n`
    }
    rules.table_open = () => '<div class="table" tabindex="0"><table>\n'
    rules.table_close = () => "</table></div>\n"
    rules.link_open = (tokens, at, options, _, self) => {
      tokens[at].attrSet("href", linkOf(tokens[at].attrGet("href")))
      return self.renderToken(tokens, at, options)
    }
    const image = rules.image
    rules.image = (tokens, at, ...more) => {
      tokens[at].attrSet("src", linkOf(tokens[at].attrGet("src")))
      return image(tokens, at, ...more)
    }
    return { body: markdown.render(text), headings }
  }
}

/** Everything in a page that can be pointed at. */
export const anchorsIn = (html) => new Set([...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id))

/** As GitHub has it: letters, digits, `-` and `_`; the second of a name has a number. */
function uniqueSlug(words, seen) {
  const slug = words
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-")
  const count = seen.get(slug) ?? 0
  seen.set(slug, count + 1)
  return count === 0 ? slug : `${slug}-${count}`
}
