import { expect, test } from "vitest";
import { bytes, compact, count, day, meanLoss, percent, shape } from "./format.ts";

test.each([
  [990, 1000, "99.00 %"],
  [99999, 100000, "99.99 %"],
  [1000, 1000, "100.00 %"],
  [0, 3, "0.00 %"],
  [29, 100, "29.00 %"],
  [0, 0, "–"],
])("%i of %i", (part, total, want) => expect(percent(part, total)).toBe(want));

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [36234, "36.2 kB"],
  [5_495_000, "5.50 MB"],
  [999_900, "1.00 MB"],
])("%i bytes", (n, want) => expect(bytes(n)).toBe(want));

test("others", () => {
  expect(count(1234567)).toBe("1,234,567");
  expect(count(12)).toBe("12");
  expect(compact(803)).toBe("803");
  expect(compact(31786)).toBe("31.8k");
  expect(compact(100_000)).toBe("100k");
  expect(compact(1_200_000)).toBe("1.2M");
  expect(compact(999_999)).toBe("1M");
  expect(shape([28, 28, 1])).toBe("28 × 28 × 1");
  expect(shape([])).toBe("scalar");
  expect(day("2026-11-21T02:12:26Z")).toBe("21 Nov 2026");
  expect(day("soon")).toBe("soon");
  expect(meanLoss(84_938_295, 1000)).toBe("0.081003");
});
