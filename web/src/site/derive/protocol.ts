// What the page and the thread of the compiler say to each other.

import type { Digest } from "../../gen/schema.ts";

export interface Request {
  /** Digest of the closure. */
  readonly closure: Digest;
  /** Addresses where blobs, and the compiler, are. */
  readonly blobs: string;
  readonly compiler: string;
}

/** An engine of the closure, and what its specification compiles to: wasm/tab writes it. */
export interface Derived {
  readonly named: Digest;
  /** That made it, by its own account. */
  readonly compiler: string;
  readonly foreign: boolean;
  readonly made?: Digest;
  /** Why it does not compile. */
  readonly problem?: string;
}

export interface Answer {
  readonly compiler: string;
  /** The engine of the closure, then those that ran before it. */
  readonly engines: readonly Derived[];
  readonly problem?: string;
}

export type Message =
  | { readonly loaded: number } // bytes of the compiler, so far
  | { readonly answer: Answer }
  | { readonly failure: string };
