import { describe, expect, test } from "vitest";
import type { Digest } from "../../gen/schema.ts";
import { idle, isActive, type Job, type JobEvent, reduce } from "./job.ts";
import type { Outcome } from "./protocol.ts";

const start: JobEvent = { type: "start", mode: "replay", workers: 2 };
const progress = { phase: "training", done: 3, total: 9, unit: "steps", perSecond: 2 } as const;
const outcome = { mode: "replay" } as Outcome;

function applied(...events: readonly JobEvent[]): Job {
  return events.reduce(reduce, idle);
}

describe("reduce", () => {
  test.each<[string, JobEvent[], Partial<Job>]>([
    [
      "starting forgets what was before",
      [start, { type: "outcome", outcome }, start],
      { status: "running", workers: 2 },
    ],
    [
      "a phase has no progress yet",
      [start, { type: "progress", progress }, { type: "phase", phase: "engine" }],
      { phase: "engine", progress: undefined },
    ],
    ["progress replaces progress", [start, { type: "progress", progress }], { progress }],
    ["a pause", [start, { type: "pause" }], { status: "paused" }],
    [
      "a message while paused",
      [start, { type: "pause" }, { type: "progress", progress }],
      { status: "paused", progress },
    ],
    ["resuming", [start, { type: "pause" }, { type: "resume" }], { status: "running" }],
    [
      "stopping keeps what was told",
      [start, { type: "progress", progress }, { type: "stop" }],
      { status: "stopped", progress },
    ],
    ["an outcome", [start, { type: "outcome", outcome }], { status: "done", outcome }],
    ["a failure", [start, { type: "failed", failure: { kind: "fetch", message: "no" } }], { status: "failed" }],
  ])("%s", (_, events, expected) => {
    expect(applied(...events)).toMatchObject(expected);
  });

  test("starting anew clears outcome and curves", () => {
    const points = [{ step: 1, loss: 2, accuracy: null }];
    const again = applied(start, { type: "points", points }, { type: "outcome", outcome }, start);
    expect(again).toEqual({ ...idle, status: "running", mode: "replay", workers: 2 });
  });

  test("points and checkpoints add up", () => {
    const point = (step: number) => ({ step, loss: 1, accuracy: null });
    const run = "sha256:0" as Digest;
    const job = applied(
      start,
      { type: "points", points: [point(1), point(2)] },
      { type: "checkpoint", checkpoint: { step: 2, run } },
      { type: "points", points: [point(3)] },
    );
    expect(job.live.map((p) => p.step)).toEqual([1, 2, 3]);
    expect(job.checkpoints).toEqual([{ step: 2, run }]);
  });

  test.each<[string, JobEvent[], JobEvent]>([
    ["a message before the start", [], { type: "outcome", outcome }],
    ["a pause before the start", [], { type: "pause" }],
    ["a late outcome after a stop", [start, { type: "stop" }], { type: "outcome", outcome }],
    ["a second start", [start], { type: "start", mode: "verify", workers: 1 }],
    ["a sign of life", [start], { type: "alive" }],
    ["a resume after the end", [start, { type: "outcome", outcome }], { type: "resume" }],
  ])("%s changes nothing", (_, events, late) => {
    const job = applied(...events);
    expect(reduce(job, late)).toBe(job);
  });

  test("active is what can be stopped", () => {
    expect(
      [applied(), applied(start), applied(start, { type: "pause" }), applied(start, { type: "stop" })].map(isActive),
    ).toEqual([false, true, true, false]);
  });
});
