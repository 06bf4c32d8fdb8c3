import { afterEach, describe, expect, test, vi } from "vitest";
import { Peer } from "../../../fixtures/session.ts";
import type { TrainResult } from "../../core/wire.ts";
import { Connection } from "./connection.ts";

afterEach(() => {
  vi.useRealTimers();
});

async function opened(): Promise<{ peer: Peer; connection: Connection }> {
  const peer = new Peer();
  const opening = Connection.open(peer);
  peer.open();
  return { peer, connection: await opening };
}

const update = { type: "update", step: 3, digest: `sha256:${"1".repeat(64)}`, bytes: 300_000 };

describe("a connection", () => {
  test("keeps what follows an update until its vector is there", async () => {
    const { peer, connection } = await opened();
    const packed = new Uint8Array(update.bytes).map((_, i) => i * 7);
    peer.say({ type: "checkpoint", step: 2 });
    peer.text(JSON.stringify(update));
    peer.say({ type: "checkpoint", step: 3 });
    expect((await connection.receive()).message).toEqual({ type: "checkpoint", step: 2 });
    const next = connection.receive();
    const pieces = new Peer();
    const sent: Uint8Array<ArrayBuffer>[] = [];
    pieces.addEventListener("message", ({ data }) => data instanceof ArrayBuffer && sent.push(new Uint8Array(data)));
    pieces.say(update, packed);
    for (const piece of sent) peer.binary(piece);
    const received = await next;
    expect(received.message).toMatchObject({ step: 3 });
    expect(received.packed && Buffer.from(received.packed).equals(packed)).toBe(true);
    expect((await connection.receive()).message).toEqual({ type: "checkpoint", step: 3 });
    connection.close();
  });

  test("sends pieces no faster than they are taken, and one vector after the other", async () => {
    const { peer, connection } = await opened();
    peer.bufferedAmount = 5 << 20;
    const result = (lease: number, bytes: number): TrainResult => ({
      type: "result",
      lease,
      digest: `sha256:${"2".repeat(64)}` as TrainResult["digest"],
      bytes,
      seconds: 1,
    });
    const first = connection.sendVector(result(1, 600_000), new Uint8Array(600_000).fill(1));
    const second = connection.sendVector(result(2, 10), new Uint8Array(10).fill(2));
    connection.send({ type: "digest", step: 0, run: result(1, 1).digest });
    expect(await peer.hear("digest")).toBeDefined();
    expect(peer.pieces).toEqual([]);
    peer.bufferedAmount = 0;
    await Promise.all([first, second]);
    expect(peer.pieces).toEqual([262144, 262144, 75712, 10]);
    expect(await peer.hear("result")).toMatchObject({ lease: 1 });
    expect(await peer.hear("result")).toMatchObject({ lease: 2, packed: new Uint8Array(10).fill(2) });
    expect(connection.sent).toBe(600_010);
    connection.close();
    await expect(connection.sendVector(result(3, 1), new Uint8Array(1))).rejects.toThrow("closed");
  });

  test("gives up a socket that does not open, and one that is silent", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const opening = Connection.open(new Peer());
    const refused = expect(opening).rejects.toMatchObject({ kind: "fetch", message: "the server does not answer" });
    await vi.advanceTimersByTimeAsync(20_000);
    await refused;

    const { peer, connection } = await opened();
    await vi.advanceTimersByTimeAsync(80_000);
    peer.say({ type: "checkpoint", step: 1 });
    await vi.advanceTimersByTimeAsync(80_000);
    expect(peer.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(peer.closed).toBe(true);
    await connection.receive(); // what came before
    await expect(connection.receive()).rejects.toThrow("nothing was heard");
  });

  test.each([
    ["without an announcement", () => []],
    ["of another step", () => [{ ...update, step: 4 }]],
  ])("a piece %s ends it", async (_, before) => {
    const { peer, connection } = await opened();
    for (const message of before()) peer.text(JSON.stringify(message));
    const pieces = new Peer();
    pieces.addEventListener("message", ({ data }) => data instanceof ArrayBuffer && peer.binary(new Uint8Array(data)));
    pieces.say(update, new Uint8Array(update.bytes));
    expect(peer.closed).toBe(true);
    await expect(connection.receive()).rejects.toThrow("belongs to nothing");
  });

  test("an update inside of another ends it", async () => {
    const { peer, connection } = await opened();
    peer.text(JSON.stringify(update));
    peer.text(JSON.stringify({ ...update, step: 4 }));
    await expect(connection.receive()).rejects.toThrow("begins inside of another");
  });
});
