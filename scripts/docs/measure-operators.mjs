#!/usr/bin/env node
/**
 * Measures how far each op is from the reference in each target, and writes scripts/docs/operator-errors/*.json, from
 * which docs/operators.md has its numbers.
 *
 * Takes nothing; runs the tests that compare the ops, with MDL_MEASURE set, which makes them write what they measure. It
 * runs the whole of each test file, because a part of it would leave ops out.
 */

import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const TESTS = [
  "test/compiler/ops/gradients.test.ts",
  "test/compiler/ops/images.test.ts",
  "test/compiler/ops/tfjs-oracle.test.ts",
  "test/compiler/ops/torch-expressions.test.ts",
  "test/compiler/targets/onnx/conformance.test.ts",
  "test/compiler/targets/tensorflow/conformance.native.test.ts",
]

const { status } = spawnSync("npx", ["vitest", "run", ...TESTS], {
  cwd: fileURLToPath(new URL("../../", import.meta.url)),
  env: { ...process.env, MDL_MEASURE: "1" },
  stdio: "inherit",
})
process.exitCode = status ?? 2
