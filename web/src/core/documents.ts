// The parts of manifests, closure.json, dataset.json and journals that running a closure needs, read strictly. The
// types are the schemas'; what is not used is not read.

import type * as schema from "../gen/schema.ts";
import type { BlobRef } from "./blobs.ts";
import { Failure } from "./failure.ts";
import { Value } from "./json.ts";
import { dtypeSizes, elements } from "./tensor.ts";

/** An OCI manifest: its document is the config, its files are the layers. */
export interface Manifest {
  readonly config: BlobRef;
  readonly files: readonly BlobRef[];
}

const documents = {
  "closure.json": "application/vnd.reprise.closure.v1+json",
  "dataset.json": "application/vnd.reprise.dataset.v1+json",
} as const;

/** Reads a manifest of the kind of object that has such a document. */
export function readManifest(v: Value, document: keyof typeof documents): Manifest {
  v.at("artifactType").oneOf(documents[document]);
  const blob = (b: Value, path: string): BlobRef => ({
    digest: b.at("digest").digest(),
    size: b.at("size").integer(),
    path,
  });
  return {
    config: blob(v.at("config"), document),
    files: v
      .at("layers")
      .elements()
      .map((l) => blob(l, l.at("annotations").at("org.opencontainers.image.title").string())),
  };
}

/** The fixed layout of one record. */
export type RecordLayout = schema.Record;
export type Split = schema.Dataset["splits"][number];
export type Shard = Split["shards"][number];
export type Dataset = Pick<schema.Dataset, "classes" | "features" | "record" | "splits" | "statistics">;

export function fieldBytes(field: schema.Field): number {
  return elements(field.shape) * dtypeSizes[field.dtype];
}

export function readDataset(v: Value): Dataset {
  const size = v.at("record").at("size").integer(1);
  return {
    record: {
      size,
      input: readField(v.at("record").at("input"), size),
      target: readField(v.at("record").at("target"), size),
    },
    splits: v
      .at("splits")
      .elements()
      .map((s) => readSplit(s, size)),
    ...optionalTexts(v, "classes"),
    ...optionalTexts(v, "features"),
    ...readStatistics(v),
  };
}

function optionalTexts<K extends string>(v: Value, key: K): { readonly [each in K]?: string[] } {
  const list = v.optional(key);
  return list === undefined ? {} : ({ [key]: list.elements().map((e) => e.string()) } as { [each in K]: string[] });
}

function readStatistics(v: Value): Pick<Dataset, "statistics"> {
  const statistics = v.optional("statistics");
  if (statistics === undefined) return {};
  const numbers = (key: string) =>
    statistics
      .at(key)
      .elements()
      .map((e) => e.number());
  return { statistics: { mean: numbers("mean"), deviation: numbers("deviation") } };
}

function readField(v: Value, record: number): schema.Field {
  const field: schema.Field = {
    offset: v.at("offset").integer(),
    dtype: v.at("dtype").oneOf("u8", "u16", "f32"),
    shape: v
      .at("shape")
      .elements()
      .map((d) => d.integer(1)),
  };
  if (field.offset + fieldBytes(field) > record) throw v.invalid(`it does not fit a record of ${record} bytes`);
  return field;
}

function readSplit(v: Value, recordSize: number): Split {
  const shards = v
    .at("shards")
    .elements()
    .map((s): Shard => {
      const shard = {
        path: s.at("path").string(),
        records: s.at("records").integer(1),
        size: s.at("size").integer(1),
        sha256: s.at("sha256").digest(),
      };
      if (shard.size !== shard.records * recordSize) {
        throw s.invalid(`${shard.records} records of ${recordSize} bytes do not make ${shard.size} bytes`);
      }
      return shard;
    });
  const records = v.at("records").integer(1);
  const sum = shards.reduce((n, s) => n + s.records, 0);
  if (sum !== records) throw v.invalid(`its shards hold ${sum} records, not ${records}`);
  return { name: v.at("name").string(), records, shards };
}

export type Role = schema.ClosureDataset["role"];

export interface Algorithm extends Pick<schema.Algorithm, "seed" | "microbatchSize" | "batchSize" | "evaluate"> {
  /** 0 where nothing was trained after parameters were imported. */
  readonly steps: number;
}
export type ClosureFile = Pick<schema.ClosureFile, "path" | "role" | "sha256" | "size">;
export type Result = Pick<schema.Result, "metric" | "dataset" | "split" | "step" | "correct" | "sum" | "total">;

/** An engine with what it trains on. */
export interface Trained {
  readonly algorithm: Algorithm;
  readonly datasets: readonly Pick<schema.ClosureDataset, "role" | "split" | "digest">[];
  readonly engine: schema.Digest;
}

export interface Closure extends Trained {
  readonly specification: schema.Digest;
  /** The engines that the closure's own replaced on the way; its journal says when. */
  readonly earlier: readonly Trained[];
  /** Whether the closure declares that its engine is not what its specification compiles to. */
  readonly foreign: boolean;
  readonly files: readonly ClosureFile[];
  /** The content digest of the parameters. */
  readonly parameters: schema.Digest;
  /** The content digest of parameters and state. */
  readonly run: schema.Digest;
  readonly results: readonly Result[];
  /** The content digest of the parameters with which the run began, where those were not of init. */
  readonly imported?: schema.Digest;
}

export function readClosure(v: Value): Closure {
  const imported = v.optional("imported");
  return {
    ...readTrained(v),
    specification: v.at("specification").digest(),
    earlier: v.optional("earlier")?.elements().map(readTrained) ?? [],
    foreign: v.at("engine").optional("foreign")?.boolean() ?? false,
    files: v
      .at("files")
      .elements()
      .map((f) => ({
        path: f.at("path").string(),
        role: f.at("role").oneOf("engine", "parameters", "state", "journal", "telemetry", "document", "origin"),
        sha256: f.at("sha256").digest(),
        size: f.at("size").integer(),
      })),
    parameters: v.at("parameters").at("digest").digest(),
    run: v.at("run").at("digest").digest(),
    results: v.at("results").elements().map(readResult),
    ...(imported && { imported: imported.at("parameters").digest() }),
  };
}

function readTrained(v: Value): Trained {
  return {
    algorithm: readAlgorithm(v.at("algorithm")),
    datasets: v
      .at("datasets")
      .elements()
      .map((d) => ({
        role: d.at("role").oneOf("train", "test"),
        split: d.at("split").string(),
        digest: d.at("digest").digest(),
      })),
    engine: v.at("engine").at("digest").digest(),
  };
}

function readAlgorithm(v: Value): Algorithm {
  const microbatchSize = v.at("microbatchSize").integer(1);
  const batchSize = v.at("batchSize").integer(1);
  if (batchSize % microbatchSize !== 0) {
    throw v.at("batchSize").invalid(`${batchSize} is not a multiple of microbatchSize, ${microbatchSize}`);
  }
  const evaluate = v.optional("evaluate");
  return {
    seed: v.at("seed").integer(Number.MIN_SAFE_INTEGER),
    steps: v.optional("steps")?.integer(1) ?? 0,
    microbatchSize,
    batchSize,
    ...(evaluate && { evaluate: { every: evaluate.at("every").integer(1) } }),
  };
}

function readResult(v: Value): Result {
  const correct = v.optional("correct")?.integer();
  const sum = v.optional("sum")?.integer(Number.MIN_SAFE_INTEGER);
  return {
    metric: v.at("metric").oneOf("accuracy", "loss"),
    dataset: v.at("dataset").digest(),
    split: v.at("split").string(),
    step: v.at("step").integer(),
    ...(correct === undefined ? {} : { correct }),
    ...(sum === undefined ? {} : { sum }),
    total: v.at("total").integer(1),
  };
}

/** A change of a hyper-parameter that a journal records. */
export type Event = schema.JournalLineHyperparameter;

/** Microbatches of a step, [first, end). */
export type Range = readonly [number, number];

/** What was decided while a run went on, rather than before: a replay has to repeat it. */
export interface Decisions {
  /** Changes of hyper-parameters, in their order. */
  readonly events: readonly Event[];
  /** The microbatches that steps merged. A step that is not here has those of the algorithm. */
  readonly merged: ReadonlyMap<number, readonly Range[]>;
  /** The engine that began, at step 0, and those that took over, each before its step. */
  readonly engines: readonly { readonly step: number; readonly engine: schema.Digest }[];
}

export const noDecisions: Decisions = { events: [], merged: new Map(), engines: [] };

/** Reads the decisions out of a journal. */
export function readDecisions(journal: Uint8Array, path: string): Decisions {
  const lines = new TextDecoder().decode(journal).split("\n");
  if (lines.pop() !== "") throw new Failure("invalid", `${path}: its last line is cut short`);
  const events: Event[] = [];
  const merged = new Map<number, Range[]>();
  const engines: { step: number; engine: schema.Digest }[] = [];
  lines.forEach((text, i) => {
    const line = Value.parse(`${path}, line ${i + 1}`, new TextEncoder().encode(text));
    const type = line.at("type").string();
    if (type === "event") {
      const event = line.at("event").oneOf("hyperparameter", "engine", "parameters");
      if (event === "parameters") return; // closure.json says so, too
      const step = line.at("step").integer(1);
      if (event === "engine") engines.push({ step, engine: line.at("engine").digest() });
      else events.push({ type, event, step, name: line.at("name").string(), value: line.at("value").number() });
    } else if (type === "header") engines.push({ step: 0, engine: line.at("engine").digest() });
    else if (type === "step") merged.set(line.at("step").integer(), readRanges(line.at("microbatches")));
  });
  return { events, merged, engines };
}

/** Ranges are in order, and none touches the next. */
function readRanges(v: Value): Range[] {
  let last = -1;
  return v.elements().map((item) => {
    const [first, end, ...others] = item.elements().map((bound) => bound.integer());
    if (first === undefined || end === undefined || others.length > 0 || first <= last || first >= end) {
      throw item.invalid("is no range of microbatches after the one before");
    }
    last = end;
    return [first, end];
  });
}
