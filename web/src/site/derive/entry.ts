// The thread of the compiler: fetches it and the closure's document, checks the document, compiles.

import { HttpBlobs } from "../../core/blobs.ts";
import { messageOf } from "../../core/failure.ts";
import { openDocument } from "../../core/plan.ts";
import type { Answer, Message, Request } from "./protocol.ts";

/** What the support of Go's WebAssembly, and the compiler itself, put into the global scope. */
interface Scope {
  Go: new () => { importObject: WebAssembly.Imports; run(instance: WebAssembly.Instance): Promise<void> };
  reprise(document: string): string;
}

self.addEventListener("message", ({ data }: MessageEvent<Request>) => {
  derive(data).then(
    (answer) => say({ answer }),
    (error: unknown) => say({ failure: messageOf(error) }),
  );
});

function say(message: Message): void {
  self.postMessage(message);
}

async function derive({ closure, blobs, compiler }: Request): Promise<Answer> {
  const document = await openDocument(new HttpBlobs(blobs), closure, "closure.json");
  const code = await load(`${compiler}compiler.wasm.gz`);
  await import(/* @vite-ignore */ `${compiler}wasm_exec.js`);
  const scope = globalThis as unknown as Scope;
  const go = new scope.Go();
  const { instance } = await WebAssembly.instantiate(code, go.importObject);
  void go.run(instance); // until this thread ends
  return JSON.parse(scope.reprise(JSON.stringify(document.raw))) as Answer;
}

async function load(address: string): Promise<ArrayBuffer> {
  const response = await fetch(address);
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status} to ${address}`);
  let loaded = 0;
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(part, controller) {
      loaded += part.length;
      say({ loaded });
      controller.enqueue(part);
    },
  });
  const code = response.body.pipeThrough(counted).pipeThrough(new DecompressionStream("gzip"));
  return new Response(code).arrayBuffer();
}
