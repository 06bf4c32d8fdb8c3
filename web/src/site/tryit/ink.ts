// What a dataset's pictures look like, as far as it helps to make one that the model can read: is there a ground of one
// lightness, and where on it lies the ink.

import { type Box, luma, type Raster } from "./raster.ts";

/** Grey levels that differ by less than this are the same ground. */
const tolerance = 64;

export interface Ground {
  /** Mean grey level along the borders. */
  readonly level: number;
  /** Whether nearly all of the borders have that level: then the rest is ink. */
  readonly plain: boolean;
}

/** The grey levels of a picture, rows from the top. */
export interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

export function greyOf({ width, height, data }: Raster): Grey {
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    grey[i] = luma(data[4 * i] as number, data[4 * i + 1] as number, data[4 * i + 2] as number);
  }
  return { width, height, data: grey };
}

/** The grey levels of a record with one or three channels. */
export function greyOfRecord(record: Uint8Array, shape: readonly number[]): Grey {
  const [height = 1, width = 1, channels = 1] = shape;
  if (channels === 1) return { width, height, data: record };
  const at = (i: number, c: number) => record[i * channels + c] as number;
  const data = Uint8Array.from({ length: width * height }, (_, i) => luma(at(i, 0), at(i, 1), at(i, 2)));
  return { width, height, data };
}

export function groundOf(pictures: readonly Grey[]): Ground {
  const levels = pictures.flatMap(border);
  if (levels.length === 0) return { level: 255, plain: false };
  // The median is not moved by ink that touches the border.
  const median = [...levels].sort((a, b) => a - b)[levels.length >> 1] as number;
  const same = levels.filter((l) => Math.abs(l - median) < tolerance);
  const level = Math.round(same.reduce((a, b) => a + b, 0) / same.length);
  return { level, plain: same.length >= 0.9 * levels.length };
}

function border({ width, height, data }: Grey): number[] {
  const levels: number[] = [];
  for (let y = 0; y < height; y++) {
    const step = y === 0 || y === height - 1 ? 1 : Math.max(1, width - 1);
    for (let x = 0; x < width; x += step) levels.push(data[y * width + x] as number);
  }
  return levels;
}

/** The box around everything that is not ground; undefined if that is nothing. */
export function inkOf({ width, height, data }: Grey, ground: number): Box | undefined {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (Math.abs((data[y * width + x] as number) - ground) < tolerance) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  return right < 0 ? undefined : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** Where ink usually lies, in parts of a picture's sides. */
export interface Habit {
  readonly x: number;
  readonly y: number;
  /** The longer side of the ink's box. */
  readonly extent: number;
}

/** The medians over pictures; undefined where too few have ink on a plain ground. */
export function habitOf(pictures: readonly Grey[], ground: Ground): Habit | undefined {
  if (!ground.plain) return undefined;
  const inks = pictures.flatMap((p) => {
    const ink = inkOf(p, ground.level);
    if (ink === undefined) return [];
    return [
      {
        x: (ink.x + ink.width / 2) / p.width,
        y: (ink.y + ink.height / 2) / p.height,
        extent: Math.max(ink.width / p.width, ink.height / p.height),
      },
    ];
  });
  if (inks.length < pictures.length / 2) return undefined;
  const median = (of: (h: Habit) => number) => inks.map(of).sort((a, b) => a - b)[inks.length >> 1] as number;
  return { x: median((h) => h.x), y: median((h) => h.y), extent: median((h) => h.extent) };
}

/** The box of a drawing that puts its ink where a dataset has it, in the proportions of width to height. */
export function framed(ink: Box, { x, y, extent }: Habit, width: number, height: number): Box {
  const unit = Math.max(ink.width / width, ink.height / height) / extent;
  const [w, h] = [unit * width, unit * height];
  return { x: ink.x + ink.width / 2 - x * w, y: ink.y + ink.height / 2 - y * h, width: w, height: h };
}
