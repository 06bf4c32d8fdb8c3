// The one store of records of a participant: its workers ask here, and everything is fetched and checked once. Where a page
// may share memory, shards are kept here and read by all workers in place; elsewhere each worker keeps copies of its own.

import type { BlobRef, Blobs } from "../../core/blobs.ts";
import type { Shards } from "../../core/records.ts";
import type { Digest } from "../../gen/schema.ts";
import { decodeFailure, encodeFailure, type FailureData } from "../protocol.ts";

/** The end of a channel between a worker and its participant. */
export interface DataPort {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** What a worker asks. Shards are kept; engines and tensors are needed once. */
interface Want {
  readonly id: number;
  readonly ref: BlobRef;
  readonly keep: boolean;
}

type Told =
  | { readonly id: number; readonly bytes: Uint8Array }
  | { readonly id: number; readonly failure: FailureData }
  | { readonly forget: Digest };

export class DataCache {
  readonly #blobs: Blobs;
  readonly #shared: boolean;
  readonly #ports: DataPort[] = [];
  readonly #under = new Map<Digest, Promise<Uint8Array>>();
  /** Kept shards, the oldest first. */
  readonly #kept = new Map<Digest, Uint8Array>();
  /** What a beginning needs, until it is over. */
  readonly #held = new Map<Digest, Uint8Array>();
  readonly #capacity: number;
  #bytes = 0;

  /** Keeps shards of at most so many bytes if memory can be shared, else none. */
  constructor(blobs: Blobs, capacity: number, shared: boolean) {
    this.#blobs = blobs;
    this.#capacity = capacity;
    this.#shared = shared;
  }

  /** Answers a worker. */
  attach(port: DataPort): void {
    this.#ports.push(port);
    port.addEventListener("message", ({ data }) => {
      const { id, ref, keep } = data as Want;
      this.#read(ref, keep).then(
        (bytes) => port.postMessage({ id, bytes } satisfies Told),
        (thrown: unknown) => port.postMessage({ id, failure: encodeFailure(thrown) } satisfies Told),
      );
    });
  }

  /** No longer answers a worker. */
  detach(port: DataPort): void {
    const i = this.#ports.indexOf(port);
    if (i >= 0) this.#ports.splice(i, 1);
  }

  /** Fetches what all workers are about to want, and keeps it until it is released. */
  async hold(refs: readonly BlobRef[]): Promise<void> {
    await Promise.all(refs.map(async (ref) => this.#held.set(ref.digest, await this.#read(ref, false))));
  }

  release(): void {
    this.#held.clear();
  }

  #read(ref: BlobRef, keep: boolean): Promise<Uint8Array> {
    const kept = this.#kept.get(ref.digest) ?? this.#held.get(ref.digest);
    if (kept !== undefined) return Promise.resolve(kept);
    const under = this.#under.get(ref.digest);
    if (under !== undefined) return under;
    const reading = this.#fetch(ref, keep && this.#shared).finally(() => this.#under.delete(ref.digest));
    this.#under.set(ref.digest, reading);
    return reading;
  }

  async #fetch(ref: BlobRef, keep: boolean): Promise<Uint8Array> {
    const bytes = await this.#blobs.read(ref);
    if (!keep) return bytes;
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    this.#kept.set(ref.digest, shared);
    this.#bytes += shared.length;
    for (const [digest, { length }] of this.#kept) {
      // A participant goes through its lanes in order: what came first is needed last.
      if (this.#bytes <= this.#capacity || digest === ref.digest) break;
      this.#kept.delete(digest);
      this.#bytes -= length;
      for (const port of this.#ports) port.postMessage({ forget: digest } satisfies Told);
    }
    return shared;
  }
}

/** A worker's end. */
export class DataClient implements Blobs {
  readonly #port: DataPort;
  readonly #asked = new Map<number, { resolve(bytes: Uint8Array): void; reject(reason: Error): void }>();
  #count = 0;
  /** Shards, perhaps in memory that others read, too. */
  readonly shards: Shards = { read: (ref) => this.#ask(ref, true) };

  /** Forget is called when a shard is to be dropped. */
  constructor(port: DataPort, forget: (digest: Digest) => void) {
    this.#port = port;
    port.addEventListener("message", ({ data }) => {
      const told = data as Told;
      if ("forget" in told) {
        forget(told.forget);
        return;
      }
      const asked = this.#asked.get(told.id);
      this.#asked.delete(told.id);
      if ("failure" in told) asked?.reject(decodeFailure(told.failure));
      else asked?.resolve(told.bytes);
    });
  }

  /** The participant has checked the bytes; they are this worker's own. */
  async read(ref: BlobRef): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.#ask(ref, false)) as Uint8Array<ArrayBuffer>;
  }

  #ask(ref: BlobRef, keep: boolean): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const id = this.#count++;
      this.#asked.set(id, { resolve, reject });
      this.#port.postMessage({ id, ref, keep } satisfies Want);
    });
  }
}
