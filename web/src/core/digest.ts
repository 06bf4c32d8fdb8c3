// Digests as every document writes them, and the check of bytes against them.

import type { Digest } from "../gen/schema.ts";
import { Failure } from "./failure.ts";

const prefix = "sha256:";
const written = /^sha256:[0-9a-f]{64}$/;

/** Reads the written form, or returns undefined: upper-case digits, other algorithms and lengths are refused. */
export function parseDigest(text: string): Digest | undefined {
  return written.test(text) ? (text as Digest) : undefined;
}

/** The 64 digits alone, as file names in a store carry them. */
export function hexOf(digest: Digest): string {
  return digest.slice(prefix.length);
}

export async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<Digest> {
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return (prefix + Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("")) as Digest;
}

/** Returns the bytes if they are those that the digest names; otherwise a Failure "damaged" that says which file. */
export async function verified(
  bytes: Uint8Array<ArrayBuffer>,
  expected: Digest,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const observed = await digestOf(bytes);
  if (observed !== expected) {
    throw new Failure("damaged", `${path}: its bytes are ${observed}, it should be ${expected}`);
  }
  return bytes;
}
