// The stand-in, in a page, for the replica in a worker.

import type { Accumulators } from "../core/accumulators.ts";
import type { BlobRef } from "../core/blobs.ts";
import type { Role } from "../core/documents.ts";
import type { RunDigests } from "../core/engine.ts";
import { Failure } from "../core/failure.ts";
import type { Plan } from "../core/plan.ts";
import type { Count, Predictions } from "../core/replica.ts";
import type { EngineSection } from "../core/section.ts";
import type { Digest } from "../gen/schema.ts";
import type { BenchReport } from "./bench.ts";
import {
  type Answer,
  type Arguments,
  decodeFailure,
  type Method,
  type Port,
  type Result,
  type Service,
} from "./protocol.ts";

/** What a page can do with a worker. */
export interface Thread extends Port {
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  terminate(): void;
}

/**
 * How long one call may take before its engine counts as endless. A call is a step's share or a few hundred records,
 * with the fetching of their shards: far below a second for any engine that is of use, minutes on a bad line.
 */
export const defaultDeadline = 120_000;

interface Pending {
  resolve(value: Result<Method>): void;
  reject(reason: Error): void;
  readonly timer: ReturnType<typeof setTimeout>;
}

export class RemoteReplica implements Service {
  readonly #thread: Thread;
  readonly #deadline: number;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #ended: Error | undefined;
  /** Seconds that the call took which was answered last, in the thread: answers may wait here for a while, and then come together. */
  took: number | undefined;

  /** Deadline is in milliseconds, for one call. */
  constructor(thread: Thread, deadline = defaultDeadline) {
    this.#thread = thread;
    this.#deadline = deadline;
    thread.addEventListener("message", (event: MessageEvent<Answer>) => this.#answer(event.data));
    thread.addEventListener("error", (event) => {
      this.#end(new Failure("engine", `the worker failed: ${event.message ?? "it could not be started"}`));
    });
  }

  /** Ends the thread; calls that are under way fail. */
  close(): void {
    this.#end(new Failure("engine", "the worker was stopped"));
  }

  open(plan: Plan): Promise<EngineSection> {
    return this.#call("open", [plan]);
  }

  init(): Promise<void> {
    return this.#call("init", []);
  }

  install(): Promise<void> {
    return this.#call("install", []);
  }

  replace(plan: Plan): Promise<EngineSection> {
    return this.#call("replace", [plan]);
  }

  setHyperparameter(name: string, value: number): Promise<void> {
    return this.#call("setHyperparameter", [name, value]);
  }

  accumulate(step: number, first: number, end: number): Promise<Accumulators> {
    return this.#call("accumulate", [step, first, end]);
  }

  prepare(step: number, first: number, end: number): Promise<void> {
    return this.#call("prepare", [step, first, end]);
  }

  prove(step: number, microbatches: number, rounds: number): Promise<Digest[]> {
    return this.#call("prove", [step, microbatches, rounds]);
  }

  apply(step: number, merged: Uint8Array): Promise<void> {
    return this.#call("apply", [step, merged]);
  }

  evaluate(role: Role, first: number, end: number): Promise<Count> {
    return this.#call("evaluate", [role, first, end]);
  }

  classify(role: Role, first: number, end: number): Promise<Predictions> {
    return this.#call("classify", [role, first, end]);
  }

  measure(role: Role, first: number, end: number): Promise<Record<string, bigint>> {
    return this.#call("measure", [role, first, end]);
  }

  digests(): Promise<RunDigests> {
    return this.#call("digests", []);
  }

  parameters(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#call("parameters", []);
  }

  predict(input: Uint8Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    return this.#call("predict", [input]);
  }

  inputs(role: Role, indices: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    return this.#call("inputs", [role, indices]);
  }

  check(ref: BlobRef): Promise<void> {
    return this.#call("check", [ref]);
  }

  bench(seconds: number): Promise<BenchReport> {
    return this.#call("bench", [seconds]);
  }

  peak(seconds: number): Promise<number> {
    return this.#call("peak", [seconds]);
  }

  #call<M extends Method>(method: M, args: Arguments<M>): Promise<Result<M>> {
    return new Promise<Result<M>>((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      const id = this.#calls++;
      const timer = setTimeout(() => {
        this.#end(
          new Failure("engine", `${method}: no answer within ${this.#deadline / 1000} s; the worker was stopped`),
        );
      }, this.#deadline);
      this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject, timer });
      this.#thread.postMessage({ id, method, args }, []);
    });
  }

  #answer(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    this.#pending.delete(answer.id);
    clearTimeout(pending.timer);
    if ("failure" in answer) {
      pending.reject(decodeFailure(answer.failure));
      return;
    }
    this.took = answer.took;
    pending.resolve(answer.value);
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    this.#thread.terminate();
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(this.#ended);
    }
    this.#pending.clear();
  }
}
