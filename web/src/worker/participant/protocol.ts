// What passes between a page and the participant in its worker. The page says what the visitor wants, and draws what it is told.

import type { Dataset, Role } from "../../core/documents.ts";
import type { RecordsPlan } from "../../core/plan.ts";
import type { End, Family, ParticipantRole, RefuseCode, RestReason } from "../../core/wire.ts";
import type { FailureData } from "../protocol.ts";

/** How to take part. Addresses are absolute. */
export interface Order {
  /** The session's, below which its socket is: http://host/api/v1/sessions/ID */
  readonly session: string;
  /** Of the store's blobs. */
  readonly blobs: string;
  readonly role: ParticipantRole;
  readonly family: Family;
  /** For people: "Chromium 156 on Linux". */
  readonly runtime: string;
  /** Threads that compute. */
  readonly workers: number;
  /** Bytes of records to keep. */
  readonly memory: number;
  /** What others see; may be empty. */
  readonly name: string;
  /** The word of an earlier participation, whose credit goes on. */
  readonly resume?: string;
}

export type Command =
  | { readonly type: "join"; readonly order: Order }
  /** Undefined: work again. */
  | { readonly type: "rest"; readonly reason: RestReason | undefined }
  | { readonly type: "workers"; readonly workers: number }
  | { readonly type: "leave" }
  | { readonly type: "ask"; readonly id: number; readonly question: Question };

/** Milliseconds between two signs of life. */
export const heartbeat = 5000;

/** What a page wants to know of the model as it is now. */
export type Question =
  | { readonly ask: "parameters" }
  | { readonly ask: "model" }
  | { readonly ask: "predict"; readonly input: Uint8Array<ArrayBuffer> };

/** What the model reads, with some of the dataset's own inputs. */
export interface ModelData {
  readonly role: Role;
  readonly records: RecordsPlan;
  readonly dataset: Dataset;
  readonly samples: readonly Uint8Array<ArrayBuffer>[];
  /** Whether the outputs of the samples are probabilities. */
  readonly probabilities: boolean;
}

export type Reply = Uint8Array<ArrayBuffer> | ModelData | Float32Array<ArrayBuffer>;

export type Message =
  /** Said every so often, so that silence means something. */
  | { readonly type: "alive" }
  | { readonly type: "state"; readonly state: ParticipantState }
  | { readonly type: "reply"; readonly id: number; readonly value: Reply }
  | { readonly type: "reply"; readonly id: number; readonly failure: FailureData };

/** In the order in which they come: an attempt goes from dialling to following, or to retrying. The last three are final. */
export type Phase =
  | "dialling"
  | "fetching"
  | "proving"
  | "following" // takes part: works when there is work
  | "retrying"
  | "ended" // the session is over
  | "left"
  | "failed";

export interface ParticipantState {
  readonly phase: Phase;
  readonly role: ParticipantRole;
  readonly workers: number;
  readonly title: string;
  /** The public name in the session. */
  readonly participant: string;
  readonly resume: string;
  readonly resting: RestReason | undefined;
  /** Leases under way. */
  readonly leases: number;
  /** The step after which the model is; −1 before there is any. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number | undefined;
  readonly accuracy: number | undefined;
  readonly participants: number;
  readonly paused: boolean;
  /** Microbatches, as the coordinator counts them: computed, and final. */
  readonly computed: number;
  readonly verified: number;
  readonly share: number;
  /** Microbatches per second while computing; 0 while unknown. */
  readonly power: number;
  /** Bytes of vectors. */
  readonly sent: number;
  readonly received: number;
  /** Why there is another attempt, and in how many seconds. */
  readonly retry: { readonly why: string; readonly seconds: number } | undefined;
  /** Why there is none. */
  readonly failure: (FailureData & { readonly code?: RefuseCode }) | undefined;
  readonly end: Pick<End, "run" | "closure" | "message"> | undefined;
}

export function initialState(role: ParticipantRole, workers: number): ParticipantState {
  return {
    phase: "dialling",
    role,
    workers,
    title: "",
    participant: "",
    resume: "",
    resting: undefined,
    leases: 0,
    step: -1,
    steps: 0,
    loss: undefined,
    accuracy: undefined,
    participants: 0,
    paused: false,
    computed: 0,
    verified: 0,
    share: 0,
    power: 0,
    sent: 0,
    received: 0,
    retry: undefined,
    failure: undefined,
    end: undefined,
  };
}

/** Whether there is nothing more to come. */
export function isOver({ phase }: ParticipantState): boolean {
  return phase === "ended" || phase === "left" || phase === "failed";
}
