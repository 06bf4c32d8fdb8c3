import { beforeEach, describe, expect, test } from "vitest";
import { MemoryStore, putDataset, recordSize } from "../../fixtures/store.ts";
import { openSplit, type RecordsPlan } from "./plan.ts";
import { Records } from "./records.ts";

describe("Records", () => {
  let store: MemoryStore;
  let plan: RecordsPlan;
  let all: number[];
  beforeEach(async () => {
    store = new MemoryStore();
    plan = await openSplit(store, await putDataset(store), "train");
    all = plan.shards.flatMap((s) => [...(store.blobs.get(s.sha256) ?? [])]);
    store.reads.length = 0;
  });

  const expected = (indices: number[], from: number, to: number) =>
    indices.flatMap((i) => all.slice(i * recordSize + from, i * recordSize + to));

  test("copies fields of records from several shards, in the order asked for", async () => {
    const indices = [256, 0, 99, 100, 199, 200, 0];
    const input = new Uint8Array(4 * indices.length);
    const target = new Uint8Array(indices.length);
    await new Records(plan, store).read(indices, input, target);
    expect([...input]).toEqual(expected(indices, 0, 4));
    expect([...target]).toEqual(expected(indices, 4, 5));
    expect(store.reads).toEqual(["train/00002.bin", "train/00000.bin", "train/00001.bin"]);
  });

  test("copies long fields too, and no targets where none are wanted", async () => {
    const input = { offset: 0, dtype: "u8", shape: [recordSize * 10] } as const;
    const wide = { ...plan, layout: { size: recordSize * 10, input, target: { ...input, shape: [] } }, records: 25 };
    const shards = [
      { records: 10, size: 500 },
      { records: 10, size: 500 },
    ].map((s, i) => ({ ...s, path: `${i}`, sha256: plan.shards[i]?.sha256 ?? ("" as never) }));
    const bytes = new Uint8Array(100);
    await new Records({ ...wide, shards }, store).read([1, 11], bytes);
    expect([...bytes]).toEqual([...all.slice(50, 100), ...all.slice(550, 600)]);
  });

  test("fetches a shard once, also when it is asked for twice at a time", async () => {
    const records = new Records(plan, store);
    const read = () => records.read([5], new Uint8Array(4));
    await Promise.all([read(), read()]);
    await read();
    expect(store.reads).toEqual(["train/00000.bin"]);
  });

  test("drops the shard that was used longest ago", async () => {
    const records = new Records(plan, store, 2 * 100 * recordSize);
    for (const index of [0, 100, 0, 200, 1, 101]) await records.read([index], new Uint8Array(4));
    expect(store.reads).toEqual(["train/00000.bin", "train/00001.bin", "train/00002.bin", "train/00001.bin"]);
  });

  test("reads records that lie in more shards than fit", async () => {
    const indices = [0, 100, 200, 1];
    const input = new Uint8Array(16);
    await new Records(plan, store, 1).read(indices, input);
    expect([...input]).toEqual(expected(indices, 0, 4));
  });

  test("names a damaged shard, and fetches it again when asked again", async () => {
    const shard = plan.shards[1]?.sha256 ?? ("" as never);
    const records = new Records(plan, store);
    store.damage(shard);
    await expect(records.read([150], new Uint8Array(4))).rejects.toMatchObject({
      kind: "damaged",
      message: expect.stringMatching(/^train\/00001\.bin: its bytes are sha256:/),
    });
    store.damage(shard); // the same bit back
    const input = new Uint8Array(4);
    await records.read([150], input);
    expect([...input]).toEqual(expected([150], 0, 4));
  });

  test("prefetch brings all shards", async () => {
    await new Records(plan, store).prefetch();
    expect(store.reads).toHaveLength(3);
  });

  test("refuses a record that does not exist", async () => {
    const records = new Records(plan, store);
    await expect(records.read([257], new Uint8Array(4))).rejects.toThrow(
      "train: record 257 was asked for; there are 257",
    );
  });
});
