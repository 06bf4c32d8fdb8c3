// A stand-in for reprise serve: the built site over the fixtures' zoo. Pages can be looked at and tested without a store.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { answerSession, eventsOf } from "../../fixtures/sessions.ts";
import { answer, hostile, problem, summaries } from "../../fixtures/site.ts";
import type { Summary } from "../../src/site/api/types.ts";
import type { TestServer } from "../server.ts";

const dist = fileURLToPath(new URL("../../dist", import.meta.url));

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

const headers = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

interface Body {
  readonly status: number;
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** Serves on a free port of this machine, the hostile closure among the others. */
export async function serveMock(zoo: readonly Summary[] = [...summaries, hostile]): Promise<TestServer> {
  const server = createServer((request, response) => {
    const events = eventsOf(new URL(request.url ?? "/", "http://localhost"));
    if (events !== undefined) {
      // The stream stays open, as that of a session without news does.
      response.writeHead(200, { ...headers, "Content-Type": "text/event-stream" }).write(events);
      return;
    }
    respond(new URL(request.url ?? "/", "http://localhost"), zoo).then(
      ({ status, type, body }) => response.writeHead(status, { ...headers, "Content-Type": type }).end(body),
      (error: unknown) => response.writeHead(500, headers).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function respond(url: URL, zoo: readonly Summary[]): Promise<Body> {
  if (url.pathname === "/api/v1/dataset/sheet") return { status: 200, type: "image/svg+xml", body: sheet() };
  const known = answer(url, zoo) ?? answerSession(url);
  if (known) {
    const type = known.status === 200 ? "application/json" : "application/problem+json";
    return { status: known.status, type, body: JSON.stringify(known.body) };
  }
  if (url.pathname.startsWith("/api/") || url.pathname.startsWith("/blobs/")) {
    const body = JSON.stringify(problem(404, `${url.pathname}: not found`));
    return { status: 404, type: "application/problem+json", body };
  }
  const path = url.pathname.startsWith("/assets/") ? url.pathname : "/index.html";
  const file = join(dist, normalize(path));
  return { status: 200, type: types[extname(file)] ?? "application/octet-stream", body: await readFile(file) };
}

/** Letters in rows, as a sheet of samples. */
function sheet(): string {
  const letters = "CGHNOPQRSZ";
  const cells = Array.from({ length: 96 }, (_, i) => {
    const x = (i % 16) * 28 + 14;
    const y = Math.floor(i / 16) * 28 + 14;
    const turn = ((i * 37) % 40) - 20;
    return `<text x="${x}" y="${y + 7}" transform="rotate(${turn} ${x} ${y})">${letters[(i * 7) % 10]}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="448" height="168"><rect width="448" height="168"/><g fill="#fff" font-family="serif" font-size="22" text-anchor="middle">${cells.join("")}</g></svg>`;
}
