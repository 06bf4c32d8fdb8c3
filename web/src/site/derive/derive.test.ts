import { expect, test } from "vitest";
import type { Digest } from "../../gen/schema.ts";
import { derive } from "./derive.ts";
import type { Message, Request } from "./protocol.ts";

const request: Request = { closure: `sha256:${"a".repeat(64)}` as Digest, blobs: "/blobs/", compiler: "/compiler/" };

/** A thread that answers a request with these messages. */
class Thread extends EventTarget {
  ended = false;
  readonly #messages: readonly Message[];

  constructor(...messages: readonly Message[]) {
    super();
    this.#messages = messages;
  }

  postMessage(): void {
    for (const data of this.#messages) this.dispatchEvent(new MessageEvent("message", { data }));
  }

  terminate(): void {
    this.ended = true;
  }
}

const run = (thread: Thread, loaded: number[] = [], signal = new AbortController().signal) =>
  derive(request, thread as unknown as Worker, (bytes) => loaded.push(bytes), signal);

test("tells what has come, gives the answer, and ends the thread", async () => {
  const thread = new Thread({ loaded: 10 }, { loaded: 20 }, { answer: { compiler: "c/1", engines: [] } });
  const loaded: number[] = [];
  expect(await run(thread, loaded)).toEqual({ compiler: "c/1", engines: [] });
  expect(loaded).toEqual([10, 20]);
  expect(thread.ended).toBe(true);
});

test("a failure, a broken thread and a visitor who leaves end it, too", async () => {
  const failing = new Thread({ failure: "the server answers 404" });
  await expect(run(failing)).rejects.toThrow("404");
  expect(failing.ended).toBe(true);
  const broken = new Thread();
  const waiting = run(broken);
  broken.dispatchEvent(new Event("error"));
  await expect(waiting).rejects.toThrow("broke");
  const abort = new AbortController();
  const left = run(new Thread(), [], abort.signal);
  abort.abort();
  await expect(left).rejects.toThrow("stopped");
});
