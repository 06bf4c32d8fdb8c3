// Starts workers. Apart from remote.ts because only a bundler understands the address.

import { RemoteReplica } from "./remote.ts";

/**
 * Starts a worker thread with a replica in it. The address of blobs is relative to the page; from within a worker it must
 * be absolute.
 */
export function spawnReplica(blobs: string, deadline?: number): RemoteReplica {
  const thread = new Worker(new URL("./entry.ts", import.meta.url), {
    type: "module",
    name: new URL(blobs, globalThis.document?.baseURI).href,
  });
  return new RemoteReplica(thread, deadline);
}
