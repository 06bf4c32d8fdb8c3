import { beforeAll, describe, expect, test } from "vitest";
import { perceptron } from "../../fixtures/engine.ts";
import { fixtureSteps, MemoryStore, putClosure } from "../../fixtures/store.ts";
import type { JournalLine } from "../gen/schema.ts";
import { type Decisions, type Event, noDecisions, readDecisions } from "./documents.ts";
import { Engine } from "./engine.ts";
import { lineText, trainJournal } from "./journal.ts";
import { blobOf, type OpenClosure, openClosure, type Plan } from "./plan.ts";
import { argmax, countCorrect, LocalReplica, type Predictions, type Replica } from "./replica.ts";
import { Run } from "./run.ts";
import type { EngineSection } from "./section.ts";

// What the perceptron's closure comes to. The digest may change only with the engine, its data or what a content digest
// is; see the journal of the closure for where a run first differs.
const golden = "sha256:078502df59a2c9c8575170cc63930ea08bf770f5f1a55c8c15b584229990e207";

const store = new MemoryStore();
let opened: OpenClosure;
beforeAll(async () => {
  opened = await openClosure(store, await putClosure(store));
});

function replicas(n: number): LocalReplica[] {
  return Array.from({ length: n }, () => new LocalReplica(store));
}

class Classified extends LocalReplica {
  async all(plan: Plan): Promise<Predictions> {
    await this.open(plan);
    await this.install();
    return this.classify("test", 0, 101);
  }
}

async function trained(n: number, events: readonly Event[] = [], plan = opened.plan): Promise<Run> {
  const run = await Run.open(plan, replicas(n));
  for await (const _ of run.train(fixtureSteps, { ...noDecisions, events }));
  return run;
}

describe("Run", () => {
  test.each([1, 2, 3, 7])("%i replicas come to the digest of the closure", async (n) => {
    const run = await trained(n);
    const digests = await run.digests();
    expect(digests).toEqual({ parameters: opened.closure.parameters, run: opened.closure.run });
    expect(digests.run).toBe(golden);
  });

  test("the model has learnt something", async () => {
    const { correct, total } = await (await trained(1)).evaluate("test");
    expect(total).toBe(101);
    expect(correct / total).toBeGreaterThan(0.7);
  });

  test.each([1, 2, 5])("%i replicas count what one counts", async (n) => {
    const run = await Run.open(opened.plan, replicas(n));
    await run.install();
    const progress: number[] = [];
    const [accuracy, loss] = opened.closure.results;
    expect(await run.evaluate("test", (done) => progress.push(done))).toEqual({
      correct: accuracy?.correct,
      total: accuracy?.total,
    });
    expect(progress.at(-1)).toBe(101);
    expect(await run.measure("test")).toEqual({ count: 101, correct: accuracy?.correct, loss: loss?.sum });
    expect(await run.digests()).toEqual({ parameters: opened.closure.parameters, run: opened.closure.run });
  });

  test.each([1, 4])("%i replicas classify every record in its place", async (n) => {
    const run = await Run.open(opened.plan, replicas(n));
    await run.install();
    const one = await new Classified(store).all(opened.plan);
    expect(await run.classify("test")).toEqual(one);
    expect(countCorrect(one)).toBe(opened.closure.results[0]?.correct);
    expect([...one.confidence].every((c, i) => c >= (one.support[i] as number))).toBe(true);
  });

  test("a pace holds the run before every step and every range of records", async () => {
    let passes = 0;
    const run = await Run.open(opened.plan, replicas(1), async () => {
      passes++;
    });
    for await (const _ of run.train(3));
    expect(passes).toBe(4); // step 0 calibrates
    await run.evaluate("test");
    expect(passes).toBe(4 + 2 + 1); // 101 records in two ranges, and a look that finds no more
  });

  test("another seed gives another run", async () => {
    const other = await trained(1, [], { ...opened.plan, seed: 43 });
    expect((await other.digests()).run).not.toBe(opened.closure.run);
  });

  test("an event takes effect at its step on every replica", async () => {
    const event = (step: number, value: number): Event => ({
      type: "event",
      event: "hyperparameter",
      name: "rate",
      step,
      value,
    });
    const [one, two] = await Promise.all([trained(1, [event(5, 1)]), trained(2, [event(5, 1)])]);
    expect(await one.digests()).toEqual(await two.digests());
    expect(await one.digests()).not.toEqual(await (await trained(1)).digests());
    expect(await one.digests()).not.toEqual(await (await trained(1, [event(6, 1)])).digests());
    await expect(trained(1, [event(5, 99)])).rejects.toThrow("rate: 99 is not between 0 and 8");
  });

  test.each([1, 3])("another engine goes on before its step, on %i replicas", async (n) => {
    const rate: Event = { type: "event", event: "hyperparameter", name: "rate", step: 3, value: 0.25 };
    const next: Plan = { ...opened.plan, microbatches: 6 };
    const run = await Run.open(opened.plan, replicas(n));
    const changes = [{ step: 5, plan: next }];
    const merged: number[] = [];
    for await (const line of run.train(8, { ...noDecisions, events: [rate] }, changes)) {
      merged.push(...line.microbatches.map(([, end]) => end));
    }
    expect(merged).toEqual([4, 4, 4, 4, 6, 6, 6, 6]);
    expect(run.plan).toBe(next);

    // The two have all tensors in common, so that one which is never replaced comes to the same.
    const one = new LocalReplica(store);
    await one.open(opened.plan);
    await one.init();
    for (let step = 0; step <= 8; step++) {
      if (step === 3) await one.setHyperparameter("rate", 0.25);
      await one.apply(step, await one.accumulate(step, 0, step < 5 ? 4 : 6));
    }
    expect(await run.digests()).toEqual(await one.digests());
  });

  test("a hyper-parameter that the next engine does not have, or not so large, is not kept", async () => {
    const told: string[] = [];
    class Next extends LocalReplica {
      override async replace(plan: Plan): Promise<EngineSection> {
        const section = await super.replace(plan);
        return { ...section, hyperparameters: section.hyperparameters.map((h) => ({ ...h, max: 0.1 })) };
      }
      override async setHyperparameter(name: string, value: number): Promise<void> {
        told.push(`${name} ${value}`);
      }
    }
    const events = [0.05, 0.25].map(
      (value, i): Event => ({ type: "event", event: "hyperparameter", name: "rate", step: i + 1, value }),
    );
    for (const changes of [[{ step: 2, plan: opened.plan }], [{ step: 3, plan: opened.plan }]]) {
      const run = await Run.open(opened.plan, [new Next(store)]);
      for await (const _ of run.train(3, { ...noDecisions, events }, changes));
    }
    expect(told).toEqual(["rate 0.05", "rate 0.05", "rate 0.25", "rate 0.05", "rate 0.25"]);
  });

  test("leaving the loop stops after a whole step", async () => {
    const run = await Run.open(opened.plan, replicas(2));
    for await (const { step } of run.train(fixtureSteps)) if (step === 3) break;
    const other = await Run.open(opened.plan, replicas(1));
    for await (const _ of other.train(3));
    expect(await run.digests()).toEqual(await other.digests());
  });

  test("replicas that no longer agree are found out", async () => {
    class Stubborn extends LocalReplica {
      override async setHyperparameter(): Promise<void> {}
    }
    const run = await Run.open(opened.plan, [new LocalReplica(store), new Stubborn(store)]);
    const event = { type: "event", event: "hyperparameter", name: "rate", step: 1, value: 1 } as const;
    for await (const _ of run.train(2, { ...noDecisions, events: [event] }));
    await expect(run.digests()).rejects.toMatchObject({ kind: "diverged" });
  });

  test.each<[string, (plan: Plan) => Plan, string]>([
    ["too many microbatches", (p) => ({ ...p, microbatches: 100_001 }), "the engine takes at most 100000"],
    ["no training records", (p) => ({ ...p, records: {} }), "the closure names no train records"],
    ["nothing to train", (p) => ({ ...p, microbatches: 0 }), "a step needs at least one microbatch"],
    [
      "records that are not the engine's",
      (p) => {
        const train = p.records.train as NonNullable<Plan["records"]["train"]>;
        const input = { ...train.layout.input, shape: [3] };
        return { ...p, records: { train: { ...train, layout: { ...train.layout, input } } } };
      },
      "code/engine.wasm: 4 records of train have 12 bytes of input, the engine's region has 16",
    ],
  ])("refuses %s", async (_, change, message) => {
    await expect(trained(1, [], change(opened.plan))).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(message),
    });
  });

  test("needs a replica, and a replica a plan", async () => {
    await expect(Run.open(opened.plan, [])).rejects.toThrow("a run needs at least one replica");
    await expect(new LocalReplica(store).init()).rejects.toThrow("no closure is open");
  });

  test("names the file of parameters that are damaged, and says when there are none", async () => {
    const [parameters] = opened.plan.snapshot;
    if (parameters === undefined) throw new Error("no parameters");
    const run = await Run.open(opened.plan, replicas(1));
    store.damage(parameters.digest);
    await expect(run.install()).rejects.toThrow(/^params\/model\.safetensors: its bytes are/);
    store.damage(parameters.digest); // the same bit back
    const without = await Run.open({ ...opened.plan, snapshot: [] }, replicas(1));
    await expect(without.install()).rejects.toThrow("the closure holds no parameters");
  });
});

describe("LocalReplica", () => {
  async function installed(): Promise<LocalReplica> {
    const replica = new LocalReplica(store);
    await replica.open(opened.plan);
    await replica.install();
    return replica;
  }

  test("predicts what it is given, as it predicts the same record of a split", async () => {
    const replica = await installed();
    const inputs = await replica.inputs("test", [7, 3]);
    expect(inputs).toHaveLength(8);
    const outputs = await replica.predict(inputs);
    const { predicted, confidence } = await replica.classify("test", 7, 8);
    expect(outputs).toHaveLength(2 * 3);
    expect(argmax(outputs, 0, 3)).toBe(predicted[0]);
    expect(outputs[predicted[0] as number]).toBe(confidence[0]);
    expect(await replica.predict(inputs.slice(0, 4))).toEqual(outputs.slice(0, 3));
  });

  test.each([0, 3, 20])("refuses %i bytes as inputs", async (bytes) => {
    const replica = await installed();
    await expect(replica.predict(new Uint8Array(bytes))).rejects.toThrow(
      `${bytes} bytes are not 1 to 4 inputs of 4 bytes`,
    );
  });

  test("checks a blob", async () => {
    const other = new MemoryStore();
    const { plan } = await openClosure(other, await putClosure(other));
    const replica = new LocalReplica(other);
    await replica.check(plan.engine);
    other.damage(plan.engine.digest);
    await expect(replica.check(plan.engine)).rejects.toMatchObject({ kind: "damaged" });
  });
});

describe("trainJournal", () => {
  async function journal(n: number, decisions: Decisions = noDecisions): Promise<JournalLine[]> {
    const lines: JournalLine[] = [];
    const run = await Run.open(opened.plan, replicas(n));
    for await (const line of trainJournal(run, opened.closure, decisions)) lines.push(line);
    return lines;
  }

  test("is the same text from any number of replicas, and the archived one", async () => {
    const file = opened.closure.files.find((f) => f.role === "journal");
    if (file === undefined) throw new Error("no journal");
    const archived = new TextDecoder().decode(await store.read(blobOf(file)));
    expect((await journal(3)).map(lineText).join("")).toBe(archived);
    expect(archived.split("\n")[1]).toBe(
      '{"clipped":0,"correct":9,"examples":16,"loss":7340032,"microbatches":[[0,4]],"step":1,"type":"step"}',
    );
  });

  test("has an event before its step, and after the last step an evaluation and the digests", async () => {
    const event: Event = { type: "event", event: "hyperparameter", name: "rate", step: 2, value: 0.25 };
    const lines = await journal(1, { ...noDecisions, events: [event] });
    const types = lines.map((l) => `${l.type} ${l.step}`);
    expect(types.slice(0, 4)).toEqual(["header 0", "step 1", "event 2", "step 2"]);
    expect(types.slice(-3)).toEqual(["step 40", "evaluation 40", "checkpoint 40"]);
    const text = new TextEncoder().encode(lines.map(lineText).join(""));
    expect(readDecisions(text, "journal/train.jsonl").events).toEqual([event]);
  });

  test("repeats the microbatches that a session merged, from any number of replicas", async () => {
    const decisions: Decisions = {
      ...noDecisions,
      merged: new Map([
        [
          3,
          [
            [0, 1],
            [2, 6],
          ],
        ],
      ]),
    };
    const [one, three] = await Promise.all([journal(1, decisions), journal(3, decisions)]);
    expect(one).toEqual(three);
    expect(one[3]).toMatchObject({
      step: 3,
      microbatches: [
        [0, 1],
        [2, 6],
      ],
      examples: 20,
    });
    const text = new TextEncoder().encode(one.map(lineText).join(""));
    expect(readDecisions(text, "journal/train.jsonl").merged.get(3)).toEqual([
      [0, 1],
      [2, 6],
    ]);
  });

  test("has the loss where there are no classes to count", async () => {
    const numbers = { offset: 4, dtype: "f32", shape: [2] } as const;
    const regression = (p: Plan): Plan => {
      const test = p.records.test as NonNullable<Plan["records"]["test"]>;
      return { ...p, records: { test: { ...test, layout: { ...test.layout, target: numbers } } } };
    };
    const measured: Partial<Replica> = {
      open: async () => (await Engine.instantiate(await perceptron(), "engine.wasm")).section,
      init: async () => {},
      accumulate: async () => new Uint8Array(88),
      apply: async () => {},
      measure: async (_, first, end) => ({ count: BigInt(end - first), loss: -3n }),
      digests: async () => ({ parameters: opened.closure.parameters, run: opened.closure.run }),
    };
    const run = await Run.open(regression(opened.plan), [measured as Replica]);
    const closure = { ...opened.closure, algorithm: { ...opened.closure.algorithm, steps: 1 } };
    const lines: JournalLine[] = [];
    for await (const line of trainJournal(run, closure)) lines.push(line);
    expect(lines[2]).toEqual({ type: "evaluation", step: 1, split: "test", examples: 101, loss: -6 });
  });
});

describe("readDecisions", () => {
  test("says which engine ran from which step on", () => {
    const [a, b] = [`sha256:${"a".repeat(64)}`, `sha256:${"b".repeat(64)}`];
    const text = `{"engine":"${a}","step":0,"type":"header"}\n{"engine":"${b}","event":"engine","step":5,"type":"event"}\n`;
    expect(readDecisions(new TextEncoder().encode(text), "train.jsonl").engines).toEqual([
      { step: 0, engine: a },
      { step: 5, engine: b },
    ]);
  });

  const read = (text: string) => () => readDecisions(new TextEncoder().encode(text), "train.jsonl");
  test.each([
    ["a journal cut short", '{"type":"step"}', "train.jsonl: its last line is cut short"],
    ["a line that is not JSON", '{"type":"checkpoint"}\n{\n', "train.jsonl, line 2: it is not JSON"],
    [
      "an event that it cannot follow",
      '{"type":"event","event":"pause"}\n',
      'train.jsonl, line 1: event: "pause" is not one of hyperparameter, engine',
    ],
    [
      "ranges that touch",
      '{"type":"step","step":1,"microbatches":[[0,2],[2,3]]}\n',
      "train.jsonl, line 1: microbatches[1]: is no range",
    ],
  ])("refuses %s", (_, text, message) => {
    expect(read(text)).toThrow(message);
  });
});

describe("argmax", () => {
  const { NaN: nan, NEGATIVE_INFINITY: low } = Number;
  test.each([
    ["the largest", [1, 3, 2], 1],
    ["the first of equals", [0, 2, 2], 1],
    ["of zeros of both signs the first", [-0, 0], 0],
    ["never a NaN", [nan, 1, nan], 1],
    ["of nothing better the first", [nan, low, nan], 0],
  ])("is %s", (_, row, expected) => {
    expect(argmax(new Float32Array([9, 9, ...row]), 2, row.length)).toBe(expected);
  });
});
