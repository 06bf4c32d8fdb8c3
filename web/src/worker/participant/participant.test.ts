import { beforeEach, describe, expect, test, vi } from "vitest";
import { type Heard, Session, Stage } from "../../../fixtures/session.ts";
import { fixtureSteps, MemoryStore } from "../../../fixtures/store.ts";
import { Failure } from "../../core/failure.ts";
import { readSafetensors } from "../../core/safetensors.ts";
import { contentDigest } from "../../core/tensor.ts";
import { MeasuredReplica } from "../bench.ts";
import type { ModelData, ParticipantState } from "./protocol.ts";

let store: MemoryStore;
let session: Session;
beforeEach(async () => {
  store = new MemoryStore();
  session = await Session.open(store);
});

function phases(stage: Stage): string[] {
  return stage.states.map((s) => s.phase).filter((p, i, all) => p !== all[i - 1]);
}

function until(stage: Stage, so: (state: ParticipantState) => boolean): Promise<ParticipantState> {
  return vi.waitFor(
    () => {
      const { state } = stage.participant;
      if (!so(state)) throw new Error(JSON.stringify(state));
      return state;
    },
    { timeout: 5000 },
  );
}

/** Replicas that wait with step 0 until they are released. */
function gated() {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  class Replica extends MeasuredReplica {
    override async accumulate(step: number, first: number, end: number) {
      if (step === 0) await held;
      return super.accumulate(step, first, end);
    }
  }
  return { Replica, release: () => release() };
}

describe("a participant", () => {
  test("introduces itself, proves itself, and trains with others to the digest of one machine", async () => {
    const stages = [new Stage(store), new Stage(store, { workers: 3, name: "Ada" })];
    const peers = await Promise.all(stages.map((s) => s.dialled()));
    expect(await peers[0]?.hear("hello")).toEqual({
      type: "hello",
      protocol: 1,
      role: "work",
      family: "v8",
      runtime: "a test",
      workers: 2,
      memory: 1 << 20,
    });
    expect(await peers[1]?.hear("hello")).toMatchObject({ workers: 3, name: "Ada" });
    const proofs = await session.replica.prove(0, 3, 2);
    for (const peer of peers) {
      peer.say(await session.welcome({ proof: { microbatches: 3, rounds: 2 } }));
      expect(await peer.hear("ready")).toEqual({ type: "ready", step: -1, proofs });
    }
    for (let step = 0; step <= fixtureSteps; step++) {
      for (const [i, peer] of peers.entries()) peer.say(session.lease(2 * step + i, 2 * i, 2 * i + 2));
      const results: Heard[] = await Promise.all(peers.map((p) => p.hear("result")));
      const [update, packed] = await session.update(results);
      for (const peer of peers) peer.say(update, packed);
    }
    const run = session.opened.closure.run;
    for (const peer of peers) {
      peer.say({ type: "checkpoint", step: fixtureSteps });
      expect(await peer.hear("digest")).toEqual({ type: "digest", step: fixtureSteps, run });
      peer.say({ type: "end", run, closure: "perceptron:1.0.0-session.1" });
    }
    for (const stage of stages) {
      await stage.running;
      expect(stage.participant.state).toMatchObject({
        phase: "ended",
        end: { run, closure: "perceptron:1.0.0-session.1" },
      });
      expect(phases(stage)).toEqual(["dialling", "fetching", "proving", "following", "ended"]);
    }
  });

  test("evaluates, and says how it is going", async () => {
    const stage = new Stage(store);
    const peer = await stage.joined(session);
    peer.say({ type: "lease", lease: 4, work: "evaluate", step: -1, first: 3, end: 101, role: "test" });
    const { correct } = await session.replica.evaluate("test", 3, 101);
    expect(await peer.hear("result")).toEqual({ type: "result", lease: 4, correct, seconds: expect.any(Number) });
    const status = {
      step: 3,
      steps: 40,
      loss: 0.5,
      accuracy: 0.25,
      participants: 2,
      computed: 7,
      verified: 5,
      share: 0.125,
    };
    peer.say({ type: "status", ...status });
    const { step: _, ...shown } = status;
    expect(await until(stage, (s) => s.computed === 7)).toMatchObject({ ...shown, paused: false });
    stage.participant.leave();
    await stage.running;
    expect(await peer.hear("bye")).toEqual({ type: "bye" });
    expect(stage.participant.state.phase).toBe("left");
    expect(peer.closed).toBe(true);
  });

  test("computes a lease on the state at its place among the messages", async () => {
    const stage = new Stage(store, { workers: 1 });
    const peer = await stage.joined(session);
    const before = await session.replica.prove(0, 1, 1);
    peer.say(session.lease(1, 0, 1));
    peer.say({ type: "set", step: 0, name: "rate", value: 0.25 });
    await session.replica.setHyperparameter("rate", 0.25);
    peer.say(...(await session.alone()));
    const first = await session.replica.prove(1, 1, 1);
    peer.say(session.lease(2, 0, 1));
    peer.say(...(await session.alone()));
    const second = await session.replica.prove(2, 1, 1);
    peer.say(session.lease(3, 0, 1));
    peer.say({ type: "checkpoint", step: 1 });
    const heard = [await peer.next(), await peer.next(), await peer.next(), await peer.next()];
    const digests = heard.flatMap((h) => (h.type === "result" && "digest" in h ? [[h.lease, h.digest]] : []));
    expect(digests.sort()).toEqual([
      [1, before[0]],
      [2, first[0]],
      [3, second[0]],
    ]);
    expect(heard.find((h) => h.type === "digest")).toMatchObject({ run: (await session.replica.digests()).run });
    stage.participant.leave();
    await stage.running;
  });

  test("begins in the middle, from a snapshot with changed hyper-parameters", async () => {
    for (let i = 0; i < 3; i++) await session.alone();
    await session.replica.setHyperparameter("rate", 0.125);
    const stage = new Stage(store);
    const peer = await stage.dialled();
    await peer.hear("hello");
    const snapshot = { ...(await session.snapshot()), hyperparameters: { rate: 0.125 } };
    peer.say(await session.welcome({ snapshot }));
    expect(await peer.hear("ready")).toEqual({ type: "ready", step: 2 });
    peer.say(...(await session.alone()));
    peer.say({ type: "checkpoint", step: 3 });
    expect(await peer.hear("digest")).toMatchObject({ run: (await session.replica.digests()).run });
    stage.participant.leave();
    await stage.running;
  });

  test("goes to a snapshot: leases and all else are forgotten", async () => {
    const gate = gated();
    const stage = new Stage(store, { workers: 1 }, { replica: gate.Replica });
    const peer = await stage.joined(session);
    peer.say(session.lease(1, 0, 4));
    await until(stage, (s) => s.leases === 1);
    for (let i = 0; i < 2; i++) await session.alone();
    peer.say({ type: "snapshot", ...(await session.snapshot()), reason: "too slow" });
    gate.release();
    expect(await peer.hear("ready")).toEqual({ type: "ready", step: 1 });
    peer.say(session.lease(2, 0, 4));
    expect(await peer.hear("result")).toMatchObject({ lease: 2 });
    expect(stage.participant.state.leases).toBeLessThan(2);
    stage.participant.leave();
    await stage.running;
  });

  test("rests: no leases, but updates go on", async () => {
    const stage = new Stage(store);
    const peer = await stage.joined(session);
    stage.participant.rest("hidden");
    expect(await peer.hear("rest")).toEqual({ type: "rest", resting: true, reason: "hidden" });
    stage.participant.rest("battery"); // the reason may change, the coordinator need not know
    peer.say(session.lease(1, 0, 4));
    expect(await peer.hear("failed")).toEqual({ type: "failed", lease: 1, reason: "rest" });
    peer.say(...(await session.alone()));
    stage.participant.rest(undefined);
    expect(await peer.hear("rest")).toEqual({ type: "rest", resting: false });
    peer.say(session.lease(2, 0, 4));
    expect(await peer.hear("result")).toMatchObject({ lease: 2 });
    stage.participant.leave();
    await stage.running;
  });

  test("gives back what it computes when it is to rest: no result of it is sent", async () => {
    const gate = gated();
    const stage = new Stage(store, { workers: 1 }, { replica: gate.Replica });
    const peer = await stage.joined(session);
    peer.say(session.lease(1, 0, 4));
    await until(stage, (s) => s.leases === 1);
    stage.participant.rest("battery");
    expect(await peer.hear("rest")).toEqual({ type: "rest", resting: true, reason: "battery" });
    stage.participant.rest(undefined); // before it is done with that
    expect(await peer.hear("rest")).toEqual({ type: "rest", resting: false });
    gate.release();
    peer.say(session.lease(2, 0, 2));
    expect(await peer.hear("result")).toMatchObject({ lease: 2 });
    stage.participant.leave();
    await stage.running;
  });

  test("takes other workers between leases, by coming anew", async () => {
    const gate = gated();
    const stage = new Stage(store, { workers: 1 }, { replica: gate.Replica });
    const peer = await stage.joined(session);
    peer.say(session.lease(1, 0, 4));
    await until(stage, (s) => s.leases === 1);
    void stage.participant.workers(3);
    expect(await peer.hear("rest")).toMatchObject({ resting: true });
    gate.release();
    expect(await peer.hear("result")).toMatchObject({ lease: 1 });
    await peer.end();
    const again = await stage.dialled();
    expect(await again.hear("hello")).toMatchObject({ workers: 3, resume: "word" });
    again.say(await session.welcome());
    await again.hear("ready");
    expect(stage.spawned).toBe(3); // the one that was there, and two more
    stage.participant.leave();
    await stage.running;
  });

  test("tracks: no workers are offered, the model follows and can be had", async () => {
    const stage = new Stage(store, { role: "track", workers: 2 });
    await expect(stage.participant.ask({ ask: "model" })).rejects.toThrow("not here yet");
    const peer = await stage.dialled();
    expect(await peer.hear("hello")).toMatchObject({ role: "track", workers: 0 });
    peer.say(await session.welcome({ proof: { microbatches: 2, rounds: 2 } }));
    expect(await peer.hear("ready")).toEqual({ type: "ready", step: -1 });
    for (let i = 0; i < 2; i++) peer.say(...(await session.alone()));
    await until(stage, (s) => s.step === 1);
    const file = await stage.participant.ask({ ask: "parameters" });
    const tensors = readSafetensors(file as Uint8Array<ArrayBuffer>, "download");
    expect(await contentDigest(tensors)).toBe((await session.replica.digests()).parameters);
    const model = (await stage.participant.ask({ ask: "model" })) as ModelData;
    expect(model).toMatchObject({
      role: "test",
      probabilities: false,
      dataset: { classes: ["left", "right", "even"] },
    });
    const input = model.samples[0] as Uint8Array<ArrayBuffer>;
    expect(await stage.participant.ask({ ask: "predict", input })).toHaveLength(3);
    expect(stage.spawned).toBe(1);
    stage.participant.leave();
    await stage.running;
  });
});

describe("when something breaks", () => {
  test("it dials again, with its word, and takes the state that is then", async () => {
    const stage = new Stage(store);
    const peer = await stage.joined(session);
    peer.say(...(await session.alone()));
    await until(stage, (s) => s.step === 0);
    peer.cut();
    await until(stage, (s) => s.phase === "retrying");
    expect(stage.participant.state.retry).toEqual({
      why: "the connection to the coordinator was closed",
      seconds: 0.5,
    });
    await session.alone();
    const again = await stage.dialled();
    expect(await again.hear("hello")).toMatchObject({ resume: "word" });
    again.say(await session.welcome());
    expect(await again.hear("ready")).toMatchObject({ step: 1 });
    expect(stage.spawned).toBe(2); // the workers remained, with all they have compiled
    stage.participant.leave();
    await stage.running;
  });

  test("the visitor can leave while it waits", async () => {
    const stage = new Stage(store);
    (await stage.dialled()).cut();
    await until(stage, (s) => s.phase === "retrying");
    stage.participant.leave();
    await stage.running;
    expect(stage.participant.state.phase).toBe("left");
  });

  test.each(["cheat", "proof", "ended", "version"])("a refusal for %s is final", async (code) => {
    const stage = new Stage(store);
    const peer = await stage.dialled();
    await peer.hear("hello");
    peer.say({ type: "refuse", code, message: "so it is" });
    await stage.running;
    expect(stage.participant.state).toMatchObject({ phase: "failed", failure: { message: "so it is", code } });
    expect(peer.closed).toBe(true);
  });

  test("a coordinator that is busy is asked again when it says", async () => {
    const stage = new Stage(store);
    const peer = await stage.dialled();
    await peer.hear("hello");
    peer.say({ type: "refuse", code: "busy", message: "too many joins", retryAfter: 1 });
    await until(stage, (s) => s.phase === "retrying");
    expect(stage.participant.state.retry).toEqual({ why: "too many joins", seconds: 1 });
    await stage.joined(session);
    stage.participant.leave();
    await stage.running;
  });

  test("a worker that fails: the lease is given back, and fewer workers begin anew", async () => {
    let broken = true;
    class Broken extends MeasuredReplica {
      override async accumulate(step: number, first: number, end: number) {
        if (broken) throw new Failure("engine", "the worker failed: out of memory");
        return super.accumulate(step, first, end);
      }
    }
    const stage = new Stage(store, { workers: 3 }, { replica: Broken });
    const peer = await stage.joined(session);
    peer.say(session.lease(1, 0, 4));
    expect(await peer.hear("failed")).toEqual({
      type: "failed",
      lease: 1,
      reason: "engine",
      message: "the worker failed: out of memory",
    });
    await peer.end();
    broken = false;
    const again = await stage.dialled();
    expect(await again.hear("hello")).toMatchObject({ workers: 2 });
    again.say(await session.welcome());
    await again.hear("ready");
    again.say(session.lease(2, 0, 4));
    expect(await again.hear("result")).toMatchObject({ lease: 2 });
    expect(stage.spawned).toBe(5);
    stage.participant.leave();
    await stage.running;
  });

  test("a runtime that flushes subnormals leaves politely", async () => {
    class Flushing extends MeasuredReplica {
      override async accumulate(): Promise<never> {
        throw new Failure(
          "engine",
          "engine.wasm: accumulate: this runtime flushes subnormal numbers or does not round to nearest even",
        );
      }
    }
    const stage = new Stage(store, {}, { replica: Flushing });
    const peer = await stage.joined(session);
    peer.say(session.lease(1, 0, 4));
    expect(await peer.hear("failed")).toMatchObject({ reason: "environment" });
    expect(await peer.hear("bye")).toEqual({ type: "bye" });
    await stage.running;
    expect(stage.participant.state).toMatchObject({ phase: "failed", failure: { kind: "engine" } });
  });

  test("data that cannot be had give one lease back, not more", async () => {
    const stage = new Stage(store, { workers: 1 });
    const peer = await stage.joined(session);
    const shards = session.opened.plan.records.train?.shards ?? [];
    for (const shard of shards) store.damage(shard.sha256);
    peer.say(session.lease(1, 0, 4));
    expect(await peer.hear("failed")).toMatchObject({
      lease: 1,
      reason: "data",
      message: expect.stringContaining("train/"),
    });
    for (const shard of shards) store.damage(shard.sha256); // the same bit again
    peer.say(session.lease(2, 0, 4));
    expect(await peer.hear("result")).toMatchObject({ lease: 2 });
    stage.participant.leave();
    await stage.running;
  });

  test("a snapshot that is damaged again and again ends it", async () => {
    await session.alone();
    const stage = new Stage(store, {}, { random: () => -0.5 }); // tries again at once
    const snapshot = (await session.snapshot()) as { tensors: { digest: never } };
    store.damage(snapshot.tensors.digest);
    for (let attempt = 0; attempt < 5; attempt++) {
      const peer = await stage.dialled();
      await peer.hear("hello");
      peer.say(await session.welcome({ snapshot }));
      await peer.end();
    }
    await stage.running;
    expect(stage.participant.state).toMatchObject({ phase: "failed", failure: { kind: "damaged" } });
    expect(stage.participant.state.failure?.message).toMatch(/^snapshot of step 0: /);
  });

  test.each([
    ["an update of another digest", { digest: `sha256:${"0".repeat(64)}` }, "it should be sha256:000"],
    ["an update out of order", { step: 5 }, "the update of step 5; 0 was expected"],
    ["an update too long", { bytes: 1 << 20 }, "an update of 1048576 bytes was announced"],
  ])("%s is not applied", async (_, change, why) => {
    const stage = new Stage(store);
    const peer = await stage.joined(session);
    const [update, packed] = await session.alone();
    peer.say({ ...update, ...change }, packed);
    await peer.end();
    expect((await until(stage, (s) => s.phase === "retrying")).retry?.why).toContain(why);
    stage.participant.leave();
    await stage.running;
  });

  test.each([
    ["no JSON", "{", "is not JSON"],
    ["an unknown message", '{"type":"sing"}', "no such message is known"],
    [
      "a lease of nothing",
      '{"type":"lease","lease":1,"work":"train","step":0,"first":3,"end":3}',
      "an integer of at least 4",
    ],
    ["a second welcome", "", "welcomed this participant twice"],
  ])("%s ends the connection", async (_, text, why) => {
    const stage = new Stage(store);
    const peer = await stage.joined(session);
    peer.text(text || JSON.stringify(await session.welcome()));
    await peer.end();
    expect((await until(stage, (s) => s.phase === "retrying")).retry?.why).toContain(why);
    stage.participant.leave();
    await stage.running;
  });
});
