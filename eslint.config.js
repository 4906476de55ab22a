/**
 * Lint rules: typed checks for TypeScript, plain ones for the set-up scripts.
 *
 * What a formatter decides is not here (Prettier does that), nor what `tsc` reports already. Each rule that is switched
 * off says why.
 */

import { defineConfig, globalIgnores } from "eslint/config"
import tseslint from "typescript-eslint"

export default defineConfig(
  globalIgnores(["dist/", "docs/api/", "runs/**", "node_modules/", ".setup/", "bench/results/"]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    // The core rules that find mistakes and that neither TypeScript nor Prettier finds.
    rules: {
      eqeqeq: "error",
      "array-callback-return": "error",
      "no-control-regex": "error",
      "no-cond-assign": "error",
      "no-constant-binary-expression": "error",
      "no-constant-condition": ["error", { checkLoops: false }],
      "no-empty": "error",
      "no-fallthrough": "error",
      "no-loss-of-precision": "error",
      "no-self-assign": "error",
      "no-sparse-arrays": "error",
      "no-template-curly-in-string": "error",
      "no-unreachable": "error",
      "no-unsafe-finally": "error",
      "no-useless-catch": "error",
      "no-var": "error",
      "prefer-const": "error",
      "valid-typeof": "error",
    },
  },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // A promise that nobody waits for loses its error.
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      // A new case of a union has to be thought about wherever the union is taken apart.
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/consistent-type-imports": [
        "error",
        { fixStyle: "inline-type-imports", disallowTypeAnnotations: false },
      ],
      // The builder of graphs binds the methods it hands out (`const { op } = context`), and records of functions are
      // declared as methods throughout.
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/only-throw-error": "error",
      // `array[i]!` inside checked bounds is the price of noUncheckedIndexedAccess.
      "@typescript-eslint/no-non-null-assertion": "off",
      // An `async` function without `await` is how an interface of promises is met.
      "@typescript-eslint/require-await": "off",
      // Type narrowing of unions with strings (`"a" | string`) documents the known values.
      "@typescript-eslint/no-redundant-type-constituents": "off",
      // `process.exitCode ?? 0` and the like in templates are read by people, not parsed.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
    },
  },
  {
    // Tests read JSON that the code under test wrote, and take it apart as it comes.
    files: ["test/**/*.ts", "bench/**/*.ts"],
    rules: {
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-base-to-string": "off",
    },
  },
  {
    // Commands write to stdout and stderr by name: with --json, stdout holds nothing else.
    files: ["src/**/*.ts", "grammar/**/*.ts"],
    rules: { "no-console": "error" },
  },
  {
    files: ["**/*.{js,mjs,cjs}"],
    rules: {
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-dupe-keys": "error",
      "no-dupe-args": "error",
    },
  },
)
