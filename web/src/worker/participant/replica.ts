// The entry of a participant's further workers: a replica whose data come through the port that is the first message.

import { MeasuredReplica } from "../bench.ts";
import { type Port, serve } from "../protocol.ts";
import { DataClient, type DataPort } from "./data.ts";

self.addEventListener(
  "message",
  ({ data }: MessageEvent<MessagePort>) => {
    data.start();
    const client = new DataClient(data as unknown as DataPort, (digest) => replica.forget(digest));
    const replica = new MeasuredReplica(client, client.shards);
    serve(replica, self as unknown as Port);
  },
  { once: true },
);
