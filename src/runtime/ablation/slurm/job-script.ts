/**
 * The script of an array job: one task for each member of a sweep that is to be trained.
 *
 * Takes tasks and the tool; gives a text for bash, with every path quoted. The task becomes the process of `mdl` itself
 * (`exec`), so that Slurm's signals reach it: SIGTERM, at the end of the time or when it is cancelled, leaves a checkpoint.
 */
import type { Task } from "../engine.js"
import { shellWord, shellWords } from "../../shell-words.js"

export interface ScriptOptions {
  /** in the order of the array */
  readonly tasks: readonly Pick<Task, "name" | "command" | "log">[]
  readonly cluster: string
  /** link that the first task to start makes, to the number of its job: made in one piece, or there already */
  readonly claim: string
  /** what Node runs for `mdl` */
  readonly tool: string
  /** cores of each; those that Slurm gives when absent */
  readonly cpus?: number | undefined
}

/** The text of the script. */
export function jobScript({ tasks, cluster, claim, tool, cpus }: ScriptOptions): string {
  return `#!/bin/bash
# Written by \`mdl ablate --engine slurm\`: each task of the array trains one member of the sweep.
set -euo pipefail
case "$SLURM_ARRAY_TASK_ID" in
${tasks.map(({ command, log }, index) => `${index}) log=${shellWord(log)}; words=(${shellWords(command)}) ;;`).join("\n")}
*) echo "the script has no task $SLURM_ARRAY_TASK_ID" >&2; exit 2 ;;
esac

# A job that \`mdl ablate\` believes lost is withdrawn, and its members are in another one.
claim=${shellWord(claim)}
ln -s "$SLURM_ARRAY_JOB_ID" "$claim" 2>/dev/null || true
owner=$(readlink "$claim") || { echo "$claim cannot be written: the folder of the sweep must be there on every node" >&2; exit 2; }
if [ "$owner" != "$SLURM_ARRAY_JOB_ID" ]; then echo "this job was withdrawn"; exit 0; fi
: >>"$log" || exit 2

export NO_COLOR=1
export MDL_THREADS="\${MDL_THREADS:-${cpus ?? "$SLURM_CPUS_ON_NODE"}}"
export MDL_BATCH_TASK=${shellWord(cluster)}:"\${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
exec >>"$log" 2>&1
exec ${shellWords([process.execPath, tool])} "\${words[@]}"
`
}
