// The workers of a participant: replicas that all follow the same model, among which leases are divided. Calls reach a
// replica in the order in which they are made here, so nobody has to wait for a lease before the next update.

import { type Accumulators, merge } from "../../core/accumulators.ts";
import type { Role } from "../../core/documents.ts";
import type { RunDigests } from "../../core/engine.ts";
import { Failure } from "../../core/failure.ts";
import type { Plan } from "../../core/plan.ts";
import type { Replica } from "../../core/replica.ts";
import type { EngineSection } from "../../core/section.ts";
import type { Digest } from "../../gen/schema.ts";
import { divide, smoothed } from "./shares.ts";

/** A state to begin from: the plan's snapshot, or the seed, and hyper-parameters that are not the engine's. */
export interface Beginning {
  readonly plan: Plan;
  readonly hyperparameters: Readonly<Record<string, number>>;
}

/** A replica in a thread of its own knows how many seconds its last call took there. */
interface Clocked {
  readonly took?: number | undefined;
}

interface Seat {
  readonly replica: Replica & Clocked;
  /** Units per second by kind of work; 0 while unknown. */
  readonly speed: { train: number; evaluate: number };
  /** When its last answer came, in milliseconds. */
  answered: number;
}

export interface Timed<T> {
  readonly value: T;
  /** Seconds of the worker that took longest. */
  readonly seconds: number;
}

export class Team {
  readonly #seats: readonly Seat[];
  readonly #now: () => number;
  #section: EngineSection | undefined;

  constructor(replicas: readonly Replica[], now: () => number = () => performance.now()) {
    this.#seats = replicas.map((replica) => ({ replica, speed: { train: 0, evaluate: 0 }, answered: 0 }));
    this.#now = now;
  }

  get section(): EngineSection {
    if (this.#section === undefined) throw new Failure("invalid", "no engine is open");
    return this.#section;
  }

  /** Takes on a state, whatever was before. */
  async begin({ plan, hyperparameters }: Beginning): Promise<EngineSection> {
    const sections = await this.#all(async (replica) => {
      const section = await replica.open(plan);
      await (plan.snapshot.length === 0 ? replica.init() : replica.install());
      for (const [name, value] of Object.entries(hyperparameters)) await replica.setHyperparameter(name, value);
      return section;
    });
    this.#section = sections[0] as EngineSection;
    return this.#section;
  }

  /** Every worker proves itself; their digests must be equal. */
  async prove(step: number, microbatches: number, rounds: number): Promise<Digest[]> {
    const [first, ...others] = await this.#all((r) => r.prove(step, microbatches, rounds));
    if (first === undefined || others.some((o) => o.join() !== first.join())) {
      throw new Failure("diverged", "this browser's workers computed different results of the same work");
    }
    return first;
  }

  /** The sum of a step's microbatches. What the next step's will read is then fetched in advance. */
  async accumulate(step: number, first: number, end: number): Promise<Timed<Accumulators>> {
    const { value: sums, seconds } = await this.#spread("train", { first, end }, async (replica, range) => {
      const sum = replica.accumulate(step, range.first, range.end);
      // Called before the sum is there, so that it comes before the update.
      replica.prepare(step + 1, range.first, range.end).catch(() => {}); // it was only to save time
      return sum;
    });
    const [merged, ...others] = sums;
    if (merged === undefined) throw new Failure("invalid", `microbatches ${first} to ${end} are none`);
    for (const other of others) merge(this.section, merged, other);
    return { value: merged, seconds };
  }

  /** Counts, blindly, the correct ones of some records. */
  async evaluate(role: Role, first: number, end: number): Promise<Timed<number>> {
    const { value, seconds } = await this.#spread("evaluate", { first, end }, (replica, range) =>
      replica.evaluate(role, range.first, range.end),
    );
    return { value: value.reduce((sum, count) => sum + count.correct, 0), seconds };
  }

  async setHyperparameter(name: string, value: number): Promise<void> {
    await this.#all((r) => r.setHyperparameter(name, value));
  }

  async apply(step: number, merged: Accumulators): Promise<void> {
    const shared = this.#seats.length > 1 ? sharedCopy(merged) : merged;
    await this.#all((r) => r.apply(step, shared));
  }

  async digests(): Promise<RunDigests> {
    const [first, ...others] = await this.#all((r) => r.digests());
    if (first === undefined || others.some((o) => o.run !== first.run)) {
      throw new Failure("diverged", "this browser's workers no longer agree with each other");
    }
    return first;
  }

  /** A replica for questions about the model. */
  get any(): Replica {
    return (this.#seats[0] as Seat).replica;
  }

  async #all<T>(work: (replica: Replica) => Promise<T>): Promise<T[]> {
    return Promise.all(
      this.#seats.map(async (seat) => {
        const value = await work(seat.replica);
        seat.answered = this.#now();
        return value;
      }),
    );
  }

  async #spread<T>(
    kind: keyof Seat["speed"],
    range: { readonly first: number; readonly end: number },
    work: (replica: Replica, range: { readonly first: number; readonly end: number }) => Promise<T>,
  ): Promise<Timed<T[]>> {
    const shares = divide(
      range,
      this.#seats.map((s) => s.speed[kind]),
    );
    const asked = this.#now();
    let longest = 0;
    const value = await Promise.all(
      this.#seats
        .map((seat, i) => ({ seat, share: shares[i] as (typeof shares)[number] }))
        .filter(({ share }) => share.first < share.end)
        .map(async ({ seat, share }) => {
          const answer = await work(seat.replica, share);
          // A replica that was still busy with something else began when that was done.
          const here = (this.#now() - Math.max(asked, seat.answered)) / 1000;
          const seconds = Math.max(1e-6, seat.replica.took ?? here);
          seat.answered = this.#now();
          seat.speed[kind] = smoothed(seat.speed[kind], (share.end - share.first) / seconds);
          longest = Math.max(longest, seconds);
          return answer;
        }),
    );
    return { value, seconds: longest };
  }
}

/** Memory that all workers can read, where the page may have such; else each is sent a copy. */
function sharedCopy(bytes: Uint8Array): Uint8Array {
  if (typeof SharedArrayBuffer === "undefined" || !globalThis.crossOriginIsolated) return bytes;
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}
