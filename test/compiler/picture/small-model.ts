/** A model with all that a picture shows: sections, a frozen one, blocks within blocks, other names, weighed losses. */

import type { CompileResult } from "../../../src/compiler/compile.js"
import { type Drawn, drawn } from "../../../src/runtime/pictures/side.js"
import { compileText, elaborated } from "../source-host.js"

export const SMALL = `
/// Two layers that add what they read.
block Twice(width: int)(x) {
  let first = relu(conv2d(x, width, kernel = 3))
  let second = relu(conv2d(first, width, kernel = 3))
  return first + second
}

/// A model to draw.
model Small(width: int = 4) {
  /// What is looked at.
  input image: f32[N, 3, H = 16, W = 16]
  input note: tokens[N, T = 6] using words(20)
  target mask: f32[N, 1, H, W]

  let image_again = image

  encoder vision {
    let { deep, early } = {
      let one = conv2d(image_again, width)
      let two = Twice(width)(one)
      return { deep: two, early: one }
    }
  }
  frozen encoder language {
    let told = mean(embed(note.ids, note.valid), axes = [1])
  }
  fusion joined {
    let both = deep + reshape(told, [N, width, 1, 1])
    let stack = fold h = both for i in 0..3 => Twice(width)(h)
  }
  decoder {
    let chosen = stack
    output probability = sigmoid(conv2d(concat([chosen, early], axis = 1), 1))
  }
  reconstruction again {
    loss colours = 0.25 * mse(conv2d(stack, 3), image)
  }
  loss overlap = 2.0 * dice_loss(probability, mask) / 4.0
}

fn embed(ids: i32[N, T], valid: f32[N, T]) = Embedding(20, 4)(ids) * reshape(valid, [N, T, 1])
`

/** The text with one line exchanged for another. */
export function edited(from: string, to: string, text = SMALL): string {
  if (!text.includes(from)) throw new Error(`the small model does not say ${from}`)
  return text.replace(from, to)
}

/** The picture of a text. */
export function drawnText(text: string, label?: string): Drawn {
  return drawnResult(compileText(text), label)
}

/** The picture of what was compiled. */
export function drawnResult(result: CompileResult, label?: string): Drawn {
  return drawn({ model: elaborated(result), text: { modules: result.modules!, variant: result.variant! } }, label)
}
