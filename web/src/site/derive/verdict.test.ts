import { expect, test } from "vitest";
import type { Digest } from "../../gen/schema.ts";
import type { Derived } from "./protocol.ts";
import { verdictOf } from "./verdict.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const engine = (part: Partial<Derived>): Derived => ({
  named: digest("a"),
  made: digest("a"),
  compiler: "c/1",
  foreign: false,
  ...part,
});
const of = (...engines: Derived[]) => verdictOf({ compiler: "c/1", engines });

test("the same engine is derived, and so are all that ran", () => {
  expect(of(engine({}))).toMatchObject({ kind: "derived", made: digest("a") });
  expect(of(engine({}), engine({ named: digest("b"), made: digest("b") })).text).toContain("all 2 engines");
});

test("another engine differs, also one that ran before", () => {
  expect(of(engine({ made: digest("b") }))).toMatchObject({ kind: "differs", made: digest("b") });
  expect(of(engine({}), engine({ made: digest("b") })).text).toMatch(/^An engine that ran before/);
});

test("what does not compile differs, and says why", () => {
  const { made, ...rest } = engine({ problem: "layers[0]: no such layer" });
  expect(made).toBeDefined();
  expect(of(rest)).toEqual({ kind: "differs", text: expect.stringContaining("no such layer") });
  expect(verdictOf({ compiler: "c/1", engines: [], problem: "no JSON" }).kind).toBe("differs");
});

test("another release proves nothing, and a foreign engine is declared", () => {
  expect(of(engine({ made: digest("b"), compiler: "c/0" })).kind).toBe("other-compiler");
  expect(of(engine({ made: digest("b"), foreign: true })).kind).toBe("foreign");
});
