// The records of a split: shards fetched when one of their records is first wanted, kept while there is room.

import type { Digest, Field } from "../gen/schema.ts";
import type { BlobRef } from "./blobs.ts";
import { fieldBytes, type Shard } from "./documents.ts";
import { Failure } from "./failure.ts";
import type { RecordsPlan } from "./plan.ts";
import { elements } from "./tensor.ts";

/** Bytes of shards that a split keeps. A phone's tab must stay below some 200 MB in all. */
export const defaultCacheBytes = 128 << 20;

/** Where shards come from. Their memory may be shared between threads. */
export interface Shards {
  read(ref: BlobRef): Promise<Uint8Array>;
}

export class Records {
  readonly plan: RecordsPlan;
  readonly inputBytes: number;
  readonly targetBytes: number;
  readonly #source: Shards;
  readonly #capacity: number;
  /** The index of each shard's first record, and at the end the number of records. */
  readonly #first: readonly number[];
  /** The shards at hand or under way, least recently used first. */
  readonly #cache = new Map<number, { readonly bytes: Promise<Uint8Array>; loaded?: Uint8Array }>();

  constructor(plan: RecordsPlan, source: Shards, cacheBytes = defaultCacheBytes) {
    this.plan = plan;
    this.inputBytes = fieldBytes(plan.layout.input);
    this.targetBytes = fieldBytes(plan.layout.target);
    this.#source = source;
    this.#capacity = cacheBytes;
    const first = [0];
    for (const shard of plan.shards) first.push((first.at(-1) as number) + shard.records);
    this.#first = first;
  }

  get length(): number {
    return this.plan.records;
  }

  /**
   * Copies the input field of the i-th of the records to input[i·inputBytes] and, unless target is undefined, their
   * target fields likewise.
   */
  async read(indices: ArrayLike<number>, input: Uint8Array, target?: Uint8Array): Promise<void> {
    const { size, input: inputField, target: targetField } = this.plan.layout;
    // Shards are held here while they are copied from, whatever the cache drops meanwhile.
    const held = new Map<number, Uint8Array>();
    let shard: Uint8Array | undefined;
    let first = 0;
    let end = 0;
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i] as number;
      // The records of a microbatch are neighbours, so that the shard is mostly the one before.
      if (shard === undefined || index < first || index >= end) {
        const s = this.#shardOf(index);
        first = this.#first[s] as number;
        end = this.#first[s + 1] as number;
        shard = held.get(s) ?? this.#resident(s) ?? (await this.#load(s));
        held.set(s, shard);
      }
      const at = (index - first) * size;
      copyField(shard, at + inputField.offset, this.inputBytes, input, i);
      if (target !== undefined) copyField(shard, at + targetField.offset, this.targetBytes, target, i);
    }
  }

  /** Fetches all shards that fit the cache, so that a measurement does not wait for the network. */
  async prefetch(): Promise<void> {
    for (let s = 0; s < this.plan.shards.length; s++) await this.#load(s);
  }

  /** Begins to fetch the shards of some records, and does not wait for them: who reads them later does. */
  expect(indices: ArrayLike<number>): void {
    for (let i = 0; i < indices.length; i++) {
      const s = this.#shardOf(indices[i] as number);
      if (!this.#cache.has(s)) this.#load(s).catch(() => {}); // the failure is that of the reader
    }
  }

  /** Drops a shard. */
  forget(digest: Digest): void {
    for (const s of this.#cache.keys()) if (this.plan.shards[s]?.sha256 === digest) this.#cache.delete(s);
  }

  #shardOf(index: number): number {
    if (!(index >= 0 && index < this.length)) {
      throw new Failure("engine", `${this.plan.split}: record ${index} was asked for; there are ${this.length}`);
    }
    let low = 0;
    let high = this.plan.shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#first[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #resident(s: number): Uint8Array | undefined {
    const entry = this.#cache.get(s);
    if (entry?.loaded === undefined) return undefined;
    this.#cache.delete(s);
    this.#cache.set(s, entry);
    return entry.loaded;
  }

  #load(s: number): Promise<Uint8Array> {
    const known = this.#cache.get(s);
    if (known !== undefined) return known.bytes;
    const shard = this.plan.shards[s] as Shard;
    const entry: { bytes: Promise<Uint8Array>; loaded?: Uint8Array } = {
      bytes: this.#source.read({ path: shard.path, digest: shard.sha256, size: shard.size }),
    };
    this.#cache.set(s, entry);
    this.#evict(s);
    entry.bytes.then(
      (bytes) => {
        entry.loaded = bytes;
      },
      () => this.#cache.delete(s), // so that another attempt fetches again
    );
    return entry.bytes;
  }

  #evict(keep: number): void {
    let bytes = 0;
    for (const s of this.#cache.keys()) bytes += (this.plan.shards[s] as Shard).size;
    for (const s of this.#cache.keys()) {
      if (bytes <= this.#capacity) return;
      if (s === keep) continue;
      bytes -= (this.plan.shards[s] as Shard).size;
      this.#cache.delete(s);
    }
  }
}

// A loop is several times faster than set(subarray()) for the few bytes of a table's row, slower for an image.
const loopLimit = 32;

function copyField(from: Uint8Array, at: number, bytes: number, to: Uint8Array, i: number): void {
  const start = i * bytes;
  if (bytes > loopLimit) to.set(from.subarray(at, at + bytes), start);
  else for (let k = 0; k < bytes; k++) to[start + k] = from[at + k] as number;
}

/** Whether a target is the index of a class. */
export function isClass(target: Field): boolean {
  return target.dtype === "u8" || target.dtype === "u16";
}

/** How many predictions a record asks for, which accuracies are counted over: one for each class index of its target. */
export function predictionsOf(target: Field): number {
  return isClass(target) ? elements(target.shape) : 1;
}

/** The class indices that target fields hold, one after another. */
export function classes(targets: Uint8Array<ArrayBuffer>, field: Field): ArrayLike<number> {
  return field.dtype === "u8" ? targets : new Uint16Array(targets.buffer, targets.byteOffset, targets.length / 2);
}
