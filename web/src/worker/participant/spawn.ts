// Starts the workers of a participant. Apart from the rest because only a bundler understands the addresses.

import { RemoteReplica } from "../remote.ts";
import type { DataPort } from "./data.ts";
import type { Member } from "./participant.ts";

/** Milliseconds for one call: calls wait for those before them, and a phone's lease may be long. */
const deadline = 600_000;

/** Starts the thread of a participant; a page does. */
export function spawnParticipant(): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "participant" });
}

/** Starts a thread with a replica in it; a participant does. */
export function spawnMember(): Member {
  const thread = new Worker(new URL("./replica.ts", import.meta.url), { type: "module", name: "replica" });
  const { port1, port2 } = new MessageChannel();
  port1.start();
  thread.postMessage(port2, [port2]);
  const replica = new RemoteReplica(thread, deadline);
  const close = () => {
    replica.close();
    port1.close();
  };
  return { replica, data: port1 as unknown as DataPort, close };
}
