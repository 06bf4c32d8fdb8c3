// What passes between a page and a worker: calls of a replica's methods, numbered, and their answers. Calls are carried
// out one after another, in the order in which they were posted.

import { Failure, type FailureKind, messageOf } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import type { Bench } from "./bench.ts";

/** What a worker does: it is a replica that can also be measured. */
export type Service = Replica & Bench;

export type Method = keyof Service;
export type Arguments<M extends Method> = Parameters<Service[M]>;
export type Result<M extends Method> = Awaited<ReturnType<Service[M]>>;

export type Call = {
  readonly [M in Method]: { readonly id: number; readonly method: M; readonly args: Arguments<M> };
}[Method];

export type Answer =
  | {
      readonly id: number;
      readonly value: Result<Method> /** Seconds that it took, in the worker. */;
      readonly took: number;
    }
  | { readonly id: number; readonly failure: FailureData };

/** A Failure as data. What is not a Failure is a defect of ours, so its stack is worth keeping. */
export interface FailureData {
  readonly kind: FailureKind | undefined;
  readonly message: string;
}

export function encodeFailure(thrown: unknown): FailureData {
  if (thrown instanceof Failure) return { kind: thrown.kind, message: thrown.message };
  const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown);
  return { kind: undefined, message };
}

export function decodeFailure({ kind, message }: FailureData): Error {
  return kind === undefined ? new Error(message) : new Failure(kind, message);
}

/** The end of a channel that a worker holds, and the one that a page holds. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** Answers the calls that arrive at a port. */
export function serve(service: Service, port: Port): void {
  let last: Promise<void> = Promise.resolve();
  port.addEventListener("message", (event: MessageEvent<Call>) => {
    const call = event.data;
    last = last.then(async () => {
      try {
        const began = performance.now();
        const value = await invoke(service, call);
        const took = (performance.now() - began) / 1000;
        const transfer = value instanceof Uint8Array ? [value.buffer] : [];
        port.postMessage({ id: call.id, value, took } satisfies Answer, transfer);
      } catch (thrown) {
        port.postMessage({ id: call.id, failure: encodeFailure(thrown) } satisfies Answer, []);
      }
    });
  });
}

function invoke(service: Service, call: Call): Promise<Result<Method>> {
  // The mapped type of Call pairs each method with its own arguments; only the compiler cannot follow it to here.
  const method = service[call.method] as (...args: unknown[]) => Promise<Result<Method>>;
  return method.apply(service, call.args);
}
