/**
 * The files of the page: a fixed list, so that no request can name any other file.
 *
 * Gives: by path of the URL, the type and the content. Modules of this tool are served as they are compiled; ONNX Runtime
 * comes from its package, so that nothing is fetched from elsewhere.
 */

import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { UserError } from "../user-error.js"
import { pageHtml } from "./page-html.js"
import { PAGE_STYLE } from "./page-style.js"

/** The page's modules and those of the tool that they import, below src/runtime, without endings. */
export const PAGE_MODULES = [
  "serving/page/main",
  "serving/page/inference",
  "serving/page/inference-worker",
  "serving/page/drawing",
  "serving/page/server",
  "serving/page/words",
  "serving/page/elements",
  "prediction/interest",
  "prediction/resize",
  "data/heat-map",
] as const

/** ONNX Runtime for browsers: WebAssembly on the CPU, without WebGPU. */
const ORT_FILES = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"] as const

export interface PageFile {
  readonly type: string
  read(): Promise<string | Uint8Array>
}

/** The JavaScript of a module in `PAGE_MODULES`. */
export type ModuleReader = (module: string) => Promise<string>

const JAVASCRIPT = "text/javascript; charset=utf-8"

/** All files by path. @param readModule the JavaScript of a module; as compiled when absent */
export function pageFiles(readModule: ModuleReader = readCompiled): ReadonlyMap<string, PageFile> {
  const ort = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"))
  return new Map<string, PageFile>([
    ["/", { type: "text/html; charset=utf-8", read: async () => pageHtml() }],
    ["/style.css", { type: "text/css; charset=utf-8", read: async () => PAGE_STYLE }],
    ...PAGE_MODULES.map((module): [string, PageFile] => [
      `/app/${module}.js`,
      { type: JAVASCRIPT, read: () => readModule(module) },
    ]),
    ...ORT_FILES.map((name): [string, PageFile] => [
      `/ort/${name}`,
      { type: name.endsWith(".wasm") ? "application/wasm" : JAVASCRIPT, read: () => readFile(join(ort, name)) },
    ]),
  ])
}

/** @throws UserError when the page is not built */
async function readCompiled(module: string): Promise<string> {
  const path = fileURLToPath(new URL(`../${module}.js`, import.meta.url))
  try {
    return await readFile(path, "utf8")
  } catch (thrown) {
    throw new UserError(`${path} is missing: build the tool (npm run build)`, { cause: thrown })
  }
}
