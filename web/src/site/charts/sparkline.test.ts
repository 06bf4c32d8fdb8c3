import { expect, test } from "vitest";
import { type Box, sparklinePath } from "./sparkline.ts";

const box: Box = { width: 320, height: 72, margin: 8, end: 32 };

test("falls from the upper left to the lower right", () => {
  expect(sparklinePath([4, 2, 1], box)).toBe("M8.0 8.0L148.0 36.0L288.0 64.0");
});

test("a curve that stands still is a line", () => {
  expect(sparklinePath([1, 1], box)).toBe("M8.0 64.0L288.0 64.0");
});

test.each([[[]], [[1]], [[Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 3]]])("%j gives nothing to draw", (curve) => {
  expect(sparklinePath(curve, box)).toBe("");
});
