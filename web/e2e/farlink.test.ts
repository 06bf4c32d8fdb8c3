// The line of ./farlink.ts is held to what cannot be quicker than it is, however busy the machine.

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FarLine, farLine } from "./farlink.ts";

let echo: Server;
let line: FarLine;
let socket: Socket;
let received: number;

const size = 250_000;
const rate = 10_000_000;
const delay = 20;

beforeEach(async () => {
  echo = createServer((s) => s.pipe(s));
  await new Promise<void>((listening) => echo.listen(0, "127.0.0.1", listening));
  line = await farLine(`http://127.0.0.1:${(echo.address() as AddressInfo).port}`, { rate, delay });
  received = 0;
  const { hostname, port } = new URL(line.address);
  socket = connect({ host: hostname, port: Number(port) });
  socket.on("data", (bytes) => {
    received += bytes.length;
  });
});

afterEach(async () => {
  socket.destroy();
  await line.close();
  await new Promise((closed) => echo.close(closed));
});

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((go) => setTimeout(go, 5));
}

test("a round trip takes twice the delay, and bytes their time", async () => {
  const began = performance.now();
  socket.write(new Uint8Array(size));
  await until(() => received === size);
  expect(performance.now() - began).toBeGreaterThanOrEqual(2 * delay + (8 * size * 1000) / rate);
  expect(line.passed).toBe(2 * size);
});

test("nothing passes a cut, and nothing is lost in it", async () => {
  socket.write(new Uint8Array(10));
  await until(() => received === 10);
  line.cut();
  socket.write(new Uint8Array(size));
  await new Promise((go) => setTimeout(go, 100));
  expect(received).toBe(10);
  line.mend();
  await until(() => received === 10 + size);
});

test("the end of a connection arrives after all that was sent before it", async () => {
  const ended = new Promise<void>((end) => socket.on("end", end));
  socket.end(new Uint8Array(1000));
  await ended;
  expect(received).toBe(1000);
});
