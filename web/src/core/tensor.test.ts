import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { contentDigest, type Tensor } from "./tensor.ts";

const weight: Tensor = { name: "dense1.weight", dtype: "f32", shape: [1, 2], data: new Uint8Array(8).fill(7) };
const seed: Tensor = { name: "seed", dtype: "i64", shape: [], data: new Uint8Array(8).fill(1) };
const sha256 = (data: Uint8Array | string) => createHash("sha256").update(data).digest("hex");

test("the content digest is that of sorted lines", async () => {
  const lines = `dense1.weight\tF32\t1,2\t${sha256(weight.data)}\nseed\tI64\t\t${sha256(seed.data)}\n`;
  expect(await contentDigest([seed, weight])).toBe(`sha256:${sha256(lines)}`);
});

test("names sort by bytes, a name before those that it begins", async () => {
  const named = ["b", "a.b", "a", "a-b", "ä", "B"].map((name) => ({ ...seed, name }));
  const sorted = [...named].sort((x, y) => Buffer.compare(Buffer.from(x.name), Buffer.from(y.name)));
  const lines = sorted.map((t) => `${t.name}\tI64\t\t${sha256(seed.data)}\n`).join("");
  expect(await contentDigest(named)).toBe(`sha256:${sha256(lines)}`);
});
