// The most that a core does of f32x4 multiplications and additions in this browser: what a kernel's speed is measured
// against. Twelve accumulators depend on nothing but themselves, which fills the pipes of every present core and still
// leaves them all in registers; they multiply by 1 − 2⁻²⁴ and add, so that no value ends as zero, NaN or subnormal.

const accumulators = 12;

/** Multiplications and additions per pass of the loop. */
export const operationsPerPass = accumulators * 4 * 2;

// Locals: 0 the passes to go, 1 the factor, 2 the summand, 3 … the accumulators.
const factor = 1;
const summand = 2;
const firstAccumulator = 3;

/** Exports run(passes i32) → f32; the result only keeps the work from being dropped. */
export function peakModule(): Uint8Array<ArrayBuffer> {
  const splat = (value: number) => [0x43, ...f32(value), 0xfd, 0x13];
  const each = (code: (local: number) => number[]) =>
    Array.from({ length: accumulators }, (_, i) => code(firstAccumulator + i)).flat();
  const code = [
    ...splat(1 - 2 ** -24),
    0x21,
    factor,
    ...splat(0.5),
    0x21,
    summand,
    ...each((a) => [...splat(a), 0x21, a]),
    0x03,
    0x40, // loop
    ...each((a) => [0x20, a, 0x20, factor, 0xfd, 0xe6, 0x01, 0x20, summand, 0xfd, 0xe4, 0x01, 0x21, a]),
    0x20,
    0,
    0x41,
    1,
    0x6b,
    0x22,
    0,
    0x0d,
    0, // passes − 1, again unless 0
    0x0b,
    0x20,
    firstAccumulator,
    ...each((a) => [0x20, a, 0xfd, 0xe4, 0x01]),
    0xfd,
    0x1f,
    0, // f32x4.extract_lane 0
    0x0b,
  ];
  const body = [1, ...u32(accumulators + 2), 0x7b, ...code];
  return new Uint8Array([
    0x00,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7d]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, ...new TextEncoder().encode("run"), 0, 0]),
    ...section(10, [1, ...u32(body.length), ...body]),
  ]);
}

function section(id: number, content: number[]): number[] {
  return [id, ...u32(content.length), ...content];
}

function u32(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...u32(value >>> 7)];
}

function f32(value: number): number[] {
  return [...new Uint8Array(new Float32Array([value]).buffer)];
}
