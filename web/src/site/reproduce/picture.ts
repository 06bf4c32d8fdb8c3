// Pictures as records hold them (grey, or red, green and blue; rows from the top), made into what a canvas draws.

import type { Field } from "../../gen/schema.ts";

/** Returns the pixels, four bytes each, opaque. */
export function pixelsOf(record: Uint8Array, field: Pick<Field, "shape">): ImageData {
  const [height = 1, width = 1, channels = 1] = field.shape;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = record[i * channels + (channels === 3 ? c : 0)] ?? 0;
    image.data[4 * i + 3] = 255;
  }
  return image;
}
