// What verifying and replaying have in common: the closure's documents, the check of stored bytes, and the way in which
// either ends.

import type { BlobRef, Blobs } from "../../core/blobs.ts";
import type { Closure } from "../../core/documents.ts";
import type { RunDigests } from "../../core/engine.ts";
import { Failure } from "../../core/failure.ts";
import { lastTensors } from "../../core/plan.ts";
import type { Replica } from "../../core/replica.ts";
import { readSafetensors } from "../../core/safetensors.ts";
import { contentDigest } from "../../core/tensor.ts";
import type { Digest } from "../../gen/schema.ts";
import type { Gate } from "./gate.ts";
import { Meter } from "./meter.ts";
import type { Message } from "./protocol.ts";

export interface Work {
  readonly closure: Digest;
  readonly blobs: Blobs;
  /** At least one. */
  readonly replicas: readonly Replica[];
  readonly gate: Gate;
  readonly post: (message: Message) => void;
}

/** Gathers what is found, so that a failure on the way loses nothing. */
export class Findings {
  readonly damaged: string[] = [];
  files = 0;
  bytes = 0;
  engineFailure: string | undefined;

  /**
   * Runs a part of the work. Damage and an engine's failure are findings; whatever else is thrown prevents a verdict.
   * Returns whether the part went through.
   */
  async during(part: () => Promise<void>): Promise<boolean> {
    try {
      await part();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof Failure)) throw thrown;
      if (thrown.kind === "damaged") this.damaged.push(thrown.message);
      else if (thrown.kind === "engine") this.engineFailure = thrown.message;
      else throw thrown;
      return false;
    }
  }

  get outcome() {
    const { files, bytes, damaged, engineFailure } = this;
    return { checked: { files, bytes }, damaged, ...(engineFailure === undefined ? {} : { engineFailure }) };
  }
}

/** Fetches blobs, each once, to check them; goes on after damage, so that all of it is named. */
export async function checkBlobs(work: Work, findings: Findings, blobs: readonly BlobRef[]): Promise<void> {
  const refs = [...new Map(blobs.map((ref) => [ref.digest, ref])).values()];
  const total = refs.reduce((sum, ref) => sum + (ref.size ?? 0), 0);
  const meter = new Meter(work.gate, "bytes", "bytes", total, (progress) => work.post({ type: "progress", progress }));
  let next = 0;
  await Promise.all(
    work.replicas.map(async (replica) => {
      for (;;) {
        await work.gate.pass();
        const ref = refs[next++];
        if (ref === undefined) return;
        const sound = await findings.during(() => replica.check(ref));
        if (sound) {
          findings.files++;
          findings.bytes += ref.size ?? 0;
        }
        meter.add(ref.size ?? 0);
      }
    }),
  );
}

/** The content digests of the stored parameters, and of parameters and state. */
export async function storedDigests(blobs: Blobs, closure: Closure): Promise<RunDigests> {
  const tensors = async (role: "parameters" | "state") => {
    const read = await Promise.all(
      lastTensors(closure, role).map(async (ref) => readSafetensors(await blobs.read(ref), ref.path)),
    );
    return read.flat();
  };
  const parameters = await tensors("parameters");
  const state = await tensors("state");
  return { parameters: await contentDigest(parameters), run: await contentDigest([...parameters, ...state]) };
}
