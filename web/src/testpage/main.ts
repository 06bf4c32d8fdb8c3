// A bare page that runs closures in workers. Tests and benchmarks drive it through window.reprise; every answer is JSON.

import { type BlobRef, HttpBlobs } from "../core/blobs.ts";
import { digestOf } from "../core/digest.ts";
import { noDecisions, readDecisions } from "../core/documents.ts";
import type { RunDigests } from "../core/engine.ts";
import { Failure } from "../core/failure.ts";
import { lineText, trainJournal } from "../core/journal.ts";
import { blobOf, openClosure, openSplit, openStages, type Plan } from "../core/plan.ts";
import type { Count } from "../core/replica.ts";
import { Run } from "../core/run.ts";
import { missingFeatures } from "../core/support.ts";
import type { Digest, JournalLine } from "../gen/schema.ts";
import type { BenchReport } from "../worker/bench.ts";
import { encodeFailure, type FailureData } from "../worker/protocol.ts";
import type { RemoteReplica } from "../worker/remote.ts";
import { spawnReplica } from "../worker/spawn.ts";

const blobsAddress = "blobs/";

export interface TrainRequest {
  readonly closure: Digest;
  readonly workers: number;
  /** Stops, as a person would, after this step. */
  readonly stopAfter?: number;
  /** Milliseconds that a call of a worker may take. */
  readonly deadline?: number;
}

export interface TrainAnswer {
  readonly lines: readonly JournalLine[];
  /** Of the lines as a journal's file would hold them. */
  readonly journal: Digest;
}

export interface RunRequest {
  readonly plan: Plan;
  readonly steps: number;
  readonly workers: number;
}

export interface RunAnswer {
  /** One for each step. */
  readonly lines: readonly JournalLine[];
  readonly digests: RunDigests;
}

export interface EvaluateRequest {
  readonly closure: Digest;
  readonly workers: number;
}

export interface EvaluateAnswer {
  /** What the page counts, where there are classes. */
  readonly blind?: Count;
  /** What the engine's own evaluate counts. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Of the closure's own parameters and state. */
  readonly digests: RunDigests;
}

export interface BenchRequest {
  /** A closure, or an engine with the split of a dataset that it trains on. */
  readonly source:
    | { readonly closure: Digest }
    | {
        readonly engine: BlobRef;
        readonly dataset: Digest;
        readonly split: string;
        readonly seed: number;
        readonly microbatches: number;
      };
  readonly seconds: number;
}

export interface BenchAnswer extends BenchReport {
  /** Of f32x4 multiply-and-add, in GFLOP/s, measured in the same worker just before and just after; the better one. */
  readonly peak: number;
}

const blobs = new HttpBlobs(new URL(blobsAddress, document.baseURI).href);

const commands = {
  async missing(_: null): Promise<string[]> {
    return missingFeatures();
  },

  async train(request: TrainRequest): Promise<TrainAnswer> {
    const opened = await openClosure(blobs, request.closure);
    const { closure } = opened;
    const recorded = closure.files.find((f) => f.role === "journal");
    const decisions =
      recorded === undefined ? noDecisions : readDecisions(await blobs.read(blobOf(recorded)), recorded.path);
    const stages = await openStages(blobs, opened, decisions, recorded?.path ?? "journal");
    return withWorkers(request, async (replicas) => {
      const run = await Run.open(stages[0].plan, replicas);
      const lines: JournalLine[] = [];
      for await (const line of trainJournal(run, closure, decisions, stages)) {
        progress(`step ${line.step} of ${closure.algorithm.steps}`);
        lines.push(line);
        if (line.type === "step" && line.step === request.stopAfter) break;
      }
      const text = new TextEncoder().encode(lines.map(lineText).join(""));
      return { lines, journal: await digestOf(text) };
    });
  },

  /** Trains a plan that no closure names. */
  async run(request: RunRequest): Promise<RunAnswer> {
    return withWorkers(request, async (replicas) => {
      const run = await Run.open(request.plan, replicas);
      const lines: JournalLine[] = [];
      for await (const line of run.train(request.steps)) lines.push(line);
      return { lines, digests: await run.digests() };
    });
  },

  async evaluate(request: EvaluateRequest): Promise<EvaluateAnswer> {
    const { plan } = await openClosure(blobs, request.closure);
    return withWorkers(request, async (replicas) => {
      const run = await Run.open(plan, replicas);
      await run.install();
      const count = (done: number) => progress(`${done} records`);
      return {
        ...(run.isBlind("test") && { blind: await run.evaluate("test", count) }),
        metrics: await run.measure("test", count),
        digests: await run.digests(),
      };
    });
  },

  async bench(request: BenchRequest): Promise<BenchAnswer> {
    // All records stay at hand, so that nothing is measured but the steps.
    const plan = { ...(await benchPlan(request)), cacheBytes: Number.POSITIVE_INFINITY };
    return withWorkers({ workers: 1 }, async ([replica]) => {
      if (replica === undefined) throw new Failure("invalid", "a measurement needs a worker");
      await replica.open(plan);
      const before = await replica.peak(1);
      const report = await replica.bench(request.seconds);
      return { ...report, peak: Math.max(before, await replica.peak(1)) };
    });
  },
};

async function benchPlan({ source }: BenchRequest): Promise<Plan> {
  if ("closure" in source) return (await openClosure(blobs, source.closure)).plan;
  const train = await openSplit(blobs, source.dataset, source.split);
  const { engine, seed, microbatches } = source;
  return { engine, seed, microbatches, records: { train }, snapshot: [] };
}

async function withWorkers<T>(
  { workers, deadline }: { readonly workers: number; readonly deadline?: number },
  use: (replicas: readonly RemoteReplica[]) => Promise<T>,
): Promise<T> {
  const replicas = Array.from({ length: workers }, () => spawnReplica(blobsAddress, deadline));
  try {
    return await use(replicas);
  } finally {
    for (const replica of replicas) replica.close();
  }
}

function progress(text: string): void {
  document.body.textContent = text;
}

export type Commands = typeof commands;
export type Command = keyof Commands;
export type Outcome<T> = { readonly value: T } | { readonly failure: FailureData };

async function call<C extends Command>(command: C, request: Parameters<Commands[C]>[0]): Promise<string> {
  let outcome: Outcome<unknown>;
  try {
    const missing = missingFeatures();
    if (missing.length > 0) throw new Failure("unsupported", missing.join("; "));
    outcome = { value: await (commands[command] as (r: typeof request) => Promise<unknown>)(request) };
  } catch (thrown) {
    outcome = { failure: encodeFailure(thrown) };
  }
  return JSON.stringify(outcome);
}

declare global {
  interface Window {
    reprise: typeof call;
  }
}
window.reprise = call;
