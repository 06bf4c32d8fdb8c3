// A participant's end of the WebSocket: messages in their order, vectors put together of their pieces, and sent no faster
// than the line takes them.

import { Failure } from "../../core/failure.ts";
import {
  encodePiece,
  headerBytes,
  type Incoming,
  type Outgoing,
  pieceBytes,
  readMessage,
  readPieceHeader,
  type TrainResult,
  type Update,
  vectorKinds,
} from "../../core/wire.ts";

/** What is used of a WebSocket. */
export interface Socket {
  binaryType: BinaryType;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code: number): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** A message, with the packed vector of an update. */
export interface Received {
  readonly message: Incoming;
  readonly packed?: Uint8Array<ArrayBuffer>;
}

interface Arriving {
  readonly message: Update;
  readonly packed: Uint8Array<ArrayBuffer>;
  arrived: number;
}

/** Bytes that may wait in the socket before the next piece has to; milliseconds between looks at them. */
const sendAhead = 2 << 20;
const look = 4;

/** https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
const normalClosure = 1000;

/** Milliseconds: from dialling to an open connection, and of silence that end one. A coordinator sends its status every few seconds. */
const openLimit = 20_000;
const silenceLimit = 90_000;

/** Bytes of updates that may wait to be applied. Whoever is further behind does better to begin from a snapshot. */
const waitingLimit = 512 << 20;

export class Connection {
  /** The most bytes that an update may have; to be set as soon as the engine is known. */
  updateLimit = waitingLimit;
  /** Bytes of vectors. */
  sent = 0;
  received = 0;
  readonly #socket: Socket;
  readonly #queue: (Received | Arriving)[] = [];
  #arriving: Arriving | undefined;
  #waiting = 0;
  #wake = () => {};
  #ended: Failure | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #vectors: Promise<void> = Promise.resolve();

  /** Waits until a socket is open. */
  static async open(socket: Socket): Promise<Connection> {
    const connection = new Connection(socket);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => connection.#end("the server does not answer"), openLimit);
      socket.addEventListener("open", () => {
        clearTimeout(timer);
        resolve();
      });
      connection.#wake = () => {
        clearTimeout(timer);
        if (connection.#ended) reject(connection.#ended);
      };
    });
    connection.#wake = () => {};
    connection.#heard();
    return connection;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#take(data));
    socket.addEventListener("error", () => this.#end("the connection to the coordinator failed"));
    socket.addEventListener("close", () => this.#end("the connection to the coordinator was closed"));
  }

  /** The next message. What was sent before the connection ended is still received. */
  async receive(): Promise<Received> {
    for (;;) {
      const [head] = this.#queue;
      if (head !== undefined && !(head === this.#arriving)) {
        this.#queue.shift();
        this.#waiting -= head.packed?.length ?? 0;
        return head;
      }
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(message: Outgoing): void {
    if (this.#ended === undefined) this.#socket.send(JSON.stringify(message));
  }

  /** Sends a result and its vector after those before. Returns when the socket has taken it. */
  sendVector(result: TrainResult, packed: Uint8Array): Promise<void> {
    const sending = this.#vectors.then(() => this.#sendPieces(result, packed));
    this.#vectors = sending.catch(() => {});
    return sending;
  }

  close(): void {
    this.#end("the connection was closed");
  }

  async #sendPieces(result: TrainResult, packed: Uint8Array): Promise<void> {
    if (this.#ended) throw this.#ended;
    this.send(result);
    for (let offset = 0; offset < packed.length; offset += pieceBytes) {
      while (this.#socket.bufferedAmount > sendAhead && !this.#ended) {
        await new Promise((resolve) => setTimeout(resolve, look));
      }
      if (this.#ended) throw this.#ended;
      this.#socket.send(encodePiece({ kind: vectorKinds.result, id: result.lease, offset }, packed));
      this.sent += Math.min(pieceBytes, packed.length - offset);
    }
  }

  #take(data: unknown): void {
    if (this.#ended) return;
    this.#heard();
    try {
      if (typeof data === "string") this.#takeText(data);
      else if (data instanceof ArrayBuffer) this.#takePiece(data);
    } catch (thrown) {
      this.#end(thrown as Failure);
    }
  }

  #takeText(text: string): void {
    const message = readMessage(text);
    if (message.type !== "update") {
      this.#put({ message });
      return;
    }
    if (this.#arriving) throw new Failure("invalid", "a vector of the coordinator begins inside of another");
    if (message.bytes > this.updateLimit) {
      throw new Failure(
        "invalid",
        `an update of ${message.bytes} bytes was announced; ${this.updateLimit} are possible`,
      );
    }
    this.#waiting += message.bytes;
    if (this.#waiting > waitingLimit && this.#waiting > message.bytes) {
      throw new Failure("fetch", "updates came faster than this device could follow them");
    }
    this.#arriving = { message, packed: new Uint8Array(message.bytes), arrived: 0 };
    this.#put(this.#arriving);
  }

  #takePiece(data: ArrayBuffer): void {
    const { kind, id, offset } = readPieceHeader(data);
    const arriving = this.#arriving;
    const length = data.byteLength - headerBytes;
    if (
      arriving === undefined ||
      kind !== vectorKinds.update ||
      id !== arriving.message.step % 2 ** 32 ||
      offset !== arriving.arrived ||
      offset + length > arriving.packed.length
    ) {
      throw new Failure("invalid", `a piece of a vector (${kind}, ${id}, offset ${offset}) belongs to nothing`);
    }
    arriving.packed.set(new Uint8Array(data, headerBytes), offset);
    arriving.arrived += length;
    this.received += length;
    if (arriving.arrived === arriving.packed.length) {
      this.#arriving = undefined;
      this.#wake();
    }
  }

  #put(entry: Received | Arriving): void {
    this.#queue.push(entry);
    this.#wake();
  }

  #heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#end("nothing was heard of the coordinator for a while"), silenceLimit);
  }

  #end(why: string | Failure): void {
    if (this.#ended) return;
    this.#ended = typeof why === "string" ? new Failure("fetch", why) : why;
    clearTimeout(this.#silence);
    this.#socket.close(normalClosure);
    this.#wake();
  }
}
