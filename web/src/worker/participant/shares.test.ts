import { expect, test } from "vitest";
import { divide, smoothed } from "./shares.ts";

test("a range is divided by speed, in order and without gaps", () => {
  expect(divide({ first: 8, end: 16 }, [0, 0])).toEqual([
    { first: 8, end: 12 },
    { first: 12, end: 16 },
  ]);
  expect(divide({ first: 0, end: 8 }, [3, 1])).toEqual([
    { first: 0, end: 6 },
    { first: 6, end: 8 },
  ]);
  expect(divide({ first: 0, end: 9 }, [2, 0, 4])).toEqual([
    { first: 0, end: 2 },
    { first: 2, end: 5 },
    { first: 5, end: 9 },
  ]);
  expect(divide({ first: 5, end: 6 }, [1, 1, 1])).toEqual([
    { first: 5, end: 5 },
    { first: 5, end: 6 },
    { first: 6, end: 6 },
  ]);
});

test("a first speed counts whole, later ones in part", () => {
  expect(smoothed(0, 10)).toBe(10);
  expect(smoothed(10, 20)).toBeCloseTo(13);
});
