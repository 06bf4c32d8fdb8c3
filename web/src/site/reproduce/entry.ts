// The entry of the coordinator's thread.

import { HttpBlobs } from "../../core/blobs.ts";
import { spawnReplica } from "../../worker/spawn.ts";
import { coordinator } from "./coordinator.ts";
import type { Command, Message } from "./protocol.ts";

const take = coordinator({
  post: (message: Message) => self.postMessage(message),
  blobs: ({ blobs }) => new HttpBlobs(blobs),
  spawn: ({ blobs }) => spawnReplica(blobs),
});

self.addEventListener("message", (event: MessageEvent<Command>) => take(event.data));
