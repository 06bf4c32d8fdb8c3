// Replaying: training once more from the seed, with every line of the new journal compared with the recorded one as soon
// as it is made. The first difference ends it.

import type { Closure } from "../../core/documents.ts";
import { readDecisions } from "../../core/documents.ts";
import { Failure } from "../../core/failure.ts";
import { trainJournal } from "../../core/journal.ts";
import { blobOf, type OpenClosure, openClosure, openStages } from "../../core/plan.ts";
import { Run } from "../../core/run.ts";
import type { Digest, JournalLine } from "../../gen/schema.ts";
import { Comparison } from "./comparison.ts";
import { CurveBuilder, type CurvePoint, recordedCurve } from "./curve.ts";
import { Meter } from "./meter.ts";
import type { Difference, ReplayOutcome } from "./protocol.ts";
import { checkBlobs, Findings, storedDigests, type Work } from "./work.ts";

export async function replay(work: Work): Promise<ReplayOutcome> {
  const findings = new Findings();
  const replaying = new Replaying(work, findings);
  await findings.during(() => replaying.run());
  const { opened, steps, lines, examples, difference, reached } = replaying;
  return {
    mode: "replay",
    foreign: opened?.closure.foreign ?? false,
    engine: opened?.closure.engine ?? work.closure,
    seconds: work.gate.seconds,
    ...findings.outcome,
    steps,
    stepsRecorded: opened?.closure.algorithm.steps ?? 0,
    lines,
    examples,
    ...(difference && { difference }),
    ...(reached && { run: reached }),
  };
}

class Replaying {
  opened: OpenClosure | undefined;
  steps = 0;
  lines = 0;
  examples = 0;
  difference: Difference | undefined;
  /** Of parameters and state at the last checkpoint that was as recorded. */
  reached: Digest | undefined;
  readonly #work: Work;
  readonly #findings: Findings;

  constructor(work: Work, findings: Findings) {
    this.#work = work;
    this.#findings = findings;
  }

  async run(): Promise<void> {
    const { closure: digest, blobs, gate, post } = this.#work;
    post({ type: "phase", phase: "documents" });
    this.opened = await openClosure(blobs, digest);
    const { closure } = this.opened;

    // The records are checked as they are read.
    post({ type: "phase", phase: "bytes" });
    await checkBlobs(this.#work, this.#findings, closure.files.map(blobOf));
    if (this.#findings.damaged.length > 0) return;
    const file = closure.files.find((f) => f.role === "journal");
    if (file === undefined)
      throw new Failure("invalid", "the closure has no journal, so there is nothing to compare with");
    const journal = await blobs.read(blobOf(file));
    const recorded = new TextDecoder().decode(journal);
    post({
      type: "recorded",
      points: recordedCurve(recorded, closure.algorithm.steps),
      steps: closure.algorithm.steps,
    });

    post({ type: "phase", phase: "engine" });
    const decisions = readDecisions(journal, file.path);
    const stages = await openStages(blobs, this.opened, decisions, file.path);
    const run = await Run.open(stages[0].plan, this.#work.replicas, gate.pass);

    post({ type: "phase", phase: "training" });
    const comparison = new Comparison(recorded);
    const follow = this.#follower(closure);
    for await (const line of trainJournal(run, closure, decisions, stages)) {
      this.difference = comparison.next(line);
      if (this.difference) return;
      this.lines = comparison.lines;
      follow(line);
    }
    this.difference = comparison.end(this.steps) ?? (await this.#conclude(closure));
  }

  /** Reports the lines that are as recorded. */
  #follower(closure: Closure): (line: JournalLine) => void {
    const { gate, post } = this.#work;
    const { steps } = closure.algorithm;
    const curve = new CurveBuilder(steps);
    const meter = new Meter(gate, "training", "steps", steps, (progress) => post({ type: "progress", progress }));
    let points: CurvePoint[] = [];
    return (line) => {
      if (line.type === "checkpoint") {
        this.reached = line.run;
        post({ type: "checkpoint", checkpoint: { step: line.step, run: line.run } });
      }
      if (line.type !== "step") return;
      this.steps = line.step;
      this.examples += line.examples;
      const point = curve.add(line);
      if (point) points.push(point);
      if (meter.reached(line.step) && points.length > 0) {
        post({ type: "points", points });
        points = [];
      }
    };
  }

  /** The last state must be what closure.json names and what the closure stores. */
  async #conclude(closure: Closure): Promise<Difference | undefined> {
    const stored = await storedDigests(this.#work.blobs, closure);
    const reached = this.reached ?? "nothing";
    for (const [what, recorded] of [
      ["the run digest in closure.json", closure.run],
      ["the content of parameters and state", stored.run],
    ] as const) {
      if (recorded !== reached) return { step: this.steps, what, recorded, observed: reached };
    }
    // The run's digest covers the parameters; their own is stated apart from it.
    if (stored.parameters !== closure.parameters) {
      const what = "the parameters' digest in closure.json";
      return { step: this.steps, what, recorded: closure.parameters, observed: stored.parameters };
    }
    return undefined;
  }
}
