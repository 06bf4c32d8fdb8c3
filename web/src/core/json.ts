// Reading JSON that somebody else wrote: every access checks the type, and an error names the document and the place
// ("dataset.json: splits[0].records: -1 is not an integer of at least 0").

import type { Digest } from "../gen/schema.ts";
import { parseDigest } from "./digest.ts";
import { Failure } from "./failure.ts";

/**
 * Canonical JSON (RFC 8785) of plain data: members in the order of their names' UTF-16 code units, which is how
 * JavaScript sorts, and numbers as JavaScript writes them. Undefined members are left out.
 */
export function canonical(data: unknown): string {
  return JSON.stringify(data, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** A value at a place in a document. */
export class Value {
  readonly document: string;
  readonly path: string;
  readonly raw: unknown;

  constructor(document: string, raw: unknown, path = "") {
    this.document = document;
    this.raw = raw;
    this.path = path;
  }

  static parse(document: string, bytes: Uint8Array): Value {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      throw new Failure("invalid", `${document}: it is not UTF-8`, { cause });
    }
    try {
      return new Value(document, JSON.parse(text));
    } catch (cause) {
      throw new Failure("invalid", `${document}: it is not JSON`, { cause });
    }
  }

  invalid(problem: string): Failure {
    const place = this.path === "" ? "" : `${this.path}: `;
    return new Failure("invalid", `${this.document}: ${place}${problem}`);
  }

  /** A member of an object, which must be there. */
  at(key: string): Value {
    const member = this.optional(key);
    if (member === undefined) throw this.invalid(`${JSON.stringify(key)} is missing`);
    return member;
  }

  optional(key: string): Value | undefined {
    const object = this.#object();
    if (!Object.hasOwn(object, key)) return undefined;
    return new Value(this.document, object[key], this.path === "" ? key : `${this.path}.${key}`);
  }

  entries(): [string, Value][] {
    return Object.keys(this.#object()).map((key) => [key, this.at(key)]);
  }

  elements(): Value[] {
    if (!Array.isArray(this.raw)) throw this.#not("a list");
    return this.raw.map((raw, i) => new Value(this.document, raw, `${this.path}[${i}]`));
  }

  string(): string {
    if (typeof this.raw !== "string") throw this.#not("a text");
    return this.raw;
  }

  boolean(): boolean {
    if (typeof this.raw !== "boolean") throw this.#not("true or false");
    return this.raw;
  }

  oneOf<const T extends string>(...choices: readonly T[]): T {
    const found = choices.find((c) => c === this.raw);
    if (found === undefined) throw this.#not(`one of ${choices.join(", ")}`);
    return found;
  }

  number(): number {
    if (typeof this.raw !== "number") throw this.#not("a number");
    return this.raw;
  }

  /** An exact integer: at least min, at most max (by default what a document may hold: below 2⁵³). */
  integer(min = 0, max = Number.MAX_SAFE_INTEGER): number {
    if (!Number.isSafeInteger(this.raw) || (this.raw as number) < min || (this.raw as number) > max) {
      throw this.#not(
        max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`,
      );
    }
    return this.raw as number;
  }

  digest(): Digest {
    const digest = parseDigest(this.string());
    if (digest === undefined) throw this.#not('a digest ("sha256:" and 64 lower-case hexadecimal digits)');
    return digest;
  }

  #object(): Record<string, unknown> {
    if (typeof this.raw !== "object" || this.raw === null || Array.isArray(this.raw)) throw this.#not("an object");
    return this.raw as Record<string, unknown>;
  }

  #not(wanted: string): Failure {
    return this.invalid(`${JSON.stringify(this.raw)?.slice(0, 60)} is not ${wanted}`);
  }
}
