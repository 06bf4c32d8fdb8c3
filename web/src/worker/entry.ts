// The entry of a worker thread: a replica that answers its page. The worker's name is the address of the blobs.

import { HttpBlobs } from "../core/blobs.ts";
import { MeasuredReplica } from "./bench.ts";
import { type Port, serve } from "./protocol.ts";

serve(new MeasuredReplica(new HttpBlobs(self.name)), self as unknown as Port);
