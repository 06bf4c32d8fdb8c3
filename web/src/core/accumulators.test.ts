import { expect, test } from "vitest";
import { perceptron } from "../../fixtures/engine.ts";
import { type Accumulators, exact, merge, total } from "./accumulators.ts";
import { readEngineSection } from "./section.ts";

const section = readEngineSection(await perceptron(), "engine.wasm");

/** Accumulators with the first value of segments set. */
function accumulators(values: Readonly<Record<string, number | bigint>>): Accumulators {
  const bytes = new Uint8Array(section.regions.accumulators.size);
  const view = new DataView(bytes.buffer);
  for (const s of section.segments) {
    const at = s.offset - section.regions.accumulators.offset;
    if (s.type === "i32") view.setInt32(at, Number(values[s.name] ?? 0), true);
    else view.setBigInt64(at, BigInt(values[s.name] ?? 0), true);
  }
  return bytes;
}

function merged(...parts: Accumulators[]): Accumulators {
  const sum = accumulators({});
  for (const part of parts) merge(section, sum, part);
  return sum;
}

const a = accumulators({ gradient: -5, peak: 9, loss: 2n ** 40n, examples: 4 });
const b = accumulators({ gradient: 2, peak: 7, loss: -1, examples: 3 });

test("sums add and maxima prevail, in any order", () => {
  const expected = accumulators({ gradient: -3, peak: 9, loss: 2n ** 40n - 1n, examples: 7 });
  expect(merged(a, b)).toEqual(expected);
  expect(merged(b, a)).toEqual(expected);
});

test("zero is neutral", () => {
  expect(merged(a)).toEqual(a);
});

test("sums wrap as they do in an engine", () => {
  const large = accumulators({ gradient: 2 ** 31 - 1, loss: 2n ** 63n - 1n });
  const one = accumulators({ gradient: 1, loss: 1 });
  expect(merged(large, one)).toEqual(accumulators({ gradient: -(2 ** 31), loss: -(2n ** 63n) }));
});

test("the total of a segment is exact", () => {
  expect(total(section, a, "loss")).toBe(2n ** 40n);
  expect(total(section, a, "gradient")).toBe(-5n);
  expect(total(section, a, "absent")).toBeUndefined();
});

test("a count that documents cannot hold is refused", () => {
  expect(exact("loss", 2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
  expect(() => exact("loss", 2n ** 53n)).toThrow("loss: 9007199254740992 is no count below 2⁵³");
});
