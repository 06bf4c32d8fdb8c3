// Measurements of an engine in the thread where it runs. Nothing but speed comes from here.

import { LocalReplica } from "../core/replica.ts";
import { operationsPerPass, peakModule } from "./peak.ts";

/** The parts of a step; copying includes finding the records. */
export type Phase = "select" | "copy" | "accumulate" | "apply";

export interface BenchReport {
  readonly steps: number;
  readonly examples: number;
  readonly seconds: number;
  readonly examplesPerSecond: number;
  /** Seconds spent in each part; what is missing to the whole is the loop and the clock. */
  readonly phases: Readonly<Record<Phase, number>>;
}

export interface Bench {
  /** Trains the open plan from the seed for about so many seconds, with all records at hand beforehand. */
  bench(seconds: number): Promise<BenchReport>;
  /** The peak of f32x4 multiply-and-add in GFLOP/s: the best of some tries within about so many seconds. */
  peak(seconds: number): Promise<number>;
}

/** Steps before the clock starts, after which browsers have compiled what is hot. */
const warmUpSteps = 20;

/** Milliseconds of one try at the peak, long beside what browsers round their clocks to. */
const shortestTry = 20;

/** A replica that can be measured. */
export class MeasuredReplica extends LocalReplica implements Bench {
  async bench(seconds: number): Promise<BenchReport> {
    await this.records("train").prefetch();
    await this.init();
    const clock = new Stopwatch();
    let step = 0;
    for (; step < warmUpSteps; step++) await this.#step(step, clock);

    clock.reset();
    const begin = performance.now();
    let steps = 0;
    let examples = 0;
    let elapsed = 0;
    while (elapsed < seconds) {
      examples += await this.#step(step + steps, clock);
      steps++;
      elapsed = (performance.now() - begin) / 1000;
    }
    return { steps, examples, seconds: elapsed, examplesPerSecond: examples / elapsed, phases: clock.seconds };
  }

  async peak(seconds: number): Promise<number> {
    const { instance } = await WebAssembly.instantiate(peakModule());
    const run = instance.exports.run as (passes: number) => number;
    const begin = performance.now();
    let best = 0;
    for (let passes = 1 << 16; performance.now() - begin < seconds * 1000; ) {
      const start = performance.now();
      run(passes);
      const milliseconds = performance.now() - start;
      if (milliseconds < shortestTry) passes *= 2;
      else best = Math.max(best, (passes * operationsPerPass) / milliseconds / 1e6);
    }
    return best;
  }

  /** Runs a whole step and returns how many examples it used. */
  async #step(step: number, clock: Stopwatch): Promise<number> {
    const { engine } = this;
    const records = this.records("train");
    let examples = 0;
    clock.start();
    engine.zeroAccumulators();
    for (let microbatch = 0; microbatch < this.plan.microbatches; microbatch++) {
      const n = engine.select(step, microbatch, records.length);
      clock.lap("select");
      await records.read(engine.indices.subarray(0, n), engine.input, engine.target);
      clock.lap("copy");
      engine.accumulate(step, microbatch, n);
      clock.lap("accumulate");
      examples += n;
    }
    engine.apply(step);
    clock.lap("apply");
    return examples;
  }
}

/** Adds up the time between laps. Browsers round their clocks, evenly enough for sums over many steps. */
class Stopwatch {
  seconds: Record<Phase, number> = { select: 0, copy: 0, accumulate: 0, apply: 0 };
  #last = 0;

  reset(): void {
    this.seconds = { select: 0, copy: 0, accumulate: 0, apply: 0 };
  }

  start(): void {
    this.#last = performance.now();
  }

  lap(phase: Phase): void {
    const now = performance.now();
    this.seconds[phase] += (now - this.#last) / 1000;
    this.#last = now;
  }
}
