import { describe, expect, test } from "vitest";
import { perceptron } from "../../fixtures/engine.ts";
import { MemoryStore, putClosure, putDataset, putUntrained } from "../../fixtures/store.ts";
import type { Digest } from "../gen/schema.ts";
import { type Decisions, noDecisions } from "./documents.ts";
import { openClosure, openDataset, openSplit, openStages } from "./plan.ts";

type Json = Record<string, unknown>;

function readJSON(store: MemoryStore, digest: Digest): Json {
  return JSON.parse(new TextDecoder().decode(store.blobs.get(digest))) as Json;
}

/** Stores an object again with its document, and then its manifest, changed. */
async function altered(
  store: MemoryStore,
  object: Digest,
  document: (d: Json) => Json,
  manifest: (m: Json) => Json = (m) => m,
): Promise<Digest> {
  const m = readJSON(store, object);
  const config = m.config as { digest: Digest };
  const digest = await store.putJSON(document(readJSON(store, config.digest)));
  return store.putJSON(manifest({ ...m, config: { ...config, digest } }));
}

describe("openClosure", () => {
  test("finds all that a run takes from one digest", async () => {
    const store = new MemoryStore();
    const { closure, plan } = await openClosure(store, await putClosure(store));
    expect(plan).toMatchObject({
      engine: { path: "code/engine.wasm", digest: closure.engine },
      seed: 42,
      microbatches: 4,
      records: { train: { split: "train", records: 257 }, test: { split: "test", records: 101 } },
      snapshot: [{ path: "params/model.safetensors" }, { path: "state/optimizer.safetensors" }],
    });
    expect(closure.results.map((r) => r.metric)).toEqual(["accuracy", "loss"]);
  });

  test("leaves snapshots of earlier steps alone", async () => {
    const store = new MemoryStore();
    const closure = await altered(store, await putClosure(store), (d) => {
      const files = d.files as { path: string; role: string }[];
      const kept = (role: string, path: string) => ({ ...files.find((f) => f.role === role), path });
      return {
        ...d,
        files: [
          ...files,
          kept("parameters", "params/step-0000000005.safetensors"),
          kept("state", "state/step-0000000005.safetensors"),
        ],
      };
    });
    const { plan } = await openClosure(store, closure);
    expect(plan.snapshot.map((f) => f.path)).toEqual(["params/model.safetensors", "state/optimizer.safetensors"]);
  });

  const same = (d: Json) => d;
  test.each<[string, (d: Json) => Json, (m: Json) => Json, string]>([
    [
      "an object of another kind",
      same,
      (m) => ({ ...m, artifactType: "application/vnd.reprise.dataset.v1+json" }),
      'manifest of closure.json: artifactType: "application/vnd.reprise.dataset.v1+json" is not one of',
    ],
    [
      "a document without a digest",
      same,
      (m) => ({ ...m, config: {} }),
      'manifest of closure.json: config: "digest" is missing',
    ],
    [
      "an engine that is no file of the closure",
      (d) => ({ ...d, files: [] }),
      same,
      "closure.json: files: none has the digest of the engine",
    ],
    [
      "batches that do not divide",
      (d) => ({ ...d, algorithm: { ...(d.algorithm as Json), batchSize: 18 } }),
      same,
      "closure.json: algorithm.batchSize: 18 is not a multiple of microbatchSize, 4",
    ],
    [
      "a split that is not there",
      (d) => ({ ...d, datasets: [{ ...(d.datasets as Json[])[0], split: "validation" }] }),
      same,
      "dataset.json: splits: there is none named validation",
    ],
  ])("refuses %s", async (_, document, manifest, message) => {
    const store = new MemoryStore();
    const closure = await altered(store, await putUntrained(store, await perceptron()), document, manifest);
    await expect(openClosure(store, closure)).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(message),
    });
  });

  test("names a document that is damaged", async () => {
    const store = new MemoryStore();
    const closure = await putUntrained(store, await perceptron());
    store.damage((readJSON(store, closure).config as { digest: Digest }).digest);
    await expect(openClosure(store, closure)).rejects.toMatchObject({
      kind: "damaged",
      message: expect.stringMatching(/^closure\.json: its bytes are/),
    });
  });
});

describe("openStages", () => {
  const named = (digit: string) => `sha256:${digit.repeat(64)}` as unknown as Digest;
  const [a, b, c] = [named("a"), named("b"), named("c")];

  async function stages(engines: Decisions["engines"], change: (d: Json) => Json = (d) => d) {
    const store = new MemoryStore();
    const closure = await altered(store, await putClosure(store, 20), (d) => {
      // The digests of the engines are their names here, in the order in which they ran.
      const [engine] = d.earlier as Json[];
      const files = d.files as Json[];
      const names = [a, b];
      return change({
        ...d,
        engine: { ...(d.engine as Json), digest: b },
        earlier: [{ ...engine, engine: { digest: a } }],
        files: files.map((f, i) => (i < 2 ? { ...f, sha256: names[i] } : f)),
      });
    });
    const opened = await openClosure(store, closure);
    return { opened, stages: await openStages(store, opened, { ...noDecisions, engines }, "journal") };
  }

  test("plans each engine with its own steps", async () => {
    const at = (step: number, engine: Digest) => ({ step, engine });
    const found = await stages([at(0, a), at(7, b)]);
    expect(found.stages).toMatchObject([
      { ...at(0, a), plan: { microbatches: 6, engine: { path: "code/engine-before.wasm", digest: a }, snapshot: [] } },
      { ...at(7, b), plan: { microbatches: 4 } },
    ]);
    expect(found.stages[1]?.plan).toBe(found.opened.plan);
  });

  test("of a closure with one engine there is one, whatever its journal says", async () => {
    const store = new MemoryStore();
    const opened = await openClosure(store, await putClosure(store));
    const engines = [{ step: 3, engine: a }];
    const found = await openStages(store, opened, { ...noDecisions, engines }, "journal");
    expect(found).toMatchObject([{ step: 0, engine: opened.closure.engine, plan: opened.plan }]);
  });

  const reseeded = (d: Json) => {
    const [engine] = d.earlier as { algorithm: Json }[];
    return { ...d, earlier: [{ ...engine, algorithm: { ...engine?.algorithm, seed: 1 } }] };
  };
  test.each<[string, [number, Digest][], string, ((d: Json) => Json)?]>([
    [
      "an engine that the closure lacks",
      [
        [0, a],
        [7, c],
      ],
      `step 7: ${c} is none of the closure's engines`,
    ],
    [
      "an engine that ran before",
      [
        [0, a],
        [7, b],
        [9, a],
      ],
      `step 9: ${a} is none of the closure's engines, or has run`,
    ],
    ["an engine that never ran", [[0, b]], `${a} of the closure never ran`],
    [
      "another last engine",
      [
        [0, b],
        [7, a],
      ],
      `${a} ran last, and is not the closure's`,
    ],
    [
      "changes out of order",
      [
        [0, a],
        [0, b],
      ],
      "the engine changes before step 0, after it has changed before step 0",
    ],
    [
      "another seed",
      [
        [0, a],
        [7, b],
      ],
      "step 0: the seed of a run stays 42",
      reseeded,
    ],
  ])("refuses %s", async (_, engines, message, change) => {
    await expect(
      stages(
        engines.map(([step, engine]) => ({ step, engine })),
        change,
      ),
    ).rejects.toMatchObject({ kind: "invalid", message: expect.stringContaining(`journal: ${message}`) });
  });
});

describe("openSplit", () => {
  const split = (change: (s: { records: number; shards: Json[] }) => Json) => (d: Json) => ({
    ...d,
    splits: (d.splits as { records: number; shards: Json[] }[]).map((s) => ({ ...s, ...change(s) })),
  });
  test.each<[string, (d: Json) => Json, string]>([
    [
      "shards that hold other records than the split",
      split((s) => ({ records: s.records + 1 })),
      "splits[0]: its shards hold 101 records, not 102",
    ],
    [
      "a shard of another size than its records'",
      split((s) => ({ shards: s.shards.map((each) => ({ ...each, size: 1 })) })),
      "splits[0].shards[0]: 40 records of 5 bytes do not make 1 bytes",
    ],
    [
      "a field outside the record",
      (d) => ({ ...d, record: { ...(d.record as Json), input: { offset: 2, dtype: "u8", shape: [4] } } }),
      "record.input: it does not fit a record of 5 bytes",
    ],
  ])("refuses %s", async (_, document, message) => {
    const store = new MemoryStore();
    const dataset = await altered(store, await putDataset(store), document);
    await expect(openSplit(store, dataset, "train")).rejects.toMatchObject({
      kind: "invalid",
      message: `dataset.json: ${message}`,
    });
  });
});

describe("openDataset", () => {
  test("has what people call classes and features, and their statistics, where the dataset says so", async () => {
    const store = new MemoryStore();
    const plain = await putDataset(store);
    expect(await openDataset(store, plain)).toMatchObject({ classes: ["left", "right", "even"] });
    expect(await openDataset(store, plain)).not.toHaveProperty("features");
    const statistics = { mean: [1], deviation: [0.5] };
    const told = await altered(store, plain, (d) => ({ ...d, features: ["length"], statistics }));
    expect(await openDataset(store, told)).toMatchObject({ features: ["length"], statistics });
    const lies = await altered(store, plain, (d) => ({ ...d, classes: [1] }));
    await expect(openDataset(store, lies)).rejects.toThrow("dataset.json: classes[0]: 1 is not a text");
  });
});

test("a closure says whether its engine is foreign", async () => {
  const store = new MemoryStore();
  const declared = await putClosure(store);
  expect((await openClosure(store, declared)).closure.foreign).toBe(true);
  const engine = (d: Json, foreign: unknown) => ({ ...d, engine: { ...(d.engine as Json), foreign } });
  const silent = await altered(store, declared, (d) => engine(d, undefined));
  expect((await openClosure(store, silent)).closure.foreign).toBe(false);
  const odd = await altered(store, declared, (d) => engine(d, "no"));
  await expect(openClosure(store, odd)).rejects.toThrow('closure.json: engine.foreign: "no" is not true or false');
});
