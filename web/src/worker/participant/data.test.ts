import { expect, test } from "vitest";
import { MemoryStore } from "../../../fixtures/store.ts";
import { DataCache, DataClient, type DataPort } from "./data.ts";

function connected(cache: DataCache, forgotten: string[] = []): { client: DataClient; close(): void } {
  const { port1, port2 } = new MessageChannel();
  cache.attach(port1 as unknown as DataPort);
  const client = new DataClient(port2 as unknown as DataPort, (digest) => forgotten.push(digest));
  port1.start();
  port2.start();
  return { client, close: () => port1.close() };
}

async function shard(store: MemoryStore, letter: string) {
  return { digest: await store.put(new TextEncoder().encode(letter.repeat(100))), size: 100, path: letter };
}

test("what several workers want at a time is fetched once", async () => {
  const store = new MemoryStore();
  const cache = new DataCache(store, 1000, false);
  const all = [connected(cache), connected(cache)];
  const a = await shard(store, "a");
  const read = await Promise.all(all.map(({ client }) => client.read(a)));
  expect(read.map((b) => b.length)).toEqual([100, 100]);
  expect(store.reads).toEqual(["a"]);
  for (const { close } of all) close();
});

test("shared shards are kept in the order in which they came, and no longer than there is room", async () => {
  const store = new MemoryStore();
  const cache = new DataCache(store, 250, true);
  const forgotten: string[] = [];
  const { client, close } = connected(cache, forgotten);
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((letter) => shard(store, letter)));
  if (!a || !b || !c) throw new Error("three");
  for (const ref of [a, b, a]) expect((await client.shards.read(ref)).buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(store.reads).toEqual(["a", "b"]);
  await client.shards.read(c);
  await client.shards.read(b);
  expect(forgotten).toEqual([a.digest]);
  await client.shards.read(a);
  expect(store.reads).toEqual(["a", "b", "c", "a"]);
  close();
});

test("a failure reaches the worker with its kind", async () => {
  const store = new MemoryStore();
  const { client, close } = connected(new DataCache(store, 0, false));
  const a = await shard(store, "a");
  store.damage(a.digest);
  await expect(client.shards.read(a)).rejects.toMatchObject({
    kind: "damaged",
    message: expect.stringMatching(/^a: /),
  });
  close();
});
