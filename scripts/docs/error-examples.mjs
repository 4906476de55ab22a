/**
 * One small text for every thing the compiler can find wrong, and what to do about it.
 *
 * Takes nothing; gives, by kind of fact, `text` (the file `model.mdl`), where needed `files` beside it and the `selector`
 * after `#`, and `fix`. `fact` stands in place of a text where one that shows the message would fill pages. `reserved`
 * says why no text can lead there yet. Kept apart from the page so that adding a fact means adding a line here, which
 * the test of the page insists on.
 */

/** A model around `lines`. */
const model = (lines, before = "") => `${before === "" ? "" : `${before}\n\n`}model Small {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]
${lines}
}`

const OUTPUT = "  output probability = sigmoid(conv2d(image, 1))"
const NOWHERE = { file: "model.mdl", start: 0, end: 0 }

export const ERROR_EXAMPLES = {
  // ---------------------------------------------------------------------------------------------- characters
  "unexpected-character": {
    text: model("  let größe = 3\n" + OUTPUT),
    fix: "Names are made of the letters a to z and A to Z, digits and `_`. Other characters may stand in comments and strings.",
  },
  "unterminated-string": {
    text: model(OUTPUT + '\n  train {\n    channels = "bgr\n  }'),
    fix: 'Close the string with `"` on the same line.',
  },
  "single-quoted-string": {
    text: model(OUTPUT + "\n  train { channels = 'bgr' }"),
    fix: "Use double quotes.",
  },
  "unknown-escape": {
    text: model(OUTPUT + '\n  check true, "a \\q"'),
    fix: "Write a backslash as `\\\\`.",
  },
  "foreign-symbol": {
    text: model("  let a = conv2d(image, 4);\n  output probability = sigmoid(conv2d(a, 1))"),
    fix: "Write what the message says instead; lines need no end mark.",
  },
  "number-out-of-range": {
    text: model("  let scale = 1e999\n" + OUTPUT),
    fix: "Integers are exact up to 2^53, other numbers are 64-bit floats.",
  },
  "file-too-large": {
    fact: { kind: "file-too-large", span: NOWHERE, limit: 500_000, unit: "characters" },
    fix: "Split the file and import the parts.",
  },
  // ------------------------------------------------------------------------------------------------ brackets
  "unclosed-bracket": {
    text: model("  let a = conv2d(image, 4\n" + OUTPUT),
    fix: "Close the bracket that the message marks.",
  },
  "stray-bracket": {
    text: model("  let a = conv2d(image, 4))\n  output probability = sigmoid(conv2d(a, 1))"),
    fix: "Remove it, or write the opening one.",
  },
  "nesting-too-deep": {
    text: "fn deep() = " + "(".repeat(300) + "1" + ")".repeat(300),
    isLong: true,
    fix: "Give parts of the expression names with `let`.",
  },
  "unopened-bracket": {
    text: model(`  encoder vision
    let a = conv2d(image, 4)
  }
  output probability = sigmoid(conv2d(a, 1))`),
    fix: "Open the body with `{`.",
  },
  "mismatched-bracket": {
    text: model("  let a = conv2d(image, 4]\n  output probability = sigmoid(conv2d(a, 1))"),
    fix: "Close it with the bracket of its own kind.",
  },
  // ------------------------------------------------------------------------------------------------- grammar
  "unexpected-token": {
    text: model("  let a: f32[N] = conv2d(image, 4)\n" + OUTPUT),
    fix: "The grammar is in grammar/mdl.ebnf; the message names what could stand there.",
  },
  "unknown-word": {
    text: model("  outptu probability = sigmoid(conv2d(image, 1))"),
    fix: "Write one of the words that begin a line there.",
  },
  "unknown-section": {
    text: model("  encodr vision { let a = conv2d(image, 4) }\n  output probability = sigmoid(conv2d(a, 1))"),
    fix: "A section is an encoder, decoder, interaction, reconstruction, contrastive, neck, head, fusion or section.",
  },
  "keyword-as-name": {
    text: model("  let if = conv2d(image, 4)\n" + OUTPUT),
    fix: "Choose another name.",
  },
  "equals-for-colon": {
    text: `model Small {\n  input image = f32[N, 3, H = 32, W = 32]\n  input mask: f32[N, 1, H, W]\n  output probability = sigmoid(conv2d(mask, 1))\n}`,
    fix: "A type is given after a colon, a value after an equals sign.",
  },
  "colon-for-equals": {
    text: model("  output probability = sigmoid(conv2d(image, 1, kernel: 1))"),
    fix: "Give named arguments and settings with `=`.",
  },
  "missing-let": {
    text: model("  a = conv2d(image, 4)\n" + OUTPUT),
    fix: "Write `let` in front.",
  },
  "misplaced-line": {
    text: `let width = 8\n\n${model(OUTPUT)}`,
    fix: "Move the line to where the message says.",
  },
  "changed-name": {
    text: model("  let y = relu(image)\n  y += image\n" + OUTPUT),
    fix: "Give each step a name of its own, or chain the steps with `|>`.",
  },
  "division-in-comment": {
    text: model("  let small = resize(image, [H // 2, W / 2])\n" + OUTPUT),
    fix: "`//` begins a comment. `a / b` divides where it comes out whole, `quotient(a, b)` rounds down.",
  },
  "number-in-comment": {
    text: model("  let half = H // 2\n" + OUTPUT),
    fix: "A warning: a number alone after `//` is mostly a division in the way of Python. Say in words what the number is, and nothing is said.",
  },
  "too-many-errors": {
    fact: { kind: "too-many-errors", span: NOWHERE, limit: 100 },
    fix: "Mend the first ones; the rest is often what they led to.",
  },
  "duplicate-name": {
    text: model("  output probability = sigmoid(conv2d(image, out = 1, out = 2))"),
    fix: "Remove or rename one of the two.",
  },
  // --------------------------------------------------------------------------------------------------- names
  "module-not-found": {
    text: model(OUTPUT, 'import { Thing } from "./things"'),
    fix: "Paths are relative to the importing file, without leaving the folder of the first file; `std/...` is the library.",
  },
  "data-file": {
    fact: {
      kind: "data-file",
      span: NOWHERE,
      path: "embeddings.safetensors",
      problem: "it holds no tensor `wrods`, but words",
      hint: "did you mean `words`?",
    },
    fix: "The path is relative to the file it is written in, and the data file lies in the folder of the model or below. Only elements that `f32`, `i32` or `bool` can hold exactly are read: save others in one of these types first.",
  },
  "import-cycle": {
    text: model("  output probability = sigmoid(first(image))", 'import { first } from "./a"'),
    files: {
      "a.mdl": 'import { second } from "./b"\nfn first(x) = second(x)',
      "b.mdl": 'import { first } from "./a"\nfn second(x) = x',
    },
    fix: "Move what both files need into a third.",
  },
  "no-such-export": {
    text: model(OUTPUT, 'import { UNetEncodr } from "std/unet"'),
    fix: "The library's contents are listed in docs/language.md.",
  },
  "unknown-name": {
    text: model("  let features = conv2d(imge, 4)\n  output probability = sigmoid(conv2d(features, 1))"),
    fix: "Define it, import it, or correct the spelling.",
  },
  "shadowed-name": {
    text: model("  let mask = conv2d(image, 4)\n  output probability = sigmoid(conv2d(mask, 1))"),
    fix: "Choose another name; a name is defined once in its scope.",
  },
  "no-such-field": {
    text: model(
      `  let { v } = UNetEncoder([4, 8, 8, 8, 8])(image)
  let parts = { deep: v }
  output probability = sigmoid(conv2d(parts.depp, 1))`,
      'import { UNetEncoder } from "std/unet"',
    ),
    fix: "Use one of the fields that the message lists.",
  },
  "unknown-argument": {
    text: model("  output probability = sigmoid(conv2d(image, 1, kernal = 3))"),
    fix: "Use one of the names that the message lists.",
  },
  "missing-argument": {
    text: model("  output probability = sigmoid(conv2d(image))"),
    fix: "Give the argument a value.",
  },
  "too-many-arguments": {
    text: model("  output probability = sigmoid(image, 3)"),
    fix: "A block takes settings in its first brackets and inputs in its second: `Block(settings)(inputs)`.",
  },
  "argument-given-twice": {
    text: model("  output probability = sigmoid(conv2d(image, 1, out = 1))"),
    fix: "An argument given by position cannot be given by name as well.",
  },
  "not-callable": {
    text: model("  let width = 4\n  output probability = sigmoid(conv2d(width(image), 1))"),
    fix: "Functions, blocks, instances and operations can be called.",
  },
  "instance-not-applied": {
    text: model("  let layer = Conv2d(1)\n  output probability = sigmoid(conv2d(image, 1)) * mean(layer.weight)"),
    fix: "Apply the instance in an earlier line: its parameters are made then, with sizes that come from what it is given.",
  },
  "instance-name-clash": {
    text: model("  output probability = sigmoid(conv2d(conv2d(image, 8), 1))"),
    fix: "Give each layer its own `let`. To share weights on purpose, make one instance and use it twice.",
  },
  "recursive-definition": {
    text: model(
      "  output probability = sigmoid(Deep()(image))",
      "block Deep()(x: f32[N, C, Y, X]) {\n  let inner = conv2d(x, C)\n  return Deep()(inner)\n}",
    ),
    fix: "Repeat with `fold` or with a comprehension.",
  },
  "no-return": {
    text: model(
      "  output probability = sigmoid(Stem()(image))",
      "block Stem()(x: f32[N, C, Y, X]) {\n  let y = conv2d(x, 1)\n}",
    ),
    fix: "End the body with `return`.",
  },
  "misplaced-statement": {
    text: model("  param scale: f32[1] = ones\n  output probability = sigmoid(conv2d(image, 1) * scale)"),
    fix: "Parameters belong to blocks: write one around it.",
  },
  // ------------------------------------------------------------------------------------- names in published files
  "weights-of-nothing": {
    text: model(`  encoder vision {
    let features = conv2d(image, 8)
    weights "Others" { feature = "backbone.conv1" }
  }
  output probability = sigmoid(conv2d(features, 1))`),
    fix: "Write the part as it is called in a checkpoint of the model, without the name of what the `weights` stand in.",
  },
  "weights-named-twice": {
    text: model(`  encoder vision {
    let features = conv2d(image, 8)
    weights "Others" {
      features.weight = "conv1.weight"
      features.weight = "conv1.kernel"
    }
  }
  output probability = sigmoid(conv2d(features, 1))`),
    fix: "Keep one, or write both in one line with `or`.",
  },
  "weights-unknown-number": {
    text: model(`  encoder vision {
    let layer = fold x = image for i in 0..2 => conv2d(x, 3)
    weights "Others" { layer[i] = "blocks.{i}.{j}" }
  }
  output probability = sigmoid(conv2d(layer, 1))`),
    fix: "What stands in braces is a position of the path on the left.",
  },
  "weights-number-unused": {
    text: model(`  encoder vision {
    let layer = fold x = image for i in 0..2 => conv2d(x, 3)
    weights "Others" { layer[i] = "blocks" }
  }
  output probability = sigmoid(conv2d(layer, 1))`),
    fix: "Write the position into the name in braces. For one position only, write its number on the left: `layer[0]`.",
  },
  "weights-of-many": {
    text: model(`  encoder vision {
    let features = conv2d(image, 8)
    weights "Others" { features = transpose("conv1", [1, 0, 2, 3]) }
  }
  output probability = sigmoid(conv2d(features, 1))`),
    fix: "Name the parameter on the left.",
  },
  // -------------------------------------------------------------------------------------------------- shapes
  "dims-differ": {
    text: model(`  let a = conv2d(image, 8)
  let b = conv2d(image, 4)
  let joined = concat([a, b], axis = 1)
  output probability = sigmoid(conv2d(joined * a, 1))`),
    fix: "Change the size on one side. The notes hold both full shapes, the labels say where each was made.",
  },
  "input-mismatch": {
    text: model(
      "  output probability = sigmoid(gate(image, mask))",
      "fn gate(x: f32[N, C, Y, X], by: f32[N, C, Y, X]) = x * by",
    ),
    fix: "Give what the block or function declares. A dim's name is bound by its first use and checked by later ones.",
  },
  "constant-mismatch": {
    text: model("  const weights: f32[2] = [0.2, 0.3, 0.5]\n" + OUTPUT),
    fix: "Declare the sizes that the values have; a name such as `K` in the place of a size takes whatever is there.",
  },
  "operation-refused": {
    text: model("  let joined = concat([image, mask], axis = 7)\n  output probability = sigmoid(conv2d(joined, 1))"),
    fix: "The message says what the operation needs; docs/operators.md describes each.",
  },
  "wrong-kind": {
    text: model('  output probability = sigmoid(conv2d(image, 1, kernel = "3"))'),
    fix: "Give a value of the kind that is asked for.",
  },
  "not-whole": {
    text: model(
      "  output probability = sigmoid(conv2d(thirds(image), 1))",
      "fn thirds(x: f32[N, C, Y, X]) = reshape(x, [N, C, Y / 3, X * 3])",
    ),
    fix: "Sizes divide exactly or not at all: choose an input size that is a multiple.",
  },
  "size-unknown": {
    text: model("  let rows = [i for i in 0..N]\n" + OUTPUT),
    fix: "The batch has no size when compiling. Other symbols get one where an input is declared: `H = 224`.",
  },
  "check-failed": {
    text: model(
      `  let t = tokens_of(conv2d(image, 9))
  let mixed = CrossAttention(heads = 2)(t, t)
  output probability = sigmoid(conv2d(grid_of(mixed, H, W), 1))`,
      'import { CrossAttention } from "std/conditioned"',
    ),
    fix: "Make the condition true; the notes show the values on both sides.",
  },
  "bad-number": {
    text: model("  let widths = [4, 8]\n  output probability = sigmoid(conv2d(conv2d(image, widths[2]), 1))"),
    fix: "Lists count from 0; the last item is also `[-1]`.",
  },
  "not-differentiable": {
    text: model(
      "  encoder vision { let steps = floor(conv2d(image, 1)) }\n  output probability = sigmoid(steps)\n  loss overlap = dice_loss(probability, mask)",
    ),
    fix: "Wrap what nothing should be learned through in `stop_gradient(...)`.",
  },
  "size-fixed": {
    fact: {
      kind: "size-fixed",
      span: NOWHERE,
      calls: [],
      symbols: ["H", "W"],
      operation: "add",
      reason: "shapes [N, H*W/256, 64] and [196, 64] do not broadcast",
    },
    fix: "A learned table of positions, or a layer over a whole map, exists at one size only: export with these sizes fixed.",
  },
  "limit-exceeded": {
    text: model("  let many = [i for i in 0..200000]\n" + OUTPUT),
    fix: "Check the bounds of ranges.",
  },
  // ------------------------------------------------------------------------------------- models and training
  "no-such-model": {
    text: model(OUTPUT),
    selector: "Smal",
    fix: "Write one of the names that the file has after `#`.",
  },
  "different-bases": {
    text: `${model(OUTPUT)}\n\nmodel Other {\n  input x: f32[N, 3]\n  output y = x\n}\n\nablation wide of Small {}\nablation plain of Other {}`,
    selector: "wide+plain",
    fix: "Join ablations of one model with `+`. Each ablation, followed down through its bases, must come to the same model.",
  },
  "no-model-in-file": {
    text: "fn double(x: tensor) = 2 * x",
    fix: "Add a model, or name the file that has one.",
  },
  "several-models": {
    text: `${model(OUTPUT)}\n\n${model(OUTPUT).replace("Small", "Other")}`,
    fix: "Say which one: `file.mdl#Name`.",
  },
  "unknown-base": {
    text: `${model(OUTPUT)}\n\nablation big of Smal { set H = 64 }`,
    selector: "big",
    fix: "An ablation is of a model or of another ablation in the same file, or of one that is imported.",
  },
  "ablation-cycle": {
    text: `${model(OUTPUT)}\n\nablation a of b { set H = 64 }\nablation b of a { set W = 64 }`,
    selector: "a",
    fix: "Follow the bases down to a model.",
  },
  "unknown-section-name": {
    text: `${model("  decoder { output probability = sigmoid(conv2d(image, 1)) }")}\n\nablation plain of Small { without decodr }`,
    selector: "plain",
    fix: "Name a section of the model; one without a name is called after its role.",
  },
  "unknown-model-parameter": {
    text: `${model(OUTPUT)}\n\nablation wide of Small { set dims = 16 }`,
    selector: "wide",
    fix: "`set` takes parameters of the model, sizes of its inputs, and `train.` settings.",
  },
  "removed-name-used": {
    text: `${model(`  encoder vision { let features = conv2d(image, 8) }
  decoder { output probability = sigmoid(conv2d(features, 1)) }`)}\n\nablation blind of Small { without vision }`,
    selector: "blind",
    fix: "Remove what uses it too, or give the model a parameter and an `if` for the case without.",
  },
  "vary-not-chosen": {
    text: `${model("  output probability = sigmoid(conv2d(image, 1, kernel = size))").replace("model Small", "model Small(size: int = 3)")}\n\nablation kernels of Small { vary size in [1, 5] }`,
    selector: "kernels",
    fix: "Choose one of the values behind `#`. `mdl check` checks every value of a `vary`, `mdl ablate` trains each.",
  },
  "no-such-choice": {
    text: `${model("  output probability = sigmoid(conv2d(image, 1, kernel = size))").replace("model Small", "model Small(size: int = 3)")}\n\nablation kernels of Small { vary size in [1, 5] }`,
    selector: "kernels[size=4]",
    fix: "Write a path and a value as they stand in the `vary`. To train with another value, add it there.",
  },
  "unknown-setting": {
    text: model(OUTPUT + "\n  train { learning_rate = 3 }"),
    fix: "The settings are listed in docs/language.md.",
  },
  "bad-setting": {
    text: model(OUTPUT + "\n  train { batch = 0 }"),
    fix: "Give a value that the setting can have.",
  },
  "loss-not-scalar": {
    text: model(OUTPUT + "\n  loss error = square(probability - mask)"),
    fix: "Reduce it to one number: `mean(...)` or `sum(...)`.",
  },
  "duplicate-section": {
    text: model(`  head { let a = conv2d(image, 4) }
  head { output probability = sigmoid(conv2d(a, 1)) }`),
    fix: "Give each section a name of its own: `head fine { ... }`.",
  },
  "nothing-to-train": {
    text: model(
      "  frozen decoder { output probability = sigmoid(conv2d(image, 1)) }\n  loss overlap = dice_loss(probability, mask)",
    ),
    fix: "Add a loss, or unfreeze a section.",
  },
  "input-without-batch": {
    text: model(OUTPUT + "\n  loss overlap = bce(probability, mask)").replaceAll("[N,", "[8,"),
    fix: "Write `N` for the batch. Models without a loss, which are only used, may have inputs of one size.",
  },
  "loss-of-scores": {
    text: model("  output scores = conv2d(image, 1)\n  loss overlap = bce(scores, mask)"),
    fix: "A warning: `bce` takes probabilities, so that what goes into it comes out of `sigmoid` or `softmax`.",
  },
  "squashed-twice": {
    text: model(
      "  let chance = sigmoid(conv2d(image, 1))\n  output probability = sigmoid(chance)\n  loss overlap = bce(probability, mask)",
    ),
    fix: "A warning: leave out one of the two. Only what stands in the text of the model itself is looked at.",
  },
  "no-outputs": {
    text: model("  let a = conv2d(image, 4)"),
    fix: "Add an `output`.",
  },
}
