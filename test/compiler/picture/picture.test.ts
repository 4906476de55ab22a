/** Pictures show every statement once, join what is there, count what `mdl summary` counts, and light what a difference says. */

import { describe, expect, test } from "vitest"
import { compile } from "../../../src/compiler/compile.js"
import { diffModels } from "../../../src/compiler/diff/diff.js"
import { LayoutEngine, type Rectangle } from "../../../src/compiler/picture/layout.js"
import { placedChanges } from "../../../src/compiler/picture/lights.js"
import type { Picture, View } from "../../../src/compiler/picture/picture.js"
import { summarise } from "../../../src/compiler/summary.js"
import { fileHost } from "../../../src/runtime/model-file.js"
import type { Drawn } from "../../../src/runtime/pictures/side.js"
import { drawnResult, drawnText, edited, SMALL } from "./small-model.js"

const ZOO = ["reclmis", "lvit", "lvit-clip", "unet", "reclmis-corrected"]
const known = new Map<string, Drawn>()

/** A model of the zoo, drawn once for all tests. */
function zoo(name: string): Drawn {
  const side = known.get(name) ?? drawnResult(compile(`models/${name}.mdl`, fileHost("models")))
  known.set(name, side)
  return side
}

const viewsOf = ({ root, views }: Picture): readonly View[] => [root, ...Object.values(views)]

/** The box at a path; undefined where there is none. */
function boxAt({ root, views }: Picture, path: string): { readonly id: string } | undefined {
  const parts = path.split("/")
  let view: View | undefined = root
  let found
  for (const part of parts) {
    found = view?.boxes.find(({ id }) => id === part)
    view = found?.view ? views[found.view] : undefined
  }
  return found
}

describe.each(ZOO)("the picture of %s", (name) => {
  test("has each statement of the model that holds a tensor once", () => {
    const { model, picture } = zoo(name)
    const { boxes } = picture.root
    const named = (kind: string): string[] => boxes.filter((box) => box.kind === kind).map((box) => box.name)
    const text = `models/${name}.mdl`
    for (const { name: path, section, span } of model.lets.filter((one) => one.span.file === text)) {
      const local = section === "" ? path : path.slice(section.length + 1)
      if (local.includes(".")) continue
      const found = boxes.filter((box) => box.kind === "let" && box.section === section && box.name === local)
      expect([path, span.file, found.length]).toEqual([path, text, 1])
    }
    expect(named("input")).toEqual(model.inputs.filter(({ role }) => role === "input").map((input) => input.name))
    expect(named("target")).toEqual(model.inputs.filter(({ role }) => role === "target").map((input) => input.name))
    expect(named("output").sort()).toEqual(model.graph.outputs.map((output) => output.name).sort())
    const losses = boxes.filter(({ kind }) => kind === "loss")
    expect(losses.map((box) => (box.section === "" ? box.name : `${box.section}.${box.name}`)).sort()).toEqual(
      model.graph.losses.map((loss) => loss.name).sort(),
    )
    const used = new Set(boxes.map(({ section }) => section).filter((section) => section !== ""))
    expect(picture.sections.map((section) => section.name).filter((section) => used.has(section))).toEqual([...used])
  })

  test("joins boxes that are there, with types on every arrow", () => {
    const { picture } = zoo(name)
    for (const { boxes, edges } of viewsOf(picture)) {
      const ids = boxes.map(({ id }) => id)
      expect(new Set(ids).size).toBe(ids.length)
      for (const { from, to, types } of edges) {
        expect(ids).toContain(from)
        expect(ids).toContain(to)
        expect(from).not.toBe(to)
        expect(types.length).toBeGreaterThan(0)
      }
      for (const { view } of boxes) if (view !== null) expect(picture.views[view]).toBeDefined()
    }
  })

  test("counts what the summary counts", () => {
    const { model, picture } = zoo(name)
    const { parameters, macs, sections } = summarise(model)
    expect(picture).toMatchObject({
      parameters: parameters.total,
      frozenParameters: parameters.frozen,
      macs: macs.inference,
    })
    expect(picture.root.boxes.reduce((sum, box) => sum + box.macs, 0)).toBe(macs.inference)
    expect(picture.sections.map((one) => [one.name, one.parameters, one.macs, one.frozen])).toEqual(
      sections.filter((one) => one.name !== "").map((one) => [one.name, one.parameters.total, one.macs, one.frozen]),
    )
  })

  test("is laid out without two boxes on one another", async () => {
    const { picture } = zoo(name)
    const engine = new LayoutEngine()
    const meet = (a: Rectangle, b: Rectangle): boolean =>
      a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    const apart = (places: readonly Rectangle[]): boolean =>
      places.every((place, i) => places.slice(i + 1).every((other) => !meet(place, other)))
    const { width, height, boxes, sections, edges } = await engine.layOut(picture.root, picture.sections)
    expect(apart(boxes)).toBe(true)
    expect(apart(sections)).toBe(true)
    for (const { box, ...place } of boxes) {
      expect(place.x + place.width <= width && place.y + place.height <= height).toBe(true)
      for (const { section, ...group } of sections) expect(meet(place, group)).toBe(box.section === section.name)
    }
    for (const { points } of edges) expect(points.length).toBeGreaterThan(1)
    // The inside of blocks: some of them, since there are hundreds.
    for (const view of Object.values(picture.views).slice(0, 12))
      expect(apart((await engine.layOut(view)).boxes)).toBe(true)
  })
})

describe("a picture", () => {
  const side = drawnText(SMALL)
  const { root, views } = side.picture
  const box = (id: string) => root.boxes.find((one) => one.id === id)
  const arrows = (view: View): string[] => view.edges.map(({ from, to }) => `${from} > ${to}`)

  test("says what a box is, as the text does", () => {
    expect(box("joined.stack")).toMatchObject({
      ...{
        kind: "let",
        name: "stack",
        what: "Twice × 3",
        types: ["f32[N, 4, H, W]"],
        section: "joined",
        frozen: false,
      },
      ...{ parameters: 888, trainingOnly: false, source: { file: "model.mdl", line: 30, lastLine: 30 } },
    })
    expect(box("language.told")).toMatchObject({ frozen: true, parameters: 80, frozenParameters: 80 })
    expect(box("note")).toMatchObject({ kind: "input", what: "words", types: ["tokens[N, T]"] })
    expect(box("image")).toMatchObject({ doc: "What is looked at." })
    expect(box("overlap")).toMatchObject({ kind: "loss", what: "0.5 × dice_loss", trainingOnly: true, view: null })
    expect(box("again.colours")).toMatchObject({ what: "0.25 × (conv2d → mse)", trainingOnly: true })
  })

  test("reads a tensor under the name that the text reads", () => {
    expect(arrows(root)).toEqual(
      expect.arrayContaining([
        "image > image_again",
        "image_again > vision.deep, early",
        "image > again.colours",
        "joined.stack > decoder.chosen",
        "decoder.chosen > decoder.probability",
      ]),
    )
    expect(arrows(root)).not.toContain("joined.stack > decoder.probability")
  })

  test("shows the inside of a block, with what it is given and gives", () => {
    const turns = views[box("joined.stack")!.view!]!
    expect(arrows(turns)).toEqual([
      "given 0 > stack.0",
      "stack.0 > stack.1",
      "stack.1 > stack.2",
      "stack.2 > the result",
    ])
    const [, first, second] = turns.boxes
    // Turns of a loop are alike inside.
    expect(first!.view).toBe(second!.view)
    expect(arrows(views[first!.view!]!)).toEqual([
      "given x > first",
      "first > second",
      "first > add",
      "second > add",
      "add > the result",
    ])
  })

  test("is the same for the same text, and its layout too", async () => {
    const again = drawnText(SMALL)
    expect(JSON.stringify(again.picture)).toBe(JSON.stringify(side.picture))
    const [one, two] = await Promise.all(
      [side, again].map(({ picture }) => new LayoutEngine().layOut(picture.root, picture.sections)),
    )
    expect(two).toEqual(one)
  })
})

describe("what is lit", () => {
  test.each<
    [string, (text: string) => string, Record<string, readonly [string, readonly string[], readonly string[]]>]
  >([
    [
      "a section that came",
      (text) =>
        edited("reconstruction again {", "head further { let more = relu(stack) }\n  reconstruction again {", text),
      { further: ["added", [], ["section:further"]] },
    ],
    [
      "a section that was thawed",
      (text) => edited("frozen encoder", "encoder", text),
      {
        language: ["unfrozen", ["section:language"], ["section:language"]],
      },
    ],
    [
      "a loss with another weight",
      (text) => edited("0.25 *", "0.5 *", text),
      {
        "again.colours": ["re-weighted", ["again.colours"], ["again.colours"]],
      },
    ],
    [
      "a statement under another name",
      (text) => text.replaceAll("both", "mixed"),
      {
        "joined.mixed": ["renamed", ["joined.both"], ["joined.mixed"]],
      },
    ],
    [
      "a layer with another kernel",
      (text) => edited("conv2d(image_again, width)", "conv2d(image_again, width, kernel = 3)", text),
      {
        "vision.one.weight": ["resized", ["vision.deep, early/one"], ["vision.deep, early/one"]],
      },
    ],
  ])("is %s", (_, edit, expected) => {
    const [before, after] = [drawnText(SMALL), drawnText(edit(SMALL))]
    const changes = placedChanges(diffModels(before.model, after.model), before.index, after.index)
    for (const [name, [kind, old, fresh]] of Object.entries(expected)) {
      expect(changes.filter((change) => change.name === name)).toMatchObject([{ kind, places: [old, fresh] }])
    }
  })

  test("is every change of the difference, each at boxes that are there", () => {
    const before = zoo("reclmis")
    const options = { selector: "no_text" }
    const after = drawnResult(compile("models/reclmis.mdl", fileHost("models"), options))
    const diff = diffModels(before.model, after.model)
    const changes = placedChanges(diff, before.index, after.index)
    const told = new Set(diff.sections.map(({ section }) => section))
    const parameters = diff.parameters.filter(({ section }) => !told.has(section))
    for (const [of, names] of [
      ["renames", diff.renames.map((one) => one.after)],
      ["sections", diff.sections.map((one) => one.section)],
      ["outputs", diff.outputs.map((one) => one.name)],
      ["losses", diff.losses.map((one) => one.name)],
      ["operations", diff.operations.map((one) => one.scope)],
      ["parameters", parameters.map((one) => one.name)],
      ["training", diff.training.map((one) => one.name)],
    ] as const) {
      expect([of, changes.filter((change) => change.of === of).map((change) => change.name)]).toEqual([of, names])
    }
    for (const { of, name, places } of changes) {
      const isShown = of !== "training" && of !== "sizes"
      expect([name, places[0].length + places[1].length > 0]).toEqual([name, isShown])
      places.forEach((paths, i) => {
        const { picture } = [before, after][i]!
        const sections = picture.sections.map((section) => `section:${section.name}`)
        for (const path of paths) expect(sections.includes(path) || boxAt(picture, path) !== undefined).toBe(true)
      })
    }
  })

  test("is nothing where nothing changed", () => {
    const [before, after] = [drawnText(SMALL), drawnText(SMALL.replaceAll("\n\n", "\n\n\n"))]
    expect(placedChanges(diffModels(before.model, after.model), before.index, after.index)).toEqual([])
  })
})
