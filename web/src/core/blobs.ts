// Where bytes come from: blobs named by their digest, checked before anyone sees them.

import type { Digest } from "../gen/schema.ts";
import { hexOf, verified } from "./digest.ts";
import { Failure, messageOf } from "./failure.ts";

/** A blob as a document names it. */
export interface BlobRef {
  readonly digest: Digest;
  /** Bytes, where the document says so. */
  readonly size?: number;
  /** What people call it; errors begin with it. */
  readonly path: string;
}

export interface Blobs {
  /** Returns exactly the bytes that the digest names, or fails with "damaged" or "fetch" and the blob's path. */
  read(ref: BlobRef): Promise<Uint8Array<ArrayBuffer>>;
}

/** The most that a blob of unstated size (a manifest) may have. */
const unstatedLimit = 4 << 20;

/** Reads blobs over HTTP from a base address that has them at sha256/<hex>. */
export class HttpBlobs implements Blobs {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base.endsWith("/") ? base : `${base}/`;
  }

  async read(ref: BlobRef): Promise<Uint8Array<ArrayBuffer>> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await verified(await this.#fetch(ref), ref.digest, ref.path);
      } catch (cause) {
        if (cause instanceof Failure) throw cause;
        if (attempt === attempts) throw new Failure("fetch", `${ref.path}: ${messageOf(cause)}`, { cause });
      }
    }
  }

  /** One attempt, given up when nothing arrives for a while: connections stall at times. */
  async #fetch(ref: BlobRef): Promise<Uint8Array<ArrayBuffer>> {
    const stalled = new AbortController();
    const giveUp = () => stalled.abort(new Error("the server sends nothing"));
    let timer = setTimeout(giveUp, stallLimit);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, stallLimit);
    };
    try {
      const response = await fetch(`${this.#base}sha256/${hexOf(ref.digest)}`, { signal: stalled.signal });
      if (response.status === 404) throw new Failure("damaged", `${ref.path}: the server has no ${ref.digest}`);
      if (!response.ok) throw new Failure("fetch", `${ref.path}: the server answers ${response.status}`);
      return await collect(response, ref, alive);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** How often a blob is asked for before its failure is final, and how long nothing may arrive, in milliseconds. */
const attempts = 3;
const stallLimit = 20_000;

/** Reads a body, and stops as soon as it is longer than the blob can be. */
async function collect(response: Response, ref: BlobRef, alive: () => void): Promise<Uint8Array<ArrayBuffer>> {
  const limit = ref.size ?? unstatedLimit;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    alive();
    length += next.value.length;
    if (length > limit) {
      await reader?.cancel();
      throw new Failure("damaged", `${ref.path}: it is longer than its ${limit} bytes`);
    }
    parts.push(next.value);
  }
  if (ref.size !== undefined && length !== ref.size) {
    throw new Failure("damaged", `${ref.path}: it has ${length} bytes, it should have ${ref.size}`);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
