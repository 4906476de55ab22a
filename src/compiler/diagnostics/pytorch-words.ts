/**
 * What people write who come from PyTorch, and what it is called here.
 *
 * Takes a word of Python or PyTorch; gives the word of MDL that stands for it, or a sentence that says what to write.
 * Edit distance cannot find these: `cat` is nearer to `cast` than to `concat`. The tables hold what is met in published
 * code of segmentation models, not all of PyTorch.
 */

/** Names whose counterpart has another name; what stands in front of the last dot is left out when they are looked up. */
const SAME_THING: ReadonlyMap<string, string> = new Map(
  Object.entries({
    None: "none",
    True: "true",
    False: "false",
    Tensor: "tensor",
    float32: "f32",
    float: "f32",
    FloatTensor: "f32",
    int32: "i32",
    int64: "i32",
    long: "i32",
    LongTensor: "i32",
    cat: "concat",
    concatenate: "concat",
    permute: "transpose",
    view: "reshape",
    bmm: "matmul",
    mm: "matmul",
    logsumexp: "log_sum_exp",
    where: "select",
    detach: "stop_gradient",
    interpolate: "resize",
    Upsample: "upsample",
    MaxPool2d: "max_pool",
    max_pool2d: "max_pool",
    AvgPool2d: "avg_pool",
    avg_pool2d: "avg_pool",
    AdaptiveAvgPool2d: "adaptive_avg_pool",
    adaptive_avg_pool2d: "adaptive_avg_pool",
    AdaptiveMaxPool2d: "adaptive_max_pool",
    BatchNorm1d: "BatchNorm",
    BatchNorm2d: "BatchNorm",
    ConvTranspose2d: "ConvTranspose2d",
    ReLU: "relu",
    GELU: "gelu",
    SiLU: "silu",
    LeakyReLU: "leaky_relu",
    Sigmoid: "sigmoid",
    Tanh: "tanh",
    Softmax: "softmax",
    LogSoftmax: "log_softmax",
    Dropout: "dropout",
    Dropout2d: "dropout",
    MSELoss: "mse",
    mse_loss: "mse",
    BCELoss: "bce",
    PixelShuffle: "pixel_shuffle",
    normalize: "l2_normalize",
    Adam: "adam",
    AdamW: "adamw",
    SGD: "sgd",
  }),
)

const FLATTEN = "write `reshape(x, [N, C * H * W])` with the sizes written out, or take `mean(x, axes = [2, 3])`"

/** Layers that PyTorch tells how many channels go in. */
const LAYERS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    Conv2d: "Conv2d(out, kernel = 3)(x)",
    Conv1d: "Conv1d(out, kernel = 3)(x)",
    ConvTranspose2d: "ConvTranspose2d(out, kernel = 2, stride = 2)(x)",
    Linear: "Linear(out)(x)",
    BatchNorm: "BatchNorm()(x)",
    LayerNorm: "LayerNorm()(x)",
  }),
)

/** Names that have no counterpart of one word. */
const ADVICE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    range: "a range is written `0..n`: `for i in 0..n`",
    enumerate: "go over the positions: `for i in 0..len(xs)`, with `xs[i]`",
    zip: "go over the positions: `for i in 0..len(xs)`, with `xs[i]` and `ys[i]`",
    self: "there is no `self`: parts of a block are named with `let`, and their names are used alone",
    super: "a block has no base: what it needs it makes in its own lines",
    lambda: "write a function at the top of the file: `fn name(x) = ...`",
    print: "nothing is printed while a model is read; `mdl summary` shows every shape",
    Module: "a module is a `block` here: `block Name(settings)(inputs) { ... return ... }`",
    Sequential: "chain with `|>`: `x |> Conv2d(8)() |> relu()`",
    ModuleList: "repeat with `fold h = x for i in 0..n => Block()(h)`",
    Parameter: "declare it: `param weight: f32[out, C] = ...`",
    Flatten: FLATTEN,
    flatten: FLATTEN,
    Identity: "use the value itself",
    cross_entropy: "write it out with `log_softmax`: `-mean(take_along_axis(log_softmax(scores, axis = 1), ...))`",
    CrossEntropyLoss: "write it out with `log_softmax`, and take the entry of the target",
    BCEWithLogitsLoss: "`bce` takes probabilities: `bce(sigmoid(x), target)`",
    binary_cross_entropy_with_logits: "`bce` takes probabilities: `bce(sigmoid(x), target)`",
    MultiheadAttention: 'import an attention from the library, such as `CrossAttention` of "std/conditioned"',
    no_grad: "write `stop_gradient(x)` for what nothing is learned through, or `frozen` before a section",
  }),
)

/** What PyTorch calls arguments; `undefined` where the argument is not given at all. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  kernel_size: ["kernel"],
  out_channels: ["out"],
  out_features: ["out"],
  embedding_dim: ["width"],
  num_embeddings: ["size"],
  num_heads: ["heads"],
  nhead: ["heads"],
  n_heads: ["heads"],
  num_groups: ["groups"],
  eps: ["epsilon"],
  dim: ["axis", "axes"],
  dims: ["axes"],
  keepdim: ["keep"],
  keepdims: ["keep"],
  p: ["rate"],
  drop_rate: ["rate"],
  scale_factor: ["scale"],
  output_size: ["size"],
  learning_rate: ["lr"],
  betas: ["beta1"],
}

/** Arguments that say what MDL reads from the input. */
const READ_FROM_INPUT: ReadonlySet<string> = new Set(
  "in_channels in_features num_features normalized_shape num_channels embed_dim".split(" "),
)

/** Methods of tensors that are something else here; all others are looked for among the functions. */
const METHODS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    size: "sizes have the names that the input gives them, such as `N`, `H` and `W`; `shape(x)[1]` is one of any tensor",
    shape:
      "sizes have the names that the input gives them, such as `N`, `H` and `W`; `shape(x)[1]` is one of any tensor",
    view: "write `reshape(x, [N, ...])` with every size written out: none is inferred",
    reshape: "write `reshape(x, [N, ...])` with every size written out: none is inferred",
    flatten: FLATTEN,
    T: "write `transpose(x, [1, 0])`",
    t: "write `transpose(x, [1, 0])`",
    item: "a loss stays a tensor; the number is in the log of the run",
    numpy: "there are no arrays outside of the graph; leave it out",
    cpu: "a model does not say where it runs; leave it out",
    cuda: "a model does not say where it runs; leave it out",
    to: 'a model does not say where it runs; `cast(x, "f32")` changes the type of elements',
    contiguous: "layout is the compiler's business; leave it out",
    clone: "a value never changes; use it as it is",
    long: 'write `cast(x, "i32")`',
    float: 'write `cast(x, "f32")`',
    backward: "gradients are taken of every `loss`; name the value with `loss NAME = ...`",
  }),
)

/** Statements of Python, at the beginning of a line. */
const STATEMENTS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    def: "write `fn name(x) = ...`, or `block Name(settings)(inputs) { ... }` for what has parameters",
    class: "write `block Name(settings)(inputs) { ... return ... }`, or `model Name { ... }`",
    if: "an `if` is an expression, and gives a value either way: `let y = if a > b then x else relu(x)`",
    elif: "an `if` is an expression: `if a then x else if b then y else z`",
    else: "an `if` is an expression: `let y = if a then x else z`",
    for: "a loop is an expression: `[f(i) for i in 0..n]` gives a list, `fold h = x for i in 0..n => f(h, i)` the last value",
    while: "every loop ends: `fold h = x for i in 0..n => f(h, i)`",
    with: "there are no contexts: write `stop_gradient(x)`, or `frozen` before a section",
    print: "nothing is printed while a model is read; `mdl summary` shows every shape",
    assert: 'write `check CONDITION, "what is wrong"`',
    raise: 'write `check CONDITION, "what is wrong"`',
    from: 'write `import { Name } from "std/unet"`; PyTorch itself is not needed',
    pass: "a body may be empty: `{}`",
    del: "nothing is deleted: a name that is not used costs nothing",
  }),
)

/** Modules of Python under which PyTorch's functions are known. */
const NAMESPACES: ReadonlySet<string> = new Set("torch nn F functional tf np numpy math optim torchvision".split(" "))

/** Words that are no names, and so are known everywhere. */
const LITERALS: ReadonlySet<string> = new Set(["none", "true", "false"])

/** A name of MDL, or a sentence. */
export interface Counterpart {
  readonly suggestion: string | undefined
  readonly advice: string | undefined
}

const NOTHING: Counterpart = { suggestion: undefined, advice: undefined }

/**
 * What a name of Python or PyTorch is here.
 *
 * @param path what was written, with the members after it: `["nn", "Conv2d"]`
 * @param known whether a name can be used at this place
 */
export function counterpartOf(path: readonly string[], known: (name: string) => boolean): Counterpart {
  const [first = ""] = path
  if (NAMESPACES.has(first)) {
    const name = path.findLast((part) => !NAMESPACES.has(part) && part !== "Tensor") ?? ""
    const same = known(name) ? name : SAME_THING.get(name)
    const layer = same === undefined ? undefined : LAYERS.get(same)
    if (layer !== undefined)
      return { suggestion: undefined, advice: `write \`${layer}\`: what goes in is read from \`x\`` }
    if (same !== undefined) return { suggestion: undefined, advice: `write \`${same}\`, with nothing in front` }
    const advice = ADVICE.get(name) ?? `there is no \`${first}\`: layers and functions are called by their names alone`
    return { suggestion: undefined, advice }
  }
  const advice = ADVICE.get(first)
  if (advice !== undefined) return { suggestion: undefined, advice }
  const same = SAME_THING.get(first)
  return same !== undefined && (LITERALS.has(same) || known(same)) ? { suggestion: same, advice: undefined } : NOTHING
}

/** What an argument of PyTorch is here, among the arguments that are `known`. */
export function argumentCounterpart(name: string, known: readonly string[]): Counterpart {
  const suggestion = Object.hasOwn(ARGUMENTS, name) ? ARGUMENTS[name]?.find((one) => known.includes(one)) : undefined
  if (suggestion !== undefined) return { suggestion, advice: undefined }
  if (READ_FROM_INPUT.has(name)) return { suggestion: undefined, advice: "leave it out: it is read from the input" }
  if (name === "inplace") return { suggestion: undefined, advice: "leave it out: a value never changes" }
  return NOTHING
}

/** What to write in place of a method of a tensor: `x.relu()`. */
export function methodAdvice(name: string, known: (name: string) => boolean): string {
  const written = METHODS.get(name)
  if (written !== undefined) return written
  const same = known(name) ? name : SAME_THING.get(name)
  if (same === undefined) return "a tensor has no methods: functions are called with it, `f(x)` or `x |> f()`"
  return `a tensor has no methods: write \`${same}(x)\` or \`x |> ${same}()\``
}

/** What to write in place of a statement of Python, by its first word. */
export function statementAdvice(word: string): string | undefined {
  return STATEMENTS.get(word)
}

/** Whether a word is a module of Python. */
export function isPythonNamespace(word: string): boolean {
  return NAMESPACES.has(word)
}
