// What the service answers about sessions: trainer/status.go, as JSON.

import type { ClosureDataset, Digest, EngineSection } from "../../gen/schema.ts";

export type SessionState = "running" | "paused" | "finishing" | "finished" | "published" | "stopped" | "failed";

/** A session in a list. */
export interface SessionSummary {
  readonly id: string;
  /** Name and version of the closure that it will be. */
  readonly name: string;
  readonly version: string;
  readonly title: string;
  readonly mode: "fixed" | "timed";
  readonly state: SessionState;
  readonly created: string;
  readonly step: number;
  readonly steps: number;
  /** Mean over the last step, and accuracy of the last evaluation; absent before there are any. */
  readonly loss?: number;
  readonly accuracy?: number;
  /** Connected ones, and their workers together. */
  readonly participants: number;
  readonly workers: number;
  /** Examples per second. */
  readonly power: number;
  readonly parent?: string;
  readonly relation?: string;
  readonly closure?: string;
  readonly error?: string;
  /** What it waits for, because it could not be saved; it goes on by itself. */
  readonly trouble?: string;
}

export interface SessionList {
  readonly sessions: readonly SessionSummary[];
  /** Why this server can have none. */
  readonly none?: string;
}

export type ParticipantStateName = "joining" | "working" | "idle" | "behind" | "resting" | "tracking" | "gone";

export interface ParticipantStatus {
  readonly id: string;
  readonly name?: string;
  readonly family: string;
  readonly runtime?: string;
  readonly workers: number;
  readonly state: ParticipantStateName;
  /** Microbatches per second while it computes. */
  readonly power: number;
  /** Seconds from a lease to its result beyond computing. */
  readonly latency: number;
  /** Of all microbatches of the session, 0 … 1. */
  readonly share: number;
  readonly computed: number;
  readonly verified: number;
  /** 0 … 1. */
  readonly trust: number;
}

/** Seconds, means over the last steps. */
export interface StepTime {
  readonly compute: number;
  readonly upload: number;
  readonly merge: number;
  readonly broadcast: number;
  readonly idle: number;
  readonly total: number;
}

export interface Audits {
  readonly done: number;
  readonly pending: number;
  readonly caught: number;
  /** The chance that a trusted participant who forges ten results is not caught. */
  readonly uncaught: number;
  readonly rollbacks: number;
  readonly releases: number;
}

export interface Happening {
  readonly time: string;
  readonly step: number;
  readonly kind: string;
  readonly text: string;
}

/** Everything about a session but its curve. */
export interface SessionDetail extends SessionSummary {
  readonly specification: Digest;
  readonly engine: Digest;
  readonly datasets: readonly ClosureDataset[];
  readonly run?: Digest;
  readonly final: number;
  readonly checkpoint: number;
  readonly hyperparameters: readonly Pick<
    EngineSection["hyperparameters"][number],
    "name" | "default" | "min" | "max"
  >[];
  readonly times: StepTime;
  readonly audits: Audits;
  /** Times that participants came to work, and that they left or lost their connection. */
  readonly joins: number;
  readonly leaves: number;
  /** Times that a server went on with the session. */
  readonly restarts: number;
  readonly people: readonly ParticipantStatus[];
  readonly log: readonly Happening[];
}

export interface SessionPoint {
  readonly step: number;
  readonly loss?: number;
  readonly accuracy?: number;
  /** Accuracy on the test split. */
  readonly test?: number;
}

export interface SessionCommand {
  readonly command: "pause" | "resume" | "stop" | "set" | "engine" | "publish";
  readonly name?: string;
  readonly value?: number;
  readonly step?: number;
  readonly specification?: string;
  readonly version?: string;
}

export interface SessionRequest {
  readonly closure?: string;
  readonly steps?: number;
  readonly specification?: string;
  readonly mode: "fixed" | "timed";
  readonly seconds?: number;
  readonly audit?: number;
  readonly name?: string;
  readonly version?: string;
}

export interface SessionStarted {
  readonly id: string;
  /** What its owner says with commands. */
  readonly owner: string;
  readonly session: SessionDetail;
}

/** Whether anything still happens. */
export function isLive({ state }: SessionSummary): boolean {
  return state === "running" || state === "paused" || state === "finishing";
}
