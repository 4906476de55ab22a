/**
 * The generated parts of docs/language.md and docs/commands.md: what stands between
 * `<!-- generated:NAME -->` and `<!-- end:NAME -->`.
 *
 * Takes the compiler's tables, the texts of the standard library, the commands; gives Markdown by name of the part.
 */

/** Replaces every generated part of `page`. Throws for a part that is not known or not closed. */
export function fillParts(page, parts) {
  return page.replaceAll(
    /<!-- generated:([\w-]+) -->\n([\s\S]*?)<!-- (end|generated):([\w-]+) -->/g,
    (_, name, _old, word, end) => {
      if (word !== "end" || end !== name)
        throw new Error(`the generated part ${name} is not closed by <!-- end:${name} -->`)
      const text = parts[name]
      if (text === undefined) throw new Error(`there is no generated part ${name}`)
      return `<!-- generated:${name} -->\n\n${text.trim()}\n\n<!-- end:${name} -->`
    },
  )
}

/** Names of the generated parts that `page` has a place for. */
export function partNames(page) {
  return [...page.matchAll(/<!-- generated:([\w-]+) -->/g)].map(([, name]) => name)
}

/** Tables of the functions and names that exist when compiling. */
export function builtinParts({
  BUILTIN_NAMES,
  TRAINING_NAMES,
  TRAINING_SETTINGS,
  PLAIN_TYPES,
  SECTION_ROLES,
  formatValue,
  SETTING_DOCS,
}) {
  const rows = (names) =>
    [...names].map(([name, value]) =>
      value.kind === "builtin"
        ? `| \`${signature(value.builtin, formatValue)}\` | ${value.builtin.doc} |`
        : `| \`${name}\` | ${describeConstant(name, value)} |`,
    )
  const head = ["| name | meaning |", "|---|---|"]
  return {
    builtins: [...head, ...rows(BUILTIN_NAMES)].join("\n"),
    "training-names": [...head, ...rows(TRAINING_NAMES)].join("\n"),
    "training-settings": [
      "| setting | meaning |",
      "|---|---|",
      ...TRAINING_SETTINGS.map((name) => `| \`${name}\` | ${SETTING_DOCS[name]} |`),
    ].join("\n"),
    types: [
      "| word | takes |",
      "|---|---|",
      ...Object.entries(PLAIN_TYPES).map(([word, doc]) => `| \`${word}\` | ${doc} |`),
    ].join("\n"),
    roles: SECTION_ROLES.map((role) => `\`${role}\``).join(", "),
  }
}

function signature({ name, parameters }, formatValue) {
  const list = parameters.map((p) => (p.default === undefined ? p.name : `${p.name} = ${formatValue(p.default)}`))
  return `${name}(${list.join(", ")})`
}

const CONSTANTS = {
  zeros: "First value: every element 0.",
  ones: "First value: every element 1.",
  op: "The primitive operations by name, also those that a layer of the prelude has hidden: `op.conv2d`.",
  clip: "CLIP's byte pair encoding, 49,408 pieces.",
  dice: "Metric: mean Dice of the cases of the validation split.",
  iou: "Metric: mean intersection over union.",
  loss: "Metric: the sum of the losses; smaller is better.",
}

function describeConstant(name, value) {
  const words = CONSTANTS[name]
  if (words === undefined) throw new Error(`no words for the name ${name} (${value.kind})`)
  return words
}

/** Overview of the library: one table for each file, from its doc comments. `files` maps `std/x` to its text. */
export function libraryPart(files, parse) {
  const lines = []
  for (const [path, text] of files) {
    lines.push(`#### ${path}`, "", headOf(text), "", "| definition | what it is |", "|---|---|")
    for (const item of parse(path, text).file.items) {
      if (item.kind !== "block" && item.kind !== "fn") continue
      const doc = (item.doc ?? "").replaceAll(/\s+/g, " ").trim()
      lines.push(`| \`${header(item, text)}\` | ${doc.replaceAll("|", "\\|")} |`)
    }
    lines.push("")
  }
  return lines.join("\n")
}

/** The doc comment that a file begins with, apart from that of its first definition. */
function headOf(text) {
  const lines = text.split("\n")
  const end = lines.findIndex((line) => !line.startsWith("///"))
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/\/ ?/, ""))
    .join(" ")
}

/** A definition up to its body, in one line. */
function header(item, text) {
  const source = ({ span }) => text.slice(span.start, span.end).replaceAll(/\s+/g, " ")
  const group = (parameters) => `(${parameters.map(source).join(", ")})`
  const result = item.result ? ` -> ${source(item.result)}` : ""
  const groups = item.kind === "block" ? group(item.parameters) + group(item.inputs) : group(item.parameters)
  return `${item.kind} ${item.name.text}${groups}${result}`
}

/** `mdl help NAME` of every command and subcommand, by `help-NAME` (`help-data-inspect`). */
export function helpParts(commands) {
  const parts = {}
  const add = (command, path) => {
    command.configureHelp({ helpWidth: 100 })
    const text = command.helpInformation().replace(/^Usage: .*$/m, `Usage: mdl ${usage(command, path)}`)
    parts[`help-${path.join("-")}`] = "```text\n" + text.trimEnd() + "\n```"
    for (const sub of command.commands) if (sub.name() !== "help") add(sub, [...path, sub.name()])
  }
  for (const command of commands) add(command, [command.name()])
  return parts
}

function usage(command, path) {
  return `${path.join(" ")} ${command.usage()}`
}
