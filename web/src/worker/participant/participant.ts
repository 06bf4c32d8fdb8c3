// A participant of a session: it dials, takes on the session's state, proves its workers, and then does what the coordinator
// says in the order in which it is said (trainer/PROTOCOL.md). Whatever breaks, it begins again from the coordinator's
// state, until the session is over, the coordinator refuses it for good, or the visitor leaves.

import type { Blobs } from "../../core/blobs.ts";
import type { Dataset, Role } from "../../core/documents.ts";
import { Failure, messageOf } from "../../core/failure.ts";
import { openDataset, type Plan, type RecordsPlan } from "../../core/plan.ts";
import type { Replica } from "../../core/replica.ts";
import { pack, packedLimit, unpack, vectorDigest } from "../../core/vector.ts";
import type {
  Blob,
  FailedReason,
  Lease,
  Refuse,
  RefuseCode,
  RestReason,
  SessionStatus,
  Snapshot,
  Update,
  Welcome,
} from "../../core/wire.ts";
import { protocolVersion } from "../../core/wire.ts";
import type { Digest } from "../../gen/schema.ts";
import { encodeFailure } from "../protocol.ts";
import { Connection, type Received, type Socket } from "./connection.ts";
import { DataCache, type DataPort } from "./data.ts";
import {
  initialState,
  isOver,
  type ModelData,
  type Order,
  type ParticipantState,
  type Question,
  type Reply,
} from "./protocol.ts";
import { smoothed } from "./shares.ts";
import { Team } from "./team.ts";

/** A replica in a worker, which asks its data at the other end of a port. */
export interface Member {
  readonly replica: Replica;
  readonly data: DataPort;
  close(): void;
}

export interface Surroundings {
  /** Opens a WebSocket with the protocol's name. */
  dial(address: string): Socket;
  spawn(): Member;
  blobs(address: string): Blobs;
  /** Whether workers may read each other's memory. */
  readonly shared: boolean;
  /** Told after each change. */
  changed(state: ParticipantState): void;
  /** 0 … 1. */
  random(): number;
}

/** Seconds before another attempt; the last ever after. */
const delays = [1, 2, 4, 8, 16, 30] as const;

/** Attempts in a row that may fail for another reason than the line. */
const mostFailures = 5;

/** Seconds after which a session that is full is asked again. */
const fullDelay = 30;

/** Records from which a page learns what the dataset looks like. */
const mostSamples = 64;

/** A refusal by the coordinator. */
class Refused extends Error {
  readonly refusal: Refuse;

  constructor(refusal: Refuse) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** The end of an attempt that the visitor asked for: to leave, or to go on with other workers. */
class Stopped extends Error {}

export class Participant {
  readonly #order: Order;
  readonly #around: Surroundings;
  readonly #data: DataCache;
  readonly #store: Blobs;
  #state: ParticipantState;
  readonly #members: Member[] = [];
  #team: Team | undefined;
  #connection: Connection | undefined;
  #welcome: Welcome | undefined;
  #datasets: readonly { readonly role: Role; readonly dataset: Dataset; readonly records: RecordsPlan }[] = [];
  #engine: Blob | undefined;
  /** Leases of an earlier epoch are forgotten. */
  #epoch = 0;
  #failures = 0;
  #attempts = 0;
  #stop: "leave" | "again" | undefined;
  #interrupt: (reason: Error) => void = () => {};
  /** Leases of the present connection that are not answered. */
  #open = 0;
  /** Times that all leases were given back. */
  #rests = 0;

  constructor(order: Order, around: Surroundings) {
    this.#order = order;
    this.#around = around;
    this.#state = { ...initialState(order.role, order.workers), resume: order.resume ?? "" };
    this.#store = around.blobs(order.blobs);
    this.#data = new DataCache(this.#store, order.memory, around.shared);
  }

  get state(): ParticipantState {
    return this.#state;
  }

  /** Takes part until there is no more to do. Never fails: the state says how it ended. */
  async run(): Promise<void> {
    while (!isOver(this.#state)) {
      try {
        await this.#attempt();
      } catch (thrown) {
        await this.#settle(thrown);
      }
    }
    this.#dismiss();
  }

  /** Asks for no work, and gives back what is under way, or asks for work again. */
  rest(reason: RestReason | undefined): void {
    if (this.#state.resting === reason) return;
    const before = this.#state.resting;
    this.#set({ resting: reason });
    if (before === undefined) this.#rests++;
    if (this.#state.phase !== "following" || (before === undefined) === (reason === undefined)) return;
    this.#connection?.send(restMessage(reason));
  }

  /** Goes on with another number of workers: what is under way is finished first. */
  async workers(workers: number): Promise<void> {
    if (workers === this.#state.workers || this.#state.role === "track") return;
    this.#set({ workers });
    if (this.#state.phase !== "following") {
      this.#again();
      return;
    }
    this.#connection?.send({ type: "rest", resting: true, reason: "workers" });
    const connection = this.#connection;
    await until(() => this.#open === 0 || connection !== this.#connection);
    if (connection === this.#connection) this.#again();
  }

  leave(): void {
    if (isOver(this.#state)) return;
    this.#connection?.send({ type: "bye" });
    this.#stop = "leave";
    this.#interrupt(new Stopped());
  }

  /** Answers a question about the model as it is now. */
  async ask(question: Question): Promise<Reply> {
    const team = this.#team;
    if (team === undefined || this.#state.phase !== "following") {
      throw new Failure("fetch", "the model is not here yet; it comes when this browser follows the session");
    }
    switch (question.ask) {
      case "parameters":
        return team.any.parameters();
      case "predict":
        return team.any.predict(question.input);
      case "model":
        return this.#describe(team);
    }
  }

  async #attempt(): Promise<void> {
    this.#stop = undefined;
    this.#set({ phase: "dialling", retry: undefined });
    const interrupted = new Promise<never>((_, reject) => {
      this.#interrupt = reject;
    });
    interrupted.catch(() => {});
    const either = <T>(work: Promise<T>) => {
      work.catch(() => {}); // it may fail when nobody waits for it any more
      return Promise.race([work, interrupted]);
    };
    const address = `${this.#order.session}/ws`.replace(/^http/, "ws");
    const opening = Connection.open(this.#around.dial(address));
    const connection = await either(opening).catch((thrown: unknown) => {
      opening.then((late) => late.close()).catch(() => {});
      throw thrown;
    });
    this.#connection = connection;
    this.#open = 0;
    try {
      const { role, family, runtime, memory, name } = this.#order;
      const { workers, resume } = this.#state;
      connection.send({
        type: "hello",
        protocol: protocolVersion,
        role,
        family,
        runtime,
        workers: role === "track" ? 0 : workers,
        memory,
        ...(name && { name: name.slice(0, 40) }),
        ...(resume && { resume }),
      });
      const welcome = await either(receiveWelcome(connection));
      this.#welcome = welcome;
      this.#engine = welcome.engine;
      const { participant, title, steps } = welcome;
      this.#set({ phase: "fetching", participant, title, steps, resume: welcome.resume });
      await either(this.#readDatasets(welcome));
      const ready = await either(this.#begin(welcome.snapshot, welcome.proof));
      connection.send({ type: "ready", step: welcome.snapshot.step, ...ready });
      this.#set({ phase: "following", step: welcome.snapshot.step, retry: undefined });
      if (this.#state.resting) connection.send(restMessage(this.#state.resting));
      for (;;) {
        const received = await either(connection.receive());
        this.#attempts = 0;
        await either(this.#handle(connection, received));
        if (this.#state.phase === "ended") return;
      }
    } finally {
      this.#epoch++;
      this.#connection = undefined;
      this.#set({ leases: 0 });
      connection.close();
    }
  }

  /** Decides what comes after an attempt that ended. */
  async #settle(thrown: unknown): Promise<void> {
    if (thrown instanceof Stopped) {
      if (this.#stop === "leave") this.#set({ phase: "left", retry: undefined });
      return;
    }
    let seconds: number;
    if (thrown instanceof Refused) {
      const { code, message, retryAfter } = thrown.refusal;
      if (code !== "busy" && code !== "full") {
        this.#fail({ kind: undefined, message, code });
        return;
      }
      seconds = Math.max(1, retryAfter ?? (code === "full" ? fullDelay : 1));
    } else {
      const failure = thrown instanceof Failure ? thrown : undefined;
      // A broken line is nobody's fault; anything else that repeats does not get better.
      if (failure?.kind !== "fetch" && (isEnvironment(thrown) || ++this.#failures >= mostFailures)) {
        this.#fail(encodeFailure(thrown));
        return;
      }
      if (failure?.kind !== "fetch") {
        this.#dismiss();
        // Memory that a device does not have is the most likely reason for a worker to break.
        if (failure?.kind === "engine") this.#set({ workers: Math.max(1, this.#state.workers - 1) });
      }
      const delay = delays[Math.min(this.#attempts++, delays.length - 1)] as number;
      seconds = delay * (0.5 + this.#around.random());
    }
    this.#set({ phase: "retrying", retry: { why: messageOf(thrown), seconds } });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.#interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    if (this.#stop === "leave") this.#set({ phase: "left", retry: undefined });
  }

  /** Takes on a state. Returns the proofs, if any were asked for. */
  async #begin(snapshot: Snapshot, proof: Welcome["proof"]): Promise<{ proofs?: readonly Digest[] }> {
    const epoch = this.#epoch;
    const welcome = this.#welcome as Welcome;
    this.#engine = snapshot.engine ?? this.#engine ?? welcome.engine;
    const plan = this.#plan(snapshot, this.#engine);
    const wanted = this.#state.role === "track" ? 1 : this.#state.workers;
    // All workers are about to want these.
    await this.#data.hold([plan.engine, ...plan.snapshot]);
    if (epoch !== this.#epoch) throw new Stopped(); // nobody waits for this any more
    const team = this.#muster(wanted);
    const section = await team.begin({ plan, hyperparameters: snapshot.hyperparameters });
    this.#data.release();
    if (epoch !== this.#epoch) throw new Stopped();
    if (this.#connection) this.#connection.updateLimit = packedLimit(section);
    if (proof.microbatches === 0 || proof.rounds === 0 || this.#state.role === "track") return {};
    this.#set({ phase: "proving" });
    return { proofs: await team.prove(snapshot.step + 1, proof.microbatches, proof.rounds) };
  }

  /** Makes a team of so many workers, of those that are there and others. */
  #muster(wanted: number): Team {
    if (this.#team !== undefined && this.#members.length === wanted) return this.#team;
    this.#team = undefined;
    for (const member of this.#members.splice(wanted)) this.#close(member);
    while (this.#members.length < wanted) {
      const member = this.#around.spawn();
      this.#data.attach(member.data);
      this.#members.push(member);
    }
    this.#team = new Team(this.#members.map((m) => m.replica));
    return this.#team;
  }

  #plan(snapshot: Snapshot, engine: Blob): Plan {
    const { seed, microbatches } = this.#welcome as Welcome;
    const { tensors, step } = snapshot;
    const records = Object.fromEntries(this.#datasets.map((d) => [d.role, d.records]));
    // Workers that share a store keep nothing of their own; the others divide the memory.
    const share = this.#order.memory / Math.max(1, this.#state.workers * this.#datasets.length);
    return {
      engine: { ...engine, path: "engine.wasm" },
      seed,
      microbatches: Math.max(1, microbatches),
      records,
      snapshot: tensors ? [{ ...tensors, path: `snapshot of step ${step}` }] : [],
      cacheBytes: this.#around.shared ? Number.POSITIVE_INFINITY : share,
    };
  }

  async #readDatasets({ datasets }: Welcome): Promise<void> {
    this.#datasets = await Promise.all(
      datasets.map(async ({ role, digest, split }) => {
        const dataset = await openDataset(this.#store, digest);
        const found = dataset.splits.find((s) => s.name === split);
        if (found === undefined) throw new Failure("invalid", `dataset.json: splits: there is none named ${split}`);
        const records = { split, layout: dataset.record, records: found.records, shards: found.shards };
        return { role, dataset, records };
      }),
    );
  }

  async #handle(connection: Connection, { message, packed }: Received): Promise<void> {
    const team = this.#team as Team;
    switch (message.type) {
      case "lease":
        void this.#work(connection, message);
        return;
      case "set":
        this.#watch(team.setHyperparameter(message.name, message.value));
        return;
      case "update":
        return this.#update(message, packed as Uint8Array<ArrayBuffer>);
      case "snapshot": {
        this.#epoch++;
        this.#open = 0;
        this.#set({ phase: "fetching", leases: 0 });
        await this.#begin(message.snapshot, { microbatches: 0, rounds: 0 });
        connection.send({ type: "ready", step: message.snapshot.step });
        this.#set({ phase: "following", step: message.snapshot.step });
        return;
      }
      case "checkpoint":
        if (message.step !== this.#state.step) return; // of a state that was replaced meanwhile
        this.#watch(team.digests().then(({ run }) => connection.send({ type: "digest", step: message.step, run })));
        return;
      case "status":
        this.#report(message);
        return;
      case "end": {
        const { run, closure, message: text } = message;
        this.#set({ phase: "ended", end: { ...(run && { run }), closure, message: text } });
        return;
      }
      case "refuse":
        throw new Refused(message);
      case "welcome":
        throw new Failure("invalid", "the coordinator welcomed this participant twice");
    }
  }

  async #update(update: Update, packed: Uint8Array<ArrayBuffer>): Promise<void> {
    const team = this.#team as Team;
    const expected = this.#state.step + 1;
    if (update.step !== expected) {
      throw new Failure("invalid", `the coordinator sent the update of step ${update.step}; ${expected} was expected`);
    }
    const merged = unpack(team.section, packed);
    const digest = await vectorDigest(team.section, merged);
    if (digest !== update.digest) {
      throw new Failure(
        "damaged",
        `the update of step ${update.step} arrived as ${digest}; it should be ${update.digest}`,
      );
    }
    this.#watch(team.apply(update.step, merged));
    this.#set({ step: update.step, received: this.#state.received + packed.length });
  }

  /** Computes a lease and answers it, beside what else is said meanwhile. */
  async #work(connection: Connection, lease: Lease): Promise<void> {
    const team = this.#team as Team;
    const epoch = this.#epoch;
    const current = () => epoch === this.#epoch;
    if (this.#state.resting !== undefined) {
      connection.send({ type: "failed", lease: lease.lease, reason: "rest" });
      return;
    }
    const rests = this.#rests;
    const wanted = () => current() && rests === this.#rests;
    this.#count(1);
    try {
      if (lease.work === "evaluate") {
        const { value, seconds } = await team.evaluate(lease.role as Role, lease.first, lease.end);
        if (wanted()) connection.send({ type: "result", lease: lease.lease, correct: value, seconds });
      } else {
        const { value, seconds } = await team.accumulate(lease.step, lease.first, lease.end);
        if (!current()) return;
        this.#set({ power: smoothed(this.#state.power, (lease.end - lease.first) / Math.max(seconds, 1e-6)) });
        const digest = await vectorDigest(team.section, value);
        const packed = pack(team.section, value);
        if (!wanted()) return;
        const result = { type: "result", lease: lease.lease, digest, bytes: packed.length, seconds } as const;
        await connection.sendVector(result, packed);
        this.#set({ sent: this.#state.sent + packed.length });
      }
      this.#failures = 0;
    } catch (thrown) {
      if (!current()) return;
      const reason = reasonOf(thrown);
      connection.send({ type: "failed", lease: lease.lease, reason, message: messageOf(thrown).slice(0, 500) });
      if (reason === "environment") connection.send({ type: "bye" });
      // What an engine left behind after a failure is not to be trusted: all begin anew.
      if (reason !== "data" || ++this.#failures >= mostFailures) this.#interrupt(thrown as Error);
    } finally {
      if (current()) this.#count(-1);
    }
  }

  /** Lets the failure of something that nobody waits for end the attempt. */
  #watch(work: Promise<unknown>): void {
    const epoch = this.#epoch;
    work.catch((thrown: unknown) => {
      if (epoch === this.#epoch) this.#interrupt(thrown as Error);
    });
  }

  #report(status: SessionStatus): void {
    const { steps, loss, accuracy, participants, paused, computed, verified, share } = status;
    this.#set({ steps, loss, accuracy, participants, paused, computed, verified, share });
  }

  async #describe(team: Team): Promise<ModelData> {
    const used = this.#datasets.find((d) => d.role === "test") ?? this.#datasets[0];
    if (used === undefined) throw new Failure("invalid", "the session names no dataset");
    const n = Math.min(mostSamples, used.records.records, team.section.capacity);
    const indices = Array.from({ length: n }, (_, i) => i);
    const inputs = await team.any.inputs(used.role, indices);
    const size = inputs.length / n;
    const samples = indices.map((i) => inputs.slice(i * size, (i + 1) * size));
    const outputs = await team.any.predict(samples[0] as Uint8Array<ArrayBuffer>);
    const sum = outputs.reduce((a, b) => a + b, 0);
    const probabilities = outputs.length > 1 && outputs.every((p) => p >= 0) && Math.abs(sum - 1) < 1e-3;
    return { role: used.role, records: used.records, dataset: used.dataset, samples, probabilities };
  }

  #again(): void {
    this.#stop = "again";
    this.#interrupt(new Stopped());
  }

  #count(change: 1 | -1): void {
    this.#open += change;
    this.#set({ leases: this.#open });
  }

  #dismiss(): void {
    for (const member of this.#members.splice(0)) this.#close(member);
    this.#team = undefined;
  }

  #close(member: Member): void {
    this.#data.detach(member.data);
    member.close();
  }

  #fail(failure: NonNullable<ParticipantState["failure"]> & { readonly code?: RefuseCode }): void {
    this.#set({ phase: "failed", failure, retry: undefined });
  }

  #set(change: Partial<ParticipantState>): void {
    this.#state = { ...this.#state, ...change };
    this.#around.changed(this.#state);
  }
}

async function receiveWelcome(connection: Connection): Promise<Welcome> {
  const { message } = await connection.receive();
  if (message.type === "refuse") throw new Refused(message);
  if (message.type !== "welcome") {
    throw new Failure("invalid", `the coordinator began with ${message.type} instead of a welcome`);
  }
  return message;
}

function restMessage(reason: RestReason | undefined) {
  return { type: "rest", resting: reason !== undefined, ...(reason && { reason }) } as const;
}

/** Engines say in a status of theirs that the runtime does not compute as they need it. */
function isEnvironment(thrown: unknown): boolean {
  return (
    thrown instanceof Failure &&
    thrown.kind === "engine" &&
    /flushes subnormal|round to nearest even/.test(thrown.message)
  );
}

function reasonOf(thrown: unknown): FailedReason {
  if (isEnvironment(thrown)) return "environment";
  const kind = thrown instanceof Failure ? thrown.kind : undefined;
  return kind === "fetch" || kind === "damaged" ? "data" : "engine";
}

/** Waits until something is so, looking now and then. */
async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((resolve) => setTimeout(resolve, 20));
}
