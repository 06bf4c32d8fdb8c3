// The entry of the thread that makes photographs smaller: takes a bitmap, gives a raster.

import { newRaster, type Raster } from "./raster.ts";
import { shrink } from "./shrink.ts";

self.addEventListener("message", ({ data: bitmap }: MessageEvent<ImageBitmap>) => {
  const small = shrink(pixelsOf(bitmap));
  self.postMessage(small, { transfer: [small.data.buffer] });
});

function pixelsOf(bitmap: ImageBitmap): Raster {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (context === null) return newRaster(1, 1);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}
