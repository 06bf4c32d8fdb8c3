// Pictures in plain TypeScript: the same pixels on every machine, which a browser's own scaling does not promise. All
// arithmetic is on integers below 2⁵³.

/** Red, green, blue and alpha of each pixel, a byte each, rows from the top: what ImageData holds. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/** A part of a raster, or more than it: what lies outside is filled. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function newRaster(width: number, height: number): Raster {
  return { width, height, data: new Uint8ClampedArray(4 * width * height) };
}

/** Lays a raster on a ground of one grey level, which takes its transparency away. */
export function flatten(raster: Raster, ground: number): Raster {
  const flat = newRaster(raster.width, raster.height);
  for (let i = 0; i < raster.data.length; i += 4) {
    const alpha = raster.data[i + 3] as number;
    for (let c = 0; c < 3; c++) {
      flat.data[i + c] = Math.floor(((raster.data[i + c] as number) * alpha + ground * (255 - alpha) + 127) / 255);
    }
    flat.data[i + 3] = 255;
  }
  return flat;
}

/** Cuts a box out; its edges are rounded to whole pixels. */
export function crop(raster: Raster, box: Box, ground: number): Raster {
  const [left, top] = [Math.round(box.x), Math.round(box.y)];
  const cut = newRaster(Math.max(1, Math.round(box.width)), Math.max(1, Math.round(box.height)));
  cut.data.fill(ground);
  for (let i = 3; i < cut.data.length; i += 4) cut.data[i] = 255;
  const [from, to] = [Math.max(0, left), Math.min(raster.width, left + cut.width)];
  if (from >= to) return cut;
  for (let y = 0; y < cut.height; y++) {
    const row = top + y;
    if (row < 0 || row >= raster.height) continue;
    const start = 4 * (row * raster.width + from);
    cut.data.set(raster.data.subarray(start, start + 4 * (to - from)), 4 * (y * cut.width + from - left));
  }
  return cut;
}

/** The largest box in the middle of a raster that has the proportions of width to height. */
export function middle(raster: Raster, width: number, height: number): Box {
  const scale = Math.min(raster.width / width, raster.height / height);
  return centred(raster, width * scale, height * scale);
}

/** The smallest box around a whole raster that has the proportions of width to height. */
export function around(raster: Raster, width: number, height: number): Box {
  const scale = Math.max(raster.width / width, raster.height / height);
  return centred(raster, width * scale, height * scale);
}

function centred(raster: Raster, width: number, height: number): Box {
  return { x: (raster.width - width) / 2, y: (raster.height - height) / 2, width, height };
}

/** Resizes by area averaging: each pixel is the mean of what it covers, by the area that it covers of it. */
export function resize(raster: Raster, width: number, height: number): Raster {
  const { width: w, height: h } = raster;
  const result = newRaster(width, height);
  // In units in which a pixel of the source is `width` wide and one of the result `w`, every overlap is an integer.
  const columns = overlaps(w, width);
  const rows = overlaps(h, height);
  const sums = new Float64Array(4 * width);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (const [row, tall] of rows[y] as Overlaps) {
      for (let x = 0; x < width; x++) {
        for (const [column, wide] of columns[x] as Overlaps) {
          const at = 4 * (row * w + column);
          for (let c = 0; c < 4; c++) {
            sums[4 * x + c] = (sums[4 * x + c] as number) + (raster.data[at + c] as number) * wide * tall;
          }
        }
      }
    }
    const area = w * h;
    for (let i = 0; i < sums.length; i++) {
      result.data[4 * y * width + i] = Math.floor((2 * (sums[i] as number) + area) / (2 * area));
    }
  }
  return result;
}

type Overlaps = readonly (readonly [index: number, length: number])[];

/** For each of `to` pixels, which of `from` pixels it covers, and how much of them. */
function overlaps(from: number, to: number): Overlaps[] {
  return Array.from({ length: to }, (_, i) => {
    const [begin, end] = [i * from, (i + 1) * from];
    const found: [number, number][] = [];
    for (let j = Math.floor(begin / to); j * to < end; j++) {
      found.push([j, Math.min(end, (j + 1) * to) - Math.max(begin, j * to)]);
    }
    return found;
  });
}

/** The lightness of a colour, weighted as for television; the same as Go's color.GrayModel. */
export function luma(red: number, green: number, blue: number): number {
  return (19595 * red + 38470 * green + 7471 * blue + (1 << 15)) >> 16;
}

/** A picture as records hold it. Grey pictures take the lightness. */
export function recordOf(raster: Raster, channels: number, invert: boolean): Uint8Array<ArrayBuffer> {
  const pixels = raster.width * raster.height;
  const record = new Uint8Array(pixels * channels);
  for (let i = 0; i < pixels; i++) {
    const [red, green, blue] = [raster.data[4 * i], raster.data[4 * i + 1], raster.data[4 * i + 2]] as [
      number,
      number,
      number,
    ];
    if (channels === 1) record[i] = luma(red, green, blue);
    else record.set([red, green, blue], 3 * i);
  }
  if (invert) for (let i = 0; i < record.length; i++) record[i] = 255 - (record[i] as number);
  return record;
}
