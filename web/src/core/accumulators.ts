// Merging what microbatches added up. The values are integers, so neither order nor grouping shows in a sum: this is
// the only arithmetic that happens outside an engine.

import { Failure } from "./failure.ts";
import type { EngineSection, Segment } from "./section.ts";

/** A copy of an engine's region of accumulators. */
export type Accumulators = Uint8Array<ArrayBuffer>;

type View = Int32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;

/** Adds other into merged, segment by segment. Sums of i32 wrap as they do inside an engine. */
export function merge(section: EngineSection, merged: Accumulators, other: Accumulators): void {
  for (const s of section.segments) {
    const a = view(section, s, merged);
    const b = view(section, s, other);
    if (a instanceof Int32Array && b instanceof Int32Array) mergeInt32(s, a, b);
    else if (a instanceof BigInt64Array && b instanceof BigInt64Array) mergeInt64(s, a, b);
  }
}

/** The sum of a segment's values; undefined if the engine has no segment of that name. */
export function total(section: EngineSection, accumulators: Accumulators, name: string): bigint | undefined {
  const segment = section.segments.find((s) => s.name === name);
  if (segment === undefined) return undefined;
  let sum = 0n;
  for (const value of view(section, segment, accumulators)) sum += BigInt(value);
  return sum;
}

/** A count as a number, which documents hold below 2⁵³ in magnitude. */
export function exact(name: string, count: bigint): number {
  const number = Number(count);
  if (!Number.isSafeInteger(number)) throw new Failure("engine", `${name}: ${count} is no count below 2⁵³`);
  return number;
}

function view(section: EngineSection, s: Segment, accumulators: Accumulators): View {
  const offset = accumulators.byteOffset + s.offset - section.regions.accumulators.offset;
  return s.type === "i32"
    ? new Int32Array(accumulators.buffer, offset, s.count)
    : new BigInt64Array(accumulators.buffer, offset, s.count);
}

function mergeInt32(s: Segment, a: Int32Array, b: Int32Array): void {
  if (s.combine === "add") for (let i = 0; i < a.length; i++) a[i] = ((a[i] as number) + (b[i] as number)) | 0;
  else for (let i = 0; i < a.length; i++) a[i] = Math.max(a[i] as number, b[i] as number);
}

function mergeInt64(s: Segment, a: BigInt64Array, b: BigInt64Array): void {
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as bigint;
    const y = b[i] as bigint;
    if (s.combine === "add") a[i] = x + y;
    else if (y > x) a[i] = y;
  }
}
