import { describe, expect, test } from "vitest";
import { framed, type Grey, greyOf, greyOfRecord, groundOf, habitOf, inkOf } from "./ink.ts";
import { defaultOptions, prepare, type Target } from "./prepare.ts";
import { newRaster, type Raster } from "./raster.ts";

/** A square of ink on a ground. */
function square(side: number, ground: number, ink: number, from: number, to: number): Grey {
  const data = new Uint8Array(side * side).fill(ground);
  for (let y = from; y < to; y++) data.fill(ink, y * side + from, y * side + to);
  return { width: side, height: side, data };
}

function raster(picture: Grey): Raster {
  const r = newRaster(picture.width, picture.height);
  for (let i = 0; i < picture.data.length; i++) {
    const v = picture.data[i] as number;
    r.data.set([v, v, v, 255], 4 * i);
  }
  return r;
}

describe("groundOf", () => {
  const photograph: Grey = { width: 4, height: 4, data: Uint8Array.from({ length: 16 }, (_, i) => i * 17) };
  test.each([
    ["dark", [square(10, 3, 250, 3, 7)], { level: 3, plain: true }],
    ["light", [square(10, 255, 0, 3, 7)], { level: 255, plain: true }],
    ["noisy, but one", [square(10, 20, 250, 3, 7), square(10, 40, 250, 3, 7)], { level: 30, plain: true }],
    ["none", [photograph], { plain: false }],
    ["nothing at all", [], { plain: false }],
  ])("%s", (_, pictures, expected) => {
    expect(groundOf(pictures)).toMatchObject(expected);
  });
});

test("colours are looked at as grey", () => {
  expect([...Array.from(greyOfRecord(Uint8Array.of(255, 0, 0, 0, 0, 0), [1, 2, 3]).data)]).toEqual([76, 0]);
  expect([...Array.from(greyOf(raster(square(2, 9, 9, 0, 0))).data)]).toEqual([9, 9, 9, 9]);
});

describe("ink", () => {
  test("is boxed", () => {
    expect(inkOf(square(10, 0, 255, 3, 7), 0)).toEqual({ x: 3, y: 3, width: 4, height: 4 });
    expect(inkOf(square(10, 0, 20, 3, 7), 0)).toBeUndefined();
  });

  test("has its habit in a dataset of drawings, and none in one of photographs", () => {
    const pictures = [square(20, 0, 255, 5, 15), square(20, 0, 255, 4, 16), square(20, 0, 255, 6, 14)];
    expect(habitOf(pictures, { level: 0, plain: true })).toEqual({ x: 0.5, y: 0.5, extent: 0.5 });
    expect(habitOf(pictures, { level: 0, plain: false })).toBeUndefined();
    expect(
      habitOf([square(20, 0, 0, 0, 0), pictures[0] as Grey, square(20, 0, 0, 0, 0)], { level: 0, plain: true }),
    ).toBeUndefined();
  });

  test("is framed as it is wont to be", () => {
    const box = framed({ x: 100, y: 50, width: 20, height: 40 }, { x: 0.5, y: 0.5, extent: 0.8 }, 28, 28);
    expect(box).toEqual({ x: 85, y: 45, width: 50, height: 50 });
  });
});

describe("prepare", () => {
  const target: Target = {
    width: 10,
    height: 10,
    channels: 1,
    ground: { level: 0, plain: true },
    habit: { x: 0.5, y: 0.5, extent: 0.6 },
  };
  /** Black ink in a corner of white paper. */
  const drawing = raster(square(100, 255, 0, 5, 35));

  test("a drawing gets the dataset's ground, and its ink the dataset's place", () => {
    const options = defaultOptions(drawing, target);
    expect(options).toEqual({ invert: true, fit: "ink" });
    const record = prepare(drawing, target, options);
    expect(inkOf({ width: 10, height: 10, data: record }, 0)).toEqual({ x: 2, y: 2, width: 6, height: 6 });
    expect([record[0], record[55]]).toEqual([0, 255]);
  });

  test("the middle and the whole are as they are", () => {
    const wide = newRaster(40, 20);
    for (let i = 0; i < wide.data.length; i += 4) wide.data.set([200, 200, 200, 255], i);
    for (const fit of ["middle", "whole"] as const) {
      expect(new Set(prepare(wide, target, { invert: false, fit }))).toEqual(new Set([200]));
    }
  });

  test("an empty pad is ground", () => {
    const empty = raster(square(30, 255, 0, 0, 0));
    expect(new Set(prepare(empty, target, { invert: true, fit: "ink" }))).toEqual(new Set([0]));
  });

  test.each([
    ["a drawing that is dark already", raster(square(30, 0, 255, 5, 25)), target, { invert: false, fit: "ink" }],
    [
      "a dataset of photographs",
      drawing,
      { ...target, ground: { level: 90, plain: false }, habit: undefined },
      { invert: false, fit: "middle" },
    ],
    ["a dataset in colours", drawing, { ...target, channels: 3 }, { invert: false, fit: "ink" }],
    ["a light dataset", drawing, { ...target, ground: { level: 250, plain: true } }, { invert: false, fit: "ink" }],
  ] as const)("%s", (_, picture, to, expected) => {
    expect(defaultOptions(picture, to)).toEqual(expected);
  });
});
