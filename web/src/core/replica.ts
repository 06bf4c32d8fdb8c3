// A replica: one engine with the records it reads, doing what a coordinator asks. All replicas of a run hold the same
// parameters after every step. Here is the one that computes; ../worker has its stand-in for another thread.

import type { Digest } from "../gen/schema.ts";
import type { Accumulators } from "./accumulators.ts";
import type { BlobRef, Blobs } from "./blobs.ts";
import { carryOver } from "./carryover.ts";
import type { Role } from "./documents.ts";
import { Engine, type RunDigests } from "./engine.ts";
import { Failure } from "./failure.ts";
import type { Plan } from "./plan.ts";
import { classes, isClass, predictionsOf, Records, type Shards } from "./records.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import type { EngineSection } from "./section.ts";
import type { Tensor } from "./tensor.ts";
import { vectorDigest } from "./vector.ts";

/** What a blind evaluation counts. */
export interface Count {
  readonly correct: number;
  readonly total: number;
}

/** What predict makes of records that have classes: an element of each array per prediction, of which a record has one or more. */
export interface Predictions {
  readonly expected: Uint16Array<ArrayBuffer>;
  /** The class of the largest output, ties to the lowest index. */
  readonly predicted: Uint16Array<ArrayBuffer>;
  /** The outputs of the predicted and of the expected class; NaN where the engine has no output for a class. */
  readonly confidence: Float32Array<ArrayBuffer>;
  readonly support: Float32Array<ArrayBuffer>;
}

/** Room for the predictions of n records. */
export function newPredictions(n: number): Predictions {
  return {
    expected: new Uint16Array(n),
    predicted: new Uint16Array(n),
    confidence: new Float32Array(n),
    support: new Float32Array(n),
  };
}

export function countCorrect({ expected, predicted }: Predictions): number {
  let correct = 0;
  for (let i = 0; i < expected.length; i++) if (predicted[i] === expected[i]) correct++;
  return correct;
}

/** Ranges of microbatches and of records are [first, end). */
export interface Replica {
  /** Fetches and instantiates the plan's engine. To be called before anything else; called again, it begins anew. */
  open(plan: Plan): Promise<EngineSection>;
  /** Begins a run: fills parameters and state from the plan's seed. */
  init(): Promise<void>;
  /** Installs the plan's snapshot. */
  install(): Promise<void>;
  /** Goes on with the engine of another plan: after its init, it takes over what the two have in common. */
  replace(plan: Plan): Promise<EngineSection>;
  setHyperparameter(name: string, value: number): Promise<void>;
  /** Runs microbatches of a step and returns their sum. */
  accumulate(step: number, first: number, end: number): Promise<Accumulators>;
  /** Begins to fetch what these microbatches will read. */
  prepare(step: number, first: number, end: number): Promise<void>;
  /** Runs the first microbatches of a step one by one, all of them some times over: the digests of each, each time. */
  prove(step: number, microbatches: number, rounds: number): Promise<Digest[]>;
  /** Ends a step with what all its microbatches add up to. */
  apply(step: number, merged: Uint8Array): Promise<void>;
  /** Counts, from predict alone, the records whose class is the largest output (ties to the lowest index). */
  evaluate(role: Role, first: number, end: number): Promise<Count>;
  /** Says of each of these records what predict makes of it, as blindly. */
  classify(role: Role, first: number, end: number): Promise<Predictions>;
  /** What the engine's own evaluate counts, by metric. Proves something only where the engine is derived. */
  measure(role: Role, first: number, end: number): Promise<Record<string, bigint>>;
  digests(): Promise<RunDigests>;
  /** The parameters as a safetensors file. */
  parameters(): Promise<Uint8Array<ArrayBuffer>>;
  /** The outputs for records that the caller has: their input fields one after another. */
  predict(input: Uint8Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>>;
  /** The input fields of some records, one after another. */
  inputs(role: Role, indices: readonly number[]): Promise<Uint8Array<ArrayBuffer>>;
  /** Fetches a blob for no other purpose than to check it: fails if its bytes are not those that its digest names. */
  check(ref: BlobRef): Promise<void>;
}

export class LocalReplica implements Replica {
  readonly #blobs: Blobs;
  readonly #shards: Shards;
  readonly #records = new Map<Role, Records>();
  #opened: { readonly engine: Engine; readonly plan: Plan } | undefined;

  constructor(blobs: Blobs, shards: Shards = blobs) {
    this.#blobs = blobs;
    this.#shards = shards;
  }

  async open(plan: Plan): Promise<EngineSection> {
    const engine = await Engine.instantiate(await this.#blobs.read(plan.engine), plan.engine.path);
    const { section } = engine;
    if (plan.microbatches > section.maxMicrobatches) {
      const most = section.maxMicrobatches;
      throw new Failure("invalid", `a step has ${plan.microbatches} microbatches; the engine takes at most ${most}`);
    }
    this.#records.clear();
    for (const [role, records] of Object.entries(plan.records)) {
      const r = new Records(records, this.#shards, plan.cacheBytes);
      for (const [name, bytes] of [["input", r.inputBytes] as const, ["target", r.targetBytes] as const]) {
        const needed = section.capacity * bytes;
        const { size } = section.regions[name];
        if (size !== needed) {
          const fit = `${section.capacity} records of ${records.split} have ${needed} bytes of ${name}`;
          throw new Failure("invalid", `${plan.engine.path}: ${fit}, the engine's region has ${size}`);
        }
      }
      this.#records.set(role as Role, r);
    }
    this.#opened = { engine, plan };
    return section;
  }

  async init(): Promise<void> {
    const { engine, plan } = this;
    engine.init(BigInt(plan.seed));
    if (plan.imported === undefined) return;
    engine.install(readSafetensors(await this.#blobs.read(plan.imported), plan.imported.path), plan.imported.path);
    engine.restore();
  }

  async install(): Promise<void> {
    const { engine, plan } = this;
    if (plan.snapshot.length === 0) throw new Failure("invalid", "the closure holds no parameters");
    const files = await Promise.all(
      plan.snapshot.map(async (ref: BlobRef) => ({ ref, bytes: await this.#blobs.read(ref) })),
    );
    for (const { ref, bytes } of files) engine.install(readSafetensors(bytes, ref.path), ref.path);
    engine.restore();
  }

  async replace(plan: Plan): Promise<EngineSection> {
    const old = tensorsOf(this.engine);
    const section = await this.open(plan);
    await this.init();
    const { engine } = this;
    engine.install(carryOver(tensorsOf(engine), old), plan.engine.path);
    engine.restore();
    return section;
  }

  async setHyperparameter(name: string, value: number): Promise<void> {
    this.engine.setHyperparameter(name, value);
  }

  async accumulate(step: number, first: number, end: number): Promise<Accumulators> {
    const { engine } = this;
    const records = this.records("train");
    engine.zeroAccumulators();
    for (let microbatch = first; microbatch < end; microbatch++) {
      const n = engine.select(step, microbatch, records.length);
      await records.read(engine.indices.subarray(0, n), engine.input, engine.target);
      engine.accumulate(step, microbatch, n);
    }
    return engine.copyAccumulators();
  }

  async prepare(step: number, first: number, end: number): Promise<void> {
    const { engine } = this;
    const records = this.records("train");
    for (let microbatch = first; microbatch < end; microbatch++) {
      const n = engine.select(step, microbatch, records.length);
      records.expect(engine.indices.subarray(0, n));
    }
  }

  async prove(step: number, microbatches: number, rounds: number): Promise<Digest[]> {
    const digests: Digest[] = [];
    for (let i = 0; i < microbatches * rounds; i++) {
      const microbatch = i % microbatches;
      const sum = await this.accumulate(step, microbatch, microbatch + 1);
      digests.push(await vectorDigest(this.engine.section, sum));
    }
    return digests;
  }

  async apply(step: number, merged: Uint8Array): Promise<void> {
    const { engine } = this;
    engine.setAccumulators(merged);
    engine.apply(step);
  }

  async evaluate(role: Role, first: number, end: number): Promise<Count> {
    const predictions = await this.classify(role, first, end);
    return { correct: countCorrect(predictions), total: predictions.expected.length };
  }

  async classify(role: Role, first: number, end: number): Promise<Predictions> {
    const { engine } = this;
    const records = this.records(role);
    const field = records.plan.layout.target;
    if (!isClass(field)) {
      throw new Failure("invalid", `${records.plan.split}: its targets are no classes, so accuracy means nothing`);
    }
    // The targets never enter the engine's memory, and those of an earlier call leave it.
    engine.target.fill(0);
    const target = new Uint8Array(engine.section.capacity * records.targetBytes);
    const expected = classes(target, field);
    const each = predictionsOf(field);
    const outputs = engine.outputs / each;
    if (!Number.isInteger(outputs)) {
      throw new Failure(
        "invalid",
        `${records.plan.split}: ${engine.outputs} outputs are not as many for each of ${each} classes`,
      );
    }
    const all = newPredictions((end - first) * each);
    let at = 0;
    await this.#eachBatch(records, first, end, target, (n) => {
      engine.predict(n);
      for (let i = 0; i < n * each; i++, at++) {
        const row = i * outputs;
        const output = (c: number) => (c < outputs ? (engine.output[row + c] as number) : Number.NaN);
        const best = argmax(engine.output, row, outputs);
        all.expected[at] = expected[i] as number;
        all.predicted[at] = best;
        all.confidence[at] = output(best);
        all.support[at] = output(expected[i] as number);
      }
    });
    return all;
  }

  async measure(role: Role, first: number, end: number): Promise<Record<string, bigint>> {
    const { engine } = this;
    engine.zeroMetrics();
    await this.#eachBatch(this.records(role), first, end, engine.target, (n) => engine.evaluate(n));
    return engine.metrics();
  }

  async digests(): Promise<RunDigests> {
    return this.engine.digests();
  }

  async parameters(): Promise<Uint8Array<ArrayBuffer>> {
    return writeSafetensors(this.engine.parameters());
  }

  async predict(input: Uint8Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    const { engine } = this;
    const { capacity } = engine.section;
    const size = engine.input.length / capacity;
    const n = input.length / size;
    if (!(Number.isInteger(n) && n >= 1 && n <= capacity)) {
      throw new Failure("invalid", `${input.length} bytes are not 1 to ${capacity} inputs of ${size} bytes`);
    }
    engine.input.set(input);
    engine.predict(n);
    return engine.output.slice(0, n * engine.outputs);
  }

  async inputs(role: Role, indices: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    const records = this.records(role);
    const inputs = new Uint8Array(indices.length * records.inputBytes);
    await records.read(indices, inputs);
    return inputs;
  }

  async check(ref: BlobRef): Promise<void> {
    await this.#blobs.read(ref);
  }

  /** Drops a shard of records. */
  forget(digest: Digest): void {
    for (const records of this.#records.values()) records.forget(digest);
  }

  protected get engine(): Engine {
    return this.#open().engine;
  }

  protected get plan(): Plan {
    return this.#open().plan;
  }

  protected records(role: Role): Records {
    const records = this.#records.get(role);
    if (records === undefined) throw new Failure("invalid", `the closure names no ${role} records`);
    return records;
  }

  async #eachBatch(
    records: Records,
    first: number,
    end: number,
    target: Uint8Array,
    run: (n: number) => void,
  ): Promise<void> {
    const { engine } = this;
    for (let at = first; at < end; at += engine.section.capacity) {
      const n = Math.min(engine.section.capacity, end - at);
      await records.read(
        Array.from({ length: n }, (_, i) => at + i),
        engine.input,
        target,
      );
      run(n);
    }
  }

  #open(): { readonly engine: Engine; readonly plan: Plan } {
    if (this.#opened === undefined) throw new Failure("invalid", "no closure is open");
    return this.#opened;
  }
}

function tensorsOf(engine: Engine): Tensor[] {
  return [...engine.parameters(), ...engine.state()];
}

/** The index, within a row, of its first largest value. A NaN is never the largest; of NaNs alone it is 0. */
export function argmax(values: Float32Array, start: number, length: number): number {
  let best = 0;
  let largest = -Infinity;
  for (let i = 0; i < length; i++) {
    const value = values[start + i] as number;
    if (value > largest) {
      best = i;
      largest = value;
    }
  }
  return best;
}
