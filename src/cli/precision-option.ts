/** `--precision`, which `train` and `compile` both have. */

import { Option } from "commander"
import { PRECISIONS } from "../compiler/passes/precision.js"

export const precisionOption = (): Option =>
  new Option("--precision <type>", "of the step's large products; weights and sums are f32").choices(PRECISIONS)
