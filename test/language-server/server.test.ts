/** The language server, driven over stdio as an editor does, on good and on broken texts. */

import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { format } from "../../src/compiler/format/format.js"
import { Editor } from "./editor.js"

const editor = new Editor()
beforeAll(async () => {
  const { capabilities } = await editor.start()
  expect(capabilities.hoverProvider).toBe(true)
})
afterAll(async () => {
  expect(editor.errors).toEqual([])
  expect(await editor.stop()).toBe(0)
})

/** A small model; `body` stands in its encoder. */
const model = (body: string, more = ""): string => `/// A small model.
model Small(dim: int = 8) {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]

  encoder vision {
${body}
  }

  output probability = sigmoid(conv2d(v, 1))
  loss overlap = dice_loss(probability, mask)
}
${more}`
const GOOD = "    let v = conv2d(image, dim, kernel = 3)"

describe("diagnostics", () => {
  test("a text without mistakes has none, a mistake has its code and place, a mended one none again", async () => {
    const document = await editor.open(model(GOOD))
    expect(await document.diagnostics()).toEqual([])
    const at = document.text.indexOf("image, dim")
    await document.edit(at, at + 5, "imge")
    const [diagnostic, ...others] = await document.diagnostics()
    expect(others).toEqual([])
    expect(diagnostic).toMatchObject({ code: "MDL2101", severity: 1, source: "mdl" })
    expect(document.textIn(diagnostic!.range)).toBe("imge")
    await document.edit(at, at + 4, "image")
    expect(await document.diagnostics()).toEqual([])
  })
  test("mistakes of shapes are found, and in ablations too", async () => {
    const document = await editor.open(
      model("    let v = reshape(image, [N, 7])", "ablation odd of Small { without vison }"),
    )
    const codes = (await document.diagnostics()).map(({ code }) => String(code))
    expect(codes.some((code) => code.startsWith("MDL3"))).toBe(true)
    expect(codes.some((code) => code.startsWith("MDL4"))).toBe(true)
  })
  test("a text that stops in the middle has syntax errors and the server goes on", async () => {
    const document = await editor.open("model Small {\n  input image: f32[N, 3")
    const found = await document.diagnostics()
    expect(found.length).toBeGreaterThan(0)
    expect(found.every(({ code }) => String(code).startsWith("MDL1"))).toBe(true)
  })
  test("a mistake in an imported file is shown at the import, and goes when that file is mended", async () => {
    const library = await editor.open("fn twice(x: tensor) -> tensor = x * tow", "twice.mdl")
    const document = await editor.open(`import { twice } from "./twice"\n${model("    let v = twice(image)")}`)
    const [diagnostic] = await document.diagnostics()
    expect(document.textIn(diagnostic!.range)).toBe('"./twice"')
    expect(diagnostic!.relatedInformation?.[0]?.location.uri).toBe(library.uri)
    const at = library.text.indexOf("tow")
    await library.edit(at, at + 3, "2.0")
    expect(await document.diagnostics()).toEqual([])
  })
  test("a library file is no model without outputs", async () => {
    const document = await editor.open("fn twice(x: tensor) -> tensor = x * 2.0\n")
    expect(await document.diagnostics()).toEqual([])
  })
})

describe("hover", () => {
  test("of a `let` says its type, parameters and cost", async () => {
    const document = await editor.open(model("    /// What is seen.\n    let <|>v = conv2d(image, dim, kernel = 3)"))
    const hover = await document.ask("textDocument/hover")
    // 8 filters of 3x3x3 with a bias: 224; each at 32x32 places.
    expect(hover).toMatchObject({
      contents: {
        value: "```mdl\nlet v: f32[N, 8, H, W]\n```\n\n224 parameters · 221.2 k MACs\n\nWhat is seen.",
      },
    })
    expect(document.textIn(hover!.range!)).toBe("v")
  })
  test.each([
    [
      "of a block of the library shows how it is declared",
      "    let v = <|>conv2d(image, dim)",
      /block conv2d|fn conv2d/,
    ],
    [
      "of a section says what it costs",
      "    let v = image\n  }\n  encoder <|>other {\n    let w = conv2d(v, 2)",
      /8 parameters/,
    ],
    ["of an argument shows its declaration", "    let v = conv2d(image, dim, <|>kernel = 3)", /kernel/],
  ])("%s", async (_, body, expected) => {
    const document = await editor.open(model(body))
    expect(JSON.stringify(await document.ask("textDocument/hover"))).toMatch(expected)
  })
  test("works in a broken text, without types", async () => {
    const document = await editor.open("/// Adds.\nfn add_one(x: tensor) = x + 1\nfn broken(x = <|>add_one(")
    const hover = await document.ask("textDocument/hover", {}, document.text.indexOf("add_one"))
    expect(JSON.stringify(hover)).toContain("Adds.")
  })
  test("between words there is none", async () => {
    const document = await editor.open("\n<|>\nfn f(x: tensor) = x\n")
    expect(await document.ask("textDocument/hover")).toBeNull()
  })
})

describe("inlay hints", () => {
  test("say the shape at the end of each `let` of the asked range", async () => {
    const document = await editor.open(model(`${GOOD}\n    let w = max_pool(v, 2)`))
    const hints = await document.ask("textDocument/inlayHint", { range: document.range(0, document.text.length) })
    expect(hints.map(({ label, position }) => [label, document.text.split("\n")[position.line]!.trim()])).toEqual([
      [": f32[N, 8, H, W]", "let v = conv2d(image, dim, kernel = 3)"],
      [": f32[N, 8, H/2, W/2]", "let w = max_pool(v, 2)"],
    ])
    for (const { position } of hints) {
      expect(position.character).toBe(document.text.split("\n")[position.line]!.length)
    }
  })
})

describe("a record that is taken apart", () => {
  const taken = model("    let { fine, rest: coa<|>rse } = { fine: image, rest: max_pool(image, 2) }\n    let v = fine")
  test("has the shape of each tensor behind its name", async () => {
    const document = await editor.open(taken)
    const hints = await document.ask("textDocument/inlayHint", { range: document.range(0, document.text.length) })
    const before = hints.map(({ position }) =>
      document.text.slice(0, document.offset(position)).split("\n").at(-1)!.trim(),
    )
    expect(hints.map(({ label }, i) => [before[i], label])).toEqual([
      ["let v = fine", ": f32[N, 3, H, W]"],
      ["let { fine", ": f32[N, 3, H, W]"],
      ["let { fine, rest: coarse", ": f32[N, 3, H/2, W/2]"],
    ])
  })
  test("has it under the pointer too", async () => {
    const document = await editor.open(taken)
    const hover = await document.ask("textDocument/hover")
    expect(JSON.stringify(hover!.contents)).toContain("let coarse: f32[N, 3, H/2, W/2]")
  })
})

describe("completion", () => {
  const labels = async (written: string, name?: string): Promise<string[]> => {
    const document = await editor.open(written, name)
    return (await document.ask("textDocument/completion")).map(({ label }) => label)
  }
  test.each([
    ["definitions at the top", "<|>", ["model", "block", "fn", "ablation", "import"], ["let"]],
    ["members of a model", "model M {\n  <|>\n}", ["input", "encoder", "frozen", "train", "loss"], ["ablation"]],
    ["statements of a section", model(`${GOOD}\n    <|>`), ["let", "output", "loss"], ["train"]],
    ["names in an expression", model("    let v = <|>"), ["image", "dim", "conv2d", "relu"], ["adam"]],
    ["arguments of a call", model("    let v = conv2d(image, dim, <|>)"), ["kernel =", "stride =", "image"], ["adam"]],
    ["not an argument that is given", model("    let v = conv2d(image, kernel = 3, <|>)"), ["stride ="], ["kernel ="]],
    ["operations behind `op.`", model("    let v = op.<|>"), ["conv2d", "dropout", "reshape"], ["image"]],
    ["settings in train", "model M {\n  train {\n    <|>\n  }\n}", ["optimizer", "batch", "schedule"], ["let"]],
    ["values of settings", "model M {\n  train {\n    optimizer = <|>\n  }\n}", ["adam", "sgd"], []],
    [
      "words of ablations",
      model(GOOD, "ablation a of Small {\n  <|>\n}"),
      ["without", "freeze", "set", "vary"],
      ["let"],
    ],
    ["sections behind without", model(GOOD, "ablation a of Small {\n  without <|>\n}"), ["vision"], ["image"]],
    ["parameters behind set", model(GOOD, "ablation a of Small {\n  set <|>\n}"), ["dim", "train"], ["vision"]],
    ["settings behind set train.", model(GOOD, "ablation a of Small {\n  set train.<|>\n}"), ["batch"], ["dim"]],
    ["models behind of", model(GOOD, "ablation a of <|>"), ["Small"], ["vision"]],
    ["types of parameters", "fn f(x: <|>) = x", ["f32", "int", "tensor"], ["let"]],
    ["library files behind from", 'import { UNetEncoder } from "<|>"', ["std/unet", "std/clip"], ["std/prelude"]],
    ["what a file defines", 'import { <|> } from "std/unet"', ["UNetEncoder", "UNetDecoder"], ["conv2d"]],
  ])("offers %s", async (_, written, offered, not) => {
    const found = await labels(written)
    expect(found).toEqual(expect.arrayContaining(offered))
    expect(found.filter((label) => not.includes(label))).toEqual([])
  })
  test("nothing in a comment or a text", async () => {
    expect(await labels("// mo<|>")).toEqual([])
    expect(await labels(model('    check dim > 1, "<|>"'))).toEqual([])
  })
  test("files beside the text, below its folder", async () => {
    editor.file("project/parts/heads.mdl", "fn head(x: tensor) = x\n")
    expect(await labels('import { head } from "<|>"', "project/main.mdl")).toContain("./parts/heads")
  })
  test("takes the place of the word under the cursor, with documentation", async () => {
    const document = await editor.open(model("    let v = sigm<|>oid(image)"))
    const item = (await document.ask("textDocument/completion")).find(({ label }) => label === "sigmoid")!
    expect(document.with([item.textEdit as never])).toBe(document.text)
    expect(item.documentation).toBeDefined()
  })
})

describe("definitions, references and names", () => {
  test("a name leads to its declaration in the same text", async () => {
    const document = await editor.open(model("    let <<v>> = image\n    let w = <|>v"))
    const location = (await document.ask("textDocument/definition"))!
    expect(location.uri).toBe(document.uri)
    expect(location.range).toEqual(document.range(...document.ranges[0]!))
  })
  test("a name of the library leads into std/, an import to its file", async () => {
    const document = await editor.open(
      'import { UNetEncoder } from "std/<|>unet"\nfn f(x: tensor) = UNetEncoder([1])(x)\n',
    )
    expect((await document.ask("textDocument/definition"))!.uri).toMatch(/\/std\/unet\.mdl$/)
    const at = document.text.lastIndexOf("UNetEncoder")
    const location = (await document.ask("textDocument/definition", {}, at))!
    expect(location.uri).toMatch(/\/std\/unet\.mdl$/)
    expect(location.range.start.line).toBeGreaterThan(0)
  })
  test("an operation is declared in no text", async () => {
    const document = await editor.open("fn f(x: tensor) = op.<|>relu(x)\n")
    expect(await document.ask("textDocument/definition")).toBeNull()
  })
  test("references are found in files that import, with and without the declaration", async () => {
    editor.file(
      "refs/user.mdl",
      'import { twice as double } from "./library"\nfn four(x: tensor) = double(double(x))\n',
    )
    const document = await editor.open(
      "fn <|>twice(x: tensor) -> tensor = x * 2.0\nfn more(x: tensor) = twice(x)\n",
      "refs/library.mdl",
    )
    const all = await document.ask("textDocument/references", { context: { includeDeclaration: true } })
    const uses = await document.ask("textDocument/references", { context: { includeDeclaration: false } })
    expect(all.filter(({ uri }) => uri === document.uri)).toHaveLength(2)
    expect(all.filter(({ uri }) => uri.endsWith("user.mdl"))).toHaveLength(4)
    expect(uses).toHaveLength(all.length - 1)
  })
  test("the same name is marked in its text", async () => {
    const document = await editor.open(model("    let <|>v = image\n    let w = v + v"))
    const marks = await document.ask("textDocument/documentHighlight")
    expect(marks.map(({ range }) => document.textIn(range))).toEqual(["v", "v", "v", "v"])
  })
})

describe("rename", () => {
  test("changes every use, across files, and keeps an alias", async () => {
    const user = editor.file(
      "names/user.mdl",
      'import { twice } from "./library"\nfn four(x: tensor) = twice(twice(x))\n',
    )
    const alias = editor.file("names/alias.mdl", 'import { twice as two } from "./library"\nfn f(x: tensor) = two(x)\n')
    const document = await editor.open("fn <|>twice(x: tensor) -> tensor = x * 2.0\n", "names/library.mdl")
    const { changes } = (await document.ask("textDocument/rename", { newName: "doubled" }))!
    expect(document.with(changes![document.uri]!)).toBe("fn doubled(x: tensor) -> tensor = x * 2.0\n")
    expect(changes![user]).toHaveLength(3)
    expect(changes![alias]).toHaveLength(1)
  })
  test("a field written in short keeps its name", async () => {
    const document = await editor.open("fn f(x: tensor) {\n  let <|>v = x\n  return { v, w: v }\n}\n")
    const { changes } = (await document.ask("textDocument/rename", { newName: "seen" }))!
    expect(document.with(changes![document.uri]!)).toBe(
      "fn f(x: tensor) {\n  let seen = x\n  return { v: seen, w: seen }\n}\n",
    )
  })
  test("of a section reaches ablations and learning rates", async () => {
    const rates = "  train {\n    optimizer = adam(lr = 0.01)\n    learning_rates = { vision: 0.1 }\n  }\n  output"
    const changes = "  without vision\n  set train.learning_rates = { vision: 0.5 }\n"
    const text = model(GOOD, `ablation a of Small {\n${changes}}\n`).replace("  output", rates)
    const document = await editor.open(text.replace("encoder vision", "encoder <|>vision"))
    const edit = await document.ask("textDocument/rename", { newName: "sight" })
    expect(document.with(edit!.changes![document.uri]!)).toBe(text.replaceAll("vision", "sight"))
  })
  test.each([
    ["a name that is taken", model("    let <|>v = image\n    let w = v"), "w", /taken/],
    [
      "a name that a use would then mean",
      "fn helper(x: tensor) = x\nfn f(<|>x: tensor) = helper(x)\n",
      "helper",
      /taken|means/,
    ],
    ["a keyword", model("    let <|>v = image"), "let", /not a name/],
    ["no name", model("    let <|>v = image"), "a b", /not a name/],
    ["an operation", model("    let v = <|>relu(image)"), "rectified", /language|standard library/],
  ])("refuses %s", async (_, written, newName, message) => {
    const document = await editor.open(written)
    await expect(document.ask("textDocument/rename", { newName })).rejects.toThrow(message)
  })
  test("of another name for an import is refused: it would rename what it stands for", async () => {
    editor.file("other/library.mdl", "fn twice(x: tensor) = x\n")
    const written = 'import { twice as two } from "./library"\nfn f(x: tensor) = <|>two(x)\n'
    const document = await editor.open(written, "other/user.mdl")
    await expect(document.ask("textDocument/rename", { newName: "pair" })).rejects.toThrow(/calls `twice`/)
  })
  test("is prepared with the word, or refused", async () => {
    const document = await editor.open(model("    let <|>v = op.relu(image)"))
    expect(await document.ask("textDocument/prepareRename")).toMatchObject({ placeholder: "v" })
    const refused = document.ask("textDocument/prepareRename", {}, document.text.indexOf("relu"))
    await expect(refused).rejects.toThrow(/language/)
  })
})

describe("signature help", () => {
  test.each([
    ["by place", "    let v = conv2d(image, <|>)", 1],
    ["by name", "    let v = conv2d(image, kernel = <|>)", undefined],
    ["behind a pipe", "    let v = image |> conv2d(<|>)", 1],
  ])("shows the parameter %s", async (_, body, active) => {
    const document = await editor.open(model(body))
    const help = (await document.ask("textDocument/signatureHelp"))!
    const [{ label, parameters } = { label: "", parameters: [] }] = help.signatures
    expect(label).toMatch(/^conv2d\(/)
    if (active !== undefined) expect(help.activeParameter).toBe(active)
    else expect(parameters![help.activeParameter!]!.label).toMatch(/^kernel/)
  })
  test("the second brackets of a block are its inputs", async () => {
    const document = await editor.open(
      "block B(out: int)(x: tensor, y: tensor) { return x }\nfn f(a: tensor) = B(3)(a, <|>",
    )
    const help = (await document.ask("textDocument/signatureHelp"))!
    expect(help.signatures[0]!.label).toBe("B(x: tensor, y: tensor)")
    expect(help.activeParameter).toBe(1)
  })
  test("there is none outside of calls", async () => {
    const document = await editor.open(model("    let v = <|>image"))
    expect(await document.ask("textDocument/signatureHelp")).toBeNull()
  })
})

describe("structure", () => {
  test("symbols are nested as the text is", async () => {
    const document = await editor.open(model(GOOD, "ablation blind of Small {\n  without vision\n}\n"))
    const symbols = await document.ask("textDocument/documentSymbol")
    expect(symbols.map(({ name, detail }) => [name, detail])).toEqual([
      ["Small", "model"],
      ["blind", "of Small"],
    ])
    const children = symbols[0]!.children!
    expect(children.map(({ name }) => name)).toEqual(["image", "mask", "vision", "probability", "overlap"])
    expect(children[2]!.children!.map(({ name }) => name)).toEqual(["v"])
  })
  test("definitions, comments and imports fold", async () => {
    const head = '// One.\n// Two.\nimport { UNetEncoder } from "std/unet"\nimport { ClipText } from "std/clip"\n\n'
    const document = await editor.open(`${head}${model(GOOD)}`)
    const found = await document.ask("textDocument/foldingRange")
    expect(found).toContainEqual({ startLine: 0, endLine: 1, kind: "comment" })
    expect(found).toContainEqual({ startLine: 2, endLine: 3, kind: "imports" })
    expect(found).toContainEqual({ startLine: 6, endLine: 15 })
    expect(found).toContainEqual({ startLine: 10, endLine: 11 })
  })
  test("words are coloured by what they mean", async () => {
    const document = await editor.open("fn f(x: tensor) = relu(x)\n")
    const { data } = await document.ask("textDocument/semanticTokens/full")
    const tokens: string[] = []
    for (let i = 0, at = 0; i < data.length; i += 5) {
      at = data[i] === 0 ? at + data[i + 1]! : data[i + 1]!
      tokens.push(`${document.text.slice(at, at + data[i + 2]!)} ${data[i + 3]} ${data[i + 4]}`)
    }
    // function declared; parameter declared; function of the library; parameter
    expect(tokens).toEqual(["f 1 1", "x 3 1", "relu 1 2", "x 3 0"])
  })
})

describe("code actions", () => {
  const actions = async (written: string) => {
    const document = await editor.open(written)
    // An editor asks again when it is told of a mistake.
    await document.diagnostics()
    const range = document.range(document.cursor, document.cursor)
    const found = await document.ask("textDocument/codeAction", { range, context: { diagnostics: [] } })
    const textOf = (title: RegExp): string => {
      const action = found.find((candidate) => title.test(candidate.title))
      expect(action, JSON.stringify(found.map((candidate) => candidate.title))).toBeDefined()
      return document.with(action!.edit!.changes![document.uri]!)
    }
    return { document, found, textOf }
  }
  test.each([
    ["an unknown name", "    let v = conv2d(im<|>ge, dim)", "imge", "image"],
    ["an unknown argument", "    let v = conv2d(image, dim, ker<|>nl = 3)", "kernl", "kernel"],
  ])("apply what is suggested for %s", async (_, body, wrong, right) => {
    const { document, textOf } = await actions(model(body))
    expect(textOf(/^Change to/)).toBe(document.text.replace(wrong, right))
  })
  test("apply what is suggested for a section of an ablation", async () => {
    const { document, textOf } = await actions(model(GOOD, "ablation a of Small { without vi<|>sin }"))
    expect(textOf(/^Change to/)).toBe(document.text.replace("visin", "vision"))
  })
  const classifier = (output: string): string =>
    `block Head(classes: int)(x: f32[N, C]) -> f32[N, classes] { return linear(x, classes) }

model Classifier {
  input image: f32[N, 3, H = 32, W = 32]
  target label: f32[N, 10]
  let map = conv2d(image, 4) |> max_pool(8)
  output chance = sigmoid(${output})
  loss error = bce<|>(chance, label)
}
`
  test.each([
    ["a layer", "linear(map, 10)", "linear(reshape(map, [N, H*W/16]), 10)"],
    ["a layer behind a pipe", "map |> Linear(10)", "reshape(map, [N, H*W/16]) |> Linear(10)"],
  ])("insert a flatten before %s that made an image where labels are vectors", async (_, output, mended) => {
    const { textOf, document } = await actions(classifier(output))
    const text = textOf(/^Insert a flatten: `reshape\(map, \[N, H\*W\/16\]\)`$/)
    expect(text).toBe(document.text.replace(output, mended))
    expect(await (await editor.open(text)).diagnostics()).toEqual([])
  })
  test("insert a flatten where a block takes a vector", async () => {
    const written = classifier("Head(10)(ma<|>p)").replace("bce<|>", "bce")
    const { textOf, document } = await actions(written)
    const text = textOf(/^Insert a flatten/)
    expect(text).toBe(document.text.replace("Head(10)(map)", "Head(10)(reshape(map, [N, H*W/16]))"))
    expect(await (await editor.open(text)).diagnostics()).toEqual([])
  })
  test("there are none for a word without mistakes", async () => {
    const { found } = await actions(model(GOOD, "ablation a of Small { set <|>dim = 4 }"))
    expect(found).toEqual([])
  })
  test("import what another import of the library made known", async () => {
    const { document, textOf } = await actions(
      'import { UNetEncoder } from "std/unet"\nfn f(x: tensor) = UNet<|>Decoder()(x, UNetEncoder([1])(x).skips)\n',
    )
    expect(textOf(/^Import/)).toBe(document.text.replace("{ UNetEncoder }", "{ UNetEncoder, UNetDecoder }"))
  })
  test("make an ablation from the section under the cursor, which compiles", async () => {
    const unused = "  contrastive extra {\n    loss <|>more = mean(v)\n  }\n  output"
    const { textOf } = await actions(model(GOOD).replace("  output", unused))
    const text = textOf(/ablation without `extra`/)
    expect(text).toMatch(/ablation no_extra of Small \{\n {2}without extra\n\}\n$/)
    expect(await (await editor.open(text)).diagnostics()).toEqual([])
  })
})

describe("code lenses", () => {
  test("show what sections cost, and compare an ablation with its base", async () => {
    const document = await editor.open(model(GOOD, "ablation wide of Small {\n  set dim = 16\n}\n"))
    const lenses = await document.ask("textDocument/codeLens")
    expect(lenses.map(({ command, range }) => [document.textIn(range), command!.title])).toEqual([
      ["vision", "224 parameters · 221.2 k MACs"],
      ["wide", "diff with base"],
    ])
    expect(lenses[1]!.command).toMatchObject({
      command: "mdl.diffWithBase",
      arguments: [{ uri: document.uri, base: "Small", ablation: "wide" }],
    })
  })
})

describe("formatting", () => {
  const messy = "fn  f( x:tensor )=x+1 // kept\n\n\n\nfn g(x:tensor)   =   f( x )\n"
  test("gives the text that `mdl fmt` gives", async () => {
    const document = await editor.open(messy)
    const options = { options: { tabSize: 2, insertSpaces: true } }
    const edits = (await document.ask("textDocument/formatting", options))!
    const text = document.with(edits)
    expect(text).toBe(await format(messy))
    expect(text).not.toBe(messy)
    const again = await editor.open(text)
    expect(await again.ask("textDocument/formatting", options)).toEqual([])
  })
  test("of a selection leaves the rest alone", async () => {
    const document = await editor.open(messy)
    const at = document.text.indexOf("fn g")
    const more = { range: document.range(at, at + 3), options: { tabSize: 2, insertSpaces: true } }
    const text = document.with((await document.ask("textDocument/rangeFormatting", more))!)
    expect(text).toBe(messy.replace("fn g(x:tensor)   =   f( x )", "fn g(x: tensor) = f(x)"))
  })
  test("leaves a broken text alone", async () => {
    const document = await editor.open("fn f( x")
    expect(await document.ask("textDocument/formatting", { options: { tabSize: 2, insertSpaces: true } })).toBeNull()
  })
})
