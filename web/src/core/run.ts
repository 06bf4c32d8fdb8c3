// A run over several replicas: microbatches spread, integers merged, every step ended alike everywhere. The result does
// not depend on the number of replicas nor on their speed.

import type { JournalLineStep } from "../gen/schema.ts";
import { type Accumulators, exact, merge, total } from "./accumulators.ts";
import { type Decisions, noDecisions, type Range, type Role } from "./documents.ts";
import type { RunDigests } from "./engine.ts";
import { Failure } from "./failure.ts";
import type { Plan, RecordsPlan, Stage } from "./plan.ts";
import { isClass, predictionsOf } from "./records.ts";
import { type Count, newPredictions, type Predictions, type Replica } from "./replica.ts";
import type { EngineSection } from "./section.ts";

/** Batches of capacity records that a replica evaluates at a time: enough to hide a message, few enough to stop soon. */
const evaluationBatches = 16;

/** Awaited before every step and every range of records; it holds a run for as long as it is pending. */
export type Pace = () => Promise<void>;

/** The engine of another plan, which goes on before a step. */
export type Change = Pick<Stage, "step" | "plan">;

export class Run {
  #plan: Plan;
  #section: EngineSection;
  readonly #replicas: readonly Replica[];
  readonly #pace: Pace;

  /** Opens the plan in every replica. */
  static async open(plan: Plan, replicas: readonly Replica[], pace: Pace = async () => {}): Promise<Run> {
    const [section] = await Promise.all(replicas.map((r) => r.open(plan)));
    if (section === undefined) throw new Failure("invalid", "a run needs at least one replica");
    return new Run(plan, section, replicas, pace);
  }

  private constructor(plan: Plan, section: EngineSection, replicas: readonly Replica[], pace: Pace) {
    this.#plan = plan;
    this.#section = section;
    this.#replicas = replicas;
    this.#pace = pace;
  }

  /** Of the engine that runs now. */
  get plan(): Plan {
    return this.#plan;
  }

  get section(): EngineSection {
    return this.#section;
  }

  /** Installs the closure's own tensors. */
  async install(): Promise<void> {
    await Promise.all(this.#replicas.map((r) => r.install()));
  }

  /**
   * Trains from the seed: step 0, which only calibrates and is not counted, then steps 1 to the last, each yielded as
   * its line in the journal when every replica has ended it. Leaving the loop stops the run after a whole step.
   */
  async *train(
    steps: number,
    { events, merged: ranges }: Decisions = noDecisions,
    changes: readonly Change[] = [],
  ): AsyncGenerator<JournalLineStep, void, void> {
    const values = new Map<string, number>(); // of hyper-parameters that were changed
    await Promise.all(this.#replicas.map((r) => r.init()));
    for (let step = 0; step <= steps; step++) {
      await this.#pace();
      for (const { plan } of changes.filter((each) => each.step === step)) await this.#replace(plan, values);
      for (const { name, value } of events.filter((each) => each.step === step)) {
        await this.#set(name, value);
        values.set(name, value);
      }
      const microbatches = (step > 0 ? ranges.get(step) : undefined) ?? [[0, this.plan.microbatches] as const];
      const merged = await this.#accumulate(step, microbatches);
      await Promise.all(this.#replicas.map((r) => r.apply(step, merged)));
      if (step > 0) yield this.#line(step, microbatches, merged);
    }
  }

  /** Goes on with another engine, which keeps changed hyper-parameters as far as it has them and allows their values. */
  async #replace(plan: Plan, values: ReadonlyMap<string, number>): Promise<void> {
    const [section] = await Promise.all(this.#replicas.map((r) => r.replace(plan)));
    this.#plan = plan;
    this.#section = section as EngineSection;
    for (const { name, min, max } of this.section.hyperparameters) {
      const value = values.get(name);
      if (value !== undefined && value >= min && value <= max) await this.#set(name, value);
    }
  }

  async #set(name: string, value: number): Promise<void> {
    await Promise.all(this.#replicas.map((r) => r.setHyperparameter(name, value)));
  }

  /** Whether records of a role have classes, so that an evaluation can be blind. */
  isBlind(role: Role): boolean {
    return isClass(this.#records(role).layout.target);
  }

  /** Evaluates all records of a role blindly. Progress is called with the records done so far. */
  async evaluate(role: Role, progress?: (done: number) => void): Promise<Count> {
    let correct = 0;
    await this.#spreadRecords(role, progress, async (replica, first, end) => {
      const count = await replica.evaluate(role, first, end);
      correct += count.correct; // not in one expression, which would read the sum before it waits
    });
    const { records, layout } = this.#records(role);
    return { correct, total: records * predictionsOf(layout.target) };
  }

  /** Says of every record of a role what predict makes of it: of each of its predictions, where it asks for several. */
  async classify(role: Role, progress?: (done: number) => void): Promise<Predictions> {
    const { records, layout } = this.#records(role);
    const each = predictionsOf(layout.target);
    const all = newPredictions(records * each);
    await this.#spreadRecords(role, progress, async (replica, first, end) => {
      const some = await replica.classify(role, first, end);
      all.expected.set(some.expected, first * each);
      all.predicted.set(some.predicted, first * each);
      all.confidence.set(some.confidence, first * each);
      all.support.set(some.support, first * each);
    });
    return all;
  }

  /** Sums what the engine's own evaluate counts over all records of a role. */
  async measure(role: Role, progress?: (done: number) => void): Promise<Record<string, number>> {
    const sums: Record<string, bigint> = {};
    await this.#spreadRecords(role, progress, async (replica, first, end) => {
      const counted = await replica.measure(role, first, end);
      for (const [name, value] of Object.entries(counted)) sums[name] = (sums[name] ?? 0n) + value;
    });
    return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, exact(name, sum)]));
  }

  /** The digests of parameters and run, which must be those of every replica. */
  async digests(): Promise<RunDigests> {
    const [first, ...others] = await Promise.all(this.#replicas.map((r) => r.digests()));
    if (first === undefined || others.some((d) => d.run !== first.run)) {
      throw new Failure(
        "diverged",
        `the replicas no longer agree: ${[first, ...others].map((d) => d?.run).join(", ")}`,
      );
    }
    return first;
  }

  async #accumulate(step: number, microbatches: readonly Range[]): Promise<Accumulators> {
    const total = count(microbatches);
    if (total > this.section.maxMicrobatches) {
      const most = this.section.maxMicrobatches;
      throw new Failure("invalid", `step ${step} has ${total} microbatches; the engine takes at most ${most}`);
    }
    const share = (i: number) => Math.floor((i * total) / this.#replicas.length);
    const sums = await Promise.all(
      this.#replicas.map(async (replica, i) => {
        const own: Accumulators[] = [];
        for (const [first, end] of part(microbatches, share(i), share(i + 1))) {
          own.push(await replica.accumulate(step, first, end));
        }
        return own;
      }),
    );
    const [merged, ...others] = sums.flat();
    if (merged === undefined) throw new Failure("invalid", "a step needs at least one microbatch");
    for (const other of others) merge(this.section, merged, other);
    return merged;
  }

  #line(step: number, microbatches: readonly Range[], merged: Accumulators): JournalLineStep {
    const counted = (name: string) => {
      const value = total(this.section, merged, name);
      return value === undefined ? {} : { [name]: exact(name, value) };
    };
    return {
      type: "step",
      step,
      microbatches: microbatches.map(([first, end]) => [first, end]),
      examples: exact("examples", total(this.section, merged, "examples") ?? 0n),
      ...counted("loss"),
      ...counted("correct"),
      ...counted("clipped"),
    };
  }

  #records(role: Role): RecordsPlan {
    const records = this.plan.records[role];
    if (records === undefined) throw new Failure("invalid", `the closure names no ${role} records`);
    return records;
  }

  /** Hands out ranges of records, the next to whichever replica is free. */
  async #spreadRecords(
    role: Role,
    progress: ((done: number) => void) | undefined,
    work: (replica: Replica, first: number, end: number) => Promise<void>,
  ): Promise<void> {
    const { records } = this.#records(role);
    const size = evaluationBatches * this.section.capacity;
    let next = 0;
    let done = 0;
    await Promise.all(
      this.#replicas.map(async (replica) => {
        for (;;) {
          await this.#pace();
          if (next >= records) return;
          const first = next;
          const end = Math.min(first + size, records);
          next = end;
          await work(replica, first, end);
          done += end - first;
          progress?.(done);
        }
      }),
    );
  }
}

function count(ranges: readonly Range[]): number {
  return ranges.reduce((sum, [first, end]) => sum + end - first, 0);
}

/** Those from the first to before the end, counted over all ranges. */
function part(ranges: readonly Range[], first: number, end: number): Range[] {
  let before = 0;
  const found: Range[] = [];
  for (const [from, to] of ranges) {
    const a = Math.max(from, from + first - before);
    const b = Math.min(to, from + end - before);
    if (a < b) found.push([a, b]);
    before += to - from;
  }
  return found;
}
