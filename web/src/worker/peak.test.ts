import { expect, test } from "vitest";
import { peakModule } from "./peak.ts";

test("the peak's module computes what its text says", async () => {
  const { instance } = await WebAssembly.instantiate(peakModule());
  const run = instance.exports.run as (passes: number) => number;
  // One pass: accumulator i, which began as i (3 to 14), becomes i · (1 − 2⁻²⁴) + 0.5; the first is added once more.
  const { fround } = Math;
  let expected = 0;
  const after = (i: number) => fround(fround(i * fround(1 - 2 ** -24)) + 0.5);
  expected = after(3);
  for (let i = 3; i <= 14; i++) expected = fround(expected + after(i));
  expect(run(1)).toBe(expected);
  expect(run(1000)).toBeGreaterThan(run(1));
});
