// Closures that the environment names: REPRISE_E2E_STORE, a directory store, and REPRISE_E2E_CLOSURES, digests separated
// by commas.

import { parseDigest } from "../src/core/digest.ts";
import type { Digest } from "../src/gen/schema.ts";
import { type BlobSource, directorySource } from "./server.ts";

export interface Subject {
  readonly name: string;
  readonly source: BlobSource;
  readonly closure: Digest;
}

export function archived(): Subject[] {
  const { REPRISE_E2E_STORE: store, REPRISE_E2E_CLOSURES: closures } = process.env;
  if (store === undefined && closures === undefined) return [];
  if (!store || !closures) throw new Error("REPRISE_E2E_STORE and REPRISE_E2E_CLOSURES are set together or not at all");
  return closures.split(",").map((text) => {
    const closure = parseDigest(text);
    if (closure === undefined) throw new Error(`REPRISE_E2E_CLOSURES: ${JSON.stringify(text)} is not a digest`);
    return { name: text.slice(0, "sha256:".length + 12), source: directorySource(store), closure };
  });
}
