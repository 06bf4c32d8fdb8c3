import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Digest } from "../../gen/schema.ts";
import { Controller, type CoordinatorThread } from "./controller.ts";
import type { Command, Message, Outcome } from "./protocol.ts";

const closure = "sha256:0" as Digest;

class FakeThread implements CoordinatorThread {
  readonly commands: Command[] = [];
  ended = false;
  say: (message: Message) => void = () => {};
  fail: (message: string) => void = () => {};
  postMessage(command: Command): void {
    this.commands.push(command);
  }
  terminate(): void {
    this.ended = true;
  }
  addEventListener(type: "message" | "error", listener: (event: never) => void): void {
    if (type === "message") this.say = (data) => listener({ data } as never);
    else this.fail = (message) => listener({ message } as never);
  }
}

describe("Controller", () => {
  let threads: FakeThread[];
  let frames: (() => void)[];
  let controller: Controller;
  let heard: number;
  const thread = () => threads.at(-1) as FakeThread;
  const frame = () => {
    for (const callback of frames.splice(0)) callback();
  };
  const start = () => controller.start("verify", closure, "http://zoo/blobs/", 2);

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    threads = [];
    frames = [];
    heard = 0;
    controller = new Controller({
      spawn: () => {
        threads.push(new FakeThread());
        return thread();
      },
      nextFrame: (callback) => frames.push(callback),
      deadline: 1000,
    });
    controller.subscribe(() => heard++);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("gives the order to a thread of its own, once", () => {
    start();
    start();
    expect(threads).toHaveLength(1);
    const order = { mode: "verify", closure, blobs: "http://zoo/blobs/", workers: 2 };
    expect(thread().commands).toEqual([{ type: "start", order }]);
  });

  test("tells of any number of messages once per frame", () => {
    start();
    thread().say({ type: "phase", phase: "bytes" });
    thread().say({ type: "phase", phase: "engine" });
    expect(heard).toBe(0);
    frame();
    expect(heard).toBe(1);
    expect(controller.job().phase).toBe("engine");
    thread().say({ type: "phase", phase: "claims" });
    frame();
    expect(heard).toBe(2);
  });

  test("a thread ends with its outcome", () => {
    start();
    thread().say({ type: "outcome", outcome: { mode: "verify" } as Outcome });
    expect(thread().ended).toBe(true);
    expect(controller.job().status).toBe("done");
  });

  test("stopping ends the thread at once, and what it still says is not heard", () => {
    start();
    const [first] = threads;
    controller.stop();
    expect(first?.ended).toBe(true);
    start();
    first?.say({ type: "failed", failure: { kind: "engine", message: "late" } });
    expect(controller.job().status).toBe("running");
  });

  test("a thread that cannot start is a failure with a reason", () => {
    start();
    thread().fail("");
    expect(controller.job()).toMatchObject({
      status: "failed",
      failure: { kind: "engine", message: "the worker failed: it could not be started" },
    });
  });

  test("silence beyond the deadline ends a running thread, not a paused one", () => {
    start();
    vi.advanceTimersByTime(900);
    thread().say({ type: "phase", phase: "training" });
    vi.advanceTimersByTime(900);
    controller.pause();
    vi.advanceTimersByTime(5000);
    expect(controller.job().status).toBe("paused");
    controller.resume();
    vi.advanceTimersByTime(1000);
    expect(controller.job().failure?.message).toBe("nothing was heard of the engine for 1 s; it was stopped");
    expect(thread().ended).toBe(true);
    expect(thread().commands.map((c) => c.type)).toEqual(["start", "pause", "resume"]);
  });
});
