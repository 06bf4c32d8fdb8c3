// What the service answers: the JSON of /api/v1, as the Go package api writes it. Documents inside answers have the
// types that are generated from their schemas.

import type { ClaimValue, Closure, Dataset, Digest } from "../../gen/schema.ts";

/** Whether the server's own compiler makes the closure's engine of its specification. */
export type DerivationState = "derived" | "other-compiler" | "foreign" | "unchecked";

/** A value of a facet, and how many closures of the current search have it. */
export interface FacetValue {
  readonly value: string;
  readonly count: number;
}

export type FacetName = "task" | "dataset" | "license" | "verified";

/** How a list of closures is ordered. */
export type Sort = "newest" | "name" | "accuracy" | "size";

/** An accuracy: a pair of integers, never a quotient. */
export interface Accuracy {
  readonly correct: number;
  readonly total: number;
}

/** How many trusted keys vouch for a closure, and apart from them its unsigned records. */
export interface Verified {
  readonly signed: number;
  readonly unsigned: number;
  readonly derivation: DerivationState;
}

export interface SummaryDataset {
  readonly role: "train" | "test";
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  readonly split: string;
}

/** A parent or child of a closure. Its name is empty if this store does not have it. */
export interface Parent {
  readonly digest: Digest;
  readonly relation: "resumed" | "retrained" | "fine-tuned" | "forked";
  readonly name: string;
  readonly version: string;
}

/** A closure in a list. */
export interface Summary {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  readonly title: string;
  readonly description: string;
  readonly task: string;
  /** RFC 3339. */
  readonly created: string;
  /** SPDX. */
  readonly license: string;
  readonly keywords: readonly string[];
  readonly datasets: readonly SummaryDataset[];
  readonly accuracy: Accuracy | null;
  /** Count of trained values. */
  readonly parameters: number;
  /** Bytes of all files. */
  readonly size: number;
  /** Short text such as "conv 16 · pool · dense 10". */
  readonly layers: string;
  /** Mean training losses, in order, at most 40. */
  readonly curve: readonly number[];
  readonly verified: Verified;
  readonly engine: EngineSummary;
  readonly parents: readonly Parent[];
  readonly withdrawn: Withdrawal | null;
  /** Why its documents cannot be shown; empty for nearly all. */
  readonly problem: string;
}

/** Why and when an object was taken back. It stays where it is, so that what refers to it can be checked. */
export interface Withdrawal {
  readonly reason: string;
  /** RFC 3339. */
  readonly created: string;
}

export interface EngineSummary {
  readonly digest: Digest;
  readonly abi: number;
  readonly compiler: string;
  readonly foreign: boolean;
}

/** GET /api/v1/closures */
export interface ClosureList {
  readonly total: number;
  readonly items: readonly Summary[];
  readonly facets: Readonly<Record<FacetName, readonly FacetValue[]>>;
  /** Versions that the server has yet to read: there will be more. */
  readonly unread: number;
}

export interface Reference {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
}

export interface ManifestReference {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** A layer of the model, for reading. */
export interface LayerRow {
  readonly name: string;
  readonly kind: string;
  /** Names of the rows that the layer reads, or "input", where these are not just the row before. */
  readonly inputs?: readonly string[];
  /** Shape of an example's output; images are [height, width, channels]. */
  readonly output: readonly number[];
  readonly parameters: number;
  /** Per example, forward. */
  readonly multiplyAdds: number;
}

export interface ModelTable {
  readonly table: readonly LayerRow[];
  readonly parameters: number;
  /** Multiply-adds per example, forward only. */
  readonly forward: number;
  /** Multiply-adds per example of a training step. */
  readonly train: number;
}

export interface Version {
  readonly version: string;
  readonly digest: Digest;
  readonly created: string;
  readonly withdrawn: Withdrawal | null;
}

/**
 * A verification record that somebody left. An unsigned one says only that somebody says so, and so does one that is signed with a key
 * that the server does not trust, or whose signature is not that of the trusted key that it names.
 */
export interface Verification {
  readonly kind: "unsigned" | "signed" | "unknown-key" | "not-signature";
  readonly digest: Digest;
  readonly created: string;
  readonly mode: string;
  readonly verdict: string;
  readonly claims: readonly ClaimVerdict[];
  readonly run?: Digest;
  readonly steps?: number;
  readonly runtime: Runtime;
  /** The name of the key of a signed record, else empty: nobody knows. */
  readonly by: string;
}

/** GET /api/v1/closure. The model's table is empty where the engine is foreign or of another release. */
export interface ClosureDetail {
  readonly reference: Reference;
  readonly manifest: ManifestReference;
  readonly closure: Closure;
  /** Markdown of the closure's author: hostile until proven otherwise. */
  readonly readme: string;
  readonly citation: { readonly bibtex: string; readonly cff: string };
  readonly model: ModelTable;
  readonly versions: readonly Version[];
  readonly parents: readonly Parent[];
  readonly children: readonly Parent[];
  readonly verifications: readonly Verification[];
  readonly verified: Verified;
  readonly derivation: DerivationState;
  readonly withdrawn: Withdrawal | null;
}

export interface CurvePoint {
  readonly step: number;
  /** Mean over the step's examples. */
  readonly loss: number | null;
  /** Of the step's training examples, between 0 and 1; null where the engine does not count it. */
  readonly accuracy: number | null;
}

export interface CurveEvaluation {
  readonly step: number;
  readonly split: string;
  readonly correct: number;
  readonly total: number;
}

/** GET /api/v1/closure/curve */
export interface Curve {
  readonly points: readonly CurvePoint[];
  readonly evaluations: readonly CurveEvaluation[];
}

/** GET /api/v1/closure/derivation */
export interface DerivationAnswer {
  readonly derivation: DerivationState;
  readonly reason: string;
}

/** A dataset in a list. */
export interface DatasetSummary {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  readonly title: string;
  readonly description: string;
  readonly license: string;
  /** Labels in order; empty where there are none. */
  readonly classes: readonly string[];
  /** Records of each split, by its name. */
  readonly splits: Readonly<Record<string, number>>;
  /** Bytes of a record. */
  readonly record: Dataset["record"];
  /** Bytes of all shards. */
  readonly size: number;
  /** Address of a sheet of samples; empty for tables. */
  readonly sample: string;
  readonly withdrawn: Withdrawal | null;
  /** Why its documents cannot be shown; empty for nearly all. */
  readonly problem: string;
}

/** GET /api/v1/datasets */
export interface DatasetList {
  readonly total: number;
  readonly items: readonly DatasetSummary[];
  /** As of ClosureList. */
  readonly unread: number;
}

export interface UsedBy {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  readonly title: string;
}

/** GET /api/v1/dataset */
export interface DatasetDetail {
  readonly reference: Reference;
  readonly manifest: ManifestReference;
  readonly dataset: Dataset;
  readonly usedBy: readonly UsedBy[];
  readonly withdrawn: Withdrawal | null;
}

/** GET /api/v1/dataset/rows */
export interface DatasetRows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

/** What somebody recomputed of a claim. */
export interface ClaimVerdict {
  readonly metric: string;
  readonly split: string;
  readonly claimed?: ClaimValue;
  readonly observed?: ClaimValue;
  readonly verdict: string;
}

export interface Runtime {
  readonly browser: string;
  readonly os: string;
  readonly workers: number;
}

/** POST /api/v1/verifications */
export interface VerificationRequest {
  readonly closure: Digest;
  readonly mode: "verify" | "replay";
  readonly verdict: string;
  readonly claims: readonly ClaimVerdict[];
  /** Run digest, of a replay. */
  readonly run?: Digest;
  readonly runtime: Runtime;
  /** Steps recomputed, of a replay. */
  readonly steps?: number;
}

/** What POST /api/v1/verifications answers with 201. */
export interface VerificationReceipt {
  readonly digest: Digest;
}

/** GET /api/v1/about */
export interface About {
  readonly name: string;
  readonly version: string;
  readonly store: { readonly kind: string };
  readonly counts: Readonly<Record<string, number>>;
}

/** RFC 9457, with a stable code and what to do. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint: string;
}
