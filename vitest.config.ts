import { defineConfig } from "vitest/config"

/** Messages are compared without colours, which some environments (CI) switch on. */
const PLAIN = { NO_COLOR: "1" }

/**
 * Two projects. Most tests are plain. Those that load the native TensorFlow library (`*.native.test.ts`) share one
 * process, because loading it takes ten seconds and hundreds of megabytes.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.native.test.ts"],
          testTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          env: PLAIN,
        },
      },
      {
        test: {
          name: "native",
          include: ["test/**/*.native.test.ts"],
          pool: "forks",
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          env: PLAIN,
          isolate: false,
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
