// The server of the tests: the built pages, and blobs by digest, with the headers of the real one.

import { readFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

/** Returns the bytes of the blob with these hexadecimal digits, or undefined if there is none. */
export type BlobSource = (hex: string) => Promise<Uint8Array | undefined>;

/** Reads blobs from a directory store. */
export function directorySource(store: string): BlobSource {
  return (hex) => readFile(join(store, "blobs", "sha256", hex)).catch(() => undefined);
}

/** Serves the blobs of another source, those with these digits with one bit flipped. */
export function damagedSource(source: BlobSource, damaged: string): BlobSource {
  return async (hex) => {
    const bytes = await source(hex);
    if (bytes === undefined || hex !== damaged) return bytes;
    const copy = new Uint8Array(bytes);
    copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
    return copy;
  };
}

const headers = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
};

export interface TestServer {
  readonly address: string;
  close(): Promise<void>;
}

/** Serves on a free port of this machine. */
export async function serve(source: BlobSource): Promise<TestServer> {
  const server = createServer((request, response) => {
    answer(request.url ?? "/", source, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}/`, close: () => close(server) };
}

async function answer(url: string, source: BlobSource, response: ServerResponse): Promise<void> {
  const path = normalize(decodeURIComponent(new URL(url, "http://localhost").pathname));
  const hex = /^\/blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  const body = hex === undefined ? await readFile(join(dist, path)).catch(() => undefined) : await source(hex);
  if (body === undefined) {
    response.writeHead(404, headers).end();
    return;
  }
  const type = hex === undefined ? contentTypes[extname(path)] : undefined;
  response.writeHead(200, {
    ...headers,
    "Content-Type": type ?? "application/octet-stream",
    "Content-Length": body.length,
    "Cache-Control": hex === undefined ? "no-cache" : "public, max-age=31536000, immutable",
  });
  response.end(body);
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
