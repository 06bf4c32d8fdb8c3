import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import type { Accumulators } from "./accumulators.ts";
import type { Segment } from "./section.ts";
import { canonicalForm, pack, packedLimit, unpack, vectorDigest } from "./vector.ts";
import { encodePiece, headerBytes, readMessage, readPieceHeader } from "./wire.ts";

interface Shape {
  readonly region: number;
  readonly segments: readonly Segment[];
}

/** What every implementation of the protocol must agree with. */
const examples = JSON.parse(
  await readFile(new URL("../../../trainer/wire/testdata/vectors.json", import.meta.url), "utf8"),
) as {
  vectors: (Shape & { name: string; accumulators: string; packed: string; digest: string })[];
  refusedVectors: (Shape & { name: string; packed: string; error: string })[];
  headers: { vector: 1 | 2; id: number; offset: number; header: string }[];
  refusedHeaders: string[];
  texts: string[];
};

function bytes(hex: string): Accumulators {
  return Uint8Array.from(hex.match(/../g) ?? [], (h) => Number.parseInt(h, 16));
}

function hex(b: Uint8Array): string {
  return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
}

function layout({ region, segments }: Shape) {
  const end = Math.max(region, ...segments.map((s) => s.offset + s.count * (s.type === "i64" ? 8 : 4)));
  return { segments, regions: { accumulators: { offset: region, size: end - region } } };
}

describe("examples that all implementations share", () => {
  test.each(examples.vectors)("$name", async (e) => {
    const of = layout(e);
    expect(hex(pack(of, bytes(e.accumulators)))).toBe(e.packed);
    expect(hex(unpack(of, bytes(e.packed)))).toBe(e.accumulators);
    expect(await vectorDigest(of, bytes(e.accumulators))).toBe(e.digest);
    expect(e.packed.length / 2).toBeLessThanOrEqual(packedLimit(of));
  });

  // What no honest sum can reach is judged where sums come from strangers, at the coordinator.
  test.each(examples.refusedVectors.filter((e) => !e.error.endsWith("is impossible")))("refused: $name", (e) => {
    expect(() => unpack(layout(e), bytes(e.packed))).toThrow(e.error);
  });

  test.each(examples.headers)("the header of piece $id at $offset", ({ vector, id, offset, header }) => {
    expect(readPieceHeader(bytes(header).buffer)).toEqual({ kind: vector, id, offset });
    expect(hex(encodePiece({ kind: vector, id, offset }, new Uint8Array(0)))).toBe(header);
  });

  test.each(examples.refusedHeaders)("refused header %s", (header) => {
    expect(() => readPieceHeader(bytes(header).buffer)).toThrow(/^a piece of a vector: /);
  });

  const ours = new Set(["hello", "ready", "result", "failed", "digest", "rest", "bye"]);
  test.each(examples.texts.filter((t) => !ours.has(JSON.parse(t).type)))("%s", (text) => {
    const message = readMessage(text);
    const raw = JSON.parse(text);
    expect(message).toMatchObject(raw.type === "snapshot" ? { snapshot: { step: raw.step } } : { type: raw.type });
    if (message.type === "lease" || message.type === "set" || message.type === "status")
      expect(message).toMatchObject(raw);
  });
});

/** Values that look random and are always the same. */
function values(n: number, width: number): Int32Array {
  let state = 7 + width;
  return Int32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return width === 0 ? 0 : state >> (32 - width);
  });
}

describe("packing", () => {
  test.each([1, 255, 256, 257, 1000])("%i values of every width come back", (n) => {
    for (let width = 0; width <= 32; width++) {
      const segment: Segment = { name: "g", type: "i32", combine: "add", count: n, offset: 8 };
      const of = layout({ region: 8, segments: [segment] });
      const accumulators = new Uint8Array(values(n, width).buffer as ArrayBuffer);
      const packed = pack(of, accumulators);
      expect(packed.length).toBeLessThanOrEqual(Math.ceil(n / 256) + Math.ceil(n / 256) * Math.ceil((256 * width) / 8));
      expect(unpack(of, packed)).toEqual(accumulators);
    }
  });

  test("segments in any order, and with room between them", async () => {
    const segments: Segment[] = [
      { name: "b", type: "i64", combine: "add", count: 1, offset: 116 + 4 },
      { name: "a", type: "i32", combine: "add", count: 3, offset: 104 },
    ];
    const of = { segments, regions: { accumulators: { offset: 104, size: 32 } } };
    const accumulators = new Uint8Array(32);
    new Int32Array(accumulators.buffer, 0, 3).set([1, -2, 3]);
    new BigInt64Array(accumulators.buffer, 16, 1).set([-5n]);
    expect(hex(canonicalForm(of, accumulators))).toBe(`fb${"ff".repeat(7)}01000000feffffff03000000`);
    expect(unpack(of, pack(of, accumulators))).toEqual(accumulators);
  });
});

test("a piece is a copy of its part of the vector", () => {
  const packed = new Uint8Array((256 << 10) + 5).fill(3);
  expect(encodePiece({ kind: 1, id: 2 ** 32 + 9, offset: 0 }, packed)).toHaveLength((256 << 10) + headerBytes);
  const last = encodePiece({ kind: 1, id: 2 ** 32 + 9, offset: 256 << 10 }, packed);
  expect(readPieceHeader(last.buffer)).toEqual({ kind: 1, id: 9, offset: 256 << 10 });
  expect(last.subarray(headerBytes)).toEqual(new Uint8Array(5).fill(3));
});
