// The U-Net of unet-bench.mdl written in ordinary TensorFlow.js: variables, operations one by one, `optimizer.minimize`.
//
// Takes: requests on stdin (see serve.mjs); weights and batch from the file that mdl.mjs shared.
// Gives: steps on the same native TensorFlow that ours runs on. The difference is eager execution with its tape in
//         JavaScript, which calls the library once for every operation.
import { loadBackend } from "../../dist/src/runtime/native/backend.js"
import { readTensors } from "../tensors.mjs"
import { serve, timed } from "./serve.mjs"

const EPSILON = 1e-5
const MOMENTUM = 0.1

const { tf, tensorflowVersion } = await loadBackend()
const variables = new Map()
let image, mask, optimizer

const get = (name) => variables.get(name)

function convNormRelu(x, name) {
  const y = tf.add(tf.conv2d(x, get(`${name}.conv.weight`), 1, "same"), get(`${name}.conv.bias`))
  const { mean, variance } = tf.moments(y, [0, 1, 2])
  const count = y.size / y.shape[3]
  for (const [statistic, value] of [
    ["running_mean", mean],
    ["running_var", tf.mul(variance, count / (count - 1))],
  ]) {
    const old = get(`${name}.norm.${statistic}`)
    old.assign(tf.add(tf.mul(old, 1 - MOMENTUM), tf.mul(value, MOMENTUM)))
  }
  return tf.relu(tf.batchNorm(y, mean, variance, get(`${name}.norm.bias`), get(`${name}.norm.weight`), EPSILON))
}

const twice = (x, name) => convNormRelu(convNormRelu(x, `${name}.conv1`), `${name}.conv2`)
const half = (x) => tf.maxPool(x, 2, 2, "valid")

function level(deep, skip, name) {
  const [, height, width] = skip.shape
  return twice(tf.concat([skip, tf.image.resizeNearestNeighbor(deep, [height, width])], 3), `${name}.twice`)
}

function forward(x) {
  const down1 = twice(x, "net.down1")
  const down2 = twice(half(down1), "net.down2")
  const down3 = twice(half(down2), "net.down3")
  const down4 = twice(half(down3), "net.down4")
  const up3 = level(down4, down3, "net.up3")
  const up2 = level(up3, down2, "net.up2")
  const up1 = level(up2, down1, "net.up1")
  return tf.sigmoid(tf.add(tf.conv2d(up1, get("net.head.weight"), 1, "same"), get("net.head.bias")))
}

function loss() {
  const probability = forward(image)
  const [p, t] = [tf.mul(probability, 0.5), tf.mul(mask, 0.5)]
  const overlap = tf.sum(tf.mul(p, t), [1, 2, 3])
  const size = tf.add(tf.sum(tf.square(p), [1, 2, 3]), tf.sum(tf.square(t), [1, 2, 3]))
  const dice = tf.mean(tf.sub(1, tf.div(tf.add(tf.mul(overlap, 2), EPSILON), tf.add(size, EPSILON))))
  const right = tf.mul(mask, tf.maximum(tf.log(probability), -100))
  const wrong = tf.mul(tf.sub(1, mask), tf.maximum(tf.log(tf.sub(1, probability)), -100))
  return tf.sub(dice, tf.mean(tf.add(right, wrong)))
}

await serve({
  open({ shared, rate }) {
    let parameters = 0
    for (const [name, { shape, data }] of readTensors(shared)) {
      const tensor = tf.tensor(data, shape)
      if (name === "batch/image") image = tf.transpose(tensor, [0, 2, 3, 1])
      else if (name === "batch/mask") mask = tf.transpose(tensor, [0, 2, 3, 1])
      else {
        const statistic = /\.running_(mean|var)$/.test(name)
        const value = shape.length === 4 ? tf.transpose(tensor, [2, 3, 1, 0]) : tensor
        variables.set(name, tf.variable(value, !statistic, name))
        if (!statistic) parameters += data.length
      }
    }
    optimizer = tf.train.adam(rate, 0.9, 0.999, 1e-8)
    return { engine: `TensorFlow ${tensorflowVersion}, eager tfjs ${tf.version.tfjs}`, parameters }
  },

  step() {
    const { result, ...times } = timed(() => {
      const cost = optimizer.minimize(loss, true)
      const value = cost.dataSync()[0]
      cost.dispose()
      return value
    })
    return { ...times, loss: result }
  },
})
