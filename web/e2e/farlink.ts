// A slow, distant line between a browser or a participant and the server, which can be cut: a proxy that holds back what
// passes through it. trainer/internal/farlink does the same to packets, where network namespaces are at hand.

import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

export interface LineOptions {
  /** Bits per second, each way. */
  readonly rate: number;
  /** Milliseconds, one way. */
  readonly delay: number;
}

/** Bytes that may be on their way before their sender has to wait, as in the buffers of a real line. */
const window = 256 << 10;

export interface FarLine {
  /** Where to connect to. */
  readonly address: string;
  /** Bytes that have passed, both ways together. */
  readonly passed: number;
  /** Nothing passes from now on, and nobody is told; until mended. */
  cut(): void;
  /** What was held back arrives. */
  mend(): void;
  close(): Promise<void>;
}

/** Leads to an address of this machine. */
export async function farLine(to: string, options: LineOptions): Promise<FarLine> {
  const { hostname, port } = new URL(to);
  const sockets = new Set<Socket>();
  const line = new Line();
  const [there, back] = [new Way(line, options), new Way(line, options)];
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    for (const [from, onto, way] of [
      [near, far, there],
      [far, near, back],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (bytes) => way.carry(bytes, from, onto));
      from.on("end", () => way.carry(undefined, from, onto));
      from.on("error", () => onto.destroy());
      from.on("close", () => {
        sockets.delete(from);
        // What was sent before is still on its way.
        way.after(() => onto.destroySoon());
      });
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get passed() {
      return there.passed + back.passed;
    },
    cut: () => line.cut(),
    mend: () => line.mend(),
    async close() {
      line.mend();
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Whether both ways are whole. */
class Line {
  whole: Promise<void> = Promise.resolve();
  mend: () => void = () => {};

  cut(): void {
    this.mend();
    this.whole = new Promise((mended) => {
      this.mend = mended;
    });
  }
}

/** One direction, for all connections together: bytes leave one after the other, at the line's rate, and arrive later. */
class Way {
  passed = 0;
  readonly #line: Line;
  readonly #options: LineOptions;
  /** When the last bytes will have left. */
  #free = 0;
  #last: Promise<void> = Promise.resolve();
  readonly #waiting = new Map<Socket, number>();

  constructor(line: Line, options: LineOptions) {
    this.#line = line;
    this.#options = options;
  }

  /** Carries bytes, or the end of a connection. */
  carry(bytes: Uint8Array | undefined, from: Socket, onto: Socket): void {
    const size = bytes?.length ?? 0;
    const { rate, delay } = this.#options;
    this.#free = Math.max(this.#free, performance.now()) + (8 * size * 1000) / rate;
    const arrives = this.#free + delay;
    this.#hold(from, size);
    this.#last = this.#last.then(async () => {
      await sleep(arrives - performance.now());
      await this.#line.whole;
      this.passed += size;
      this.#hold(from, -size);
      if (onto.destroyed) return;
      if (bytes === undefined) onto.end();
      else onto.write(bytes);
    });
  }

  /** Does something once all that is on its way has arrived. */
  after(something: () => void): void {
    this.#last = this.#last.then(something);
  }

  #hold(from: Socket, size: number): void {
    const waiting = (this.#waiting.get(from) ?? 0) + size;
    this.#waiting.set(from, waiting);
    if (waiting >= window) from.pause();
    else if (from.isPaused()) from.resume();
  }
}

function sleep(milliseconds: number): Promise<void> {
  return milliseconds > 0 ? new Promise((go) => setTimeout(go, milliseconds)) : Promise.resolve();
}
