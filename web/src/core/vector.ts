// Vectors on their way between participants and a coordinator (trainer/PROTOCOL.md): packed, every block of values at the
// least width that holds them, and digested in the canonical form, which no packing changes.

import type { Accumulators } from "./accumulators.ts";
import { digestOf } from "./digest.ts";
import { Failure } from "./failure.ts";
import type { EngineSection, Segment } from "./section.ts";

type Layout = Pick<EngineSection, "segments"> & {
  readonly regions: { readonly accumulators: { offset: number; size: number } };
};

const blockValues = 256;

/** The most bytes that a packed vector can have. */
export function packedLimit({ segments }: Layout): number {
  return segments.reduce((sum, s) => sum + (s.type === "i64" ? 8 * s.count : 4 * s.count + blocksOf(s)), 0);
}

/** The canonical form: the values segment by segment, little endian. A view of the accumulators where those are just that. */
export function canonicalForm(layout: Layout, accumulators: Accumulators): Accumulators {
  const sizes = layout.segments.map(bytesOf);
  const total = sizes.reduce((a, b) => a + b, 0);
  let at = 0;
  const contiguous = layout.segments.every((s, i) => {
    const fits = offsetIn(layout, s) === at;
    at += sizes[i] as number;
    return fits;
  });
  if (contiguous) return accumulators.subarray(0, total);
  const canonical = new Uint8Array(total);
  at = 0;
  for (const [i, s] of layout.segments.entries()) {
    const start = offsetIn(layout, s);
    const size = sizes[i] as number;
    canonical.set(accumulators.subarray(start, start + size), at);
    at += size;
  }
  return canonical;
}

/** The digest of a vector, by which results are compared. */
export function vectorDigest(layout: Layout, accumulators: Accumulators) {
  return digestOf(canonicalForm(layout, accumulators));
}

/** Packs accumulators. */
export function pack(layout: Layout, accumulators: Accumulators): Uint8Array<ArrayBuffer> {
  const narrow = layout.segments.filter((s) => s.type === "i32");
  const widths = new Uint8Array(narrow.reduce((sum, s) => sum + blocksOf(s), 0));
  let size = layout.segments.reduce((sum, s) => sum + (s.type === "i64" ? 8 * s.count : 0), 0);
  let block = 0;
  for (const s of narrow) {
    const values = int32sOf(layout, s, accumulators);
    for (let first = 0; first < s.count; first += blockValues, block++) {
      const end = Math.min(first + blockValues, s.count);
      const width = widthOf(values, first, end);
      widths[block] = width;
      size += 1 + packedBytes(end - first, width);
    }
  }

  const packed = new Uint8Array(size);
  let at = 0;
  block = 0;
  for (const s of layout.segments) {
    if (s.type === "i64") {
      const start = offsetIn(layout, s);
      packed.set(accumulators.subarray(start, start + 8 * s.count), at);
      at += 8 * s.count;
      continue;
    }
    const values = int32sOf(layout, s, accumulators);
    for (let first = 0; first < s.count; first += blockValues, block++) {
      const end = Math.min(first + blockValues, s.count);
      const width = widths[block] as number;
      packed[at++] = width;
      if (width === 0) continue;
      packBlock(values, first, end, width);
      const bytes = packedBytes(end - first, width);
      packed.set(bytes === scratchBytes.length ? scratchBytes : scratchBytes.subarray(0, bytes), at);
      at += bytes;
    }
  }
  return packed;
}

/** Unpacks a vector into accumulators. What is not the one spelling of its values is refused. */
export function unpack(layout: Layout, packed: Uint8Array): Accumulators {
  const accumulators = new Uint8Array(layout.regions.accumulators.size);
  let at = 0;
  const need = (s: Segment, bytes: number) => {
    if (at + bytes > packed.length) throw invalid(`it is cut short in ${s.name}`);
  };
  for (const s of layout.segments) {
    if (s.type === "i64") {
      need(s, 8 * s.count);
      const start = offsetIn(layout, s);
      accumulators.set(packed.subarray(at, at + 8 * s.count), start);
      at += 8 * s.count;
      if (s.combine === "max") refuseNegative(s, accumulators, start);
      continue;
    }
    const values = int32sOf(layout, s, accumulators);
    for (let first = 0; first < s.count; first += blockValues) {
      need(s, 1);
      const end = Math.min(first + blockValues, s.count);
      const width = packed[at++] as number;
      if (width > 32) throw invalid(`${s.name}[${first}]: its block has ${width} bits a value, more than 32`);
      const bytes = packedBytes(end - first, width);
      need(s, bytes);
      if (width === 0) continue;
      scratchBytes.set(packed.subarray(at, at + bytes));
      scratchBytes.fill(0, bytes, Math.min(bytes + 8, scratchBytes.length));
      at += bytes;
      const all = unpackBlock(values, first, end, width);
      const least = 32 - Math.clz32(all);
      if (least !== width) throw invalid(`${s.name}[${first}]: its block has ${width} bits a value where ${least} do`);
      const spare = ((end - first) * width) & 7;
      if (spare !== 0 && (packed[at - 1] as number) >> spare !== 0) {
        throw invalid(`${s.name}[${first}]: its block does not end in zero bits`);
      }
      if (s.combine === "max" && (all & 1) !== 0) {
        throw invalid(`${s.name}[${first}]: its block has a negative value; a maximum has none`);
      }
    }
  }
  if (at !== packed.length) throw invalid(`${packed.length - at} bytes follow its end`);
  return accumulators;
}

// A block is at most 256 words; the one more lets a value be read from two words wherever it begins.
const scratch = new Uint32Array(blockValues + 1);
const scratchBytes = new Uint8Array(scratch.buffer, 0, 4 * blockValues);

/** Bits that hold all of the values, zigzag. */
function widthOf(values: Int32Array, first: number, end: number): number {
  let all = 0;
  for (let i = first; i < end; i++) {
    const v = values[i] as number;
    all |= (v << 1) ^ (v >> 31);
  }
  return 32 - Math.clz32(all);
}

/** Writes values to scratch, width bits each, least significant bit first. */
function packBlock(values: Int32Array, first: number, end: number, width: number): void {
  let word = 0;
  let filled = 0;
  let at = 0;
  for (let i = first; i < end; i++) {
    const v = values[i] as number;
    const bits = (v << 1) ^ (v >> 31);
    word |= bits << filled;
    filled += width;
    if (filled >= 32) {
      scratch[at++] = word;
      filled -= 32;
      word = filled === 0 ? 0 : bits >>> (width - filled);
    }
  }
  scratch[at] = word;
}

/** Reads values from scratch, and returns the union of their zigzag bits. */
function unpackBlock(values: Int32Array, first: number, end: number, width: number): number {
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let all = 0;
  let position = 0;
  for (let i = first; i < end; i++, position += width) {
    const index = position >>> 5;
    const shift = position & 31;
    // Both words every time: a branch that depends on the position costs more. Two shifts, since one by 32 would be none.
    const high = ((scratch[index + 1] as number) << 1) << (31 - shift);
    const bits = (((scratch[index] as number) >>> shift) | high) & mask;
    all |= bits;
    values[i] = (bits >>> 1) ^ -(bits & 1);
  }
  return all;
}

function refuseNegative(s: Segment, accumulators: Accumulators, start: number): void {
  for (let i = 0; i < s.count; i++) {
    if ((accumulators[start + 8 * i + 7] as number) >= 0x80) {
      throw invalid(`${s.name}[${i}]: it is negative; a maximum is not`);
    }
  }
}

function packedBytes(n: number, width: number): number {
  return (n * width + 7) >>> 3;
}

function blocksOf(s: Segment): number {
  return Math.ceil(s.count / blockValues);
}

function bytesOf(s: Segment): number {
  return s.count * (s.type === "i64" ? 8 : 4);
}

function offsetIn(layout: Layout, s: Segment): number {
  return s.offset - layout.regions.accumulators.offset;
}

function int32sOf(layout: Layout, s: Segment, accumulators: Accumulators): Int32Array<ArrayBuffer> {
  return new Int32Array(accumulators.buffer, accumulators.byteOffset + offsetIn(layout, s), s.count);
}

function invalid(problem: string): Failure {
  return new Failure("invalid", `vector: ${problem}`);
}
