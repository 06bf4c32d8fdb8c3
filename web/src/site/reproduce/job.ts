// The page's view of the work as a pure state machine: what was asked and what has been told so far.

import type { FailureData } from "../../worker/protocol.ts";
import type { CurvePoint } from "./curve.ts";
import type { Checkpoint, Message, Mode, Outcome, Phase, Progress } from "./protocol.ts";

export type Status = "idle" | "running" | "paused" | "stopped" | "done" | "failed";

export interface Job {
  readonly status: Status;
  readonly mode: Mode;
  readonly workers: number;
  readonly phase: Phase;
  readonly progress: Progress | undefined;
  /** Of the training that was recorded; 0 until it is known. */
  readonly steps: number;
  readonly recorded: readonly CurvePoint[];
  readonly live: readonly CurvePoint[];
  readonly checkpoints: readonly Checkpoint[];
  readonly outcome: Outcome | undefined;
  readonly failure: FailureData | undefined;
}

export type JobEvent =
  | Message
  | { readonly type: "start"; readonly mode: Mode; readonly workers: number }
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  | { readonly type: "stop" };

export const idle: Job = {
  status: "idle",
  mode: "verify",
  workers: 1,
  phase: "documents",
  progress: undefined,
  steps: 0,
  recorded: [],
  live: [],
  checkpoints: [],
  outcome: undefined,
  failure: undefined,
};

/** Whether there is work that can still be stopped. */
export function isActive({ status }: Job): boolean {
  return status === "running" || status === "paused";
}

/** What an event makes of a job. One that does not fit the job's status, such as a late message, changes nothing. */
export function reduce(job: Job, event: JobEvent): Job {
  if (event.type === "start") {
    return isActive(job) ? job : { ...idle, status: "running", mode: event.mode, workers: event.workers };
  }
  if (!isActive(job)) return job;
  switch (event.type) {
    case "pause":
      return { ...job, status: "paused" };
    case "resume":
      return { ...job, status: "running" };
    case "stop":
      return { ...job, status: "stopped" };
    case "phase":
      return { ...job, phase: event.phase, progress: undefined };
    case "progress":
      return { ...job, progress: event.progress };
    case "recorded":
      return { ...job, recorded: event.points, steps: event.steps };
    case "points":
      return { ...job, live: [...job.live, ...event.points] };
    case "checkpoint":
      return { ...job, checkpoints: [...job.checkpoints, event.checkpoint] };
    case "alive":
      return job;
    case "outcome":
      return { ...job, status: "done", outcome: event.outcome };
    case "failed":
      return { ...job, status: "failed", failure: event.failure };
  }
}
