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
  "ceil", "round", "sign", "sin", "cos", "log1p", "expm1", "logical_not", "clamp", "cast",
  // activations
  "gelu", "silu", "quick_gelu", "softplus", "leaky_relu", "elu", "hardsigmoid", "hardswish",
  "relu_gradient", "sigmoid_gradient", "tanh_gradient", "elu_gradient", "softplus_gradient", "leaky_relu_gradient",
  "swish_gradient", "gelu_gradient",
  // elementwise, two or three operands
  "add", "sub", "mul", "div", "floor_div", "remainder", "pow", "maximum", "minimum", "equal", "not_equal", "less", "less_equal",
  "greater", "greater_equal",
  "logical_and", "logical_or", "select", "binary_cross_entropy",
  // reductions
  "sum", "mean", "max", "min", "log_sum_exp", "any", "all",
  // shape
  "reshape", "transpose", "concat", "slice", "pad", "roll", "flip", "broadcast_to",
  // constants and random
  "constant", "iota", "random_uniform", "random_normal", "dropout",
  // products
  "matmul", "einsum", "conv1d", "conv1d_input_gradient", "conv1d_filter_gradient", "conv2d", "conv2d_input_gradient",
  "conv2d_filter_gradient", "conv_transpose1d", "conv_transpose2d",
  // normalisation and attention
  "softmax", "log_softmax", "batch_norm", "batch_norm_training", "batch_norm_training_gradient",
  "group_norm", "group_norm_gradient", "layer_norm",
  // images
  "max_pool2d", "max_pool2d_gradient", "avg_pool2d", "avg_pool2d_gradient", "adaptive_max_pool2d",
  "adaptive_max_pool2d_gradient", "unfold2d", "fold2d", "resize2d", "resize2d_gradient", "upsample_nearest2d",
  "upsample_nearest2d_gradient", "upsample_bilinear2d", "upsample_bilinear2d_gradient",
  // indexing
  "gather", "scatter_add", "take_along_axis", "scatter_along_axis", "one_hot", "rank_descending",
  // order along an axis
  "top_k", "argmax", "argmin", "cumsum",
  // control of gradients, and of when a node runs
  "stop_gradient", "after",
] as const

export type OpName = (typeof OP_NAMES)[number]
