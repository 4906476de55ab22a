/**
 * The closed set of primitive ops, by family.
 *
 * The list stands apart from the records because the records' own rules append ops by name, and TypeScript cannot infer
 * a type from itself. The registry is checked against it both ways: a name without a record does not compile.
 */
// prettier-ignore
export const OP_NAMES = [
  // elementwise, one operand
  "neg", "abs", "exp", "log", "sqrt", "rsqrt", "square", "reciprocal", "relu", "sigmoid", "tanh", "erf", "floor",
  "logical_not", "clamp", "cast", "relu_gradient", "sigmoid_gradient",
  // elementwise, two or three operands
  "add", "sub", "mul", "div", "pow", "maximum", "minimum", "equal", "less", "less_equal", "greater", "greater_equal",
  "logical_and", "logical_or", "select", "binary_cross_entropy",
  // reductions
  "sum", "mean", "max", "min",
  // shape
  "reshape", "transpose", "concat", "slice", "pad", "broadcast_to",
  // constants and random
  "constant", "iota", "random_uniform", "random_normal", "dropout",
  // products
  "matmul", "conv1d", "conv1d_input_gradient", "conv1d_filter_gradient", "conv2d", "conv2d_input_gradient",
  "conv2d_filter_gradient",
  // normalisation and attention
  "softmax", "log_softmax", "batch_norm", "batch_norm_training", "batch_norm_training_gradient", "layer_norm",
  // images
  "max_pool2d", "max_pool2d_gradient", "avg_pool2d", "avg_pool2d_gradient", "upsample_nearest2d",
  "upsample_nearest2d_gradient", "upsample_bilinear2d", "upsample_bilinear2d_gradient",
  // indexing
  "gather", "scatter_add", "one_hot", "rank_descending",
  // control of gradients
  "stop_gradient",
] as const

export type OpName = (typeof OP_NAMES)[number]
