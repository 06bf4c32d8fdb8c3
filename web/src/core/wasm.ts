// As much of the WebAssembly binary format as a host needs before it hands a module to the browser: its sections, the
// text of a custom one, and the limits of its memory (https://webassembly.github.io/spec/core/binary/modules.html).

import { Failure } from "./failure.ts";

export const sectionId = { custom: 0, import: 2, memory: 5, start: 8 } as const;

export interface Section {
  readonly id: number;
  /** The name of a custom section, else empty. */
  readonly name: string;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** Cuts a module into its sections. */
export function sections(module: Uint8Array<ArrayBuffer>, path: string): Section[] {
  const r = new Cursor(module, path);
  if (!isHeader(module)) {
    throw new Failure("invalid", `${path}: it is not a WebAssembly module of version 1`);
  }
  r.take(8);
  const found: Section[] = [];
  while (!r.done) {
    const id = r.byte();
    const content = r.take(r.u32());
    if (id !== sectionId.custom) {
      found.push({ id, name: "", content });
      continue;
    }
    const inner = new Cursor(content, path);
    const name = new TextDecoder().decode(inner.take(inner.u32()));
    found.push({ id, name, content: inner.rest() });
  }
  return found;
}

export interface MemoryLimits {
  /** In pages of 64 KiB. */
  readonly min: number;
  readonly max: number | undefined;
  readonly shared: boolean;
}

/** Reads the content of a memory section. */
export function memories(content: Uint8Array<ArrayBuffer>, path: string): MemoryLimits[] {
  const r = new Cursor(content, path);
  return Array.from({ length: r.u32() }, () => {
    const flags = r.byte();
    if (flags > 3) throw new Failure("invalid", `${path}: its memory is not a 32-bit one`);
    const min = r.u32();
    return { min, max: (flags & 1) === 1 ? r.u32() : undefined, shared: (flags & 2) !== 0 };
  });
}

function isHeader(module: Uint8Array): boolean {
  return [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0].every((byte, i) => module[i] === byte);
}

class Cursor {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #path: string;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>, path: string) {
    this.#bytes = bytes;
    this.#path = path;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(n: number): Uint8Array<ArrayBuffer> {
    if (n > this.#bytes.length - this.#at) throw this.#cutShort();
    this.#at += n;
    return this.#bytes.subarray(this.#at - n, this.#at);
  }

  rest(): Uint8Array<ArrayBuffer> {
    return this.take(this.#bytes.length - this.#at);
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.#cutShort();
    this.#at++;
    return byte;
  }

  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffffffff) break;
        return value;
      }
    }
    throw new Failure("invalid", `${this.#path}: a number in it does not fit 32 bits`);
  }

  #cutShort(): Failure {
    return new Failure("invalid", `${this.#path}: the WebAssembly module is cut short`);
  }
}
