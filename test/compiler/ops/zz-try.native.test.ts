import { test } from "vitest"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant } from "../../../src/compiler/ir/dims.js"
import { NativeSession } from "../../../src/runtime/session.js"
import { CaseModel, hostTensor } from "../targets/tensorflow/case-model.js"
import { fromValues, sizeOf } from "../../../src/compiler/ops/ndarray.js"
const C = 64
const cases: Record<string, any> = {
  "dw7 d3": [[C, 1, 7, 7], { padding: [9, 9], groups: C, dilation: [3, 3] }],
  "dw3 stride 2,1": [[C, 1, 3, 3], { padding: [1, 1], groups: C, stride: [2, 1] }],
  "g16 3x3 s2": [[C, 4, 3, 3], { padding: [1, 1], groups: 16, stride: [2, 2] }],
}
test("time", async () => {
  const model = new CaseModel()
  const xs = [2, C, 56, 56]
  for (const [name, [ws, attributes]] of Object.entries(cases)) for (const what of ["gw"]) {
    const b = new GraphBuilder(new Map())
    const x = b.input("x", { dtype: "f32", shape: xs.map(constant) }, "input")
    const w = b.input("w", { dtype: "f32", shape: ws.map(constant) }, "input")
    const y = b.op("conv2d", [x, w], attributes)
    const loss = b.op("sum", [b.op("mul", [y, y])])
    b.output("o", b.op("sum", [what === "f" ? loss : differentiate(b, loss, [what === "gx" ? x : w])[0]!]))
    model.add(name + " " + what, b.finish())
  }
  const s = await NativeSession.open(model.write())
  for (const [name, [ws]] of Object.entries(cases)) for (const what of ["gw"]) {
    const feeds: any = { x: hostTensor("f32", fromValues(xs, new Float64Array(sizeOf(xs)).fill(1))), w: hostTensor("f32", fromValues(ws, new Float64Array(sizeOf(ws)).fill(0.1))) }
    let best = 1e9
    for (let i = 0; i < 8; i++) { const t = performance.now(); s.call(name + " " + what, feeds); best = Math.min(best, performance.now() - t) }
    console.log(name, what, best.toFixed(1))
  }
}, 600000)
