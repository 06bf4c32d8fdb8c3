// The coordinator: carries out one order in a worker, with replicas in as many further workers as the order allows and
// one of its own. Nested workers end with it, so ending it ends everything.

import type { Blobs } from "../../core/blobs.ts";
import { LocalReplica, type Replica } from "../../core/replica.ts";
import { encodeFailure } from "../../worker/protocol.ts";
import { Gate } from "./gate.ts";
import type { Command, Message, Order } from "./protocol.ts";
import { replay } from "./replay.ts";
import { verify } from "./verify.ts";
import type { Work } from "./work.ts";

export interface Surroundings {
  post(message: Message): void;
  blobs(order: Order): Blobs;
  /** Starts a replica in a further worker. */
  spawn(order: Order): Replica;
}

/** Returns what takes the commands of a page. */
export function coordinator(around: Surroundings): (command: Command) => void {
  let gate: Gate | undefined;
  return (command) => {
    if (command.type === "pause") gate?.pause();
    else if (command.type === "resume") gate?.resume();
    else if (gate === undefined) {
      gate = new Gate();
      void carryOut(command.order, gate, around);
    }
  };
}

/** Milliseconds between signs of life, without which the page takes an engine for endless. */
const heartbeat = 5000;

async function carryOut(order: Order, gate: Gate, { post, blobs, spawn }: Surroundings): Promise<void> {
  const heart = setInterval(() => post({ type: "alive" }), heartbeat);
  try {
    const source = blobs(order);
    // Its own replica comes last: the others are asked before this thread is busy. They are started when they are first
    // needed: documents that are damaged need none.
    let replicas: readonly Replica[] | undefined;
    const work: Work = {
      closure: order.closure,
      blobs: source,
      gate,
      post,
      get replicas() {
        replicas ??= [...Array.from({ length: order.workers - 1 }, () => spawn(order)), new LocalReplica(source)];
        return replicas;
      },
    };
    post({ type: "outcome", outcome: await (order.mode === "verify" ? verify(work) : replay(work)) });
  } catch (thrown) {
    post({ type: "failed", failure: encodeFailure(thrown) });
  } finally {
    clearInterval(heart);
  }
}
