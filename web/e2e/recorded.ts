// What a closure says of itself, read here and not by the page, to be compared with what the page computes.

import type { Blobs } from "../src/core/blobs.ts";
import type { Closure } from "../src/core/documents.ts";
import { blobOf, openClosure, type Plan } from "../src/core/plan.ts";
import type { Digest, JournalLine } from "../src/gen/schema.ts";

export interface Recorded {
  readonly closure: Closure;
  readonly plan: Plan;
  readonly journal: readonly JournalLine[];
  readonly journalDigest: Digest;
}

export async function readRecorded(blobs: Blobs, digest: Digest): Promise<Recorded> {
  const { closure, plan } = await openClosure(blobs, digest);
  const file = closure.files.find((f) => f.role === "journal");
  if (file === undefined) throw new Error(`${digest} has no journal`);
  const text = new TextDecoder().decode(await blobs.read(blobOf(file)));
  const journal = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as JournalLine);
  return { closure, plan, journal, journalDigest: file.sha256 };
}
