/**
 * Messages of the stages after parsing, as golden files: the text, then what the user sees. The name of a case is the
 * mistake in words and the name of its file.
 */

import { describe, expect, test } from "vitest"
import { compileText, compileWithData, messages } from "../source-host.js"

interface Case {
  readonly text: string
  readonly selector?: string
  readonly files?: Readonly<Record<string, string>>
  /** the text stands beside the data files of the fixtures */
  readonly data?: true
  /** codes expected, in order; a wrong line gives one error */
  readonly codes: readonly string[]
}

/** A model around some lines. */
const model = (lines: string, before = ""): string => `${before}
model Small(dim: int = 8, heads: int = 2) {
  input image: f32[N, 3, H = 32, W = 32]
  input note: tokens[N, T = 6] using words(50)
  target mask: f32[N, 1, H, W]
${lines}
}`

const CASES: Readonly<Record<string, Case>> = {
  "an unknown name is answered with the nearest one": {
    text: model(`  encoder vision { let features = conv2d(imge, dim, kernel = 3) }
  output probability = sigmoid(conv2d(features, 1))`),
    codes: ["MDL2101"],
  },
  "a name that the library has elsewhere is answered with its import": {
    text: model(`  output probability = sigmoid(UNetDecoder()(image, []))`, `import { UNetEncoder } from "std/unet"`),
    codes: ["MDL2101"],
  },
  "wrong channel count after a concat": {
    text: model(`  encoder vision {
    let a = conv2d(image, 8, kernel = 3)
    let b = conv2d(image, 4, kernel = 3)
    let joined = concat([a, b], axis = 1)
    let map = joined * a
  }
  output probability = sigmoid(conv2d(map, 1))`),
    codes: ["MDL3001"],
  },
  "an image and a mask of half the size do not fit in the loss": {
    text: model(`  decoder { output probability = max_pool(image, 2) |> conv2d(1) |> sigmoid() }
  loss overlap = bce(probability, mask)`),
    codes: ["MDL3001"],
  },
  "tokens are given where an image is needed": {
    text: model(`  encoder vision { let features = conv2d(note.ids, dim) }
  output probability = sigmoid(features)`),
    codes: ["MDL3002"],
  },
  "a head count that does not divide the width fails inside the library and is told at the user's line": {
    text: model(
      `  encoder vision { let t = tokens_of(conv2d(image, 9)) }
  interaction mixing { let v = CrossAttention(heads = 2)(t, t) }
  output probability = sigmoid(grid_of(v, H, W))`,
      `import { CrossAttention } from "std/conditioned"`,
    ),
    codes: ["MDL3203"],
  },
  "key and query of different widths name the dim that both share": {
    text: model(
      `  encoder vision { let t = tokens_of(conv2d(image, 8)) }
  encoder language { let words = Embedding(50, 16)(note.ids) }
  interaction mixing { let v = CrossAttention(heads = 2)(query = t, key = words) }
  output probability = sigmoid(grid_of(v, H, W))`,
      `import { CrossAttention } from "std/conditioned"`,
    ),
    codes: ["MDL3002"],
  },
  "an odd size under a halving": {
    text: model(
      `  encoder vision { let half = conv2d(image, 8) |> grid_of_half() }
  output probability = sigmoid(half)`,
      `fn grid_of_half(x: f32[N, C, Y, X]) = reshape(x, [N, C, Y / 3, X * 3])`,
    ),
    codes: ["MDL3201"],
  },
  "the batch has no size when compiling": {
    text: model(`  encoder vision { let table = [i for i in 0..N] }
  output probability = sigmoid(image)`),
    codes: ["MDL3202"],
  },
  "a misspelt argument": {
    text: model(`  output probability = sigmoid(conv2d(image, 1, kernal = 3))`),
    codes: ["MDL2201"],
  },
  "a missing argument": {
    text: model(`  output probability = sigmoid(conv2d(image))`),
    codes: ["MDL2202"],
  },
  "inputs given in the first brackets of a block": {
    text: model(`  output probability = sigmoid(BatchNorm(1e-5, 0.1, image))`),
    codes: ["MDL2203"],
  },
  "a loss that is not one number": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  loss error = square(probability - mask)`),
    codes: ["MDL4301"],
  },
  "a name defined twice": {
    text: model(`  let image = 3
  output probability = sigmoid(conv2d(image, 1))`),
    codes: ["MDL2102"],
  },
  "two layers in one line that would have the same name": {
    text: model(`  output probability = sigmoid(conv2d(conv2d(image, 8), 1))`),
    codes: ["MDL2301"],
  },
  "a block that uses itself": {
    text: model(
      `  output probability = sigmoid(Deep()(image))`,
      `block Deep()(x: f32[N, C, Y, X]) {
  let inner = conv2d(x, C)
  return Deep()(inner)
}`,
    ),
    codes: ["MDL2302"],
  },
  "an ablation of a section that is not there": {
    text: `${model(`  decoder { output probability = sigmoid(conv2d(image, 1)) }`)}
ablation plain of Small { without decodr }`,
    selector: "plain",
    codes: ["MDL4103"],
  },
  "an ablation that sets a parameter that is not there": {
    text: `${model(`  decoder { output probability = sigmoid(conv2d(image, 1)) }`)}
ablation wide of Small { set dims = 16 }`,
    selector: "wide",
    codes: ["MDL4104"],
  },
  "a line that uses what an ablation removed": {
    text: `${model(`  encoder vision { let features = conv2d(image, 8) }
  decoder { output probability = sigmoid(conv2d(features, 1)) }`)}
ablation blind of Small { without vision }`,
    selector: "blind",
    codes: ["MDL4105"],
  },
  "every line that uses what an ablation removed": {
    text: `${model(`  reconstruction cvr { let again = conv2d(image, 3) }
  decoder {
    let seen = conv2d(again, 8)
    output probability = sigmoid(conv2d(seen, 1))
  }
  loss rebuilt = mse(again, image)`)}
ablation no_cvr of Small { without cvr }`,
    selector: "no_cvr",
    codes: ["MDL4105", "MDL4105"],
  },
  "a training setting that is not there": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  train { optimizer = adam(lr = 1e-3)  learning_rate = 3 }`),
    codes: ["MDL4201"],
  },
  "a setting with a value it cannot have": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  train { batch = 0  optimizer = patience(dice, 3) }`),
    codes: ["MDL4202", "MDL4202"],
  },
  "settings of training out of range, or without effect": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  train {
    optimizer = sgd(lr = 0.1, nesterov = true)
    schedule = cosine(length = 2.5)
    warmup = linear(5, per = "batch")
    clip = 1.0
    average = ema(decay = 1)
    accumulate = 0
    stop = patience(dice, 0)
    seed = -1
    augment = [photometric(), noise]
  }`),
    codes: ["MDL2101", ...Array<string>(8).fill("MDL4202")],
  },
  "an augmentation with a value it cannot have": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  train { augment = [row_blur(), blur(sigma = [1.0, 0.5]), photometric(contrast = 1.5)] }`),
    codes: ["MDL4202", "MDL4202"],
  },
  "an augmentation that would change nothing": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  train { augment = [photometric(brightness = 0, contrast = 0, saturation = 0, hue = 0)] }`),
    codes: ["MDL4202"],
  },
  "augmentations out of range in an ablation": {
    text: `${model(`  output probability = sigmoid(conv2d(image, 1))
  train { augment = [flip_rotate()] }`)}
ablation turned of Small { set train.augment = [flip_rotate(degrees = 22.5)] }
`,
    selector: "turned",
    codes: ["MDL4202"],
  },
  "an augmentation with an argument it does not have": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  train { augment = [flip_rotate(note_awrae = true)] }`),
    codes: ["MDL2201"],
  },
  "a list of augmentations with something else in it": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  train { augment = [photometric(), norm(1.0)] }`),
    codes: ["MDL4202"],
  },
  "weight decay that is restricted but zero": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))
  train { optimizer = adam(lr = 1e-3, decay = "weights") }`),
    codes: ["MDL4202"],
  },
  "learning rates of sections that cannot use them": {
    text: `${model(`  encoder vision { let v = conv2d(image, 8) }
  frozen encoder language { let t = Embedding(note.vocabulary, 8)(note.ids) }
  neck joined { let j = v + mean(t) }
  decoder { output probability = sigmoid(conv2d(j, 1)) }
  train { learning_rates = { visoin: 0.1, language: 0.5, joined: 2, decoder: 3 } }`)}
`,
    codes: ["MDL4103", "MDL4202", "MDL4202"],
  },
  "a learning rate of a section that the ablation leaves out": {
    text: `${model(`  encoder vision { let v = conv2d(image, 8) }
  decoder extra { let e = conv2d(v, 1) }
  output probability = sigmoid(conv2d(v, 1))
  loss small = mean(probability)
  train { learning_rates = { vision: 0.1, extra: 0.5 } }`)}
ablation plain of Small { without extra }
`,
    selector: "plain",
    codes: ["MDL4202"],
  },
  "a factor of a learning rate that is not above zero": {
    text: model(`  encoder vision { let v = conv2d(image, 8) }
  output probability = sigmoid(conv2d(v, 1))
  train { learning_rates = { vision: 0 } }`),
    codes: ["MDL4202"],
  },
  "an import that leads nowhere": {
    text: `import { Thing } from "./things"\n${model(`  output probability = sigmoid(conv2d(image, 1))`)}`,
    codes: ["MDL2001"],
  },
  "imports in a circle": {
    text: `import { thing } from "./a"\n${model(`  output probability = sigmoid(thing(image))`)}`,
    files: {
      "a.mdl": `import { other } from "./b"\nfn thing(x) = other(x)`,
      "b.mdl": `import { thing } from "./a"\nfn other(x) = x`,
    },
    codes: ["MDL2002"],
  },
  "an operation without a gradient between a loss and what it should train": {
    text: model(`  encoder vision { let features = floor(conv2d(image, 1)) }
  output probability = sigmoid(features)
  loss overlap = dice_loss(probability, mask)`),
    codes: ["MDL3301"],
  },
  "losses that nothing trainable leads to": {
    text: model(`  frozen encoder vision { let features = conv2d(image, 1) }
  output probability = sigmoid(features)
  loss overlap = dice_loss(probability, mask)`),
    codes: ["MDL4303"],
  },
  "one model asked for where an ablation stands for several": {
    text: `${model(`  decoder { output probability = sigmoid(conv2d(image, 1, kernel = dim + 1)) }`)}
ablation kernels of Small { vary dim in [2, 4] }`,
    selector: "kernels",
    codes: ["MDL4106"],
  },
  "a choice that a vary does not have": {
    text: `${model(`  decoder { output probability = sigmoid(conv2d(image, 1, kernel = dim + 1)) }`)}
ablation kernels of Small { vary dim in [2, 4] }`,
    selector: "kernels[dim=3]",
    codes: ["MDL4107"],
  },
  "a value of a vary that does not fit is told like any other": {
    text: `${model(`  decoder { output probability = sigmoid(conv2d(image, 1, kernel = dim + 1)) }`)}
ablation kernels of Small { vary dim in [2, 3] }`,
    selector: "kernels",
    codes: ["MDL3203"],
  },
  "a type that there is not is told once, also where it is used": {
    text: model(
      `  decoder { output probability = sigmoid(scaled(conv2d(image, 1), 2)) }`,
      `fn scaled(x: f23[N, C, Y, X], factor: number) = x * factor`,
    ),
    codes: ["MDL2101", "MDL2101"],
  },
  "a model asked for by a wrong name": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))`),
    selector: "Smal",
    codes: ["MDL4001"],
  },
  "a constant whose file holds another shape": {
    text: model(`  const words: f32[5, 3] = load("words.npy")
  output probability = sigmoid(conv2d(image, 1))`),
    data: true,
    codes: ["MDL3004"],
  },
  "a tensor that a data file does not hold": {
    text: model(`  const words: f32[K, 3] = load("tensors.safetensors", "wrods")
  output probability = sigmoid(conv2d(image, 1))`),
    data: true,
    codes: ["MDL2004"],
  },
  "a data file whose elements would have to be rounded": {
    text: model(`  const words: f32[K, 3] = load("doubles.npy")
  output probability = sigmoid(conv2d(image, 1))`),
    data: true,
    codes: ["MDL2004"],
  },
  "rows of a constant that differ in length": {
    text: model(`  const table: i32[2, 3] = [[1, 2, 3], [4, 5]]
  output probability = sigmoid(conv2d(image, 1))`),
    codes: ["MDL3204"],
  },
  "a parameter of an instance that was not applied": {
    text: model(`  let table = Embedding(note.vocabulary, 8)
  output scores = matmul(tokens_of(image), table.weight, transpose_b = true)`),
    codes: ["MDL2104"],
  },
  "an optional input used where it may be missing": {
    text: `${model(`  optional input prior: f32[N, 3, H, W]
  output change = image - prior`)}
ablation alone of Small { without prior }`,
    selector: "alone",
    codes: ["MDL3101"],
  },
  "an input left out that is not optional": {
    text: `${model("  output probability = sigmoid(conv2d(image, 1))")}
ablation blind of Small { without image }`,
    selector: "blind",
    codes: ["MDL4103"],
  },
  "ablations of two models joined": {
    text: `model One { input x: f32[N, 3]  output y = x }
model Two { input x: f32[N, 3]  output y = x }
ablation first of One {}
ablation second of Two {}`,
    selector: "first+second",
    codes: ["MDL4004"],
  },
  "several models and none asked for": {
    text: `model One { input x: f32[N, 3]  output y = x }
model Two { input x: f32[N, 3]  output y = x }`,
    codes: ["MDL4003"],
  },
  "shapes that cannot be broadcast": {
    text: model(`  input channel: f32[3]
  output brighter = image + channel`),
    codes: ["MDL3001"],
  },
  "a number that an integer tensor cannot hold": {
    text: model("  output shifted = note.ids + 0.5"),
    codes: ["MDL3003"],
  },
  "tensors of two element types": {
    text: model("  output mixed = note.ids * note.valid"),
    codes: ["MDL3003"],
  },
  "a wrong size three blocks down is told with the calls around it": {
    text: model(
      "  encoder vision { let v = Outer(5)(image) }\n  output probability = sigmoid(v)",
      `block Inner(out: int)(x: f32[N, C, Y, X], y: f32[N, C, Y, X]) { return conv2d(x + y, out) }
block Middle(out: int)(x: f32[N, C, Y, X]) {
  let y = conv2d(x, out)
  let z = Inner(out)(x, y)
  return z
}
block Outer(out: int)(x: f32[N, C, Y, X]) {
  let m = Middle(out)(x)
  return m
}`,
    ),
    codes: ["MDL3002"],
  },
  "a missing setting three blocks down is told with the calls around it": {
    text: model(
      "  encoder vision { let v = Outer()(image) }\n  output probability = sigmoid(v)",
      `block Inner(out: int)(x: f32[N, C, Y, X]) { return conv2d(x, out) }
block Middle()(x: f32[N, C, Y, X]) { return Inner()(x) }
block Outer()(x: f32[N, C, Y, X]) { return Middle()(x) }`,
    ),
    codes: ["MDL2202"],
  },
  "a published name of a parameter that is not there": {
    text: model(
      `  encoder vision { let v = Tower()(image) }
  output probability = sigmoid(v)`,
      `block Tower()(x: f32[N, C, Y, X]) {
  let layer = fold y = x for i in 0..2 => conv2d(y, 3)
  let top = conv2d(layer, 1)
  return top
  weights "Others" {
    layer[i] = "features.{i}"
    layer[i].wieght = "features.{i}.weight"
    tpo = "classifier"
  }
}`,
    ),
    codes: ["MDL2401", "MDL2401"],
  },
  "two published names for one parameter, and one for many": {
    text: model(
      `  encoder vision {
    let v = conv2d(image, 1)
    weights "Others" {
      v.weight = "conv.weight"
      v.weight = "conv.kernel"
      v = transpose("conv", [1, 0])
    }
  }
  output probability = sigmoid(v)`,
    ),
    codes: ["MDL2402", "MDL2405"],
  },
  "positions in published names that the path does not have, and the other way round": {
    text: model(
      `  encoder vision {
    let layer = fold y = image for i in 0..2 => conv2d(y, 3)
    weights "Others" {
      layer[i].weight = "features.{j}.weight"
      layer[i].bias = "features.bias"
    }
  }
  output probability = sigmoid(conv2d(layer, 1))`,
    ),
    codes: ["MDL2403", "MDL2404"],
  },
  "published names in a function": {
    text: model(
      "  output probability = sigmoid(small(image))",
      `fn small(x: tensor) = {
  let y = conv2d(x, 1)
  weights "Others" { y = "conv" }
  return y
}`,
    ),
    codes: ["MDL2304"],
  },
  "a published name that is none": {
    text: model(
      `  encoder vision {
    let v = conv2d(image, 1)
    weights "Others" {
      v.weight = image
      v.bias = "conv.bias"[3..1]
    }
  }
  output probability = sigmoid(v)`,
    ),
    codes: ["MDL3101", "MDL3204"],
  },
  "a field that a function needs and the record lacks": {
    text: model(
      "  let features = { map: image, skip: image }\n  output probability = sigmoid(joined(features))",
      "fn deepest(features: record) = features.deep\nfn joined(features: record) = deepest(features) + features.map",
    ),
    codes: ["MDL2103"],
  },
  "a setting that a block given in part does not have": {
    text: model("  let conv = Conv2d(kernal = 3, ...)\n  output probability = sigmoid(conv(1)(image))"),
    codes: ["MDL2201"],
  },
  "an import names what the file does not define": {
    text: model(`  output probability = sigmoid(conv2d(image, 1))`, `import { UNetEncoderr } from "std/unet"`),
    codes: ["MDL2003"],
  },
  "an argument is given by its place and by its name": {
    text: model(`  output probability = sigmoid(conv2d(image, 1, out = 2))`),
    codes: ["MDL2204"],
  },
  "a tensor is called": {
    text: model(`  let map = conv2d(image, 4)
  output probability = sigmoid(map(image))`),
    codes: ["MDL2205"],
  },
  "a block returns nothing": {
    text: model(
      `  output probability = sigmoid(conv2d(Stem()(image), 1))`,
      `block Stem()(x: f32[N, C, Y, X]) {
  let y = conv2d(x, 8)
}`,
    ),
    codes: ["MDL2303"],
  },
  "a file without a model": { text: "fn double(x: tensor) = 2 * x", codes: ["MDL4002"] },
  "an ablation of a model that is not there": {
    text: `${model(`  output probability = sigmoid(conv2d(image, 1))`)}
ablation wide of Smal { set dim = 16 }`,
    selector: "wide",
    codes: ["MDL4101"],
  },
  "ablations in a circle": {
    text: `${model(`  output probability = sigmoid(conv2d(image, 1))`)}
ablation a of b { set dim = 16 }
ablation b of a { set dim = 32 }`,
    selector: "a",
    codes: ["MDL4102"],
  },
  "two sections of one name": {
    text: model(`  head { let map = conv2d(image, 4) }
  head { output probability = sigmoid(conv2d(map, 1)) }`),
    codes: ["MDL4302"],
  },
  "a model without an output": {
    text: model(`  let probability = sigmoid(conv2d(image, 1))`),
    codes: ["MDL4304"],
  },
  "each of three wrong lines gives one error, and what depends on them gives none": {
    text: model(`  encoder vision {
    let a = conv2d(image, "3")
    let b = conv2d(a, missing)
    let c = relu(b) + tokens_of(image)
    let d = concat([image, mask], axis = 7)
    let e = relu(d)
  }
  output probability = sigmoid(e)`),
    codes: ["MDL2101", "MDL3101", "MDL3003"],
  },
}

describe("messages after parsing", () => {
  test.each(Object.entries(CASES))("%s", async (name, { text, selector, files = {}, data, codes }) => {
    const result = data ? compileWithData(text, { selector }) : compileText(text, { selector }, files)
    const shown = `${text.trim()}\n${"-".repeat(100)}\n${messages(result)}`
    await expect(shown).toMatchFileSnapshot(`../../golden/messages/${name.replaceAll(/[^\w ]/g, "")}.txt`)
    expect(result.output).toBeUndefined()
    expect(result.diagnostics.map((d) => d.code)).toEqual(codes)
  })
})
