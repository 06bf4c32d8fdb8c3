import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { fixtureSteps, MemoryStore, putClosure } from "../../fixtures/store.ts";
import type { RunDigests } from "../core/engine.ts";
import { Failure } from "../core/failure.ts";
import { type OpenClosure, openClosure } from "../core/plan.ts";
import { Run } from "../core/run.ts";
import { MeasuredReplica } from "./bench.ts";
import { type Service, serve } from "./protocol.ts";
import { RemoteReplica, type Thread } from "./remote.ts";

const store = new MemoryStore();
let opened: OpenClosure;
beforeAll(async () => {
  opened = await openClosure(store, await putClosure(store));
});

/** A service at the other end of a channel, as it would be in a worker. */
function remote(service: Service, deadline?: number): { replica: RemoteReplica; fail(message: string): void } {
  const { port1, port2 } = new MessageChannel();
  serve(service, port2 as never);
  port1.start();
  port2.start();
  const errors: ((event: ErrorEvent) => void)[] = [];
  const thread = {
    postMessage: (message: unknown, transfer: Transferable[]) => port1.postMessage(message, transfer),
    addEventListener: (type: string, listener: (event: never) => void) => {
      if (type === "message") port1.addEventListener("message", listener as never);
      else errors.push(listener as never);
    },
    terminate: () => port1.close(),
  } as Thread;
  const fail = (message: string) => {
    for (const listener of errors) listener({ message } as ErrorEvent);
  };
  return { replica: new RemoteReplica(thread, deadline), fail };
}

/** A service of which a test needs only some methods. */
function partly(methods: Partial<Service>): Service {
  return methods as Service;
}

describe("RemoteReplica", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("trains and counts as the replica behind it", async () => {
    const all = [remote(new MeasuredReplica(store)).replica, remote(new MeasuredReplica(store)).replica];
    const run = await Run.open(opened.plan, all);
    for await (const _ of run.train(fixtureSteps));
    expect(await run.digests()).toEqual({ parameters: opened.closure.parameters, run: opened.closure.run });
    const [accuracy, loss] = opened.closure.results;
    expect((await run.evaluate("test")).correct).toBe(accuracy?.correct);
    expect((await run.measure("test")).loss).toBe(loss?.sum);
    await run.install();
    const [first] = all;
    const inputs = await first?.inputs("test", [0, 1]);
    expect(await first?.predict(inputs as Uint8Array<ArrayBuffer>)).toHaveLength(2 * 3);
    expect((await run.classify("test")).expected).toHaveLength(101);
    await first?.check(opened.plan.engine);
    for (const replica of all) replica.close();
  });

  test("says how long a call took, however late its answer is heard", async () => {
    const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    const { replica } = remote(partly({ init: () => wait(60), install: () => Promise.resolve() }));
    await Promise.all([
      replica.init().then(() => expect(replica.took).toBeGreaterThanOrEqual(0.05)),
      replica.install().then(() => expect(replica.took).toBeLessThan(0.05)),
    ]);
    replica.close();
  });

  test("measures", async () => {
    const { replica } = remote(new MeasuredReplica(store));
    await replica.open(opened.plan);
    expect(await replica.bench(0.01)).toMatchObject({
      steps: expect.any(Number),
      phases: { apply: expect.any(Number) },
    });
    expect(await replica.peak(0.2)).toBeGreaterThan(0);
    replica.close();
  });

  test("a failure keeps its kind on the way", async () => {
    const { replica } = remote(new MeasuredReplica(store));
    const plan = { ...opened.plan, engine: { ...opened.plan.engine, digest: opened.closure.run } };
    await expect(replica.open(plan)).rejects.toMatchObject({
      name: "Failure",
      kind: "damaged",
      message: expect.stringMatching(/^code\/engine\.wasm: /),
    });
    replica.close();
  });

  test("a defect arrives with its stack", async () => {
    const init = async () => {
      throw new TypeError("undefined is not a function");
    };
    const { replica } = remote(partly({ init }));
    const caught: unknown = await replica.init().catch((error: unknown) => error);
    expect(caught).not.toBeInstanceOf(Failure);
    expect((caught as Error).message).toMatch(/undefined is not a function\n.*remote\.test/);
    replica.close();
  });

  test("calls are carried out one after another", async () => {
    const order: string[] = [];
    let release = () => {};
    const init = async () => {
      order.push("init begins");
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      order.push("init ends");
    };
    const install = async () => {
      order.push("install");
      return undefined;
    };
    const { replica } = remote(partly({ init, install }));
    const both = Promise.all([replica.init(), replica.install()]);
    await vi.waitFor(() => expect(order).toEqual(["init begins"]));
    release();
    await both;
    expect(order).toEqual(["init begins", "init ends", "install"]);
    replica.close();
  });

  test("an engine that does not answer in time is stopped, and says so ever after", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { replica } = remote(partly({ init: () => new Promise<void>(() => {}) }), 5000);
    const init = expect(replica.init()).rejects.toMatchObject({
      kind: "engine",
      message: "init: no answer within 5 s; the worker was stopped",
    });
    vi.advanceTimersByTime(5000);
    await init;
    await expect(replica.digests()).rejects.toThrow("init: no answer within 5 s");
  });

  test("a worker that breaks fails what was asked of it", async () => {
    const { replica, fail } = remote(partly({ digests: () => new Promise<RunDigests>(() => {}) }));
    const digests = replica.digests();
    fail("out of memory");
    await expect(digests).rejects.toMatchObject({ kind: "engine", message: "the worker failed: out of memory" });
  });

  test("closing it ends what is under way", async () => {
    const { replica } = remote(partly({ init: () => new Promise<void>(() => {}) }));
    const init = replica.init();
    replica.close();
    await expect(init).rejects.toThrow("the worker was stopped");
  });
});
