// Starts the workers of a participant. Apart from the rest because only a bundler understands the addresses.

import { Failure } from "../../core/failure.ts";
import { RemoteReplica } from "../remote.ts";
import type { DataPort } from "./data.ts";
import type { Member } from "./participant.ts";

/** Milliseconds for one call: calls wait for those before them, and a phone's lease may be long. */
const deadline = 600_000;

/** Starts the thread of a participant; a page does. */
export function spawnParticipant(): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "participant" });
}

/** Milliseconds after which a thread that says nothing is taken for one that will not start, and how often one is started. */
const startLimit = 10_000;
const attempts = 3;

/** Starts a thread with a replica in it; a participant does. */
export async function spawnMember(): Promise<Member> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const member = await start();
    if (member !== undefined) return member;
  }
  throw new Failure("engine", "a further worker could not be started");
}

/** Waits for the first word of a new thread; undefined if there is none. */
async function start(): Promise<Member | undefined> {
  const thread = new Worker(new URL("./replica.ts", import.meta.url), { type: "module", name: "replica" });
  const { port1, port2 } = new MessageChannel();
  const alive = new Promise<boolean>((resolve) => {
    port1.addEventListener("message", () => resolve(true), { once: true });
    thread.addEventListener("error", () => resolve(false));
    setTimeout(() => resolve(false), startLimit);
  });
  port1.start();
  thread.postMessage(port2, [port2]);
  const replica = new RemoteReplica(thread, deadline);
  const close = () => {
    replica.close();
    port1.close();
  };
  if (await alive) return { replica, data: port1 as unknown as DataPort, close };
  close();
  return undefined;
}
