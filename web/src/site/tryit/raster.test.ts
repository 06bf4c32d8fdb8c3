import { describe, expect, test } from "vitest";
import { around, crop, flatten, luma, middle, newRaster, type Raster, recordOf, resize } from "./raster.ts";
import { longestSide, shrink } from "./shrink.ts";

/** A grey raster from rows of levels. */
function grey(...rows: readonly (readonly number[])[]): Raster {
  const raster = newRaster(rows[0]?.length ?? 0, rows.length);
  raster.data.set(rows.flat().flatMap((v) => [v, v, v, 255]));
  return raster;
}

function levels(raster: Raster): number[][] {
  return Array.from({ length: raster.height }, (_, y) =>
    Array.from({ length: raster.width }, (_, x) => raster.data[4 * (y * raster.width + x)] as number),
  );
}

describe("resize", () => {
  test.each([
    [
      "itself",
      grey([1, 2], [3, 4]),
      2,
      2,
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ["the mean of all", grey([0, 10], [20, 30]), 1, 1, [[15]]],
    ["halves", grey([0, 10, 20, 40]), 2, 1, [[5, 30]]],
    ["parts of pixels", grey([0, 90, 30]), 2, 1, [[30, 50]]],
    ["rounded to the nearest, halves up", grey([0, 1]), 1, 1, [[1]]],
    [
      "larger",
      grey([0, 100]),
      4,
      2,
      [
        [0, 0, 100, 100],
        [0, 0, 100, 100],
      ],
    ],
    ["larger by a part", grey([0, 90]), 3, 1, [[0, 45, 90]]],
  ] as const)("gives %s", (_, raster, width, height, expected) => {
    expect(levels(resize(raster, width, height))).toEqual(expected);
  });

  test("keeps the mean of what it shrinks", () => {
    const rows = Array.from({ length: 30 }, (_, y) => Array.from({ length: 42 }, (_, x) => (x * 7 + y * 13) % 256));
    const mean = (all: number[][]) => all.flat().reduce((a, b) => a + b, 0) / all.flat().length;
    expect(mean(levels(resize(grey(...rows), 7, 5)))).toBeCloseTo(mean(rows), 0);
  });
});

describe("flatten", () => {
  test.each([
    ["opaque", 255, 7],
    ["clear", 0, 255],
    ["half clear", 128, 131],
  ])("%s", (_, alpha, expected) => {
    const raster = newRaster(1, 1);
    raster.data.set([7, 7, 7, alpha]);
    expect([...flatten(raster, 255).data]).toEqual([expected, expected, expected, 255]);
  });
});

describe("crop", () => {
  const raster = grey([1, 2, 3], [4, 5, 6]);
  test.each([
    ["inside", { x: 1, y: 0, width: 2, height: 1 }, [[2, 3]]],
    [
      "beyond the edges",
      { x: -1, y: 1, width: 3, height: 2 },
      [
        [9, 4, 5],
        [9, 9, 9],
      ],
    ],
    ["beside it", { x: 5, y: 0, width: 1, height: 1 }, [[9]]],
    ["never nothing", { x: 0, y: 0, width: 0.2, height: 0.2 }, [[1]]],
  ])("%s", (_, box, expected) => {
    expect(levels(crop(raster, box, 9))).toEqual(expected);
  });

  test("the boxes of proportions", () => {
    const wide = newRaster(40, 20);
    expect(middle(wide, 1, 1)).toEqual({ x: 10, y: 0, width: 20, height: 20 });
    expect(around(wide, 1, 1)).toEqual({ x: 0, y: -10, width: 40, height: 40 });
    expect(middle(wide, 4, 1)).toEqual({ x: 0, y: 5, width: 40, height: 10 });
  });
});

describe("recordOf", () => {
  const raster = newRaster(1, 1);
  raster.data.set([255, 0, 0, 255]);
  test.each([
    ["grey", 1, false, [76]],
    ["inverted", 1, true, [179]],
    ["colours", 3, false, [255, 0, 0]],
    ["inverted colours", 3, true, [0, 255, 255]],
  ])("%s", (_, channels, invert, expected) => {
    expect([...recordOf(raster, channels, invert)]).toEqual(expected);
  });

  test("white is white and black is black", () => {
    expect([luma(255, 255, 255), luma(0, 0, 0)]).toEqual([255, 0]);
  });
});

describe("shrink", () => {
  test("leaves small pictures alone", () => {
    const small = newRaster(longestSide, 3);
    expect(shrink(small)).toBe(small);
  });

  test("keeps proportions, but no side without pixels", () => {
    const { width, height } = shrink(newRaster(3 * longestSide, 300));
    expect([width, height]).toEqual([longestSide, 100]);
    expect(shrink(newRaster(2000, 1)).height).toBe(1);
  });
});
