// From the one digest of a closure to everything that running it takes: manifest, closure.json, the datasets' manifests
// and documents. Each is named by a digest in the one before, so nothing else need be trusted.

import type { Digest } from "../gen/schema.ts";
import type { BlobRef, Blobs } from "./blobs.ts";
import {
  type Algorithm,
  type Closure,
  type ClosureFile,
  type Dataset,
  type Decisions,
  type RecordLayout,
  type Role,
  readClosure,
  readDataset,
  readManifest,
  type Shard,
  type Trained,
} from "./documents.ts";
import { Failure } from "./failure.ts";
import { Value } from "./json.ts";

/** The records that play a role: all of a dataset's split. */
export interface RecordsPlan {
  /** How people refer to them, such as "test". */
  readonly split: string;
  readonly layout: RecordLayout;
  readonly records: number;
  readonly shards: readonly Shard[];
}

/** What a replica needs to run an engine on its records. Plain data, so that it can be posted to a worker. */
export interface Plan {
  readonly engine: BlobRef;
  readonly seed: number;
  /** Microbatches in a step, which is also the number of lanes. */
  readonly microbatches: number;
  readonly records: Readonly<Partial<Record<Role, RecordsPlan>>>;
  /** The files of the stored tensors, in case they are to be installed. */
  readonly snapshot: readonly BlobRef[];
  /** The file of the parameters that a run begins with, instead of those of init. */
  readonly imported?: BlobRef;
  /** Bytes of shards that a replica keeps per role, unless it is defaultCacheBytes. */
  readonly cacheBytes?: number;
}

export interface OpenClosure {
  readonly closure: Closure;
  readonly plan: Plan;
}

/** Reads a closure's documents and plans its run. */
export async function openClosure(blobs: Blobs, digest: Digest): Promise<OpenClosure> {
  const closure = readClosure(await openDocument(blobs, digest, "closure.json"));
  const snapshot = [...lastTensors(closure, "parameters"), ...lastTensors(closure, "state")];
  return { closure, plan: { ...(await openTrained(blobs, closure, closure.files)), snapshot } };
}

/** Plans the part of a run that an engine made, as one of the files of its closure. */
async function openTrained(blobs: Blobs, of: Trained, files: readonly ClosureFile[]): Promise<Plan> {
  const engine = files.find((f) => f.sha256 === of.engine);
  if (engine === undefined) throw new Failure("invalid", "closure.json: files: none has the digest of the engine");
  const records: Partial<Record<Role, RecordsPlan>> = {};
  for (const d of of.datasets) records[d.role] = await openSplit(blobs, d.digest, d.split);
  const { seed, batchSize, microbatchSize } = of.algorithm;
  return { engine: blobOf(engine), seed, microbatches: batchSize / microbatchSize, records, snapshot: [] };
}

/** An engine of a run, from a step on. */
export interface Stage {
  /** The first step that it ran; 0 of the one that began. */
  readonly step: number;
  readonly engine: Digest;
  readonly algorithm: Algorithm;
  readonly plan: Plan;
}

/** The closure's engines in the order in which its journal, at a path, says that they ran. */
export async function openStages(
  blobs: Blobs,
  { closure, plan }: OpenClosure,
  { engines }: Decisions,
  path: string,
): Promise<readonly [Stage, ...Stage[]]> {
  const { engine, algorithm, earlier, files } = closure;
  const begun = (plan: Plan): Plan => {
    if (closure.imported === undefined) return plan;
    const file = files.find((f) => f.path === importedPath);
    if (file === undefined) throw new Failure("invalid", `closure.json: files: there is no ${importedPath}`);
    return { ...plan, imported: blobOf(file) };
  };
  if (earlier.length === 0) return [{ step: 0, engine, algorithm, plan: begun(plan) }];
  const refuse = (why: string) => new Failure("invalid", `${path}: ${why}`);
  const waiting = new Map([closure, ...earlier].map((each) => [each.engine, each]));
  const stages: Stage[] = [];
  for (const { step, engine } of engines) {
    const of = waiting.get(engine);
    if (of === undefined) throw refuse(`step ${step}: ${engine} is none of the closure's engines, or has run before`);
    if (of.algorithm.seed !== algorithm.seed) throw refuse(`step ${step}: the seed of a run stays ${algorithm.seed}`);
    waiting.delete(engine);
    const own = of === closure ? plan : await openTrained(blobs, of, files);
    stages.push({ step, engine, algorithm: of.algorithm, plan: own });
  }
  for (const each of waiting.keys()) throw refuse(`${each} of the closure never ran`);
  const [first, ...others] = stages;
  const last = stages.at(-1);
  if (first === undefined || last?.engine !== engine)
    throw refuse(`${last?.engine} ran last, and is not the closure's`);
  others.forEach(({ step }, i) => {
    const before = (stages[i] as Stage).step;
    if (step <= before)
      throw refuse(`the engine changes before step ${step}, after it has changed before step ${before}`);
  });
  return [{ ...first, plan: begun(first.plan) }, ...others];
}

const importedPath = "origin/parameters.safetensors";

/** The files of the tensors after the last step, without the snapshots of earlier steps that a closure may keep. */
export function lastTensors(closure: Pick<Closure, "files">, role: "parameters" | "state"): BlobRef[] {
  return closure.files.filter((f) => f.role === role && !keptSnapshot.test(f.path)).map(blobOf);
}

const keptSnapshot = /(^|\/)step-\d+\.safetensors$/;

/** A file of a closure as a blob. */
export function blobOf({ path, sha256, size }: ClosureFile): BlobRef {
  return { path, digest: sha256, size };
}

/** Reads the document of a dataset, named by the digest of its manifest. */
export async function openDataset(blobs: Blobs, digest: Digest): Promise<Dataset> {
  return readDataset(await openDocument(blobs, digest, "dataset.json"));
}

/** Plans the records of one split of a dataset, named by the digest of the dataset's manifest. */
export async function openSplit(blobs: Blobs, digest: Digest, split: string): Promise<RecordsPlan> {
  const dataset = await openDataset(blobs, digest);
  const found = dataset.splits.find((s) => s.name === split);
  if (found === undefined) throw new Failure("invalid", `dataset.json: splits: there is none named ${split}`);
  return { split, layout: dataset.record, records: found.records, shards: found.shards };
}

/** Reads the document of an object, which its manifest names. */
export async function openDocument(
  blobs: Blobs,
  digest: Digest,
  path: "closure.json" | "dataset.json",
): Promise<Value> {
  const manifestPath = `manifest of ${path}`;
  const manifest = Value.parse(manifestPath, await blobs.read({ digest, path: manifestPath }));
  return Value.parse(path, await blobs.read(readManifest(manifest, path).config));
}
