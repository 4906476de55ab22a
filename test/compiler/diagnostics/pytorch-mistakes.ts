/**
 * What people get wrong first who know PyTorch, as texts: the line that is wrong, and what of it the message has to point at.
 *
 * The texts are shared by the golden messages and by the test that puts the same lines into models of the zoo.
 */

export interface Mistake {
  /** lines of a model that has `image: f32[N, 3, H = 32, W = 32]` and `mask: f32[N, 1, H, W]` */
  readonly lines?: string
  /** a whole text, where the mistake is not in the lines of a model */
  readonly text?: string
  readonly selector?: string
  readonly code: string
  /** the text under the carets */
  readonly points: string
  /** it compiles, and says that it is hardly meant */
  readonly warning?: true
}

const OUTPUT = "output probability = sigmoid(conv2d(image, 1))"
/** The wrong line, with an output beside it. */
const line = (text: string): string => `  ${text}\n  ${OUTPUT}`

/** A model around some lines. */
export const modelAround = (lines: string): string => `model Small(dim: int = 8) {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]
${lines}
}`

/** By what was done, in words; the name of the golden file. */
export const MISTAKES: Readonly<Record<string, Mistake>> = {
  // shapes
  "a skip is concatenated and the sum still has the old channels": {
    lines: `  let a = conv2d(image, 8, kernel = 3)
  let joined = concat([a, image], axis = 1)
  let residual = joined + a
  ${OUTPUT}`,
    code: "MDL3001",
    points: "joined + a",
  },
  "an image goes to a classifier without being flattened": {
    lines: `  target label: f32[N, 10]
  let map = conv2d(image, 4) |> max_pool(8)
  output chance = sigmoid(linear(map, 10))
  loss error = bce(chance, label)`,
    code: "MDL3003",
    points: "bce(chance, label)",
  },
  "an odd size is halved and doubled": {
    text: `model Small {
  input image: f32[N, 3, H = 33, W = 33]
  target mask: f32[N, 1, H, W]
  let small = max_pool(image, 2) |> conv2d(8)
  output probability = upsample(conv2d(small, 1), 2) |> sigmoid()
  loss overlap = bce(probability, mask)
}`,
    code: "MDL3001",
    points: "bce(probability, mask)",
  },
  "a number of heads that does not divide the width": {
    text: `import { Attention } from "std/attention"
model Small {
  input tokens: f32[N, T = 6, 10]
  output mixed = Attention(heads = 3)(tokens, tokens)
}`,
    code: "MDL3203",
    points: "Attention(heads = 3)(tokens, tokens)",
  },
  "the batch is given as a number": {
    text: `model Small {
  input image: f32[8, 3, H = 32, W = 32]
  output map = conv2d(image, 3)
  loss rebuilt = mse(map, image)
}`,
    code: "MDL4305",
    points: "8",
  },
  "the batch is given as a number in a reshape": {
    lines: line("let flat = reshape(image, [8, 3 * H * W])"),
    code: "MDL3003",
    points: "reshape(image, [8, 3 * H * W])",
  },
  "a size of minus one is left to be inferred": {
    lines: line("let flat = reshape(image, [N, -1])"),
    code: "MDL3003",
    points: "reshape(image, [N, -1])",
  },
  "channels are put last for a convolution": {
    lines: `  let last = transpose(image, [0, 2, 3, 1])
  output probability = sigmoid(conv2d(last, 1))
  loss overlap = bce(probability, mask)`,
    code: "MDL3001",
    points: "bce(probability, mask)",
  },
  "a mask has no channel": {
    text: `model Small {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, H, W]
  output probability = sigmoid(conv2d(image, 1))
  loss overlap = bce(probability, mask)
}`,
    code: "MDL3003",
    points: "bce(probability, mask)",
  },
  "a mask has whole numbers for elements": {
    text: `model Small {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: i32[N, 1, H, W]
  output probability = sigmoid(conv2d(image, 1))
  loss overlap = bce(probability, mask)
}`,
    code: "MDL3003",
    points: "bce(probability, mask)",
  },
  "tokens are multiplied without a transposition": {
    lines: `  let t = tokens_of(image)\n${line("let scores = matmul(t, t)")}`,
    code: "MDL3001",
    points: "matmul(t, t)",
  },
  "a gate has lost the axes that were reduced": {
    lines: `  let gate = mean(image, axes = [2, 3])\n${line("let gated = image * gate")}`,
    code: "MDL3001",
    points: "image * gate",
  },
  "an axis is counted from one": {
    lines: line("let both = concat([image, image], axis = 4)"),
    code: "MDL3003",
    points: "concat([image, image], axis = 4)",
  },
  "a list is counted from one": {
    lines: `  let maps = [relu(image), sigmoid(image)]\n${line("let last = maps[2]")}`,
    code: "MDL3204",
    points: "2",
  },
  "an axis is gone after a reduction": {
    lines: `  let grey = mean(image, axes = [1])\n${line("let weights = softmax(grey, axis = 3)")}`,
    code: "MDL3003",
    points: "softmax(grey, axis = 3)",
  },
  // probabilities
  "a softmax stands before a cross-entropy": {
    lines: `  target label: f32[N, 10]
  let chance = softmax(linear(mean(image, axes = [2, 3]), 10))
  loss error = -mean(label * log_softmax(chance))
  ${OUTPUT}`,
    code: "MDL4307",
    points: "log_softmax(chance)",
    warning: true,
  },
  "a loss of probabilities is given scores": {
    lines: `  output probability = conv2d(image, 1)
  loss overlap = bce(probability, mask)`,
    code: "MDL4306",
    points: "bce(probability, mask)",
    warning: true,
  },
  "the cross-entropy of PyTorch is looked for": {
    lines: line("loss error = F.cross_entropy(image, mask)"),
    code: "MDL2101",
    points: "F",
  },
  // models, ablations, training
  "a loss uses what the ablation took away": {
    text: `${modelAround(`  encoder vision { let map = conv2d(image, 8) }
  reconstruction cvr { let again = conv2d(map, 3) }
  output probability = sigmoid(conv2d(map, 1))
  loss rebuilt = mse(again, image)`)}
ablation plain of Small { without cvr }`,
    selector: "plain",
    code: "MDL4105",
    points: "again",
  },
  "a learning rate is given to a frozen section": {
    lines: `  frozen encoder vision { let map = conv2d(image, 8) }
  decoder { output probability = sigmoid(conv2d(map, 1)) }
  loss overlap = bce(probability, mask)
  train { optimizer = adam(lr = 1e-3)  learning_rates = { vision: 0.1 } }`,
    code: "MDL4202",
    points: "vision",
  },
  "the optimiser stands in the model": {
    lines: line("optimizer = adam(lr = 1e-3)"),
    code: "MDL1208",
    points: "optimizer",
  },
  "the optimiser is a value of the model": {
    lines: line("let optimizer = adam(lr = 1e-3)"),
    code: "MDL2101",
    points: "adam",
  },
  "the optimiser has a capital": {
    lines: line("train { optimizer = AdamW(lr = 1e-3) }"),
    code: "MDL2101",
    points: "AdamW",
  },
  "the learning rate is a setting of its own": {
    lines: line("train { optimizer = adam(lr = 1e-3)  lr = 1e-4 }"),
    code: "MDL4201",
    points: "lr",
  },
  "what the model predicts is returned": {
    lines: "  let map = conv2d(image, 1)\n  return sigmoid(map)",
    code: "MDL2304",
    points: "return sigmoid(map)",
  },
  "a parameter is declared in the model itself": {
    lines: line("param weight: f32[10, 3] = zeros"),
    code: "MDL2304",
    points: "weight",
  },
  "a loss has no name": {
    lines: `  ${OUTPUT}\n  loss = bce(probability, mask)`,
    code: "MDL1201",
    points: "=",
  },
  // names
  "a name is used again for the next step": {
    lines: `  let x = conv2d(image, 8)\n${line("let x = relu(x)")}`,
    code: "MDL2102",
    points: "x",
  },
  "a layer is used without its weight": {
    lines: `  let conv = Conv2d(8)\n  let map = conv(image)\n${line("let penalty = sum(square(conv))")}`,
    code: "MDL3101",
    points: "conv",
  },
  "None has a capital": {
    lines: line("let map = conv2d(image, 1, padding = None)"),
    code: "MDL2101",
    points: "None",
  },
  "True has a capital": {
    lines: line("let map = conv2d(image, 1, bias = True)"),
    code: "MDL2101",
    points: "True",
  },
  "a part is looked for in self": { lines: line("let map = self.conv(image)"), code: "MDL2101", points: "self" },
  "a layer is looked for in nn": { lines: line("let conv = nn.Conv2d(3, 64, 3)"), code: "MDL2101", points: "nn" },
  "layers are chained with nn Sequential": {
    lines: line("let net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())"),
    code: "MDL2101",
    points: "nn",
  },
  "a function is looked for in F": {
    lines: line("let map = F.relu(conv2d(image, 8))"),
    code: "MDL2101",
    points: "F",
  },
  "tensors are joined with torch cat": {
    lines: line("let both = torch.cat([image, image], dim = 1)"),
    code: "MDL2101",
    points: "torch",
  },
  "tensors are joined with cat": {
    lines: line("let both = cat([image, image], axis = 1)"),
    code: "MDL2101",
    points: "cat",
  },
  "PyTorch is imported": {
    text: `import torch\n${modelAround(line("let map = relu(image)"))}`,
    code: "MDL1201",
    points: "torch",
  },
  "elements have the name that PyTorch gives them": {
    lines: line("input depth: float32[N, 1, H, W]"),
    code: "MDL2101",
    points: "float32",
  },
  "elements have the path that PyTorch gives them": {
    lines: line("input depth: torch.float32[N, 1, H, W]"),
    code: "MDL1201",
    points: ".",
  },
  // arguments
  "the channels that go in are given to a convolution": {
    lines: line("let map = Conv2d(3, 64, 3)(image)"),
    code: "MDL3203",
    points: "Conv2d(3, 64, 3)(image)",
  },
  "the channels that go in are named": {
    lines: line("let map = Conv2d(in_channels = 3, out = 8)(image)"),
    code: "MDL2201",
    points: "in_channels",
  },
  "the size of a kernel has the name that PyTorch gives it": {
    lines: line("let map = conv2d(image, 8, kernel_size = 3)"),
    code: "MDL2201",
    points: "kernel_size",
  },
  "an axis has the name that PyTorch gives it": {
    lines: line("let both = concat([image, image], dim = 1)"),
    code: "MDL2201",
    points: "dim",
  },
  "a padding is called same": {
    lines: line('let map = conv2d(image, 8, kernel = 3, padding = "same")'),
    code: "MDL3101",
    points: '"same"',
  },
  "a number is given in quotes": { lines: line('let map = conv2d(image, "8")'), code: "MDL3101", points: '"8"' },
  "a count of channels has a fraction": { lines: line("let map = conv2d(image, 8.5)"), code: "MDL3101", points: "8.5" },
  "a count of channels does not come out whole": {
    lines: line("let map = conv2d(image, 512 / 3)"),
    code: "MDL3201",
    points: "512 / 3",
  },
  "an input stands among the settings of a block": {
    lines: line("let map = Conv2d(image, 64)"),
    code: "MDL3101",
    points: "image",
  },
  "a function is told how many channels go in": {
    lines: line("let map = conv2d(3, 64)"),
    code: "MDL3101",
    points: "3",
  },
  "a comma is missing between arguments": {
    lines: line("let map = conv2d(image, 8 kernel = 3)"),
    code: "MDL1201",
    points: "kernel",
  },
  // methods
  "a tensor is viewed": { lines: line("let flat = image.view(-1, 3072)"), code: "MDL3101", points: "image" },
  "a tensor is asked for its size": { lines: line("let n = image.size(0)"), code: "MDL3101", points: "image" },
  "a tensor is detached": { lines: line("let still = image.detach()"), code: "MDL3101", points: "image" },
  "a tensor is sliced": { lines: line("let red = image[:, 0]"), code: "MDL1201", points: ":" },
  // Python
  "an output is given with a colon": { lines: "  output probability: sigmoid(image)", code: "MDL1206", points: ":" },
  "an input is given with an equals sign": {
    lines: line("input depth = f32[N, 1, H, W]"),
    code: "MDL1205",
    points: "=",
  },
  "a function is defined with def": {
    text: `def twice(x) = x + x\n${modelAround(line("let map = relu(image)"))}`,
    code: "MDL1202",
    points: "def",
  },
  "a model is a class": {
    text: `class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3)

    def forward(self, x):
        return self.conv(x)
`,
    code: "MDL1202",
    points: "class",
  },
  "a power is written with two stars": { lines: line("let map = image ** 2"), code: "MDL1005", points: "**" },
  "a division is rounded with two slashes": {
    lines: line("let half = H // 2"),
    code: "MDL1211",
    points: "// 2",
    warning: true,
  },
  "a division within brackets is rounded with two slashes": {
    lines: line("let map = resize(image, [H // 2, 8])"),
    code: "MDL1210",
    points: "//",
  },
  "a function is written with lambda": { lines: line("let act = lambda x: relu(x)"), code: "MDL1201", points: "x" },
  "a text has a prefix": {
    lines: line('check H == 32, f"wrong {H}"'),
    code: "MDL1201",
    points: '"wrong {H}"',
  },
  "a comprehension goes over a range": {
    lines: line("let maps = [relu(image) for i in range(3)]"),
    code: "MDL2101",
    points: "range",
  },
  "a loop is a statement": { lines: line("for i in 0..3 { let map = relu(image) }"), code: "MDL1202", points: "for" },
  "a choice is a statement": { lines: line("if dim > 4 { let map = relu(image) }"), code: "MDL1202", points: "if" },
  "a choice stands behind its value": {
    lines: line("let map = relu(image) if dim > 4 else image"),
    code: "MDL1201",
    points: "if",
  },
  "a choice goes on with elif": {
    lines: line("let map = if dim == 8 then image elif dim == 9 then relu(image) else image"),
    code: "MDL1201",
    points: "elif",
  },
  "a value is compared with is": {
    lines: line("let map = if dim is none then image else relu(image)"),
    code: "MDL1201",
    points: "is",
  },
  "a name is added to in place": {
    lines: `  let y = relu(image)\n${line("y += image")}`,
    code: "MDL1209",
    points: "+=",
  },
  "matrices are multiplied with an at sign": { lines: line("let map = image @ image"), code: "MDL1001", points: "@" },
  "two sizes are given as a tuple": { lines: line("let map = max_pool(image, (2, 2))"), code: "MDL1201", points: "," },
  "the fields of a record are given in quotes": {
    lines: line('let sizes = { "width": 8 }'),
    code: "MDL1201",
    points: "{",
  },
  "gradients are stopped with a context": { lines: line("with torch.no_grad():"), code: "MDL1202", points: "with" },
}
