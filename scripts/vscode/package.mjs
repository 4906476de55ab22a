#!/usr/bin/env node
// Packages the extension for VS Code: dist/mdl-VERSION.vsix.
//
// Takes: --out FOLDER (dist). Needs the packages of development.
// Gives: one file, the same bytes for the same sources: entries in order, without times.
// Why so: a .vsix is a zip with a manifest and a list of content types beside the folder `extension`
//         (Open Packaging Conventions, ECMA-376 part 2). Writing it here needs no tool that signs in to a marketplace.
import { build } from "esbuild"
import { zipSync } from "fflate"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, extname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import sharp from "sharp"

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..")
const SOURCE = join(ROOT, "editors", "vscode")
/** Zip knows no time before this one. */
const NO_TIME = new Date(1980, 0, 1)
/** Folders of the extension that are data, taken as they are. */
const DATA = ["snippets", "syntaxes"]
const CONTENT_TYPES = {
  ".js": "application/javascript",
  ".json": "application/json",
  ".md": "text/markdown",
  ".png": "image/png",
  ".txt": "text/plain",
  ".vsixmanifest": "text/xml",
}

const { values: options } = parseArgs({ options: { out: { type: "string", default: join(ROOT, "dist") } } })
const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"))
const manifest = { ...JSON.parse(readFileSync(join(SOURCE, "package.json"), "utf8")), version }

const files = new Map([
  ["extension/package.json", `${JSON.stringify(manifest, undefined, 2)}\n`],
  ["extension/LICENSE.txt", readFileSync(join(ROOT, "LICENSE"))],
  ["extension/icon.png", await sharp(join(SOURCE, "icon.svg")).png().toBuffer()],
  ["extension/out/extension.js", await bundle()],
])
for (const name of ["README.md", "CHANGELOG.md", "language-configuration.json"]) take(name)
for (const folder of DATA) for (const name of readdirSync(join(SOURCE, folder))) take(`${folder}/${name}`)
files.set("extension.vsixmanifest", vsixManifest())
files.set("[Content_Types].xml", contentTypes())

const entries = [...files].sort(([a], [b]) => (a < b ? -1 : 1))
const bytes = zipSync(Object.fromEntries(entries.map(([name, content]) => [name, Buffer.from(content)])), {
  mtime: NO_TIME,
  level: 9,
})
const path = join(options.out, `mdl-${version}.vsix`)
mkdirSync(options.out, { recursive: true })
writeFileSync(path, bytes)
process.stdout.write(`${path} (${(bytes.length / 1024).toFixed(0)} kB)\n`)

function take(name) {
  files.set(`extension/${name}`, readFileSync(join(SOURCE, name)))
}

/** The extension with all it needs but what the editor gives, in one file. */
async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [join(SOURCE, "src", "extension.ts")],
    bundle: true,
    write: false,
    platform: "node",
    format: "cjs",
    target: "node18",
    external: ["vscode"],
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    absWorkingDir: ROOT,
  })
  return outputFiles[0].contents
}

function vsixManifest() {
  const { publisher, displayName, description, keywords, categories, engines, icon } = manifest
  const isData = (kind) => manifest.contributes[kind] !== undefined
  const tags = [...keywords, ...(isData("snippets") ? ["snippet"] : []), "__ext_mdl"]
  return `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${escaped(manifest.name)}" Version="${escaped(version)}" Publisher="${escaped(publisher)}"/>
    <DisplayName>${escaped(displayName)}</DisplayName>
    <Description xml:space="preserve">${escaped(description)}</Description>
    <Tags>${escaped(tags.join(","))}</Tags>
    <Categories>${escaped(categories.join(","))}</Categories>
    <GalleryFlags>Public</GalleryFlags>
    <Properties>
      <Property Id="Microsoft.VisualStudio.Code.Engine" Value="${escaped(engines.vscode)}"/>
      <Property Id="Microsoft.VisualStudio.Code.ExtensionKind" Value="workspace"/>
    </Properties>
    <License>extension/LICENSE.txt</License>
    <Icon>extension/${escaped(icon)}</Icon>
  </Metadata>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Code"/>
  </Installation>
  <Dependencies/>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Changelog" Path="extension/CHANGELOG.md" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.License" Path="extension/LICENSE.txt" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Icons.Default" Path="extension/${escaped(icon)}" Addressable="true"/>
  </Assets>
</PackageManifest>
`
}

function contentTypes() {
  const endings = [...new Set([...files.keys(), "extension.vsixmanifest"].map((name) => extname(name)))].sort()
  const lines = endings.map((ending) => {
    const type = CONTENT_TYPES[ending]
    if (type === undefined) throw new Error(`the content type of ${ending} is not known`)
    return `  <Default Extension="${ending}" ContentType="${type}"/>\n`
  })
  return `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
${lines.join("")}</Types>
`
}

function escaped(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
}
