// What a photograph is made smaller by before the page handles it: some twelve million pixels would hold the page up.

import { type Raster, resize } from "./raster.ts";

/** The longer side of what comes out. */
export const longestSide = 512;

/** The most pixels that are decoded; more are refused. */
export const mostPixels = 40_000_000;

export function shrink(raster: Raster): Raster {
  const longer = Math.max(raster.width, raster.height);
  if (longer <= longestSide) return raster;
  const side = (length: number) => Math.max(1, Math.round((length * longestSide) / longer));
  return resize(raster, side(raster.width), side(raster.height));
}
