import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { HttpBlobs } from "./blobs.ts";
import { digestOf, hexOf } from "./digest.ts";

const bytes = new TextEncoder().encode("a shard of records");
const digest = await digestOf(bytes);
const ref = { digest, size: bytes.length, path: "train/00000.bin" };

describe("HttpBlobs", () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  async function blobs(answer: RequestListener): Promise<HttpBlobs> {
    server = createServer(answer);
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    return new HttpBlobs(`http://127.0.0.1:${(server.address() as AddressInfo).port}/blobs`);
  }

  test("reads a blob by its digest", async () => {
    const addresses: (string | undefined)[] = [];
    const source = await blobs((request, response) => {
      addresses.push(request.url);
      response.end(bytes);
    });
    expect(await source.read(ref)).toEqual(bytes);
    expect(addresses).toEqual([`/blobs/sha256/${hexOf(digest)}`]);
  });

  test("a blob of unstated size may have any that is reasonable", async () => {
    const source = await blobs((_, response) => response.end(bytes));
    expect(await source.read({ digest, path: "manifest" })).toEqual(bytes);
  });

  test.each<[string, RequestListener, string, string | RegExp]>([
    ["missing", (_, r) => r.writeHead(404).end(), "damaged", `train/00000.bin: the server has no ${digest}`],
    ["refused", (_, r) => r.writeHead(503).end(), "fetch", "train/00000.bin: the server answers 503"],
    ["too long", (_, r) => r.end(new Uint8Array(100)), "damaged", "train/00000.bin: it is longer than its 18 bytes"],
    ["too short", (_, r) => r.end("a shard"), "damaged", "train/00000.bin: it has 7 bytes, it should have 18"],
    [
      "altered",
      (_, r) => r.end("a shard of recordz"),
      "damaged",
      /^train\/00000\.bin: its bytes are sha256:.* it should/,
    ],
    [
      "broken off",
      (_, r) => r.writeHead(200, { "Content-Length": 18 }).write("a", () => r.destroy()),
      "fetch",
      /^train/,
    ],
  ])("says which blob is %s", async (_, answer, kind, message) => {
    const source = await blobs(answer);
    await expect(source.read(ref)).rejects.toMatchObject({
      kind,
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
  });

  test("a manifest that never ends is not read to its end", async () => {
    const source = await blobs((_, response) => {
      const more = () => response.write(new Uint8Array(1 << 20), (error) => error ?? more());
      more();
    });
    await expect(source.read({ digest, path: "manifest" })).rejects.toThrow(
      "manifest: it is longer than its 4194304 bytes",
    );
  });

  test("says so when no server answers", async () => {
    const source = await blobs(() => {});
    await new Promise((resolve) => server?.close(resolve));
    await expect(source.read(ref)).rejects.toMatchObject({ kind: "fetch", message: expect.stringMatching(/^train/) });
  });
});

describe("a connection that breaks", () => {
  test("is tried again, three times at most", async () => {
    let calls = 0;
    vi.stubGlobal("fetch", async () => {
      calls++;
      if (calls < 3) throw new TypeError("connection reset");
      return new Response(new TextEncoder().encode("text"));
    });
    const digest = await digestOf(new TextEncoder().encode("text"));
    expect(new TextDecoder().decode(await new HttpBlobs("http://zoo/").read({ digest, path: "a.txt" }))).toBe("text");
    calls = -10;
    await expect(new HttpBlobs("http://zoo/").read({ digest, path: "a.txt" })).rejects.toThrow(
      "a.txt: connection reset",
    );
    expect(calls).toBe(-7);
    vi.unstubAllGlobals();
  });
});
