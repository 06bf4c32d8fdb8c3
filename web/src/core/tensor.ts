// Tensors as an engine's section and safetensors files describe them, and their content digest.

import type { Digest, EngineSectionDtype } from "../gen/schema.ts";
import { digestOf, hexOf } from "./digest.ts";

/** What records, regions and tensors are made of. */
export type DType = EngineSectionDtype;

/** Bytes per element. */
export const dtypeSizes = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  i64: 8,
  f64: 8,
} as const satisfies Readonly<Record<DType, number>>;

export const dtypes = Object.keys(dtypeSizes) as DType[];

/** The product of a shape: 1 for a scalar. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, d) => product * d, 1);
}

/** A named array of little-endian values in C order. */
export interface Tensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

/** How safetensors, and with them the content digest, write a dtype. */
export const safetensorsDTypes: Readonly<Record<DType, string>> = {
  u8: "U8",
  i8: "I8",
  u16: "U16",
  i16: "I16",
  u32: "U32",
  i32: "I32",
  f32: "F32",
  i64: "I64",
  f64: "F64",
};

/**
 * The content digest: sha256 over lines `name TAB dtype TAB d0,d1,… TAB sha256-of-bytes LF` sorted by name, so that it
 * does not depend on how, or in how many files, the tensors were stored.
 */
export async function contentDigest(tensors: readonly Tensor[]): Promise<Digest> {
  const lines = await Promise.all(
    tensors.map(async (t) => {
      const bytes = hexOf(await digestOf(t.data));
      return `${t.name}\t${safetensorsDTypes[t.dtype]}\t${t.shape.join(",")}\t${bytes}\n`;
    }),
  );
  const encoder = new TextEncoder();
  const sorted = lines.map((line) => encoder.encode(line)).sort(compareBytes);
  return digestOf(new Uint8Array(await new Blob(sorted).arrayBuffer()));
}

// A line sorts as its name does, byte by byte: a tab sorts before every character that a name may hold.
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
