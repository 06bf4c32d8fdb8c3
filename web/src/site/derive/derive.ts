// Compiles the specification of a closure in a thread of its own, which ends with it.

import type { Answer, Message, Request } from "./protocol.ts";

/** Bytes of the compiler, as they are fetched; 0 where the site was built without it. */
export const compilerBytes = Number(import.meta.env.COMPILER_BYTES ?? 0);

/** Longest that nothing may be heard, in milliseconds: a specification of a stranger may be large. */
const deadline = 120_000;

/** Returns what the compiler found, and tells on the way how many of its bytes have come. */
export function derive(
  request: Request,
  worker: Worker,
  onLoaded: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const give = (why: string) => reject(new Error(why));
    let timer = setTimeout(give, deadline, "It took too long.");
    worker.addEventListener("message", ({ data }: MessageEvent<Message>) => {
      clearTimeout(timer);
      timer = setTimeout(give, deadline, "It took too long.");
      if ("loaded" in data) onLoaded(data.loaded);
      else if ("answer" in data) resolve(data.answer);
      else give(data.failure);
    });
    worker.addEventListener("error", (event) => give(event.message || "The thread of the compiler broke."));
    signal.addEventListener("abort", () => give("It was stopped."));
    worker.postMessage(request);
  }).finally(() => worker.terminate());
}
