// From any picture to a record that the model can read, by steps that the page shows.

import { framed, type Ground, greyOf, groundOf, type Habit, inkOf } from "./ink.ts";
import { around, crop, flatten, middle, type Raster, recordOf, resize } from "./raster.ts";

/** What there is to know of the pictures that a model was trained on. */
export interface Target {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly ground: Ground;
  readonly habit: Habit | undefined;
}

export interface Options {
  /** Swaps light and dark. */
  readonly invert: boolean;
  /** middle: what fits in the middle; whole: all of it, with ground around; ink: the ink as the dataset has it. */
  readonly fit: "middle" | "whole" | "ink";
}

/** What suits a picture best: its ground should be like that of the dataset, and its ink too where both are drawings. */
export function defaultOptions(raster: Raster, target: Target): Options {
  const own = groundOf([greyOf(flatten(raster, 255))]);
  const drawing = own.plain && target.ground.plain;
  return {
    invert: target.channels === 1 && drawing && own.level < 128 !== target.ground.level < 128,
    fit: drawing && target.habit ? "ink" : "middle",
  };
}

export function prepare(raster: Raster, target: Target, { invert, fit }: Options): Uint8Array<ArrayBuffer> {
  const { width, height, channels, habit } = target;
  const flat = flatten(raster, 255);
  const ground = groundOf([greyOf(flat)]).level;
  const ink = fit === "ink" && habit ? inkOf(greyOf(flat), ground) : undefined;
  const box =
    ink && habit
      ? framed(ink, habit, width, height)
      : fit === "whole"
        ? around(flat, width, height)
        : middle(flat, width, height);
  return recordOf(resize(crop(flat, box, ground), width, height), channels, invert);
}
