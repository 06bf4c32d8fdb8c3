// A closure made ready to be tried: its engine with the archived parameters in a worker, and what its dataset looks like.

import { HttpBlobs } from "../../core/blobs.ts";
import type { Dataset, Role } from "../../core/documents.ts";
import { Failure } from "../../core/failure.ts";
import { openClosure, openDataset, type RecordsPlan } from "../../core/plan.ts";
import type { Digest } from "../../gen/schema.ts";
import { spawnReplica } from "../../worker/spawn.ts";

/** Records that are looked at to learn what the dataset looks like. */
const mostSamples = 64;

export interface Model {
  readonly records: RecordsPlan;
  readonly dataset: Dataset;
  /** The input fields of some records. */
  readonly samples: readonly Uint8Array<ArrayBuffer>[];
  predict(input: Uint8Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>>;
  close(): void;
}

/** Fetches and checks a closure. The address of its blobs is absolute. */
export async function openModel(blobs: string, digest: Digest): Promise<Model> {
  const source = new HttpBlobs(blobs);
  const { closure, plan } = await openClosure(source, digest);
  const role: Role = plan.records.test ? "test" : "train";
  const records = plan.records[role];
  const use = closure.datasets.find((d) => d.role === role);
  if (records === undefined || use === undefined) throw new Failure("invalid", "the closure names no dataset");
  const dataset = await openDataset(source, use.digest);
  const replica = spawnReplica(blobs);
  try {
    await replica.open(plan);
    await replica.install();
    const n = Math.min(mostSamples, records.records);
    const inputs = await replica.inputs(
      role,
      Array.from({ length: n }, (_, i) => i),
    );
    const size = inputs.length / n;
    return {
      records,
      dataset,
      samples: Array.from({ length: n }, (_, i) => inputs.slice(i * size, (i + 1) * size)),
      predict: (input) => replica.predict(input),
      close: () => replica.close(),
    };
  } catch (thrown) {
    replica.close();
    throw thrown;
  }
}
