/**
 * What the commands print with --json, as the TypeScript declarations that the program itself has.
 *
 * Takes a function that reads sources; gives a Markdown part for each command (`json-eval`). The text of the declarations
 * is taken as it is, without `readonly` and `export`, so the page cannot describe a field that is not there.
 */

const DATA = "src/runtime/data"

/** By command: files, and the declarations in them that the output is made of; the first is the whole. */
const SHAPES = {
  new: [["src/cli/new.ts", ["NewProject"]]],
  check: [["src/compiler/diagnostics/render.ts", ["JsonDiagnostic", "JsonLabel", "JsonRange"]]],
  explain: [["src/runtime/explanations.ts", ["Explanation", "ExplanationPart"]]],
  summary: [["src/compiler/summary.ts", ["ModelSummary", "SectionSummary", "ParameterCount"]]],
  graph: [
    ["src/compiler/picture/picture.ts", ["Picture", "PictureSection", "View", "Box", "Edge", "BoxKind", "SourcePlace"]],
    ["src/compiler/picture/members.ts", ["MemberKind"]],
    ["src/compiler/picture/costs.ts", ["PartCosts"]],
  ],
  diff: [
    ["src/cli/diff.ts", ["DiffReport"]],
    ["src/compiler/diff/diff.ts", ["ModelDiff", "NameChange", "SectionChange", "ParameterChange", "ValueChange"]],
    ["src/compiler/diff/operation-changes.ts", ["OperationChange"]],
    ["src/compiler/diff/loss-weights.ts", ["LossChange"]],
    ["src/compiler/diff/step-time.ts", ["StepTime"]],
    ["src/compiler/diff/checkpoint-fit.ts", ["CheckpointFit", "CheckpointTensor"]],
    ["src/compiler/diff/patch.ts", ["Edit", "Rename", "Renumbering", "Removal", "Addition", "Setting"]],
  ],
  compile: [["src/cli/compile.ts", ["CompileReport"]]],
  train: [
    ["src/runtime/training/observer.ts", ["TrainResult"]],
    ["src/runtime/runs/run-log.ts", ["Ending", "EvaluationEntry"]],
    ["src/runtime/runs/checkpoint.ts", ["BestScore"]],
    ["src/runtime/metrics/segmentation.ts", ["Summary", "Spread"]],
  ],
  "train-log": [
    ["src/runtime/runs/run-log.ts", ["LogEntry", "StepsEntry", "EvaluationEntry", "EpochEntry", "WarningEntry"]],
    ["src/runtime/runs/run-log.ts", ["RunScores"]],
  ],
  "train-profile": [
    ["src/runtime/training/profile.ts", ["TrainingProfile"]],
    [
      "src/runtime/training/profile-report.ts",
      ["ProfileReport", "Times", "LineTimes", "SectionTimes", "OpTimes", "NodeTime"],
    ],
    ["src/compiler/targets/tensorflow/profile.ts", ["Phase"]],
  ],
  eval: [
    ["src/runtime/training/evaluate.ts", ["Evaluation", "EvaluatedCase"]],
    ["src/runtime/training/scoring.ts", ["ScoredCase"]],
    ["src/runtime/metrics/segmentation.ts", ["CaseScores", "Summary", "Spread"]],
    ["src/runtime/metrics/conventions.ts", ["OverlapScores", "PixelCounts", "ConventionScores"]],
    ["src/runtime/metrics/case-measures.ts", ["CaseMeasures", "MeasureSummaries", "MeasureSummary"]],
    ["src/runtime/metrics/calibration.ts", ["Calibration", "CalibrationBin"]],
    [
      "src/runtime/training/note-adherence.ts",
      ["NoteAdherence", "NoteEffect", "MeanInterval", "AdherenceCase", "ChangedReading", "OppositeReading"],
    ],
  ],
  ablate: [
    [
      "src/runtime/ablation/result.ts",
      ["AblationResult", "VariantResult", "SeedResult", "OverSeeds", "Comparison", "MissingMember"],
    ],
    ["src/cli/ablate-engine.ts", ["SubmittedSweep"]],
    ["src/runtime/ablation/slurm/slurm-engine.ts", ["LeftJob"]],
    ["src/runtime/ablation/plan.ts", ["Budget"]],
    ["src/runtime/runs/run-folder.ts", ["RunData"]],
    ["src/runtime/runs/run-log.ts", ["Ending"]],
    ["src/runtime/statistics/bootstrap.ts", ["BootstrapInterval"]],
  ],
  report: [
    ["src/runtime/reports/report-for-run.ts", ["WrittenReport"]],
    ["src/runtime/reports/report-data.ts", ["ReportWarning"]],
  ],
  predict: [
    ["src/runtime/prediction/write-prediction.ts", ["WrittenPrediction"]],
    ["src/runtime/prediction/interest.ts", ["WeighedPiece"]],
    ["src/cli/predict.ts", ["PredictedWith"]],
  ],
  "predict-many": [["src/runtime/prediction/predict-many.ts", ["ManyPredictions", "FailedCase", "MeanScores"]]],
  "predict-index": [["src/runtime/prediction/prediction-index.ts", ["IndexEntry"]]],
  serve: [["src/cli/serve.ts", ["ServingReport"]]],
  export: [
    ["src/runtime/deployment/export-model.ts", ["ExportResult"]],
    ["src/compiler/targets/onnx/export.ts", ["ExportedTensor"]],
    ["src/compiler/targets/onnx/open-sizes.ts", ["OpenSize"]],
    ["src/runtime/deployment/write-onnx.ts", ["DataFileRecord"]],
    ["src/runtime/deployment/calibrate.ts", ["RoundingReport"]],
    ["src/runtime/onnx/parity.ts", ["ParityReport", "ParityCase", "OutputDifference"]],
  ],
  "weights-inspect": [
    ["src/runtime/weights/inspect-weights.ts", ["WeightsReport", "StoredTensor", "ModelFit", "SectionFit"]],
    ["src/runtime/weights/fit.ts", ["Misshaped"]],
    ["src/runtime/weights/published-fit.ts", ["FoundScheme"]],
  ],
  "weights-import": [["src/runtime/weights/import-weights.ts", ["ImportedWeights"]]],
  "weights-export": [["src/runtime/weights/export-weights.ts", ["ExportedWeights"]]],
  "data-inspect": [
    [`${DATA}/inspect.ts`, ["DatasetReport", "SplitReport", "SideReport", "DataWarning"]],
    [`${DATA}/inspect-duplicates.ts`, ["DuplicateReport", "Duplicate"]],
    [`${DATA}/sample.ts`, ["DataProblem"]],
  ],
  "data-synth": [[`${DATA}/phantom.ts`, ["PhantomReport"]]],
  demo: [["src/cli/demo.ts", ["DemoSummary"]]],
  doctor: [["src/runtime/native/doctor.ts", ["DoctorReport", "DoctorItem"]]],
}

/** The parts by name. Throws for a declaration that is not where it was. */
export function jsonParts(readText) {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([command, files]) => {
      const declarations = files.flatMap(([path, names]) =>
        names.map((name) => declaration(readText(path), name, path)),
      )
      return [`json-${command}`, "```ts\n" + declarations.join("\n\n") + "\n```"]
    }),
  )
}

function declaration(source, name, path) {
  const block = new RegExp(`^(?:export )?interface ${name}\\b[^\\n]*\\{\\n[\\s\\S]*?^\\}$`, "m").exec(source)
  const line = new RegExp(`^(?:export )?type ${name} = [^\\n]*$`, "m").exec(source)
  const found = block?.[0] ?? line?.[0]
  if (found === undefined) throw new Error(`${path} no longer declares ${name}`)
  return found.replaceAll(/^export /gm, "").replaceAll("readonly ", "")
}
