import { beforeEach, describe, expect, test } from "vitest";
import { encode, fixtureSteps, MemoryStore, putClosure } from "../../../fixtures/store.ts";
import type { BlobRef } from "../../core/blobs.ts";
import { openClosure } from "../../core/plan.ts";
import { LocalReplica } from "../../core/replica.ts";
import type { Digest } from "../../gen/schema.ts";
import { coordinator } from "./coordinator.ts";
import { Gate } from "./gate.ts";
import type { Message, Mode, Order, ReplayOutcome, VerifyOutcome } from "./protocol.ts";
import { replay } from "./replay.ts";
import { verify } from "./verify.ts";
import type { Work } from "./work.ts";

let store: MemoryStore;
let closure: Digest;
let messages: Message[];
beforeEach(async () => {
  store = new MemoryStore();
  closure = await putClosure(store);
  messages = [];
});

function work(replicas = 1): Work {
  return {
    closure,
    blobs: store,
    replicas: Array.from({ length: replicas }, () => new LocalReplica(store)),
    gate: new Gate(),
    post: (message) => messages.push(message),
  };
}

/** Publishes the closure again with another closure.json, which is consistent with its digest. */
async function changed(change: (text: string) => string): Promise<void> {
  const manifest = JSON.parse(new TextDecoder().decode(await store.read({ digest: closure, path: "" })));
  const config = await store.read({ digest: manifest.config.digest, path: "" });
  const bytes = encode(change(new TextDecoder().decode(config)));
  manifest.config = { ...manifest.config, digest: await store.put(bytes), size: bytes.length };
  closure = await store.putJSON(manifest);
}

async function fileOf(role: string): Promise<BlobRef> {
  const opened = await openClosure(store, closure);
  const file = opened.closure.files.find((f) => f.role === role);
  if (file === undefined) throw new Error(`no ${role}`);
  return { path: file.path, digest: file.sha256, size: file.size };
}

describe("verify", () => {
  test.each([1, 3])("%i replicas find what was claimed", async (n) => {
    const outcome = await verify(work(n));
    const { closure: document } = await openClosure(store, closure);
    expect(outcome.damaged).toEqual([]);
    expect(outcome.claims).toHaveLength(2);
    for (const { claim, observed } of outcome.claims) {
      expect(observed).toEqual(
        claim.metric === "accuracy" ? { correct: claim.correct, total: 101 } : { sum: claim.sum, total: 101 },
      );
    }
    expect(outcome.digests.map((d) => d.observed)).toEqual([document.parameters, document.run]);
    expect(outcome.checked.files).toBe(4 + 2); // the closure's, and the shards of the test split
    expect(outcome.foreign).toBe(true);
  });

  test("looks closer at the records of the accuracy", async () => {
    const { classification, claims } = (await verify(work())) as Required<VerifyOutcome>;
    const { matrix, mistakes, classes } = classification;
    const correct = claims[0]?.observed?.correct ?? 0;
    expect(classes).toEqual(["left", "right", "even"]);
    expect(matrix.flat().reduce((a, b) => a + b)).toBe(101);
    expect(matrix.reduce((sum, row, i) => sum + (row[i] ?? 0), 0)).toBe(correct);
    expect(mistakes).toHaveLength(Math.min(24, 101 - correct));
    for (const m of mistakes) {
      expect(m.expected).not.toBe(m.predicted);
      expect(m.input).toHaveLength(4);
    }
    const wrongness = mistakes.map((m) => m.confidence - m.support);
    expect(wrongness).toEqual([...wrongness].sort((a, b) => b - a));
  });

  test("goes through its phases, and tells of progress in each", async () => {
    await verify(work());
    expect(messages.flatMap((m) => (m.type === "phase" ? [m.phase] : []))).toEqual([
      "documents",
      "bytes",
      "engine",
      "claims",
    ]);
    const last = messages.findLast((m) => m.type === "progress");
    expect(last?.progress).toMatchObject({ phase: "claims", done: 101, total: 101, unit: "records" });
  });

  test("names everything that is damaged, and computes nothing then", async () => {
    const { plan } = await openClosure(store, closure);
    const shard = plan.records.test?.shards.at(-1);
    const parameters = await fileOf("parameters");
    store.damage(shard?.sha256 as Digest);
    store.damage(parameters.digest);
    const outcome = await verify(work(2));
    expect(outcome.damaged.map((d) => d.split(":")[0]).sort()).toEqual([parameters.path, shard?.path].sort());
    expect(outcome.claims.map((c) => c.observed)).toEqual([undefined, undefined]);
    expect(outcome.classification).toBeUndefined();
  });

  test("damage of the documents themselves is a finding", async () => {
    store.damage(closure);
    expect((await verify(work())).damaged[0]).toMatch(/^manifest of closure\.json: its bytes are/);
  });

  test("shows the number that comes out beside a changed claim", async () => {
    const honest = (await verify(work())).claims[0]?.observed?.correct ?? 0;
    await changed((text) => text.replace(`"correct":${honest}`, `"correct":${honest + 1}`));
    const [first] = (await verify(work())).claims;
    expect([first?.claim.correct, first?.observed?.correct]).toEqual([honest + 1, honest]);
  });

  test("a claim about records that the closure does not name stays without a value", async () => {
    await changed((text) => text.replace('"split":"test","step"', '"split":"other","step"'));
    const { claims } = await verify(work());
    expect(claims[0]?.observed).toBeUndefined();
    expect(claims[1]?.observed).toBeDefined();
  });
});

describe("replay", () => {
  test.each([1, 3])("%i replicas repeat the journal", async (n) => {
    const outcome = await replay(work(n));
    const { closure: document } = await openClosure(store, closure);
    expect(outcome).toMatchObject({ steps: fixtureSteps, stepsRecorded: fixtureSteps, run: document.run, damaged: [] });
    expect(outcome.difference).toBeUndefined();
    expect(outcome.lines).toBe(1 + fixtureSteps + 2 * 4);
    const recorded = messages.find((m) => m.type === "recorded");
    const live = messages.flatMap((m) => (m.type === "points" ? m.points : []));
    expect(live).toEqual(recorded?.points);
    expect(messages.filter((m) => m.type === "checkpoint").map((m) => m.checkpoint.step)).toEqual([10, 20, 30, 40]);
  });

  test.each([1, 3])("%i replicas repeat a run whose engine was replaced on the way", async (n) => {
    closure = await putClosure(store, 20);
    const outcome = await replay(work(n));
    const { closure: document } = await openClosure(store, closure);
    expect(outcome).toMatchObject({ steps: fixtureSteps, run: document.run, damaged: [] });
    expect(outcome.difference).toBeUndefined();
    expect(document.earlier).toHaveLength(1);
    const text = new TextDecoder().decode(await store.read(await fileOf("journal")));
    expect(text).toContain(`{"engine":"${document.engine}","event":"engine","step":20,"type":"event"}`);
    expect(text.match(/"type":"checkpoint"/g)).toHaveLength(2 + 3); // every 8 steps, then every 10
    // A change at another step than the recorded one is a difference.
    const { digest } = await fileOf("journal");
    const other = await store.put(encode(text.replace('"step":20,"type":"event"', '"step":19,"type":"event"')));
    await changed((document) => document.replace(digest, other));
    expect((await replay(work(n))).difference?.step).toBe(19);
  });

  test("names the first step that differs, with both values", async () => {
    const journal = await fileOf("journal");
    const text = new TextDecoder().decode(await store.read(journal));
    const lines = text.split("\n");
    const at = lines.findIndex((l) => l.includes('"step":17,'));
    const loss = /"loss":(\d+)/.exec(lines[at] ?? "")?.[1];
    lines[at] = lines[at]?.replace(`"loss":${loss}`, '"loss":1') as string;
    const bytes = encode(lines.join("\n"));
    const digest = await store.put(bytes);
    await changed((t) => t.replace(journal.digest, digest).replace(`"size":${journal.size}`, `"size":${bytes.length}`));
    const outcome = await replay(work());
    expect(outcome.difference).toEqual({ step: 17, what: "loss in the step line", recorded: "1", observed: loss });
    expect(outcome.steps).toBe(16);
  });

  test("a run digest that is not the last state's is a difference", async () => {
    const { closure: document } = await openClosure(store, closure);
    const other = document.run.replace(/.$/, (d) => (d === "0" ? "1" : "0"));
    await changed((t) => t.replace(document.run, other));
    expect((await replay(work())).difference).toEqual({
      step: fixtureSteps,
      what: "the run digest in closure.json",
      recorded: other,
      observed: document.run,
    });
  });

  test("damaged training records are named", async () => {
    const { plan } = await openClosure(store, closure);
    const shard = plan.records.train?.shards[0];
    store.damage(shard?.sha256 as Digest);
    const outcome = await replay(work());
    expect(outcome.damaged[0]).toMatch(new RegExp(`^${shard?.path}: its bytes are`));
    expect(outcome.run).toBeUndefined();
  });
});

describe("coordinator", () => {
  /** Carries out an order and returns its last message. */
  function ordered(mode: Mode, workers: number): Promise<Message> {
    return new Promise((resolve) => {
      const take = coordinator({
        post: (m) => (m.type === "outcome" || m.type === "failed" ? resolve(m) : messages.push(m)),
        blobs: () => store,
        spawn: () => new LocalReplica(store),
      });
      const order: Order = { mode, closure, blobs: "", workers };
      take({ type: "start", order });
      take({ type: "pause" });
      take({ type: "resume" });
    });
  }

  test("answers an order with its outcome", async () => {
    expect(await ordered("verify", 2)).toMatchObject({ type: "outcome", outcome: { mode: "verify" } });
    const replayed = await ordered("replay", 3);
    expect(replayed.type === "outcome" && (replayed.outcome as ReplayOutcome).steps).toBe(fixtureSteps);
  });

  test("answers with what prevented an outcome", async () => {
    await changed((t) => t.replace('"metric":"accuracy"', '"metric":"charm"'));
    expect(await ordered("verify", 1)).toMatchObject({
      type: "failed",
      failure: { kind: "invalid", message: expect.stringContaining("results[0].metric") },
    });
  });
});

describe("Gate", () => {
  test("holds work while paused, and does not count that time", async () => {
    let now = 0;
    const gate = new Gate(
      () => now,
      async () => {},
    );
    now = 1000;
    gate.pause();
    let passed = false;
    const passing = gate.pass().then(() => {
      passed = true;
    });
    await Promise.resolve();
    now = 5000;
    expect([passed, gate.seconds]).toEqual([false, 1]);
    gate.resume();
    await passing;
    now = 5500;
    expect(gate.seconds).toBe(1.5);
  });

  test("lets waiting events through now and then", async () => {
    let now = 0;
    let yields = 0;
    const gate = new Gate(
      () => now,
      async () => {
        yields++;
      },
    );
    for (; now < 100; now += 5) await gate.pass();
    expect(yields).toBe(3);
  });
});
