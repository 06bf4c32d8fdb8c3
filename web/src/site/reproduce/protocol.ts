// What passes between the page and the coordinator, the worker in which a closure is verified or replayed. The page only
// starts, pauses and draws; a slow page therefore does not slow the work, nor busy workers the page.

import type { RecordLayout, Result } from "../../core/documents.ts";
import type { Digest, Field } from "../../gen/schema.ts";
import type { FailureData } from "../../worker/protocol.ts";
import type { CurvePoint } from "./curve.ts";

export type Mode = "verify" | "replay";

export interface Order {
  readonly mode: Mode;
  /** The digest of the closure's manifest. */
  readonly closure: Digest;
  /** Absolute address of the blobs. */
  readonly blobs: string;
  /** Threads that compute, the coordinator's own among them. */
  readonly workers: number;
}

export type Command =
  | { readonly type: "start"; readonly order: Order }
  | { readonly type: "pause" }
  | { readonly type: "resume" };

/** The stages of the work, in their order; a replay has no claims, a verification no training. */
export type Phase = "documents" | "bytes" | "engine" | "claims" | "training";

export interface Progress {
  readonly phase: Phase;
  readonly done: number;
  readonly total: number;
  readonly unit: "bytes" | "records" | "steps";
  /** Units per second of the time that was not spent paused; 0 while unknown. */
  readonly perSecond: number;
}

export interface Checkpoint {
  readonly step: number;
  readonly run: Digest;
}

export type Message =
  | { readonly type: "phase"; readonly phase: Phase }
  | { readonly type: "progress"; readonly progress: Progress }
  /** The published curve, once, and the points of the new one as they are made. */
  | { readonly type: "recorded"; readonly points: readonly CurvePoint[]; readonly steps: number }
  | { readonly type: "points"; readonly points: readonly CurvePoint[] }
  /** A checkpoint whose digests are those of the journal. */
  | { readonly type: "checkpoint"; readonly checkpoint: Checkpoint }
  /** Said now and then while nothing else is to be told. */
  | { readonly type: "alive" }
  | { readonly type: "outcome"; readonly outcome: Outcome }
  | { readonly type: "failed"; readonly failure: FailureData };

/** What was observed; ./verdict.ts says what it means. */
export type Outcome = VerifyOutcome | ReplayOutcome;

interface Observed {
  /** What the closure declares. */
  readonly foreign: boolean;
  readonly engine: Digest;
  /** Blobs that were fetched and are what their digests say. */
  readonly checked: { readonly files: number; readonly bytes: number };
  /** One message for each blob that is not; each begins with the blob's path. */
  readonly damaged: readonly string[];
  /** What an engine that failed said. */
  readonly engineFailure?: string;
  /** Seconds of work. */
  readonly seconds: number;
}

export interface VerifyOutcome extends Observed {
  readonly mode: "verify";
  readonly digests: readonly DigestCheck[];
  readonly claims: readonly ClaimCheck[];
  readonly classification?: Classification;
}

/** A digest that closure.json states, and the one of what is stored. */
export interface DigestCheck {
  readonly what: string;
  readonly claimed: Digest;
  readonly observed: Digest;
}

export interface ClaimCheck {
  readonly claim: Result;
  /** Undefined where nothing was computed. */
  readonly observed?: { readonly correct?: number; readonly sum?: number; readonly total: number };
}

/** What the model makes of a split whose targets are classes. */
export interface Classification {
  readonly split: string;
  /** The names of the classes; empty where the dataset has none. */
  readonly classes: readonly string[];
  readonly features: readonly string[];
  /** Records of class i that were taken for class j at [i][j]. */
  readonly matrix: readonly (readonly number[])[];
  readonly layout: RecordLayout;
  readonly mistakes: readonly Mistake[];
}

export interface Mistake {
  /** Of the record in its split. */
  readonly index: number;
  readonly expected: number;
  readonly predicted: number;
  /** The outputs of the predicted and of the expected class. */
  readonly confidence: number;
  readonly support: number;
  readonly input: Uint8Array<ArrayBuffer>;
}

export interface ReplayOutcome extends Observed {
  readonly mode: "replay";
  /** Whole steps that were recomputed and are as recorded. */
  readonly steps: number;
  /** Of the closure. */
  readonly stepsRecorded: number;
  /** Lines of the journal that are as recorded. */
  readonly lines: number;
  readonly examples: number;
  readonly difference?: Difference;
  /** Of the last step, as computed here. */
  readonly run?: Digest;
}

/** The first thing that differs. */
export interface Difference {
  readonly step: number;
  readonly what: string;
  readonly recorded: string;
  readonly observed: string;
}

/** Whether a field is a picture: grey, or red, green and blue. */
export function isPicture(field: Field): boolean {
  const [height = 0, width = 0, channels = 1] = field.shape;
  return (
    field.dtype === "u8" &&
    (field.shape.length === 2 || field.shape.length === 3) &&
    height > 1 &&
    width > 1 &&
    (channels === 1 || channels === 3)
  );
}
