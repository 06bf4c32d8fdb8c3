// The journal of a replay beside the recorded one: line by line and byte for byte. The first difference is told by the
// field that a reader would want to know of.

import { lineText } from "../../core/journal.ts";
import { canonical } from "../../core/json.ts";
import type { JournalLine } from "../../gen/schema.ts";
import type { Difference } from "./protocol.ts";

/** In the order in which a difference is worth telling. */
const fields = [
  "step",
  "specification",
  "engine",
  "seed",
  "event",
  "name",
  "value",
  "microbatches",
  "examples",
  "loss",
  "correct",
  "clipped",
  "split",
  "parameters",
  "run",
] as const;

export class Comparison {
  readonly #recorded: string;
  #at = 0;
  /** Lines that were as recorded. */
  lines = 0;

  /** Takes the text of the recorded journal. */
  constructor(recorded: string) {
    this.#recorded = recorded;
  }

  /** Compares the next line. */
  next(line: JournalLine): Difference | undefined {
    const observed = lineText(line);
    const recorded = this.#take();
    if (observed !== recorded) return difference(line, recorded, observed);
    this.lines++;
    return undefined;
  }

  /** What was recorded after the last line, if there is anything. */
  end(step: number): Difference | undefined {
    if (this.#at === this.#recorded.length) return undefined;
    return { step, what: "what follows the last line", recorded: clip(this.#take()), observed: nothing };
  }

  #take(): string {
    const end = this.#recorded.indexOf("\n", this.#at) + 1 || this.#recorded.length;
    const line = this.#recorded.slice(this.#at, end);
    this.#at = end;
    return line;
  }
}

const nothing = "nothing";

function difference(line: JournalLine, recorded: string, observed: string): Difference {
  const was = parse(recorded);
  const is = line as unknown as Record<string, unknown>;
  if (was !== undefined && was.type === line.type) {
    for (const field of fields) {
      const [before, after] = [text(was[field]), text(is[field])];
      if (before === after) continue;
      return { step: line.step, what: `${field} in the ${line.type} line`, recorded: before, observed: after };
    }
  }
  return { step: line.step, what: `the ${line.type} line`, recorded: clip(recorded), observed: clip(observed) };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  if (value === undefined) return nothing;
  return clip(typeof value === "string" ? value : canonical(value));
}

const longest = 200;

function clip(line: string): string {
  const trimmed = line.trimEnd();
  if (trimmed === "") return nothing;
  return trimmed.length > longest ? `${trimmed.slice(0, longest)} …` : trimmed;
}
