// Drives a job: starts the coordinator's thread, feeds what it tells to the state machine, and lets a page know at most
// once per frame.

import type { Digest } from "../../gen/schema.ts";
import { idle, isActive, type Job, type JobEvent, reduce } from "./job.ts";
import type { Command, Message, Mode } from "./protocol.ts";

/** What a page can do with the coordinator's thread. */
export interface CoordinatorThread {
  postMessage(command: Command): void;
  terminate(): void;
  addEventListener(type: "message", listener: (event: MessageEvent<Message>) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
}

export interface Surroundings {
  spawn(): CoordinatorThread;
  /** Calls back before the next frame. */
  nextFrame(callback: () => void): void;
  /** Milliseconds of silence after which the thread counts as endless. */
  readonly deadline: number;
}

export class Controller {
  readonly #around: Surroundings;
  readonly #listeners = new Set<() => void>();
  #job: Job = idle;
  #thread: CoordinatorThread | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #announced = true;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** For useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly job = (): Job => this.#job;

  start(mode: Mode, closure: Digest, blobs: string, workers: number): void {
    if (isActive(this.#job)) return;
    const thread = this.#around.spawn();
    this.#thread = thread;
    this.#apply({ type: "start", mode, workers });
    const current = (listener: () => void) => () => {
      if (this.#thread === thread) listener();
    };
    thread.addEventListener("message", (event) => current(() => this.#hear(event.data))());
    thread.addEventListener("error", (event) =>
      current(() => this.#fail(`the worker failed: ${event.message || "it could not be started"}`))(),
    );
    thread.postMessage({ type: "start", order: { mode, closure, blobs, workers } });
    this.#watch();
  }

  pause(): void {
    this.#thread?.postMessage({ type: "pause" });
    this.#apply({ type: "pause" });
    clearTimeout(this.#timer);
  }

  resume(): void {
    this.#thread?.postMessage({ type: "resume" });
    this.#apply({ type: "resume" });
    if (this.#thread !== undefined) this.#watch();
  }

  /** Ends the work at once; what it told remains. */
  stop(): void {
    this.#apply({ type: "stop" });
    this.#end();
  }

  #hear(message: Message): void {
    this.#apply(message);
    if (!isActive(this.#job)) this.#end();
    else if (this.#job.status === "running") this.#watch();
  }

  #fail(message: string): void {
    this.#apply({ type: "failed", failure: { kind: "engine", message } });
    this.#end();
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const { deadline } = this.#around;
    this.#timer = setTimeout(
      () => this.#fail(`nothing was heard of the engine for ${deadline / 1000} s; it was stopped`),
      deadline,
    );
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#thread?.terminate();
    this.#thread = undefined;
  }

  #apply(event: JobEvent): void {
    const job = reduce(this.#job, event);
    if (job === this.#job) return;
    this.#job = job;
    if (!this.#announced) return;
    this.#announced = false;
    this.#around.nextFrame(() => {
      this.#announced = true;
      for (const listener of this.#listeners) listener();
    });
  }
}
