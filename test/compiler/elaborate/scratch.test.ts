import { test } from "vitest"
import { compileText, messages } from "../source-host.js"
import { compile } from "../../../src/compiler/compile.js"
import { fileHost } from "../../../src/runtime/model-file.js"
import { writeFileSync } from "node:fs"
const show = (r: ReturnType<typeof compileText>) => {
  console.log(messages(r) + "\n" + (r.output ? r.output.graph.parameters.map(p => `${p.role} ${p.name} ${p.shape}`).join("\n") + "\n" + r.output.lets.map(l=>l.name).join() : "no output"))
}
const files = (text: string, options = {}) => { writeFileSync("/tmp/lang/m.mdl", text); return compile("/tmp/lang/m.mdl", fileHost("/tmp/lang"), options) }
test("const", () => {
  show(files(`model A { input ids: i32[N, 4]
  const words: f32[K, 3] = load("w.npy")
  const f: f32[K, 3] = load("f.npy")
  const e: f32[4, 3] = load("e.safetensors", "words")
  const idx: i32[2, K] = [[i * K + j for j in 0..K] for i in 0..2]
  const half: f32[3] = 0.5
  encoder a { const again: f32[K, D] = load("w.npy")
  let y = gather(words + f * e, ids) * half }
  output o = y }`))
  for (const bad of ['load("w.npy", "x")', 'load("x.npy")', 'load("d.npy")', 'load("e.safetensors")', 'load("e.safetensors", "wrds")', 'load("e.safetensors", "b")', 'load("../brief3/common.md")', 'load("m.mdl")', '[[1,2,3],[1,2]]', '[[1.5,2,3]]', '3 + image', 'load(3)'])
    show(files(`model A { input image: f32[N, 5]
  const words: f32[5, 3] = ${bad}
  output o = image @words }`.replace("@words", "")))
})
test("optional", () => {
  const t = `model A { input image: f32[N, 3, H = 8, W = 8]
  optional input prior: f32[N, 1, H, W]
  optional input note: tokens[N, T = 5] using words(10)
  head { let x = if prior == none then image else concat([image, prior], axis = 1)
  let b = conv2d(x, if note == none then 1 else T) }
  output o = b }
ablation alone of A { without prior, note }
ablation wrong of A { without image }
ablation varied of A { vary H in [4, 8]  vary W in [2, 4] }
`
  show(compileText(t)); show(compileText(t, {selector: "alone"})); show(compileText(t, {selector: "wrong"})); show(compileText(t, {selector: "varied"}));show(compileText(t, {selector: "varied", everyValue: true}))
})
test("instances", () => {
  show(compileText(`model A { input note: tokens[N, T = 5] using words(10)
  encoder e { let emb = Embedding(note.vocabulary, 8)
  let x = emb(note.ids) 
  let l = Linear(8)
  let z = l(x) }
  output o = matmul(z + l.bias, emb.weight, transpose_b = true)
  output p = matmul(z, emb.wieght, transpose_b = true) }
`))
  show(compileText(`model A { input note: tokens[N, T = 5] using words(10)
  let emb = Embedding(note.vocabulary, 8)
  output o = emb.weight }
`))
})
test("imports", () => {
  const other = `import { conv } from "./lib"
fn width() = 4
model B(dim: int = width(), extra: int = 1) { input image: f32[N, 3, H = 8, W = 8]
 head { output o = conv2d(image, dim) } train { batch = width() } }
ablation wide of B { set dim = width() * 2  set train.batch = width() * 3 }
fn conv(x) = x`
  for (const s of ["B", "wide", "mine", "mine+wide", "wider", "M+B"]) show(compileText(`import { B, wide, B as C } from "./other"
fn mine_size() = 16
model M { input image: f32[N, 3, H = 8, W = 8] output p = image }
ablation mine of wide { set extra = mine_size() }
ablation wider of wid { set extra = mine_size() }
`, { selector: s }, { "other.mdl": other.replace('import { conv } from "./lib"\n', "") }))
})
