// An engine: an instance of a closure's WebAssembly module, its regions as views, its exports as methods (ABI 1).

import type { Digest } from "../gen/schema.ts";
import type { Accumulators } from "./accumulators.ts";
import { Failure, messageOf } from "./failure.ts";
import { type EngineSection, type RegionName, readEngineSection, type TensorEntry } from "./section.ts";
import { contentDigest, dtypeSizes, elements, type Tensor } from "./tensor.ts";

const signatures = {
  init: 1,
  restore: 0,
  select: 3,
  accumulate: 3,
  apply: 1,
  evaluate: 1,
  predict: 1,
} as const;

type ExportName = keyof typeof signatures;
type Exports = Readonly<Record<ExportName, (...args: (number | bigint)[]) => unknown>>;

export interface RunDigests {
  /** The content digest of the parameters. */
  readonly parameters: Digest;
  /** The content digest of parameters and state together, which identifies a run. */
  readonly run: Digest;
}

/**
 * Every view is of the engine's own memory, which never grows, so it stays valid for the engine's life. After a trap
 * the memory is in no defined state and every further call fails.
 */
export class Engine {
  readonly section: EngineSection;
  /** u32 [capacity]: the examples that select chose. */
  readonly indices: Uint32Array<ArrayBuffer>;
  readonly input: Uint8Array<ArrayBuffer>;
  readonly target: Uint8Array<ArrayBuffer>;
  /** f32 [capacity, outputs]: what predict wrote. */
  readonly output: Float32Array<ArrayBuffer>;
  readonly #path: string;
  readonly #memory: Uint8Array<ArrayBuffer>;
  readonly #accumulators: Accumulators;
  readonly #exports: Exports;
  #trapped: string | undefined;

  /** Compiles and instantiates a module; path names it in errors. */
  static async instantiate(module: Uint8Array<ArrayBuffer>, path: string): Promise<Engine> {
    const section = readEngineSection(module, path);
    try {
      const { instance } = await WebAssembly.instantiate(module);
      return new Engine(path, section, instance.exports);
    } catch (cause) {
      if (cause instanceof Failure) throw cause;
      throw new Failure("invalid", `${path}: this browser refuses the module: ${messageOf(cause)}`, { cause });
    }
  }

  private constructor(path: string, section: EngineSection, exports: WebAssembly.Exports) {
    const memory = exports.memory;
    if (!(memory instanceof WebAssembly.Memory)) throw new Failure("invalid", `${path}: it exports no memory`);
    for (const [name, parameters] of Object.entries(signatures)) {
      const f = exports[name];
      if (typeof f !== "function" || f.length !== parameters) {
        throw new Failure("invalid", `${path}: it exports no function ${name} of ${parameters} parameters`);
      }
    }
    this.section = section;
    this.#path = path;
    this.#exports = exports as unknown as Exports;
    this.#memory = new Uint8Array(memory.buffer as ArrayBuffer);
    this.indices = new Uint32Array(this.#memory.buffer, section.regions.indices.offset, section.capacity);
    this.input = this.#region("input");
    this.target = this.#region("target");
    const { offset, size } = section.regions.output;
    this.output = new Float32Array(this.#memory.buffer, offset, Math.floor(size / 4));
    this.#accumulators = this.#region("accumulators");
  }

  /** Outputs per record. */
  get outputs(): number {
    return Math.floor(this.output.length / this.section.capacity);
  }

  /** Fills parameters and state. */
  init(seed: bigint): void {
    this.#call("init", seed);
  }

  /** Rebuilds what is derived from parameters and state; to be called after the host wrote any of them. */
  restore(): void {
    this.#call("restore");
  }

  /** Writes the examples of a microbatch to indices and returns how many there are. */
  select(step: number, microbatch: number, examples: number): number {
    const n = Number(this.#call("select", BigInt(step), BigInt(microbatch), BigInt(examples)));
    if (!(n >= 1 && n <= this.section.capacity)) {
      throw new Failure("engine", `${this.#path}: select chose ${n} examples; 1 to ${this.section.capacity} are legal`);
    }
    return n;
  }

  /** Runs a microbatch of n records that are in input and target. */
  accumulate(step: number, microbatch: number, n: number): void {
    this.#status("accumulate", BigInt(step), BigInt(microbatch), n);
  }

  /** Consumes the merged accumulators. */
  apply(step: number): void {
    this.#status("apply", BigInt(step));
  }

  /** Adds to metrics what n records in input and target count. */
  evaluate(n: number): void {
    this.#status("evaluate", n);
  }

  /** Writes to output what the model makes of n records in input. */
  predict(n: number): void {
    this.#status("predict", n);
  }

  zeroAccumulators(): void {
    this.#accumulators.fill(0);
  }

  copyAccumulators(): Accumulators {
    return this.#accumulators.slice();
  }

  setAccumulators(merged: Uint8Array): void {
    if (merged.length !== this.#accumulators.length) {
      throw new Failure("invalid", `${merged.length} bytes are no accumulators of ${this.#accumulators.length} bytes`);
    }
    this.#accumulators.set(merged);
  }

  zeroMetrics(): void {
    this.#region("metrics").fill(0);
  }

  /** The metrics by name. */
  metrics(): Record<string, bigint> {
    const { offset, size } = this.section.regions.metrics;
    const values = new BigInt64Array(this.#memory.buffer, offset, Math.floor(size / 8));
    return Object.fromEntries(this.section.metrics.map((name, i) => [name, values[i] ?? 0n]));
  }

  /** Sets a hyper-parameter, which apply reads from then on. */
  setHyperparameter(name: string, value: number): void {
    const h = this.section.hyperparameters.find((each) => each.name === name);
    if (h === undefined) throw new Failure("invalid", `the engine has no hyper-parameter ${JSON.stringify(name)}`);
    if (!(value >= h.min && value <= h.max)) {
      throw new Failure("invalid", `${name}: ${value} is not between ${h.min} and ${h.max}`);
    }
    new DataView(this.#memory.buffer).setFloat32(h.offset, value, true);
  }

  /** Copies of the parameters. */
  parameters(): Tensor[] {
    return this.section.parameters.map((t) => this.#tensor(t));
  }

  /** Copies of what else outlives a call. */
  state(): Tensor[] {
    return this.section.state.map((t) => this.#tensor(t));
  }

  async digests(): Promise<RunDigests> {
    const parameters = this.parameters();
    const state = this.state();
    return { parameters: await contentDigest(parameters), run: await contentDigest([...parameters, ...state]) };
  }

  /** Writes tensors that a file holds; call restore afterwards. Path names the file in errors. */
  install(tensors: readonly Tensor[], path: string): void {
    const table = [...this.section.parameters, ...this.section.state];
    for (const t of tensors) {
      const entry = table.find((each) => each.name === t.name);
      if (entry === undefined) throw new Failure("invalid", `${path}: the engine has no tensor ${t.name}`);
      if (entry.dtype !== t.dtype || entry.shape.join() !== t.shape.join()) {
        throw new Failure(
          "invalid",
          `${path}: ${t.name} is ${t.dtype} [${t.shape}], the engine's is ${entry.dtype} [${entry.shape}]`,
        );
      }
      this.#memory.set(t.data, entry.offset);
    }
  }

  #tensor(entry: TensorEntry): Tensor {
    const size = elements(entry.shape) * dtypeSizes[entry.dtype];
    const { name, dtype, shape } = entry;
    return { name, dtype, shape, data: this.#memory.slice(entry.offset, entry.offset + size) };
  }

  #region(name: RegionName): Uint8Array<ArrayBuffer> {
    const { offset, size } = this.section.regions[name];
    return this.#memory.subarray(offset, offset + size);
  }

  #status(name: ExportName, ...args: (number | bigint)[]): void {
    const status = Number(this.#call(name, ...args));
    if (status !== 0) {
      const text = this.section.errors[status] ?? `status ${status}, which its section does not explain`;
      throw new Failure("engine", `${this.#path}: ${name}: ${text}`);
    }
  }

  #call(name: ExportName, ...args: (number | bigint)[]): unknown {
    if (this.#trapped !== undefined) {
      throw new Failure("engine", `${this.#path}: ${name}: the engine is no longer usable: ${this.#trapped}`);
    }
    try {
      return this.#exports[name](...args);
    } catch (cause) {
      this.#trapped = `${name} trapped: ${messageOf(cause)}`;
      throw new Failure("engine", `${this.#path}: ${this.#trapped}`, { cause });
    }
  }
}
