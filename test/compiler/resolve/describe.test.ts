/** What an editor shows for the word at a place: name, signature, documentation, type, declaration. */

import { describe, expect, test } from "vitest"
import { parse } from "../../../grammar/parse.js"
import { describeSymbol, type SymbolDescription } from "../../../src/compiler/resolve/describe.js"
import { compileText } from "../source-host.js"

const TEXT = `import { scaled as rescaled } from "./lib"

/// A block of the file.
block Unit(out: int, kernel: int = 3)(x: f32[N, C, Y, X]) -> f32[N, out, Y, X] {
  let y = conv2d(x, out, kernel = kernel)
  return y
}

/// The model.
model Small(dim: int = 8) {
  /// A scan.
  input image: f32[N, 3, H = 32, W = 32]
  optional input note: tokens[N, T = 6] using words(50)
  target mask: f32[N, 1, H, W]
  /// Sees.
  encoder vision {
    /// What is seen.
    let v = Unit(dim, kernel = 1)(image) |> relu()
    const half: f32[] = 0.5
    weights "Others" { v = "stem" }
  }
  /// Where it is.
  output probability = sigmoid(rescaled(v) * half) |> op.mul(0.5) |> mean(axes = [1], keep = true)
  loss overlap = fold total = dice_loss(probability, mask) for i in 0..2 => total * H
  train { optimizer = adam(lr = 1e-3) }
}
ablation wide of Small { set dim = largest([16, 8]) }
ablation blind of wide { without note  freeze vision }
`
const LIBRARY = `/// Times a number.
fn scaled(x: tensor, by: float = 2.0) -> tensor = x * by
`
const result = compileText(TEXT, {}, { "lib.mdl": LIBRARY })

/** The description at the place of `word` in the line that contains `line`. */
function at(line: string, word: string): SymbolDescription | undefined {
  const from = TEXT.indexOf(line)
  expect(from, line).toBeGreaterThanOrEqual(0)
  return describeSymbol(result.modules!, "model.mdl", from + line.indexOf(word), result.output)
}

const textAt = (span: SymbolDescription["declared"]): string =>
  span ? (span.file === "lib.mdl" ? LIBRARY : TEXT).slice(span.start, span.end) : ""

describe("a word is described as it was declared", () => {
  test("the model compiles, so that types are known", () => {
    expect(result.diagnostics).toEqual([])
  })
  test.each([
    ["block Unit(out", "Unit", "block Unit(out: int, kernel: int = 3)(x: f32[N, C, Y, X]) -> f32[N, out, Y, X]"],
    ["let v = Unit(dim", "Unit", "block Unit(out: int, kernel: int = 3)(x: f32[N, C, Y, X]) -> f32[N, out, Y, X]"],
    ["let v = Unit(dim, kernel = 1)", "kernel", "kernel: int = 3"],
    ["let v = Unit(dim", "dim", "dim: int = 8"],
    ["let v = Unit(dim, kernel = 1)(image)", "image", "input image: f32[N, 3, H = 32, W = 32]"],
    ["optional input note", "note", "optional input note: tokens[N, T = 6] using words(50)"],
    ["encoder vision", "vision", "encoder vision"],
    ["let v = Unit", "v", "let v: f32[N, 8, H, W]"],
    ["sigmoid(rescaled(v) * half)", "v", "let v: f32[N, 8, H, W]"],
    ['{ v = "stem" }', "v", "let v: f32[N, 8, H, W]"],
    ["sigmoid(rescaled(v) * half)", "half", "const half: f32[]"],
    ["sigmoid(rescaled(v) * half)", "rescaled", "fn scaled(x: tensor, by: float = 2.0) -> tensor"],
    ["import { scaled", "scaled", "fn scaled(x: tensor, by: float = 2.0) -> tensor"],
    ["output probability", "probability", "output probability: f32[N, 1, H, W]"],
    ["loss overlap", "overlap", "loss overlap: f32[]"],
    ["op.mul(0.5)", "mul", "mul(a, b)"],
    ["|> mean(axes", "mean", "mean(x, axes = [], keep = false)"],
    ["total * H", "total", "total"],
    ["total * H", "H", "H = 32"],
    ["optimizer = adam(lr", "adam", expect.stringMatching(/^adam\(lr/)],
    ["largest([16", "largest", "largest(items)"],
    ["ablation wide of Small", "Small", "model Small(dim: int = 8)"],
    ["ablation wide of Small", "wide", "ablation wide of Small"],
    ["set dim =", "dim", "dim: int = 8"],
    ["without note", "note", "optional input note: tokens[N, T = 6] using words(50)"],
    ["freeze vision", "vision", "encoder vision"],
  ])("%s: %s", (line, word, signature) => {
    expect(at(line, word)?.signature).toEqual(signature)
  })
  test("with its documentation, wherever it was written", () => {
    expect(at("sigmoid(rescaled(v) * half)", "rescaled")?.doc).toBe("Times a number.")
    expect(at("let v = Unit(dim", "Unit")?.doc).toBe("A block of the file.")
    expect(at("sigmoid(rescaled(v) * half)", "v")?.doc).toBe("What is seen.")
    expect(at("encoder vision", "vision")?.doc).toBe("Sees.")
    expect(at("ablation wide of Small", "Small")?.doc).toBe("The model.")
    expect(at("output probability", "probability")?.doc).toBe("Where it is.")
    expect(at("op.mul(0.5)", "mul")?.doc).toContain("product")
    expect(at("largest([16", "largest")?.doc).toContain("largest")
  })
  test("with the place that declares it", () => {
    expect(textAt(at("sigmoid(rescaled(v) * half)", "rescaled")?.declared)).toBe("scaled")
    expect(at("sigmoid(rescaled(v) * half)", "rescaled")?.declared?.file).toBe("lib.mdl")
    expect(textAt(at("total * H", "H")?.declared)).toBe("H")
    expect(at("op.mul(0.5)", "mul")?.declared).toBeUndefined()
    expect(at("let v = Unit(dim, kernel = 1)", "kernel")?.declared?.start).toBe(TEXT.indexOf("kernel: int"))
  })
  test("and nothing where there is no name", () => {
    expect(at("return y", "return")).toBeUndefined()
    expect(describeSymbol(result.modules!, "model.mdl", TEXT.length + 5)).toBeUndefined()
    expect(describeSymbol(result.modules!, "nowhere.mdl", 0)).toBeUndefined()
  })
  test("also in a text that does not compile, without types", () => {
    const broken = compileText(TEXT.replace("half)", "hlaf)"), {}, { "lib.mdl": LIBRARY })
    expect(broken.output).toBeUndefined()
    const found = describeSymbol(broken.modules!, "model.mdl", TEXT.indexOf("v) * half"))
    expect(found).toMatchObject({ signature: "let v", doc: "What is seen.", type: undefined })
  })
})

describe("every name of a text is known", () => {
  test("each identifier that is no field, keyword, type or setting has a description", () => {
    const words = [...TEXT.matchAll(/\b[A-Za-z_]\w*\b/g)]
    const inComment = (index: number): boolean => /\/\/.*$/.test(TEXT.slice(TEXT.lastIndexOf("\n", index) + 1, index))
    const KNOWN =
      /^(import|from|as|lib|block|int|float|let|return|model|input|optional|target|tokens|using|frozen|encoder|const|output|loss|fold|for|in|train|optimizer|lr|ablation|of|set|without|freeze|f32|op|axes|keep|true|e|weights|Others|stem)$/
    const missing = words.filter(
      ({ index, 0: word }) =>
        !inComment(index) && !KNOWN.test(word) && describeSymbol(result.modules!, "model.mdl", index) === undefined,
    )
    expect(missing.map(([word]) => word)).toEqual([])
    expect(parse("model.mdl", TEXT).diagnostics).toEqual([])
  })
})
