import { test } from "vitest"
import { readFileSync } from "node:fs"
import { evaluateProgram } from "../../src/compiler/passes/programs.js"
import { interpret } from "../../src/compiler/targets/reference/interpret.js"
import { compileText, elaborated } from "../compiler/source-host.js"
import { BATCH, feedsFor, fixture, SMALL, inputArrays } from "./scratch-fixture.js"
import { fileHost } from "../../src/runtime/model-file.js"
import { compile } from "../../src/compiler/compile.js"
const mut: [string, string, string][] = [
 ["", "", ""],
 ["std/conditioned", "+ 1e-10", "+ 1e-3"],
 ["std/attention", "+ 1e-10", "+ 1e-4"],
 ["std/conditioned", "self_attention = Attention(heads, causal = causal)(x, x, weights = if is_target then none else weights)", "self_attention = Attention(heads, causal = causal)(x, x, weights = none)"],
 ["std/conditioned", "scale: float = 100.0", "scale: float = 99.0"],
 ["std/conditioned", "* reshape(valid, [N, T, 1, 1])", ""],
 ["std/clip", "1.702", "1.7"],
 ["std/prelude", "smooth: float = 1e-5", "smooth: float = 4e-5"],
 ["std/unet", "average + peak]", "average]"],
]
test("mutations", () => {
  const disk = fileHost(".")
  const small = readFileSync("test/models/reclmis-fixture.ts","utf8")
  for (const [file, from, to] of mut) {
    const text = `${readFileSync("models/reclmis.mdl","utf8")}\n${SMALL}`
    const r = compile("model.mdl", { read: (p) => { if (p === "model.mdl") return text; const t = disk.read(p); return t && p === file ? (t.includes(from) ? t.replace(from, to) : (console.log("NOT FOUND", from), t)) : t } }, { selector: "small" })
    if (!r.output) { console.log("no compile", from); continue }
    const p = evaluateProgram(r.output)
    const out = interpret(p.graph, p.losses.map(l => l.value), feedsFor(p.graph, inputArrays()), { sizes: new Map([...p.graph.sizes, ["N", BATCH]]), seed: 1, step: 1 })
    console.log("MUT", to, p.losses.map((l, i) => l.name + " " + (out[i]!.data[0]! / fixture.evaluation.losses[l.name]! - 1).toExponential(1)).join(", "))
  }
})
