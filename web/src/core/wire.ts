// What participants and coordinators say to each other (trainer/PROTOCOL.md, trainer/wire/message.go): messages, and the
// pieces in which vectors follow them.

import type { ClosureDataset, Digest } from "../gen/schema.ts";
import { Failure } from "./failure.ts";
import { Value } from "./json.ts";

export const protocolVersion = 1;
export const subprotocol = "reprise.session.v1";

/** What runs an engine, for audits by another. */
export type Family = "v8" | "spidermonkey" | "jsc";

/** work: computes; track: only follows the model. */
export type ParticipantRole = "work" | "track";

export type FailedReason = "environment" | "data" | "engine" | "rest";
export type RestReason = "hidden" | "battery" | "visitor";

/** Messages of participants. */
export type Outgoing =
  | {
      readonly type: "hello";
      readonly protocol: number;
      readonly role: ParticipantRole;
      readonly family: Family;
      readonly runtime?: string;
      readonly workers: number;
      /** Bytes of records that it keeps. */
      readonly memory?: number;
      readonly name?: string;
      readonly resume?: string;
    }
  | { readonly type: "ready"; readonly step: number; readonly proofs?: readonly Digest[] }
  | TrainResult
  | { readonly type: "result"; readonly lease: number; readonly correct: number; readonly seconds: number }
  | { readonly type: "failed"; readonly lease: number; readonly reason: FailedReason; readonly message?: string }
  | { readonly type: "digest"; readonly step: number; readonly run: Digest }
  | { readonly type: "rest"; readonly resting: boolean; readonly reason?: RestReason | "workers" }
  | { readonly type: "bye" };

/** Announces a packed vector of so many bytes. */
export interface TrainResult {
  readonly type: "result";
  readonly lease: number;
  readonly digest: Digest;
  readonly bytes: number;
  readonly seconds: number;
}

/** Something to fetch. */
export interface Blob {
  readonly digest: Digest;
  readonly size: number;
}

/** A state: that after a step, or, without tensors, that after init. */
export interface Snapshot {
  readonly step: number;
  readonly tensors?: Blob;
  /** Those that differ from the engine's defaults. */
  readonly hyperparameters: Readonly<Record<string, number>>;
  readonly engine?: Blob;
}

export interface Welcome {
  readonly type: "welcome";
  readonly session: string;
  readonly participant: string;
  readonly resume: string;
  readonly mode: string;
  readonly title: string;
  readonly engine: Blob;
  readonly seed: number;
  readonly steps: number;
  readonly microbatches: number;
  readonly datasets: readonly Pick<ClosureDataset, "role" | "split" | "digest">[];
  readonly snapshot: Snapshot;
  readonly proof: { readonly microbatches: number; readonly rounds: number };
}

export const refusals = [
  "protocol",
  "version",
  "proof",
  "cheat",
  "environment",
  "full",
  "busy",
  "ended",
  "unknown",
] as const;
export type RefuseCode = (typeof refusals)[number];

export interface Refuse {
  readonly type: "refuse";
  readonly code: RefuseCode;
  readonly message: string;
  /** Seconds. */
  readonly retryAfter: number | undefined;
}

export interface Lease {
  readonly type: "lease";
  readonly lease: number;
  readonly work: "train" | "evaluate";
  readonly step: number;
  readonly first: number;
  readonly end: number;
  /** Of the records to evaluate. */
  readonly role: "train" | "test" | undefined;
}

export interface Update {
  readonly type: "update";
  readonly step: number;
  readonly digest: Digest;
  /** Packed. */
  readonly bytes: number;
}

export interface SessionStatus {
  readonly type: "status";
  readonly step: number;
  readonly steps: number;
  readonly loss?: number;
  readonly accuracy?: number;
  readonly participants: number;
  readonly paused: boolean;
  /** Microbatches that this participant has computed, and those of them that are final. */
  readonly computed: number;
  readonly verified: number;
  readonly share: number;
}

export interface End {
  readonly type: "end";
  readonly run?: Digest;
  readonly closure: string;
  readonly message: string;
}

/** Messages of coordinators. */
export type Incoming =
  | Welcome
  | Refuse
  | Lease
  | { readonly type: "set"; readonly step: number; readonly name: string; readonly value: number }
  | Update
  | { readonly type: "snapshot"; readonly snapshot: Snapshot; readonly reason: string }
  | { readonly type: "checkpoint"; readonly step: number }
  | SessionStatus
  | End;

/** Reads a coordinator's text message. Unknown fields are ignored; all else that does not fit is refused. */
export function readMessage(text: string): Incoming {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new Failure("invalid", "a message of the coordinator is not JSON", { cause });
  }
  const type = new Value("a message of the coordinator", raw).at("type").string();
  const v = new Value(`message ${JSON.stringify(type.slice(0, 40))} of the coordinator`, raw);
  switch (type) {
    case "welcome":
      return readWelcome(v);
    case "refuse":
      return {
        type,
        code: v.at("code").oneOf(...refusals),
        message: v.at("message").string(),
        retryAfter: v.optional("retryAfter")?.number(),
      };
    case "lease":
      return readLease(v);
    case "set":
      return { type, step: v.at("step").integer(), name: v.at("name").string(), value: v.at("value").number() };
    case "update":
      return {
        type,
        step: v.at("step").integer(),
        digest: v.at("digest").digest(),
        bytes: v.at("bytes").integer(1),
      };
    case "snapshot":
      return { type, snapshot: readSnapshot(v), reason: v.optional("reason")?.string() ?? "" };
    case "checkpoint":
      return { type, step: v.at("step").integer(-1) };
    case "status":
      return readStatus(v);
    case "end": {
      const run = v.optional("run")?.digest();
      return {
        type,
        ...(run !== undefined && { run }),
        closure: v.optional("closure")?.string() ?? "",
        message: v.optional("message")?.string() ?? "",
      };
    }
    default:
      throw v.at("type").invalid("no such message is known");
  }
}

function readWelcome(v: Value): Welcome {
  const proof = v.optional("proof");
  return {
    type: "welcome",
    session: v.at("session").string(),
    participant: v.at("participant").string(),
    resume: v.at("resume").string(),
    mode: v.at("mode").oneOf("fixed", "timed"),
    title: v.optional("title")?.string() ?? "",
    engine: readBlob(v.at("engine")),
    seed: v.at("seed").integer(Number.MIN_SAFE_INTEGER),
    steps: v.at("steps").integer(),
    microbatches: v.at("microbatches").integer(),
    datasets: v
      .at("datasets")
      .elements()
      .map((d) => ({
        role: d.at("role").oneOf("train", "test"),
        split: d.at("split").string(),
        digest: d.at("digest").digest(),
      })),
    snapshot: readSnapshot(v.at("snapshot")),
    proof: {
      microbatches: proof?.optional("microbatches")?.integer() ?? 0,
      rounds: proof?.optional("rounds")?.integer() ?? 0,
    },
  };
}

function readSnapshot(v: Value): Snapshot {
  const step = v.at("step").integer(-1);
  const tensors = v.optional("tensors");
  const engine = v.optional("engine");
  if (tensors === undefined && step >= 0) throw v.invalid(`the tensors of step ${step} are missing`);
  const changed = v.optional("hyperparameters")?.entries() ?? [];
  return {
    step,
    ...(tensors && { tensors: readBlob(tensors) }),
    hyperparameters: Object.fromEntries(changed.map(([name, value]) => [name, value.number()])),
    ...(engine && { engine: readBlob(engine) }),
  };
}

function readBlob(v: Value): Blob {
  return { digest: v.at("digest").digest(), size: v.at("size").integer() };
}

function readLease(v: Value): Lease {
  const work = v.at("work").oneOf("train", "evaluate");
  const first = v.at("first").integer();
  return {
    type: "lease",
    lease: v.at("lease").integer(),
    work,
    step: v.at("step").integer(work === "train" ? 0 : -1),
    first,
    end: v.at("end").integer(first + 1),
    role: work === "evaluate" ? v.at("role").oneOf("train", "test") : undefined,
  };
}

function readStatus(v: Value): SessionStatus {
  const loss = v.optional("loss")?.number();
  const accuracy = v.optional("accuracy")?.number();
  return {
    type: "status",
    step: v.at("step").integer(-1),
    steps: v.at("steps").integer(),
    ...(loss !== undefined && { loss }),
    ...(accuracy !== undefined && { accuracy }),
    participants: v.at("participants").integer(),
    paused: v.optional("paused")?.boolean() ?? false,
    computed: v.at("computed").integer(),
    verified: v.at("verified").integer(),
    share: v.at("share").number(),
  };
}

/** Bytes of a packed vector in one binary message, and of the header before them. */
export const pieceBytes = 256 << 10;
export const headerBytes = 16;

export const vectorKinds = { result: 1, update: 2 } as const;

/** What a piece belongs to. */
export interface PieceHeader {
  readonly kind: 1 | 2;
  /** The lease, or the step modulo 2³². */
  readonly id: number;
  /** Of the piece in the packed vector. */
  readonly offset: number;
}

/** A binary message: the header, and the bytes of the vector that begin at its offset. */
export function encodePiece({ kind, id, offset }: PieceHeader, packed: Uint8Array): Uint8Array<ArrayBuffer> {
  const piece = packed.subarray(offset, offset + pieceBytes);
  const message = new Uint8Array(headerBytes + piece.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, protocolVersion);
  view.setUint8(1, kind);
  view.setUint32(4, id % 2 ** 32, true);
  view.setBigUint64(8, BigInt(offset), true);
  message.set(piece, headerBytes);
  return message;
}

export function readPieceHeader(message: ArrayBuffer): PieceHeader {
  const refuse = (problem: string) => new Failure("invalid", `a piece of a vector: ${problem}`);
  if (message.byteLength < headerBytes) throw refuse(`it has ${message.byteLength} bytes, its header ${headerBytes}`);
  const view = new DataView(message);
  const [version, kind, zero] = [view.getUint8(0), view.getUint8(1), view.getUint16(2)];
  if (version !== protocolVersion) throw refuse(`its version is ${version}, not ${protocolVersion}`);
  if (kind !== vectorKinds.result && kind !== vectorKinds.update) throw refuse(`${kind} is no kind of vector`);
  if (zero !== 0) throw refuse("bytes of its header that should be zero are not");
  const offset = view.getBigUint64(8, true);
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse(`its offset is ${offset}`);
  return { kind, id: view.getUint32(4, true), offset: Number(offset) };
}
