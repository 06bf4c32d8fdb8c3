// What the compiler's answer means.

import type { Digest } from "../../gen/schema.ts";
import type { Answer } from "./protocol.ts";

export interface Verdict {
  readonly kind: "derived" | "other-compiler" | "foreign" | "differs";
  readonly text: string;
  /** What the specification compiles to, of the engine that decided. */
  readonly made?: Digest;
}

export function verdictOf({ compiler, engines, problem }: Answer): Verdict {
  if (problem) return { kind: "differs", text: `closure.json cannot be read: ${problem}` };
  const bad = engines.find((e) => e.made !== e.named);
  const last = engines[0];
  if (bad === undefined) {
    const all = engines.length > 1 ? `all ${engines.length} engines` : "the engine";
    const text = `The compiler (${compiler}) made ${all} of this closure here, byte for byte.`;
    return { kind: "derived", text, ...(last?.made && { made: last.made }) };
  }
  const made = bad.made && { made: bad.made };
  if (bad.foreign) {
    return {
      kind: "foreign",
      text: "Its authors declare a foreign engine: there is nothing to derive it from.",
      ...made,
    };
  }
  const which = bad === last ? "The engine" : "An engine that ran before";
  if (bad.compiler !== compiler) {
    const text = `${which} was made by ${bad.compiler}, and this is ${compiler}: that it makes another proves nothing.`;
    return { kind: "other-compiler", text, ...made };
  }
  const why = bad.problem ? `it does not compile: ${bad.problem}` : "it compiles to another, whose digest stands here";
  return { kind: "differs", text: `${which} is not what its specification says: ${why}.`, ...made };
}
