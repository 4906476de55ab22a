// How long an editor waits: full-size RecLMIS in the language server, a keystroke at a time, over stdio.
//
// Takes: the setting of the run. Needs `npm run build`.
// Gives: what it prints, its numbers, and two targets.
// Why so: lines of the model are taken out and typed again, letter by letter, with the pauses of a fast typist, so that what
//         the server does in the background is in the way as it is in use. With every letter an editor asks for what it
//         shows at once; the slowest answer counts. The first line typed warms the server up and is not counted.
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from "vscode-jsonrpc/node"
import { printTable, progress } from "../print.mjs"

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..")
/** Milliseconds that an answer may take. */
const TARGET = 50
/** Milliseconds between two letters: 120 words a minute. */
const GAP = 100
/** Beginnings of the lines that are typed; the first is for warming up. */
const LINES = [
  "    let e2 = TokenConv",
  "    let { v, skips } = UNetEncoder",
  "    let t = ClipText",
  "    let e1 = CrossAttention",
  "    let deep = if use_text",
  "    loss v2t = 1.0",
  "  loss dice = 5.0",
  "    batch = 32",
  "  without cvr, clr, ccl",
]

/** @returns {Promise<object>} */
export async function editorPart({ scratch }) {
  const text = readFileSync(join(ROOT, "models", "reclmis.mdl"), "utf8")
  const server = spawn(process.execPath, [join(ROOT, "bin", "mdl.mjs"), "lsp"], { stdio: ["pipe", "pipe", "inherit"] })
  const connection = createMessageConnection(
    new StreamMessageReader(server.stdout),
    new StreamMessageWriter(server.stdin),
  )
  const shown = new Map()
  connection.onNotification("textDocument/publishDiagnostics", ({ version }) => shown.get(version)?.())
  connection.listen()
  await connection.sendRequest("initialize", { processId: process.pid, rootUri: null, capabilities: {} })
  await connection.sendNotification("initialized", {})
  const uri = pathToFileURL(join(scratch, "reclmis.mdl")).href
  const document = { uri, languageId: "mdl", version: 1, text }
  await connection.sendNotification("textDocument/didOpen", { textDocument: document })
  await connection.sendRequest("mdl/checked", { uri })

  let version = 1
  /** Writes `typed` in the place of a range; gives when it was sent, and when diagnostics were there. */
  const edit = async (start, end, typed) => {
    version++
    const told = new Promise((resolve) => shown.set(version, () => resolve(performance.now())))
    const range = { start, end }
    await connection.sendNotification("textDocument/didChange", {
      textDocument: { uri, version },
      contentChanges: [{ range, text: typed }],
    })
    return told
  }
  const samples = {}
  const slowest = []
  for (const [index, beginning] of LINES.entries()) {
    const line = text.split("\n").findIndex((candidate) => candidate.startsWith(beginning))
    if (line < 0) throw new Error(`models/reclmis.mdl has no line that begins with ${beginning}`)
    const whole = text.split("\n")[line]
    await edit({ line, character: 0 }, { line, character: whole.length }, "")
    for (let at = 0; at < whole.length; at++) {
      await new Promise((resolve) => setTimeout(resolve, GAP))
      progress(`editor: line ${index + 1} of ${LINES.length}`)
      const [here, behind] = [at, at + 1].map((character) => ({ line, character }))
      const start = performance.now()
      const times = { diagnostics: edit(here, here, whole[at]).then((end) => end - start) }
      const textDocument = { uri }
      const all = { start: { line: 0, character: 0 }, end: { line: text.length, character: 0 } }
      const questions = {
        completion: ["textDocument/completion", { position: behind }],
        signature: ["textDocument/signatureHelp", { position: behind }],
        hover: ["textDocument/hover", { position: behind }],
        shapes: ["textDocument/inlayHint", { range: all }],
        lenses: ["textDocument/codeLens", {}],
        colours: ["textDocument/semanticTokens/full", {}],
        actions: ["textDocument/codeAction", { range: { start: behind, end: behind }, context: { diagnostics: [] } }],
      }
      for (const [name, [method, more]] of Object.entries(questions)) {
        const asked = connection.sendRequest(method, { textDocument, ...more })
        times[name] = asked.then(() => performance.now() - start)
      }
      const entries = Object.entries(times)
      const taken = await Promise.all(entries.map(([, time]) => time))
      if (index === 0) continue
      entries.forEach(([name], i) => (samples[name] ??= []).push(taken[i]))
      slowest.push(Math.max(...taken))
    }
  }
  progress("")
  await connection.sendRequest("shutdown")
  await connection.sendNotification("exit")
  connection.dispose()

  const row = (name, times) => [name, ...[0.5, 0.95, 1].map((part) => milliseconds(quantile(times, part))), ""]
  const rows = [...Object.entries(samples).map(([name, times]) => row(name, times)), row("slowest", slowest)]
  const title = `A letter typed into models/reclmis.mdl: until each answer, of ${slowest.length}`
  printTable(title, ["", "median", "95 %", "most", ""], rows)
  const target = (of, part) => {
    return {
      what: "an edit of RecLMIS in the language server, all answers",
      of,
      ratio: quantile(slowest, part),
      target: TARGET,
    }
  }
  return {
    name: "editor",
    samples: { ...samples, slowest },
    targets: [target("milliseconds, median", 0.5), target("milliseconds, 95 %", 0.95)],
  }
}

const milliseconds = (time) => `${time.toFixed(1)} ms`

function quantile(times, part) {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]
}
